//! What is in the file.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, TableError,
};
use tempfile::NamedTempFile;

use super::super::log::EventLog;
use super::super::state::{Entries, FIRST_REVISION, State};
use super::super::{Event, Previous, Retention};
use super::error::{FileError, OpenError};

/// Key to the revision of its last change, and the value.
const OBJECTS: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("objects");

/// Revision to what it changed: when (milliseconds since 1970), the key, and what the key held before: the
/// revision of that (0 for nothing), and the value. New values are not repeated here; see [`File::load`].
const CHANGES: TableDefinition<'_, u64, (u64, &str, u64, &[u8])> = TableDefinition::new("changes");

/// Numbers about the file itself.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// In [`META`]: the format, by which later versions know what they read.
const FORMAT: &str = "format";
/// In [`META`]: the newest revision.
const REVISION: &str = "revision";
/// In [`META`]: the file is a copy that no server has used.
const COPY: &str = "copy";

/// The format that is written here.
const CURRENT_FORMAT: u64 = 1;

/// So far is a copy's revision moved, as `etcdutl snapshot restore --bump-revision` is told to in etcd's guide.
const COPY_DISTANCE: u64 = 1_000_000_000;

/// Forgotten changes leave the file when there are so many: rows go cheaper together.
const TRIM: u64 = 1024;

/// redb's own cache: everything is in memory already, and what is written is read again soon or never.
const CACHE_BYTES: usize = 64 << 20;

/// An open file.
pub(super) struct File {
    path: PathBuf,
    database: Database,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("File").field(&self.path).finish()
    }
}

/// How a file is opened: corruption is looked for, because redb may panic where it meets it later.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true);
    builder
}

