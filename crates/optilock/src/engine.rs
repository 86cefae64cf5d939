//! The one loop behind every retry in this crate.

use std::time::Duration;

use tokio::time::Instant;

use crate::Interrupt;
use crate::limits::Limits;

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

    /// The sleep before the next attempt, or none if the loop ends here. `window` is how long the
    /// attempt took.
    fn pause(&mut self, window: Duration) -> Option<Duration>;
}

impl<P: Pace + ?Sized> Pace for Box<P> {
    fn permits(&self) -> bool {
        (**self).permits()
    }

    fn pause(&mut self, window: Duration) -> Option<Duration> {
        (**self).pause(window)
    }
}

/// The loop around the attempts. Its owner makes them, between one call and the next:
/// [`begin`](Self::begin), the attempt, [`pause`](Self::pause), [`sleep`](Self::sleep), and again.
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
    begun: Instant,
}

impl<'a, P: Pace> Engine<'a, P> {
    pub(crate) fn new(limits: &'a Limits, pace: P) -> Self {
        Self {
            limits,
            pace,
            begun: Instant::now(),
        }
    }

    /// Fails if no attempt may be made.
    pub(crate) fn begin(&mut self) -> Result<(), Interrupt> {
        if !self.pace.permits() {
            return Err(Interrupt::Timeout);
        }
        self.limits.check()?;
        self.begun = Instant::now();
        Ok(())
    }

    /// How long to sleep after an attempt that is to be made again, but not before `at_least` has
    /// passed; fails if the loop ends here.
    pub(crate) fn pause(&mut self, at_least: Duration) -> Result<Duration, Interrupt> {
        match self.pace.pause(self.begun.elapsed()) {
            Some(pause) => Ok(pause.max(at_least)),
            None => Err(Interrupt::Timeout),
        }
    }

    /// Sleeps; fails as soon as a limit is reached.
    pub(crate) async fn sleep(&mut self, delay: Duration) -> Result<(), Interrupt> {
        self.limits.sleep(delay).await
    }
}
