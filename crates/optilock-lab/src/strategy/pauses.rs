//! The backoffs of AWS's article "Exponential Backoff And Jitter" (2015): get, change, update, and after a conflict again, without
//! end.

use std::time::Duration;

use futures::future::BoxFuture;
use optilock::is_conflict_in;

use super::Strategy;
use crate::{AttemptError, Update, Worker};

/// Attempts without end, with a sleep after each conflict that is drawn by one of AWS's rules.
#[derive(Debug, Clone, Copy)]
pub struct Jittered {
    /// How a sleep is drawn.
    pub rule: Jitter,
    /// What the rule starts from.
    pub base: Duration,
    /// The longest sleep.
    pub cap: Duration,
}

/// How a sleep is drawn between `base` and `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// After the nth conflict from nothing to `base` · 2ⁿ, or to `cap`.
    Full,
    /// From `base` to three times the sleep before, or to `cap`.
    Decorrelated,
}

impl Jitter {
    /// Its [`Strategy::id`].
    pub const fn id(self) -> &'static str {
        match self {
            Self::Full => "full-jitter",
            Self::Decorrelated => "decorrelated",
        }
    }
}

impl Strategy for Jittered {
    fn id(&self) -> &'static str {
        self.rule.id()
    }

    fn parameters(&self) -> String {
        format!("base {:?}, cap {:?}", self.base, self.cap)
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        let mut pauses = self.pauses(worker.random());
        Box::pin(async move {
            loop {
                match worker.get_and_update().await {
                    Err(error) if is_conflict_in(&error) => tokio::time::sleep(pauses()).await,
                    ended => return ended,
                }
            }
        })
    }
}

impl Jittered {
    /// One sleep after the other.
    fn pauses(self, mut random: impl FnMut() -> f64 + Send) -> impl FnMut() -> Duration + Send {
        let Self { rule, base, cap } = self;
        let mut last = base;
        move || match rule {
            Jitter::Full => {
                last = last.saturating_mul(2).min(cap);
                last.mul_f64(random())
            }
            Jitter::Decorrelated => {
                let more = last.saturating_mul(3).saturating_sub(base);
                last = (base + more.mul_f64(random())).min(cap);
                last
            }
        }
    }
}
