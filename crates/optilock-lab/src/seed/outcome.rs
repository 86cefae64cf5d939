//! What came out of a run.

use std::time::Duration;

use crate::{FieldManager, Rate, TimeShares, workload::INITIAL};

/// How many of the workers are meant to get their update in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Winners {
    /// One: all start from the same version and none tries again.
    One,
    /// All.
    All,
}

impl Winners {
    fn of(self, workers: usize) -> usize {
        match self {
            Self::One => workers.min(1),
            Self::All => workers,
        }
    }
}

/// What came out of one run of an experiment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// [`Strategy::id`](crate::Strategy::id).
    pub strategy: &'static str,
    /// The client-side throttle that was in effect.
    pub throttle: Option<Rate>,
    /// How many workers there were.
    pub workers: usize,
    /// How many of them were meant to succeed.
    pub winners: Winners,
    /// The counter at the end.
    pub final_value: i64,
    /// Workers whose update is in.
    pub succeeded: usize,
    /// Updates that the server refused because their base was not the current version.
    pub conflicts: u64,
    /// Requests, from the object's creation to the final read, both included. Waiting for controllers and deleting don't
    /// count.
    pub requests: u64,
    /// From the start of the workers to the final read.
    pub took: Duration,
    /// How that time divides.
    pub shares: TimeShares,
    /// Versions that somebody else made while the workers were at it, as far as one of them saw it.
    pub foreign_versions: usize,
    /// Who did.
    pub foreign_writers: Vec<FieldManager>,
}

impl Outcome {
    /// Whether as many workers succeeded as should, the counter says so too, and in a run with one winner every other
    /// worker met its conflict.
    pub fn is_expected(&self) -> bool {
        let winners = self.winners.of(self.workers);
        let conflicts_fit = match self.winners {
            Winners::One => self.conflicts == (self.workers - winners) as u64,
            Winners::All => true,
        };
        self.succeeded == winners && conflicts_fit && self.counts_right()
    }

    /// Whether the counter has moved by one for every update that was acknowledged.
    pub fn counts_right(&self) -> bool {
        i64::try_from(self.succeeded).is_ok_and(|n| self.final_value == INITIAL.saturating_add(n))
    }

    /// The value that the counter should have had.
    pub fn expected_value(&self) -> i64 {
        INITIAL.saturating_add(i64::try_from(self.winners.of(self.workers)).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(winners: Winners, succeeded: usize, conflicts: u64, final_value: i64) -> Outcome {
        Outcome {
            strategy: "once",
            throttle: None,
            workers: 5,
            winners,
            final_value,
            succeeded,
            conflicts,
            requests: 12,
            took: Duration::ZERO,
            shares: TimeShares::default(),
            foreign_versions: 0,
            foreign_writers: Vec::new(),
        }
    }

    #[test]
    fn judges_by_successes_conflicts_and_value() {
        assert!(outcome(Winners::One, 1, 4, 101).is_expected());
        assert!(outcome(Winners::All, 5, 0, 105).is_expected());
        assert!(outcome(Winners::All, 5, 17, 105).is_expected());
        for bad in [
            outcome(Winners::One, 0, 5, 100),
            outcome(Winners::One, 5, 0, 101),
            outcome(Winners::One, 2, 3, 102),
            outcome(Winners::One, 1, 3, 101),
            outcome(Winners::All, 4, 6, 104),
            outcome(Winners::All, 5, 6, 104),
            outcome(Winners::All, 5, 6, 106),
        ] {
            assert!(!bad.is_expected(), "{bad:?}");
        }
    }
}
