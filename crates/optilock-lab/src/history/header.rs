use serde::{Deserialize, Serialize};

/// The first line of a history: how to read the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Header {
    /// The version of the format, [`Header::VERSION`].
    pub version: u32,
    /// The API server, for people.
    pub target: String,
    /// What the run's random numbers were made from.
    pub seed: u64,
    /// What the times of the operations are.
    pub clock: Clock,
}

impl Header {
    /// The version of the format that this crate reads and writes.
    pub const VERSION: u32 = 1;

    /// A header of the current version.
    pub fn new(target: impl Into<String>, seed: u64, clock: Clock) -> Self {
        Self {
            version: Self::VERSION,
            target: target.into(),
            seed,
            clock,
        }
    }
}

/// What kind of clock the times of a history were read from. There is one for all operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Clock {
    /// A clock that runs with real time and never back.
    Monotonic,
    /// The clock of a simulation.
    Virtual,
}
