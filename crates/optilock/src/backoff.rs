//! The parameters of a backoff and the arithmetic of one step.

use std::time::Duration;

use crate::delays::{DelayWithReset, Delays};
use crate::random::thread_random;

/// How often to try, and how long to wait in between: the `wait.Backoff` of Kubernetes' apimachinery.
///
/// The meaning of every parameter, and the value of every delay, is that of the Go type; the record
/// of `tests/apimachinery.rs` compares the two over thousands of parameter sets.
///
/// - **steps**: how often the operation is *tried* by [`exponential_backoff`](crate::exponential_backoff)
///   and its relatives (so there is one sleep less). Zero or less: it is never tried.
/// - **duration**: the first sleep.
/// - **factor**: every sleep is the one before times `factor`. Zero means "keep the duration", as
///   one does.
/// - **jitter**: a sleep of `d` becomes one between `d` and `d + jitter * d`, at random. Zero or less:
///   none. It doesn't add up: the next duration is computed from `d` without it.
/// - **cap**: where the next duration would be longer than `cap`, it becomes `cap` and the *steps
///   become zero*: the sleep before it is still slept, then the loop ends without another try. Zero
///   or less: no cap. (This is what the Go code does; its comment reads as if the cap were slept.)
///
/// ```
/// use std::time::Duration;
/// use optilock::Backoff;
///
/// let backoff = Backoff::new(4, Duration::from_millis(10)).with_factor(5.0);
/// let sleeps: Vec<_> = backoff.delays().map(|delay| delay.as_millis()).collect();
/// assert_eq!(sleeps, [10, 50, 250]); // four tries, three sleeps in between
/// ```
///
/// # Where Go leaves it open
/// Durations are held as Go holds them, as signed 64-bit nanoseconds, because a negative factor makes
/// them negative. A sleep of a negative duration is no sleep. What doesn't fit into 64 bits is
/// *saturated* (and a factor that is not a number makes the next duration zero). Go leaves this
/// conversion to the processor: on arm64 it gives the same values as here, on amd64 the smallest
/// integer, that is a sleep of nothing instead of one of 292 years.
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(alias = "wait.Backoff")]
pub struct Backoff {
    steps: i64,
    duration_ns: i64,
    factor: f64,
    jitter: f64,
    cap_ns: i64,
}

/// client-go's `retry.DefaultRetry`: 5 tries, 10 to 11 ms apart.
///
/// It is enough for at most five writers that each write once: of `n` such writers one always wins,
/// so the last one needs `n` tries.
///
/// ```
/// use optilock::DEFAULT_RETRY;
///
/// let sleeps: Vec<_> = DEFAULT_RETRY.with_jitter(0.0).delays().collect();
/// assert_eq!(sleeps, [DEFAULT_RETRY.duration(); 4]); // between five tries
/// ```
#[doc(alias = "DefaultRetry")]
pub const DEFAULT_RETRY: Backoff = Backoff::new(5, Duration::from_millis(10))
    .with_factor(1.0)
    .with_jitter(0.1);

/// client-go's `retry.DefaultBackoff`: 4 tries with sleeps of 10, 50 and 250 ms, and up to a tenth more.
///
/// ```
/// let sleeps = optilock::DEFAULT_BACKOFF.with_jitter(0.0).delays();
/// assert_eq!(sleeps.map(|sleep| sleep.as_millis()).collect::<Vec<_>>(), [10, 50, 250]);
/// ```
#[doc(alias = "DefaultBackoff")]
pub const DEFAULT_BACKOFF: Backoff = Backoff::new(4, Duration::from_millis(10))
    .with_factor(5.0)
    .with_jitter(0.1);

impl Backoff {
    /// `steps` tries, `duration` apart, without growth, jitter or cap.
    ///
    /// A duration of more than 292 years is cut to that.
    #[must_use]
    pub const fn new(steps: i64, duration: Duration) -> Self {
        Self::from_nanos(steps, nanos(duration), 0.0, 0.0, 0)
    }

    /// All parameters as Go holds them: durations are nanoseconds and may be negative.
    #[must_use]
    pub const fn from_nanos(
        steps: i64,
        duration_ns: i64,
        factor: f64,
        jitter: f64,
        cap_ns: i64,
    ) -> Self {
        Self {
            steps,
            duration_ns,
            factor,
            jitter,
            cap_ns,
        }
    }

    /// Sets the number of tries.
    #[must_use]
    pub const fn with_steps(mut self, steps: i64) -> Self {
        self.steps = steps;
        self
    }

    /// Sets what the duration is multiplied by after every step; zero keeps it as it is.
    #[must_use]
    pub const fn with_factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Sets the part of the duration that is added at random; zero or less adds nothing.
    #[must_use]
    pub const fn with_jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the duration that ends the backoff when it would be passed; zero is no cap.
    #[must_use]
    pub const fn with_cap(mut self, cap: Duration) -> Self {
        self.cap_ns = nanos(cap);
        self
    }

    /// The tries that are left.
    #[must_use]
    pub const fn steps(&self) -> i64 {
        self.steps
    }

