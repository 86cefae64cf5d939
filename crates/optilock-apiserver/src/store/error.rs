//! Why a store does not do what it is asked to.

use super::Entry;

/// Why a read is impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// History up to and including `oldest` was dropped.
    #[error("revision {asked} was compacted, history begins after {oldest}")]
    Compacted {
        /// The revision that was asked for.
        asked: u64,
        /// History begins after this one.
        oldest: u64,
    },
    /// The revision does not exist yet.
    #[error("revision {asked} is in the future, the current one is {current}")]
    Future {
        /// The revision that was asked for.
        asked: u64,
        /// The newest one.
        current: u64,
    },
    /// The store is elsewhere, and does not answer.
    #[error("the store can't be read: {0}")]
    Unavailable(Fault),
}

/// Why a commit was not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The key is not in the expected state; this is what it holds instead.
    #[error("the key is not in the expected state")]
    Mismatch(Option<Entry>),
    /// Nothing was written, and nothing will be.
    #[error("nothing was written: {0}")]
    Refused(Fault),
    /// The change was on its way when something failed. It may be there, now or after a restart, or not.
    #[error("it is not known whether this was written: {0}")]
    Unknown(Fault),
}

/// What keeps a store from writing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The disk, or a quota on it, is full.
    #[error("no space is left on the disk of the store")]
    NoSpace,
    /// The disk failed, with the words of the system.
    #[error("the disk of the store failed: {0}")]
    Disk(String),
    /// The store is elsewhere and does not answer, with the words of what failed.
    #[error("{0}")]
    Unreachable(String),
    /// The store is elsewhere and says no, in its words.
    #[error("{0}")]
    Rejected(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