impl File {
    /// A file that exists.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let database = builder().open(path);
        let database = database.map_err(|error| FileError::from(error).opening(path.to_owned()))?;
        Self::checked(path, database)
    }

    /// A file that is made when there is none.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, OpenError> {
        match path.try_exists() {
            Ok(true) => Self::open(path),
            Ok(false) => {
                Self::create(path, |_| Ok(()))?;
                Self::open(path)
            }
            Err(source) => Err(OpenError::Io {
                path: path.to_owned(),
                source,
            }),
        }
    }

    pub(super) fn with_backend(backend: impl StorageBackend) -> Result<Self, OpenError> {
        let path = Path::new("(storage of the caller)");
        let failed = |error: FileError| error.opening(path.to_owned());
        let database = builder().create_with_backend(backend);
        let database = database.map_err(|error| failed(error.into()))?;
        let is_empty = || -> Result<bool, FileError> {
            Ok(database.begin_read()?.list_tables()?.next().is_none())
        };
        let empty = is_empty().map_err(failed)?;
        if empty {
            initialize(&database).map_err(failed)?;
        }
        Self::checked(path, database)
    }

    /// Makes a new file, filled by `fill`. It has its name when it is whole, so that a crash leaves no half of one, and
    /// none that exists is replaced.
    pub(super) fn create(
        path: &Path,
        fill: impl FnOnce(&Database) -> Result<(), FileError>,
    ) -> Result<(), OpenError> {
        let io = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let failed = |error: FileError| error.opening(path.to_owned());
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let new = NamedTempFile::new_in(folder).map_err(io)?;
        let database = builder().create(new.path());
        let database = database.map_err(|error| failed(error.into()))?;
        initialize(&database)
            .and_then(|()| fill(&database))
            .map_err(failed)?;
        database.close().map_err(|error| failed(error.into()))?;
        new.persist_noclobber(path).map_err(|lost| io(lost.error))?;
        sync_folder(folder).map_err(io)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file as one that needs no check.
    pub(super) fn close(self) -> Result<(), FileError> {
        Ok(self.database.close()?)
    }

    /// Refuses files of other programs and of later versions.
    fn checked(path: &Path, database: Database) -> Result<Self, OpenError> {
        let file = Self {
            path: path.to_owned(),
            database,
        };
        let format = file.read(|transaction| match transaction.open_table(META) {
            Ok(meta) => Ok(meta.get(FORMAT)?.map(|found| found.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })?;
        match format {
            Some(CURRENT_FORMAT) => Ok(file),
            Some(found) => Err(OpenError::Newer {
                path: file.path,
                found,
                known: CURRENT_FORMAT,
            }),
            None => Err(OpenError::Foreign {
                path: file.path,
                why: "it is a redb file of another program".to_owned(),
            }),
        }
    }

    /// Reads the file at one point in time.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, FileError>,
    ) -> Result<T, OpenError> {
        let transaction = self.database.begin_read().map_err(FileError::from);
        transaction
            .and_then(|transaction| read(&transaction))
            .map_err(|error| error.opening(self.path.clone()))
    }

    /// Makes a copy a store of its own, whose revisions nobody has seen.
    pub(super) fn adopt(&self) -> Result<(), OpenError> {
        let adopt = || -> Result<(), FileError> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_two_phase_commit(true);
            {
                let mut meta = transaction.open_table(META)?;
                if meta.remove(COPY)?.is_none() {
                    return Ok(());
                }
                let revision = revision(&meta)?;
                meta.insert(REVISION, revision + COPY_DISTANCE)?;
            }
            Ok(transaction.commit()?)
        };
        adopt().map_err(|error| error.opening(self.path.clone()))
    }

    /// Everything, into memory.
    ///
    /// History is stored backwards, as what each change replaced: going back from the objects as they are, the new value
    /// of each change is what the next change of the same key replaced.
    pub(super) fn load(&self, retention: Retention) -> Result<State, OpenError> {
        self.read(|transaction| {
            let revision = revision(&transaction.open_table(META)?)?;
            let mut entries = Vec::new();
            for row in transaction.open_table(OBJECTS)?.iter()? {
                let (key, held) = row?;
                let (revision, value) = held.value();
                let held = (Bytes::copy_from_slice(value), revision);
                entries.push((Arc::<str>::from(key.value()), held));
            }
            // From a sorted list, the map is built in one go.
            let entries: Entries = entries.into_iter().collect();

            let now = now();
            let mut later: HashMap<Arc<str>, Option<Bytes>> = HashMap::new();
            let mut history = Vec::new();
            for row in transaction.open_table(CHANGES)?.iter()?.rev() {
                let (at, change) = row?;
                let (time, key, replaced, previous) = change.value();
                let key = match entries.get_key_value(key) {
                    Some((key, _)) => Arc::clone(key),
                    None => Arc::from(key),
                };
                let previous = (replaced != 0).then(|| Previous {
                    value: Bytes::copy_from_slice(previous),
                    revision: replaced,
                });
                let before = previous.as_ref().map(|previous| previous.value.clone());
                let value = match later.insert(Arc::clone(&key), before) {
                    Some(value) => value,
                    None => entries.get(&key).map(|(value, _)| value.clone()),
                };
                let event = Event {
                    revision: at.value(),
                    key,
                    value,
                    previous,
                };
                history.push((event, Duration::from_millis(now.saturating_sub(time))));
            }
            history.reverse();
            let log = EventLog::restored(revision, history, retention);
            Ok(State::new(entries, revision, log))
        })
    }

    /// Writes changes, all or none, and returns when they are on the disk. Changes up to `compacted` may go.
    pub(super) fn write(&self, events: &[Event], compacted: u64) -> Result<(), Unwritten> {
        let attempt = || -> Result<_, FileError> {
            let mut transaction = self.database.begin_write()?;
            // A torn write of the last commit must not be taken for one, nor cost the one before.
            transaction.set_two_phase_commit(true);
            {
                let mut objects = transaction.open_table(OBJECTS)?;
                let mut changes = transaction.open_table(CHANGES)?;
                let mut meta = transaction.open_table(META)?;
                let now = now();
                for event in events {
                    match &event.value {
                        Some(value) => {
                            objects.insert(&*event.key, (event.revision, &value[..]))?;
                        }
                        None => {
                            objects.remove(&*event.key)?;
                        }
                    }
                    let (replaced, previous) = match &event.previous {
                        Some(previous) => (previous.revision, &previous.value[..]),
                        None => (0, &[][..]),
                    };
                    changes.insert(event.revision, (now, &*event.key, replaced, previous))?;
                }
                if let Some(newest) = events.last() {
                    meta.insert(REVISION, newest.revision)?;
                }
                let oldest = changes.first()?.map(|(revision, _)| revision.value());
                if oldest.is_some_and(|oldest| oldest + TRIM <= compacted) {
                    changes.retain_in(..=compacted, |_, _| false)?;
                }
            }
            Ok(transaction)
        };
        let transaction = attempt().map_err(Unwritten::Refused)?;
        transaction
            .commit()
            .map_err(|error| Unwritten::Unknown(error.into()))
    }

    /// Fills the copy of a store that is read by `transaction`, at the returned revision.
    pub(super) fn fill_copy(from: &ReadTransaction, copy: &Database) -> Result<u64, FileError> {
        let mut transaction = copy.begin_write()?;
        transaction.set_two_phase_commit(true);
        let revision = revision(&from.open_table(META)?)?;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            for row in from.open_table(OBJECTS)?.iter()? {
                let (key, held) = row?;
                objects.insert(key.value(), held.value())?;
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert(REVISION, revision)?;
            meta.insert(COPY, 1)?;
        }
        transaction.commit()?;
        Ok(revision)
    }
}

/// Why changes are not written.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// It was not tried to the end: none of them is in the file.
    Refused(FileError),
    /// The last step failed: all of them are in the file, or none.
    Unknown(FileError),
}

/// The tables of an empty store.
fn initialize(database: &Database) -> Result<(), FileError> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.open_table(OBJECTS)?;
    transaction.open_table(CHANGES)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT, CURRENT_FORMAT)?;
        meta.insert(REVISION, FIRST_REVISION)?;
    }
    Ok(transaction.commit()?)
}

fn revision(meta: &impl ReadableTable<&'static str, u64>) -> Result<u64, FileError> {
    let revision = meta.get(REVISION)?.map(|revision| revision.value());
    // It is written with the format, in one transaction.
    Ok(revision.unwrap_or(FIRST_REVISION))
}

/// Milliseconds since 1970. A clock that is wrong makes history last longer or shorter, and nothing else.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Makes the name of a new file as durable as its content.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Elsewhere folders can't be synced.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}
