//! The backoffs of AWS's article "Exponential Backoff And Jitter" (2015): get, change, update, and after a conflict again, without
//! end.

use std::time::Duration;

use futures::future::BoxFuture;
use optilock::is_conflict_in;

use super::Strategy;
use crate::{AttemptError, Update, Worker};

/// After the nth conflict a sleep from nothing to `base` · 2ⁿ, or to `cap`.
#[derive(Debug, Clone, Copy)]
pub struct FullJitter {
    /// What is doubled with each conflict.
    pub base: Duration,
    /// The longest sleep.
    pub cap: Duration,
}

impl FullJitter {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "full-jitter";
}

impl Strategy for FullJitter {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn parameters(&self) -> String {
        format!("base {:?}, cap {:?}", self.base, self.cap)
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        let mut random = worker.random();
        let mut range = self.base;
        Box::pin(endless(worker, move || {
            range = range.saturating_mul(2).min(self.cap);
            range.mul_f64(random())
        }))
    }
}

/// After a conflict a sleep from `base` to three times the sleep before, or to `cap`.
#[derive(Debug, Clone, Copy)]
pub struct Decorrelated {
    /// The shortest sleep.
    pub base: Duration,
    /// The longest sleep.
    pub cap: Duration,
}

impl Decorrelated {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "decorrelated";
}

impl Strategy for Decorrelated {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn parameters(&self) -> String {
        format!("base {:?}, cap {:?}", self.base, self.cap)
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        let mut random = worker.random();
        let mut last = self.base;
        Box::pin(endless(worker, move || {
            let more = last.saturating_mul(3).saturating_sub(self.base);
            last = (self.base + more.mul_f64(random())).min(self.cap);
            last
        }))
    }
}

/// Attempts, with a sleep after each conflict, until one ends otherwise.
async fn endless(
    worker: &Worker,
    mut pause: impl FnMut() -> Duration,
) -> Result<Update, AttemptError> {
    loop {
        match worker.get_and_update().await {
            Err(error) if is_conflict_in(&error) => tokio::time::sleep(pause()).await,
            ended => return ended,
        }
    }
}
