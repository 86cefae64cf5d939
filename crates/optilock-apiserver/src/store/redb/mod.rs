//! The store in a file.
//!
//! What is read is in memory, as in the memory store. Commits queue up for one thread that writes them to the file
//! in groups: while one group is on its way to the disk the next one forms, so that many writers share the
//! cost of a sync. A commit is acknowledged, and visible, when its group is on the disk.

mod backup;
mod compaction;
mod contents;
mod device;
mod early;
mod error;
mod file;
mod journal;
mod writer;

pub use backup::{back_up, back_up_file};
pub use error::{BackupError, OpenError};

use std::path::Path;
use std::sync::Arc;

use ::redb::StorageBackend;
use async_trait::async_trait;
use bytes::Bytes;

use self::compaction::compacted;
use self::file::{File, Loaded};
use self::writer::Writer;
use super::state::State;
use super::{CommitError, Cursor, Entry, Expected, Page, Range, ReadError, Retention, Store};

/// A store in a [redb](https://docs.rs/redb) file, which outlives the server and the machine's power.
///
/// A commit that was acknowledged, or seen by any reader, is there after a crash; revisions go on where they were, and
/// cursors from before go on too, as far as [`Retention`] reaches. All objects are held in memory as well.
///
/// When the disk fails or is full, reads go on and commits are refused. A later commit has the file opened again, as it
/// was when it was synced last, and is written if the disk is well by then.
///
/// ```
/// use optilock_apiserver::store::{Expected, RedbStore, Retention, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("objects.redb");
/// let store = RedbStore::open(&path, Retention::default())?;
/// let revision = store.commit("/a", Expected::Absent, Some("1".into())).await?;
/// store.close().await;
///
/// let store = RedbStore::open(&path, Retention::default())?;
/// assert_eq!(store.revision(), revision);
/// assert_eq!(store.get("/a").await?.unwrap().value, "1");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedbStore {
    state: Arc<State>,
    writer: Writer,
}

impl RedbStore {
    /// Opens the store in a file, which is made when there is none. One process at a time can have it open.
    ///
    /// Takes as long as reading the file does: everything is loaded, and checked. A file that is mostly free, because
    /// much was deleted, is made small.
    ///
    /// # Errors
    /// When the file can't be opened, is in use, is damaged, or is none of this program's. It is then left as it is.
    pub fn open(path: impl AsRef<Path>, retention: Retention) -> Result<Self, OpenError> {
        Self::over(File::open_or_create(path.as_ref())?, retention)
    }

    /// The store over storage of your own instead of a file: in memory, or one that fails when a test wants it to.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn with_backend(
        backend: impl StorageBackend,
        retention: Retention,
    ) -> Result<Self, OpenError> {
        Self::over(File::with_backend(backend)?, retention)
    }

    fn over(file: File, retention: Retention) -> Result<Self, OpenError> {
        file.adopt()?;
        let loaded = file.load(retention)?;
        let (file, Loaded { state, journal }) = compacted(file, loaded)?;
        let state = Arc::new(state);
        Ok(Self {
            writer: Writer::start(file, journal, Arc::clone(&state))?,
            state,
        })
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, ReadError> {
        Ok(self.state.get(key))
    }

    async fn range(&self, range: Range<'_>) -> Result<Page, ReadError> {
        self.state.range(&range)
    }

    async fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError> {
        self.writer.commit(key, expected, value).await
    }

    fn revision(&self) -> u64 {
        self.state.revision()
    }

    fn watch(&self, prefix: &str, after: u64) -> Result<Cursor, ReadError> {
        self.state.watch(prefix, after)
    }

    async fn close(&self) {
        self.writer.close().await;
    }
}
