//! Sequences of delays.

use std::time::{Duration, Instant};

use crate::Backoff;
use crate::engine::Pace;

/// The sleeps between the tries of a retry loop; see [`Backoff::delays`].
///
/// ```
/// use std::time::Duration;
/// use optilock::Backoff;
///
/// let backoff = Backoff::new(3, Duration::from_secs(1)).with_jitter(1.0);
/// let delays = backoff.delays_with(|| 0.5);
/// assert_eq!(delays.collect::<Vec<_>>(), [Duration::from_millis(1500); 2]);
/// ```
#[derive(Clone, Debug)]
pub struct Delays<R> {
    backoff: Backoff,
    random: R,
}

impl<R> Delays<R> {
    pub(crate) fn new(backoff: Backoff, random: R) -> Self {
        Self { backoff, random }
    }
}

impl<R: FnMut() -> f64> Iterator for Delays<R> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // The last try is followed by no sleep.
        (self.backoff.steps() > 1).then(|| self.backoff.step_with(&mut self.random))
    }
}

impl<R: FnMut() -> f64> std::iter::FusedIterator for Delays<R> {}

impl<R: FnMut() -> f64> Pace for Delays<R> {
    fn permits(&self) -> bool {
        self.backoff.steps() > 0
    }

    fn pause(&mut self) -> Option<Duration> {
        self.next()
    }
}

/// Delays that start anew after a while; see [`Backoff::delay_with_reset`].
///
/// An iterator that never ends.
///
/// ```
/// use std::time::{Duration, Instant};
/// use optilock::Backoff;
///
/// let start = Instant::now();
/// let mut minutes = [0, 0, 0, 7].into_iter();
/// let clock = || start + Duration::from_secs(60 * minutes.next().unwrap_or(7));
/// let backoff = Backoff::new(10, Duration::from_secs(1)).with_factor(2.0);
/// let delays = backoff.delay_with_reset(clock, Duration::from_secs(300));
/// let seconds: Vec<_> = delays.take(3).map(|delay| delay.as_secs()).collect();
/// assert_eq!(seconds, [1, 2, 1]); // after seven minutes it starts anew
/// ```
#[derive(Clone, Debug)]
pub struct DelayWithReset<C, R> {
    backoff: Backoff,
    random: R,
    reset: Option<Reset<C>>,
}

#[derive(Clone, Debug)]
struct Reset<C> {
    initial: Backoff,
    clock: C,
    interval: Duration,
    last_start: Instant,
}

impl<C: FnMut() -> Instant, R> DelayWithReset<C, R> {
    pub(crate) fn new(backoff: Backoff, mut clock: C, interval: Duration, random: R) -> Self {
        let (backoff, reset) = if backoff.factor() <= 0.0 {
            (backoff, None)
        } else if interval.is_zero() {
            (backoff.constant(), None)
        } else {
            let last_start = clock();
            let reset = Reset {
                initial: backoff,
                clock,
                interval,
                last_start,
            };
            (backoff, Some(reset))
        };
        Self {
            backoff,
            random,
            reset,
        }
    }
}

impl<C: FnMut() -> Instant, R: FnMut() -> f64> Iterator for DelayWithReset<C, R> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if let Some(reset) = &mut self.reset {
            let now = (reset.clock)();
            if now.saturating_duration_since(reset.last_start) > reset.interval {
                self.backoff = reset.initial;
                reset.last_start = now;
            }
        }
        Some(self.backoff.step_with(&mut self.random))
    }
}
