//! What an update gives, and what it took.

use std::fmt;
use std::time::Duration;

/// A successful update.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Updated<K> {
    /// The object as it is now: the server's answer to the write, or, where nothing was written, the
    /// object that was read.
    pub object: K,
    /// Whether there was a write. There is none where the closure changed nothing.
    ///
    /// The server may still keep the resourceVersion, where it finds nothing that has changed.
    pub written: bool,
    /// What it took.
    pub effort: Effort,
}

/// What an update took, whether it came to a good end or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effort {
    /// How often the change was tried: once, and once more after each conflict or throttling.
    pub attempts: u32,
    /// How many writes were refused because the object had changed in the meantime.
    pub conflicts: u32,
    /// The requests that were sent, reads and writes.
    pub requests: u32,
    /// The time spent asleep between attempts.
    pub waited: Duration,
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            attempts,
            conflicts,
            requests,
            waited,
        } = self;
        write!(
            f,
            "attempts: {attempts}, conflicts: {conflicts}, requests: {requests}, waited: {waited:?}"
        )
    }
}
