//! The pace of an update that nobody has given a backoff.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::lock;
use super::steering::Steering;
use crate::engine::Pace;

/// Sleeps as the contention for the object demands, and ends by no count: of several writers that
/// collide one always wins, so giving up after a number of attempts only turns contention into lost
/// updates. What bounds an update is its deadline.
pub(crate) struct Steered<R> {
    steering: Arc<Mutex<Steering>>,
    random: R,
    deadline: Option<Instant>,
    /// The conflicts that were known of at the last pause.
    losses: u64,
    /// The pauses after conflicts.
    conflicts: i32,
    /// The pauses for another reason.
    troubles: u32,
}

/// What the deadline never shortens a sleep below: the attempts before it would have no end.
const LAST: Duration = Duration::from_millis(100);
/// The range of the first sleep after an attempt that has ended in no conflict, but not well either.
const TROUBLE: Duration = Duration::from_millis(50);
/// What it is multiplied by each time, and the longest.
const TROUBLE_GROWTH: u32 = 2;
const TROUBLE_LONGEST: Duration = Duration::from_secs(5);

impl<R: FnMut() -> f64> Steered<R> {
    pub(super) fn new(
        steering: Arc<Mutex<Steering>>,
        random: R,
        deadline: Option<Instant>,
    ) -> Self {
        let losses = lock(&steering).losses();
        Self {
            steering,
            random,
            deadline,
            losses,
            conflicts: 0,
            troubles: 0,
        }
    }

    fn spread(&mut self) -> Duration {
        let random = (self.random)();
        let sleep = lock(&self.steering).sleep(self.conflicts, random);
        self.in_time(sleep)
    }

    /// Towards the end an attempt is worth more than what it costs.
    fn in_time(&self, sleep: Duration) -> Duration {
        match self.deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                sleep.min((left / 4).max(LAST))
            }
            None => sleep,
        }
    }
}

impl<R: FnMut() -> f64> Pace for Steered<R> {
    fn permits(&self) -> bool {
        true
    }

    fn start(&mut self) -> Duration {
        if lock(&self.steering).contended() {
            self.spread()
        } else {
            Duration::ZERO
        }
    }

    fn pause(&mut self) -> Option<Duration> {
        let losses = lock(&self.steering).losses();
        if std::mem::replace(&mut self.losses, losses) < losses {
            self.conflicts = self.conflicts.saturating_add(1);
            return Some(self.spread());
        }
        let range = TROUBLE
            .saturating_mul(TROUBLE_GROWTH.saturating_pow(self.troubles))
            .min(TROUBLE_LONGEST);
        self.troubles = self.troubles.saturating_add(1);
        let sleep = range.mul_f64((self.random)());
        Some(self.in_time(sleep))
    }
}
