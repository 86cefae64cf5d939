//! The one loop behind every retry in this crate.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Limits;
use crate::{Interrupt, RetryError};

/// How an attempt ended that has not failed for good.
pub(crate) enum Flow<T> {
    /// Successfully.
    Done(T),
    /// In a way that may be better next time, but not before `at_least` has passed.
    Again { at_least: Duration },
}

impl<T> Flow<T> {
    /// Try again as soon as the pace allows.
    pub(crate) const AGAIN: Self = Self::Again {
        at_least: Duration::ZERO,
    };
}

/// How often to try and how long to sleep in between.
pub(crate) trait Pace {
    /// Whether another attempt may be made.
    fn permits(&self) -> bool;

    /// The sleep before the first attempt.
    fn start(&mut self) -> Duration {
        Duration::ZERO
    }

    /// The sleep before the next attempt, or none if the loop ends here.
    fn pause(&mut self) -> Option<Duration>;
}

impl<P: Pace + ?Sized> Pace for Box<P> {
    fn permits(&self) -> bool {
        (**self).permits()
    }

    fn start(&mut self) -> Duration {
        (**self).start()
    }

    fn pause(&mut self) -> Option<Duration> {
        (**self).pause()
    }
}

/// The loop around the attempts. Its owner makes them: [`begin`](Self::begin), the attempt,
/// [`turn`](Self::turn) with what came of it, and again until there is an output.
///
/// The order is that of apimachinery's `ExponentialBackoffWithContext`: the limits are looked at
/// before each attempt and during each sleep, never during an attempt (the attempt does that itself).
/// A pace may allow a sleep and then no further attempt.
///
/// This awaits no attempt itself, as a trait or an `AsyncFnMut` would have it do: the compiler could
/// then not tell that the whole is `Send` where the attempt is, and nobody could spawn it.
#[derive(Debug)]
pub(crate) struct Engine<'a, P> {
    limits: &'a Limits,
    pace: P,
    waited: Duration,
}

impl<'a, P: Pace> Engine<'a, P> {
    pub(crate) fn new(limits: &'a Limits, pace: P) -> Self {
        Self {
            limits,
            pace,
            waited: Duration::ZERO,
        }
    }

    /// The time spent asleep.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Fails if no attempt may be made.
    pub(crate) fn begin(&self) -> Result<(), Interrupt> {
        if !self.pace.permits() {
            return Err(Interrupt::Timeout);
        }
        self.limits.check()
    }

    /// The sleep before the first attempt, where the pace asks for one.
    pub(crate) async fn start(&mut self, on_sleep: impl FnOnce(Duration)) -> Result<(), Interrupt> {
        let delay = self.pace.start();
        if delay.is_zero() {
            return Ok(());
        }
        on_sleep(delay);
        self.sleep(delay).await
    }

    /// Ends an attempt: gives its output, or sleeps if it is to be made again, or fails if the loop
    /// ends here. `on_sleep` is called before the sleep, with its length, and may end the loop instead.
    pub(crate) async fn turn<T, E>(
        &mut self,
        result: Result<Flow<T>, E>,
        on_sleep: impl FnOnce(Duration) -> Result<(), E>,
    ) -> Result<Option<T>, RetryError<E>> {
        let at_least = match result.map_err(RetryError::Failed)? {
            Flow::Done(output) => return Ok(Some(output)),
            Flow::Again { at_least } => at_least,
        };
        let pause = self.pace.pause().ok_or(Interrupt::Timeout)?;
        let delay = pause.max(at_least);
        on_sleep(delay).map_err(RetryError::Failed)?;
        self.sleep(delay).await?;
        Ok(None)
    }

    /// Sleeps; fails as soon as a limit is reached.
    async fn sleep(&mut self, delay: Duration) -> Result<(), Interrupt> {
        let asleep = Instant::now();
        let rested = self.limits.sleep(delay).await;
        self.waited += asleep.elapsed();
        rested
    }
}
