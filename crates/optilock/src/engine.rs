//! The one loop behind every retry in this crate.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Limits;
use crate::{Interrupt, RetryError};

/// What is tried.
pub(crate) trait Work {
    /// What success gives.
    type Output;
    /// What ends the loop at once.
    type Error;

    /// Tries once.
    async fn attempt(&mut self) -> Flow<Self::Output, Self::Error>;

    /// Is told that a sleep of this length comes next.
    fn sleeping(&mut self, _delay: Duration) {}

    /// Is told how long the sleep was in fact.
    fn slept(&mut self, _elapsed: Duration) {}
}

/// How an attempt ended.
pub(crate) enum Flow<T, E> {
    /// Successfully.
    Done(T),
    /// In a way that may be better next time, but not before `at_least` has passed.
    Again { at_least: Duration },
    /// For good.
    Fail(E),
}

impl<T, E> Flow<T, E> {
    /// Try again as soon as the pace allows.
    pub(crate) const AGAIN: Self = Self::Again {
        at_least: Duration::ZERO,
    };
}

/// How often to try and how long to sleep in between.
pub(crate) trait Pace {
    /// Whether another attempt may be made.
    fn permits(&self) -> bool;

    /// The sleep before the next attempt, or none if the loop ends here. `window` is how long the
    /// attempt took.
    fn pause(&mut self, window: Duration) -> Option<Duration>;
}

/// Tries until the work is done, fails for good, the pace gives up, or a limit is reached.
///
/// The order is that of apimachinery's `ExponentialBackoffWithContext`: the limits are looked at
/// before each attempt and during each sleep, never during an attempt (the work does that itself).
/// A pace may allow a sleep and then no further attempt.
pub(crate) async fn run<W: Work>(
    limits: &Limits,
    pace: &mut impl Pace,
    work: &mut W,
) -> Result<W::Output, RetryError<W::Error>> {
    while pace.permits() {
        limits.check()?;
        let start = Instant::now();
        let at_least = match work.attempt().await {
            Flow::Done(output) => return Ok(output),
            Flow::Fail(error) => return Err(RetryError::Failed(error)),
            Flow::Again { at_least } => at_least,
        };
        let Some(pause) = pace.pause(start.elapsed()) else {
            break;
        };
        let delay = pause.max(at_least);
        work.sleeping(delay);
        let start = Instant::now();
        let rest = limits.sleep(delay).await;
        work.slept(start.elapsed());
        rest?;
    }
    Err(Interrupt::Timeout.into())
}
