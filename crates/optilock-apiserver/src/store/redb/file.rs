//! What is in the file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use redb::backends::FileBackend;
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, Table,
    TableDefinition, TableError,
};
use tempfile::NamedTempFile;

use super::super::log::EventLog;
use super::super::state::{FIRST_REVISION, State};
use super::super::{Event, Page, Retention};
use super::contents::{Contents, Unread};
use super::device::Device;
use super::early::Early;
use super::error::{FileError, OpenError};
use super::journal::Journal;

/// Key to the revision of its last change, and the value: as it was at some time before the end of the log.
pub(super) const OBJECTS: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("objects");

/// The first revision of some consecutive ones to when they were made (milliseconds since 1970), and what they changed.
pub(super) const LOG: TableDefinition<'_, u64, (u64, Vec<LoggedType>)> =
    TableDefinition::new("log");

/// A change: the key, the new value (none for a deletion), the revision of what the key held before (0 for
/// nothing), and the value of that, if no change before in the log has it.
type LoggedType = (
    &'static str,
    Option<&'static [u8]>,
    u64,
    Option<&'static [u8]>,
);
/// The same, borrowed.
type Logged<'a> = (&'a str, Option<&'a [u8]>, u64, Option<&'a [u8]>);

/// Numbers about the file itself.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// In [`META`]: the format, by which later versions know what they read.
const FORMAT: &str = "format";
/// In [`META`]: the revision before the first that is logged.
pub(super) const REVISION: &str = "revision";
/// In [`META`]: the file is a copy that no server has used.
const COPY: &str = "copy";

/// The format that is written here.
const CURRENT_FORMAT: u64 = 2;

/// So far is a copy's revision moved, as `etcdutl snapshot restore --bump-revision` is told to in etcd's guide.
const COPY_DISTANCE: u64 = 1_000_000_000;

/// So many changes are in one row of the log at most.
const ROW: usize = 64;

/// A shorter file is read by one thread, in bytes: others would cost more than they bring.
const LONG: u64 = 16 << 20;

/// redb's own cache: everything is in memory already, and what is written is read again soon or never.
const CACHE_BYTES: usize = 8 << 20;

/// An open file.
pub(super) struct File {
    path: PathBuf,
    pub(super) device: Device,
    pub(super) database: Database,
    /// Where it is so long that it is read by several threads: what they have read.
    early: Option<Early>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("File").field(&self.path).finish()
    }
}

