//! Where objects are kept: compare-and-swap on a global revision, and an ordered event log.
//!
//! Every successful commit gets the next revision of one counter that all keys share; it is the
//! `resourceVersion` that clients see. A store keeps bytes and knows nothing of Kubernetes: keys, codecs and
//! meaning belong to the registry.
//!
//! | store | objects live | a commit is acknowledged |
//! |---|---|---|
//! | [`MemoryStore`] | as long as the process | at once |
//! | `RedbStore` (feature `redb`) | in a file | when it is on the disk |
//! | `EtcdStore` (feature `etcd`) | in an etcd, which servers may share | when etcd has committed it |
//!
//! All of them read from memory, and keep the same laws: a commit is visible to readers and cursors when it is
//! acknowledged and never before; revisions are not used twice; cursors see every change once, in order.

mod census;
mod error;
#[cfg(feature = "etcd")]
mod etcd;
mod log;
mod memory;
#[cfg(feature = "redb")]
mod redb;
mod state;

pub use error::{CommitError, Fault, ReadError};
#[cfg(feature = "etcd")]
pub use etcd::{EtcdError, EtcdOptions, EtcdStore};
pub use log::{Cursor, Retention};
pub use memory::MemoryStore;
#[cfg(feature = "redb")]
pub use redb::{BackupError, OpenError, RedbStore, back_up, back_up_file};

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// A key with the value that it has at `revision`, the revision of its last change.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Arc<str>,
    /// What it holds.
    pub value: Bytes,
    /// The revision at which it was written.
    pub revision: u64,
}

/// One committed change.
#[derive(Debug)]
pub struct Event {
    /// The revision of the change.
    pub revision: u64,
    /// What was changed.
    pub key: Arc<str>,
    /// The new value; `None` after a deletion.
    pub value: Option<Bytes>,
    /// What the key held before; `None` after a creation.
    pub previous: Option<Previous>,
}

/// The value that a change replaced.
#[derive(Debug, Clone)]
pub struct Previous {
    /// The value.
    pub value: Bytes,
    /// The revision at which it had been written.
    pub revision: u64,
}

/// The state that a commit insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The key does not exist.
    Absent,
    /// The key exists and was last changed at this revision.
    Revision(u64),
}

/// Which keys a [`Store::range`] returns, and as of when.
#[derive(Debug, Clone)]
pub struct Range<'a> {
    /// Keys that begin with this.
    pub prefix: &'a str,
    /// Only keys at or after this one, for the next page of a list.
    pub start: Option<&'a str>,
    /// At most so many entries; 0 is no limit.
    pub limit: usize,
    /// The revision to read at; `None` is the latest.
    pub at: Option<u64>,
}

impl<'a> Range<'a> {
    /// All keys that begin with this, as of now.
    #[must_use]
    pub const fn all(prefix: &'a str) -> Self {
        Self {
            prefix,
            start: None,
            limit: 0,
            at: None,
        }
    }
}

/// The answer to a [`Range`].
#[derive(Debug)]
pub struct Page {
    /// In order of their keys.
    pub entries: Vec<Entry>,
    /// The revision that was read at.
    pub revision: u64,
    /// Keys of the range behind the last entry.
    pub remaining: usize,
}

/// Where objects are kept. Implementations differ in durability and in nothing else.
///
/// ```
/// use optilock_apiserver::store::{CommitError, Expected, MemoryStore, Retention, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new(Retention::default());
/// let first = store.commit("/a", Expected::Absent, Some("1".into())).await?;
/// let second = store.commit("/a", Expected::Revision(first), Some("2".into())).await?;
/// assert!(second > first);
/// // Whoever has read the first value is too late.
/// let late = store.commit("/a", Expected::Revision(first), Some("x".into())).await;
/// assert!(matches!(late, Err(CommitError::Mismatch(Some(current))) if current.revision == second));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// The current value of a key.
    ///
    /// # Errors
    /// When the store can't be read.
    async fn get(&self, key: &str) -> Result<Option<Entry>, ReadError>;

    /// Entries of a range of keys, all as of one revision.
    ///
    /// # Errors
    /// When that revision is forgotten, or still to come.
    async fn range(&self, range: Range<'_>) -> Result<Page, ReadError>;

    /// Writes (`Some`) or deletes (`None`) a key if it is in the expected state; the revision of the change.
    ///
    /// The change is visible to readers and cursors when this returns, never before it is as durable
    /// as the store makes it. A caller that stops waiting does not take the change back.
    ///
    /// # Errors
    /// [`CommitError::Mismatch`] and [`CommitError::Refused`] when nothing was written, [`CommitError::Unknown`]
    /// when nobody knows.
    async fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError>;

    /// The newest revision that is visible here.
    fn revision(&self) -> u64;

    /// Waits until all is visible here that was acknowledged anywhere before; the newest revision then. Of a store that is
    /// this process's alone, that is what [`revision`](Self::revision) says.
    ///
    /// # Errors
    /// When the store can't be read.
    async fn sync(&self) -> Result<u64, ReadError> {
        Ok(self.revision())
    }

    /// Whether others write to the store, too.
    fn is_shared(&self) -> bool {
        false
    }

    /// A cursor over the changes of keys that begin with `prefix`, from the first one after revision `after`.
    ///
    /// # Errors
    /// When history does not reach back so far, or the revision is still to come.
    fn watch(&self, prefix: &str, after: u64) -> Result<Cursor, ReadError>;

    /// Ends writing: what was begun is finished, what comes later is refused, and what the store holds open is
    /// released. Reads go on.
    async fn close(&self) {}
}
