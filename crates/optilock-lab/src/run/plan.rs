//! What a run is to do.

use std::{sync::Arc, time::Duration};

use crate::{Capacity, Change, Fault, Leg, Peer, Rate, Strategy};

/// A run: who updates what, how, and through which network.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The namespace of the objects, which must exist.
    pub namespace: String,
    /// What the names of the objects begin with; what is random follows.
    pub prefix: String,
    /// How an update is made.
    pub strategy: Arc<dyn Strategy>,
    /// Who makes the updates instead of the lab's own workers, if somebody does.
    pub peer: Option<Peer>,
    /// What an update, and a worker besides, does.
    pub workload: Workload,
    /// How many workers there are.
    pub workers: usize,
    /// When the workers are done.
    pub until: Until,
    /// Intended operations per second of all workers together: an open loop, in which an update's time runs from
    /// the moment at which it should have begun. Without, a worker begins when it is done with the one before.
    pub rate: Option<f64>,
    /// Operations of each worker before anything is counted.
    pub warm_up: u64,
    /// The client-side throttle that the workers share.
    pub throttle: Option<Rate>,
    /// What is added to each way to the server, and back.
    pub leg: Leg,
    /// What goes wrong on the way.
    pub faults: Vec<Fault>,
    /// How long a server in virtual time takes; no time at all where there is none.
    pub capacity: Option<Capacity>,
    /// What all random numbers are made from.
    pub seed: u64,
    /// The longest that the run may take; it is stopped then, and judged as far as it came.
    pub time_limit: Duration,
}

/// When the workers of a run are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Until {
    /// After so many operations of each worker; of all together, so many times the workers, in an open loop.
    Operations(u64),
    /// No operation begins after this time.
    Elapsed(Duration),
}

/// What workers do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// What an update changes.
    pub change: Change,
    /// How many objects there are.
    pub objects: usize,
    /// The exponent of the Zipf distribution by which an object is picked; 0 makes all alike.
    pub skew: f64,
    /// The share of operations that only read, from 0 to 1.
    pub reads: f64,
    /// Somebody else writes the status of every object, this long apart.
    pub foreign_every: Option<Duration>,
}

impl Workload {
    /// One object, on which every operation is an update.
    pub const fn of(change: Change) -> Self {
        Self {
            change,
            objects: 1,
            skew: 0.0,
            reads: 0.0,
            foreign_every: None,
        }
    }
}

/// The most entries of a list: an object's annotations may have 256 KiB.
const MAX_ENTRIES: u64 = 20_000;

/// Why a [`Plan`] can't be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Something is 0 that can't be.
    #[error("{0} can't be 0: nothing would be done")]
    Nothing(&'static str),
    /// A number that is out of its range.
    #[error("{what} can't be {value}: take {wanted}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it could be.
        wanted: &'static str,
    },
    /// The strategy has no way to make the change.
    #[error(
        "the strategy {strategy} can't make the change {change}: it writes a field that only one worker writes"
    )]
    Unsuitable {
        /// The strategy.
        strategy: &'static str,
        /// The change.
        change: &'static str,
    },
    /// A peer has no way to do it.
    #[error("the peer {peer} adds to a counter in one object and nothing else: leave {what} out")]
    NotForPeers {
        /// The peer.
        peer: String,
        /// What the plan asks besides.
        what: &'static str,
    },
    /// A list would not fit into an object.
    #[error(
        "{entries} entries would not fit into the annotations of an object: append at most {MAX_ENTRIES}, \
         and by a number of updates, not by time"
    )]
    TooManyEntries {
        /// How many.
        entries: u64,
    },
}

impl Plan {
    /// Who makes the updates: the strategy's name, or the peer's.
    pub fn name(&self) -> &str {
        match &self.peer {
            Some(peer) => peer.name(),
            None => self.strategy.id(),
        }
    }

    /// How many operations all workers together are to make, where that is the limit.
    pub fn operations(&self) -> Option<u64> {
        match self.until {
            Until::Operations(each) => Some(each.saturating_mul(self.workers as u64)),
            Until::Elapsed(_) => None,
        }
    }

    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// [`PlanError`] names the part that can't be.
    pub fn check(&self) -> Result<(), PlanError> {
        let Workload {
            change,
            objects,
            skew,
            reads,
            ..
        } = self.workload;
        for (is_nothing, what) in [
            (self.workers == 0, "the number of workers"),
            (objects == 0, "the number of objects"),
            (self.until == Until::Operations(0), "the number of updates"),
            (self.until == Until::Elapsed(Duration::ZERO), "the time"),
        ] {
            if is_nothing {
                return Err(PlanError::Nothing(what));
            }
        }
        let rate = self.rate.unwrap_or(1.0);
        for (is_right, what, value, wanted) in [
            (
                skew.is_finite() && skew >= 0.0,
                "the skew",
                skew,
                "0 or more",
            ),
            (
                (0.0..=1.0).contains(&reads),
                "the share of reads",
                reads,
                "0 to 1",
            ),
            (
                rate.is_finite() && rate > 0.0,
                "the rate",
                rate,
                "more than 0",
            ),
            (
                self.workload.foreign_every != Some(Duration::ZERO),
                "the time between foreign writes",
                0.0,
                "more than 0",
            ),
        ] {
            if !is_right {
                return Err(PlanError::OutOfRange {
                    what,
                    value,
                    wanted,
                });
            }
        }
        if !self.strategy.can_make(change) {
            return Err(PlanError::Unsuitable {
                strategy: self.strategy.id(),
                change: change.id(),
            });
        }
        if let Some(peer) = &self.peer {
            let asks = Workload {
                foreign_every: None,
                ..self.workload
            };
            let plain = Workload::of(Change::Counter);
            for (is_asked, what) in [
                (asks != plain, "the workload"),
                (self.rate.is_some(), "the rate"),
                (self.warm_up > 0, "the warm-up"),
                (self.throttle.is_some(), "the throttle"),
                (
                    self.operations().is_none(),
                    "the time (and say how many updates)",
                ),
            ] {
                if is_asked {
                    let peer = peer.name().to_owned();
                    return Err(PlanError::NotForPeers { peer, what });
                }
            }
        }
        let warm_up = self.warm_up.saturating_mul(self.workers as u64);
        let entries = self
            .operations()
            .map_or(u64::MAX, |n| n.saturating_add(warm_up));
        if change == Change::Append && entries > MAX_ENTRIES {
            return Err(PlanError::TooManyEntries { entries });
        }
        Ok(())
    }
}