/// What is in a file.
pub(super) struct Loaded {
    pub(super) state: State,
    /// What is to be known for writing on.
    pub(super) journal: Journal,
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
        let io = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).open(path).map_err(io)?;
        // redb would make a database of it.
        if file.metadata().map_err(io)?.len() == 0 {
            return Err(OpenError::Foreign {
                path: path.to_owned(),
                why: "it is empty".to_owned(),
            });
        }
        let backend = FileBackend::new(file);
        let backend = backend.map_err(|error| FileError::from(error).opening(path.to_owned()))?;
        let device = Device::new(backend).map_err(io)?;
        let early = (device.len().map_err(io)? >= LONG).then(Early::default);
        Self::over(path, device, early)
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
        let device = Device::new(backend);
        let device = device.map_err(|error| failed(error.into()))?;
        let database = builder().create_with_backend(device.clone());
        let database = database.map_err(|error| failed(error.into()))?;
        let is_empty = || -> Result<bool, FileError> {
            Ok(database.begin_read()?.list_tables()?.next().is_none())
        };
        let empty = is_empty().map_err(failed)?;
        if empty {
            initialize(&database).map_err(failed)?;
        }
        Self::checked(path, device, database, None)
    }

    /// What is on a device, where it may be read early.
    pub(super) fn over(
        path: &Path,
        device: Device,
        early: Option<Early>,
    ) -> Result<Self, OpenError> {
        let mut builder = builder();
        if let Some(early) = early.clone() {
            let device = device.clone();
            builder.set_repair_callback(move |session| early.told(session, &device));
        }
        let database = builder.create_with_backend(device.clone());
        let database = database.map_err(|error| FileError::from(error).opening(path.to_owned()))?;
        Self::checked(path, device, database, early)
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

    /// Lets go of the file, with no other word to it, and keeps it locked.
    pub(super) fn fail(self) -> Failed {
        self.device.fail();
        Failed {
            path: self.path,
            device: self.device,
        }
    }

    /// Refuses files of other programs and of later versions.
    fn checked(
        path: &Path,
        device: Device,
        database: Database,
        early: Option<Early>,
    ) -> Result<Self, OpenError> {
        let file = Self {
            path: path.to_owned(),
            device,
            database,
            early,
        };
        let format = file.read(|transaction| match transaction.open_table(META) {
            Ok(meta) => Ok(meta.get(FORMAT)?.map(|found| found.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })?;
        match format {
            Some(CURRENT_FORMAT) => Ok(file),
            Some(found) => Err(OpenError::OtherFormat {
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
    pub(super) fn load(&self, retention: Retention) -> Result<Loaded, OpenError> {
        let early = self.early.as_ref().and_then(Early::take);
        let contents = match early {
            // A copy has another revision by now.
            Some(contents) if !contents.copy => contents,
            _ => self.contents()?,
        };
        let Contents {
            entries,
            revision,
            history,
            logged: mut behind,
            ..
        } = contents;
        behind.sort_unstable_by(|one, other| other.cmp(one));
        let log = EventLog::restored(revision, history, retention);
        Ok(Loaded {
            state: State::new(entries, revision, log),
            journal: Journal::new(behind, revision + 1),
        })
    }

    /// What the tables hold, by as many threads as it is worth.
    pub(super) fn contents(&self) -> Result<Contents, OpenError> {
        let together = self.early.is_some();
        let read = self.read(|transaction| match Contents::read(transaction, together) {
            Ok(contents) => Ok(Ok(contents)),
            Err(Unread::File(error)) => Err(error),
            Err(Unread::Damaged(why)) => Ok(Err(why)),
        })?;
        read.map_err(|why| OpenError::Damaged {
            path: self.path.clone(),
            why: why.to_owned(),
        })
    }

    /// Writes changes, all or none, and returns when they are on the disk. `state` is as it was before them.
    pub(super) fn write(
        &self,
        events: &[Event],
        journal: &mut Journal,
        state: &State,
    ) -> Result<(), Unwritten> {
        let upkeep = journal.next(events, state.compacted());
        let attempt = || -> Result<_, FileError> {
            let transaction = self.database.begin_write()?;
            {
                let mut log = transaction.open_table(LOG)?;
                let now = now();
                let mut carries = upkeep.carries.iter();
                for row in events.chunks(ROW) {
                    let changes: Vec<_> = row
                        .iter()
                        .zip(&mut carries)
                        .map(|(event, carries)| logged(event, *carries))
                        .collect();
                    if let Some(first) = row.first() {
                        log.insert(first.revision, (now, changes))?;
                    }
                }
                if let Some(revision) = upkeep.forget_before {
                    log.retain_in(..revision, |_, _| false)?;
                }
            }
            if !upkeep.settle.is_empty() {
                settle(&mut transaction.open_table(OBJECTS)?, &upkeep.settle, state)?;
            }
            Ok(transaction)
        };
        let transaction = attempt().map_err(Unwritten::Refused)?;
        // One sync is enough: redb's checksums reach from the root to every page, and those of what was written last are
        // looked at when a file is opened that nobody has closed. A commit that is not whole gives way to the one before.
        transaction
            .commit()
            .map_err(|error| Unwritten::Unknown(error.into()))
    }

    /// Fills the copy of a store.
    pub(super) fn fill_copy(copy: &Database, page: &Page) -> Result<(), FileError> {
        let mut transaction = copy.begin_write()?;
        transaction.set_two_phase_commit(true);
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            for entry in &page.entries {
                objects.insert(&*entry.key, (entry.revision, &entry.value[..]))?;
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert(REVISION, page.revision)?;
            meta.insert(COPY, 1)?;
        }
        Ok(transaction.commit()?)
    }
}

/// A file whose disk has failed.
#[derive(Debug)]
pub(super) struct Failed {
    path: PathBuf,
    device: Device,
}

/// A file that was opened again.
#[derive(Debug)]
pub(super) struct Reopened {
    pub(super) file: File,
    pub(super) journal: Journal,
    /// Whether the group is in it with which it had failed: what failed came after the sync.
    pub(super) has_group: bool,
}

/// Why a file is not opened again.
#[derive(Debug)]
pub(super) enum Unopened {
    /// The disk still fails.
    Failing(OpenError),
    /// The disk is well, and the file is not what it was.
    Lost(OpenError),
}

impl Failed {
    /// Opens the file again, as it was at the last sync: it has to hold what `state` does and, it may be, the group with which it
    /// had failed.
    pub(super) fn reopen(&self, state: &State, group: &[Event]) -> Result<Reopened, Unopened> {
        self.open(state, group).map_err(|error| {
            if self.device.has_failed() {
                Unopened::Failing(error)
            } else {
                Unopened::Lost(error)
            }
        })
    }

    fn open(&self, state: &State, group: &[Event]) -> Result<Reopened, OpenError> {
        self.device.restore().map_err(|source| OpenError::Io {
            path: self.path.clone(),
            source,
        })?;
        let file = File::over(&self.path, self.device.clone(), None)?;
        let Loaded {
            state: found,
            journal,
        } = file.load(Retention::default())?;
        let has_group = found.revision() > state.revision();
        if (!has_group || found.undo(group)) && state.is_same(&found) {
            Ok(Reopened {
                file,
                journal,
                has_group,
            })
        } else {
            Err(OpenError::Damaged {
                path: self.path.clone(),
                why: "it does not hold what was acknowledged".to_owned(),
            })
        }
    }
}

/// Brings the rows of these keys up to date.
pub(super) fn settle(
    objects: &mut Table<'_, &str, (u64, &[u8])>,
    keys: &[Arc<str>],
    state: &State,
) -> Result<(), FileError> {
    for key in keys {
        match state.get(key) {
            Some(entry) => objects.insert(&**key, (entry.revision, &entry.value[..]))?,
            None => objects.remove(&**key)?,
        };
    }
    Ok(())
}

/// A change as a row of the log has it, with what its key held before if it carries that.
pub(super) fn logged(event: &Event, carries: bool) -> Logged<'_> {
    let previous = event.previous.as_ref();
    let replaced = previous.map_or(0, |previous| previous.revision);
    let carried = previous
        .filter(|_| carries)
        .map(|previous| &previous.value[..]);
    (&event.key, event.value.as_deref(), replaced, carried)
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
    transaction.open_table(LOG)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT, CURRENT_FORMAT)?;
        meta.insert(REVISION, FIRST_REVISION)?;
    }
    Ok(transaction.commit()?)
}

/// Whether the file is a copy that no server has used.
pub(super) fn is_copy(meta: &impl ReadableTable<&'static str, u64>) -> Result<bool, FileError> {
    Ok(meta.get(COPY)?.is_some())
}

pub(super) fn revision(meta: &impl ReadableTable<&'static str, u64>) -> Result<u64, FileError> {
    let revision = meta.get(REVISION)?.map(|revision| revision.value());
    // It is written with the format, in one transaction.
    Ok(revision.unwrap_or(FIRST_REVISION))
}

/// Milliseconds since 1970. A clock that is wrong makes history last longer or shorter, and nothing else.
pub(super) fn now() -> u64 {
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