    /// The next sleep, without jitter; zero where it is negative.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        sleep_of(self.duration_ns)
    }

    /// The next sleep, without jitter, in nanoseconds, so that negative ones can be told apart.
    #[must_use]
    pub const fn duration_nanos(&self) -> i64 {
        self.duration_ns
    }

    /// What the duration is multiplied by after every step.
    #[must_use]
    pub const fn factor(&self) -> f64 {
        self.factor
    }

    /// The part of the duration that is added at random.
    #[must_use]
    pub const fn jitter(&self) -> f64 {
        self.jitter
    }

    /// The duration that ends the backoff when it would be passed, if there is one.
    #[must_use]
    pub const fn cap(&self) -> Option<Duration> {
        if self.cap_ns > 0 {
            Some(sleep_of(self.cap_ns))
        } else {
            None
        }
    }

    /// Go's `Backoff.Step`: the next delay, and on to the one after.
    ///
    /// It never ends: once the steps are used up it returns the last duration for ever. For the
    /// sleeps of a whole retry loop take [`delays`](Self::delays).
    ///
    /// ```
    /// use std::time::Duration;
    /// use optilock::Backoff;
    ///
    /// let mut backoff = Backoff::new(1, Duration::from_secs(1)).with_factor(2.0);
    /// assert_eq!(backoff.step(), Duration::from_secs(1));
    /// assert_eq!(backoff.step(), Duration::from_secs(2)); // the steps are used up
    /// assert_eq!(backoff.step(), Duration::from_secs(2));
    /// ```
    #[doc(alias = "Step")]
    pub fn step(&mut self) -> Duration {
        self.step_with(thread_random)
    }

    /// [`step`](Self::step) with the given source of random numbers from 0 (included) to 1 (excluded).
    ///
    /// The source is asked once if there is jitter, else not at all.
    pub fn step_with(&mut self, random: impl FnMut() -> f64) -> Duration {
        sleep_of(self.step_nanos(random))
    }

    /// [`step_with`](Self::step_with) in nanoseconds, so that negative delays can be told apart.
    pub fn step_nanos(&mut self, mut random: impl FnMut() -> f64) -> i64 {
        let current = self.duration_ns;
        self.advance();
        if self.jitter > 0.0 {
            // Left to right, as Go multiplies, so that the rounding is the same.
            let extra = random() * self.jitter * current as f64;
            current.saturating_add(extra as i64)
        } else {
            current
        }
    }

    /// Uses up one step and computes the next duration.
    fn advance(&mut self) {
        if self.steps < 1 {
            self.steps = 0;
            return;
        }
        self.steps -= 1;
        if self.factor != 0.0 {
            // `as` truncates, saturates, and makes zero of what is not a number.
            let next = (self.duration_ns as f64 * self.factor) as i64;
            if self.cap_ns > 0 && next > self.cap_ns {
                self.duration_ns = self.cap_ns;
                self.steps = 0;
            } else {
                self.duration_ns = next;
            }
        }
    }

    /// The sleeps between the tries of a retry loop: finite, and one less than there are tries.
    ///
    /// Where the [cap](Self#) ends the loop early there are as many sleeps as tries: the last sleep is
    /// followed by no try. Any loop that takes an iterator of delays, such as `backon`'s, can use it.
    #[must_use]
    pub fn delays(self) -> Delays<fn() -> f64> {
        self.delays_with(thread_random)
    }

    /// [`delays`](Self::delays) with the given source of random numbers from 0 (included) to 1 (excluded).
    #[must_use]
    pub fn delays_with<R: FnMut() -> f64>(self, random: R) -> Delays<R> {
        Delays::new(self, random)
    }

    /// Go's `Backoff.DelayWithReset`: endless delays that start anew after `interval`.
    ///
    /// When more than `interval` has passed since the start or the last reset, the next delay is the
    /// first one again. An `interval` of zero keeps the first duration for ever, and a factor of zero
    /// or less makes it the same as [`step`](Self::step). The clock is asked once per delay.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use optilock::Backoff;
    ///
    /// let backoff = Backoff::new(10, Duration::from_secs(1)).with_factor(2.0);
    /// let delays = backoff.delay_with_reset(Instant::now, Duration::from_secs(60));
    /// let seconds: Vec<_> = delays.take(4).map(|delay| delay.as_secs()).collect();
    /// assert_eq!(seconds, [1, 2, 4, 8]);
    /// ```
    #[doc(alias = "DelayWithReset")]
    #[must_use]
    pub fn delay_with_reset<C: FnMut() -> std::time::Instant>(
        self,
        clock: C,
        interval: Duration,
    ) -> DelayWithReset<C, fn() -> f64> {
        self.delay_with_reset_and(clock, interval, thread_random)
    }

    /// [`delay_with_reset`](Self::delay_with_reset) with the given source of random numbers from 0
    /// (included) to 1 (excluded).
    #[must_use]
    pub fn delay_with_reset_and<C, R>(
        self,
        clock: C,
        interval: Duration,
        random: R,
    ) -> DelayWithReset<C, R>
    where
        C: FnMut() -> std::time::Instant,
        R: FnMut() -> f64,
    {
        DelayWithReset::new(self, clock, interval, random)
    }

    /// The same duration for ever: what Go makes of a reset interval of zero.
    pub(crate) const fn constant(mut self) -> Self {
        self.steps = 0;
        self.factor = 0.0;
        self
    }
}

/// Nothing at all: no try, and a delay of zero. Go's `Step` treats a nil `*Backoff` the same.
impl Default for Backoff {
    fn default() -> Self {
        Self::new(0, Duration::ZERO)
    }
}

const fn nanos(duration: Duration) -> i64 {
    let nanos = duration.as_nanos();
    if nanos > i64::MAX as u128 {
        i64::MAX
    } else {
        nanos as i64
    }
}

const fn sleep_of(nanos: i64) -> Duration {
    if nanos > 0 {
        Duration::from_nanos(nanos as u64)
    } else {
        Duration::ZERO
    }
}
