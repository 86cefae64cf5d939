//! Versioned storage: compare-and-swap on a global revision, and an ordered event log.
//!
//! Every successful commit gets the next revision of one counter that all keys share; it is the
//! `resourceVersion` that clients see. A store keeps bytes and knows nothing of Kubernetes: keys, codecs and
//! meaning belong to the registry.

mod log;
mod memory;

pub(crate) use log::{Cursor, Retention};
pub(crate) use memory::MemoryStore;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// A key with the value that it has at `revision`, the revision of its last change.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) value: Bytes,
    pub(crate) revision: u64,
}

/// One committed change.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    pub(crate) key: Arc<str>,
    /// The new value; `None` after a deletion.
    pub(crate) value: Option<Bytes>,
    /// What the key held before; `None` after a creation.
    pub(crate) previous: Option<Previous>,
}

/// The value that a change replaced.
#[derive(Debug, Clone)]
pub(crate) struct Previous {
    pub(crate) value: Bytes,
    pub(crate) revision: u64,
}

/// The state that a commit insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The key does not exist.
    Absent,
    /// The key exists and was last changed at this revision.
    Revision(u64),
}

/// Which keys a [`Store::range`] returns, and as of when.
#[derive(Debug, Clone)]
pub(crate) struct Range<'a> {
    /// Keys that begin with this.
    pub(crate) prefix: &'a str,
    /// Only keys at or after this one, for the next page of a list.
    pub(crate) start: Option<&'a str>,
    /// At most so many entries; 0 is no limit.
    pub(crate) limit: usize,
    /// The revision to read at; `None` is the latest.
    pub(crate) at: Option<u64>,
}

/// The answer to a [`Range`].
#[derive(Debug)]
pub(crate) struct Page {
    /// In order of their keys.
    pub(crate) entries: Vec<Entry>,
    /// The revision that was read at.
    pub(crate) revision: u64,
    /// Keys of the range behind the last entry.
    pub(crate) remaining: usize,
}

/// Why a read is impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ReadError {
    /// History up to and including `oldest` was dropped.
    #[error("revision {asked} was compacted, history begins after {oldest}")]
    Compacted { asked: u64, oldest: u64 },
    /// The revision does not exist yet.
    #[error("revision {asked} is in the future, the current one is {current}")]
    Future { asked: u64, current: u64 },
}

/// Why a commit did not happen.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CommitError {
    /// The key is not in the expected state; this is what it holds instead.
    #[error("the key is not in the expected state")]
    Mismatch(Option<Entry>),
}

/// Where objects are kept. Implementations differ in durability and in nothing else.
#[async_trait]
pub(crate) trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// The current value of a key.
    async fn get(&self, key: &str) -> Result<Option<Entry>, ReadError>;

    /// Entries of a range of keys, all as of one revision.
    async fn range(&self, range: Range<'_>) -> Result<Page, ReadError>;

    /// Writes (`Some`) or deletes (`None`) a key if it is in the expected state; the revision of the change.
    ///
    /// The change is visible to readers and cursors when this returns, never before it is as durable
    /// as the store makes it.
    async fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError>;

    /// The newest revision.
    fn revision(&self) -> u64;

    /// A cursor over the changes of keys that begin with `prefix`, from the first one after revision `after`.
    fn watch(&self, prefix: &str, after: u64) -> Result<Cursor, ReadError>;
}
