//! When the next operation is to begin.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{Plan, Until};

/// Gives the workers of a run their operations.
#[derive(Debug)]
pub(super) struct Schedule {
    started: Instant,
    until: Until,
    total: Option<u64>,
    rate: Option<f64>,
    given: AtomicU64,
}

impl Schedule {
    /// Of the run itself.
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            started: Instant::now(),
            until: plan.until,
            total: plan.operations(),
            rate: plan.rate,
            given: AtomicU64::new(0),
        }
    }

    /// Of the operations before it: in a closed loop, so many for each worker.
    pub(super) fn of_warm_up(plan: &Plan) -> Self {
        Self {
            started: Instant::now(),
            until: Until::Operations(plan.warm_up),
            total: None,
            rate: None,
            given: AtomicU64::new(0),
        }
    }

    /// When the next operation of a worker that has done so many should begin, or should have begun; none where there is
    /// no next one.
    pub(super) fn next(&self, done: u64) -> Option<Instant> {
        let now = Instant::now();
        let due = match self.rate {
            None => now,
            Some(rate) => {
                let number = self.given.fetch_add(1, Ordering::Relaxed);
                if self.total.is_some_and(|total| number >= total) {
                    return None;
                }
                let offset = Duration::try_from_secs_f64(number as f64 / rate).ok()?;
                self.started.checked_add(offset)?
            }
        };
        let goes_on = match self.until {
            Until::Operations(_) if self.rate.is_some() => true,
            Until::Operations(each) => done < each,
            Until::Elapsed(time) => due - self.started < time,
        };
        goes_on.then_some(due)
    }
}
