//! The client-side rate limit of client-go, as a tower layer.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant, sleep_until};
use tower::{Layer, Service};

use super::{Activity, Probe};

/// How many requests a client lets itself send: client-go's `QPS` and `Burst`.
///
/// ```
/// use optilock_lab::Rate;
///
/// // What every client-go program has that sets neither.
/// assert_eq!(Rate::CLIENT_GO, Rate { qps: 5.0, burst: 10 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests per second in the long run (a `float32` in client-go too). Greater than 0: no limit is the absence of
    /// a rate.
    pub qps: f32,
    /// Requests that may go out at once after a pause. At least 1.
    pub burst: u32,
}

impl Rate {
    /// The defaults of `rest.Config` in client-go.
    pub const CLIENT_GO: Self = Self {
        qps: 5.0,
        burst: 10,
    };
}

/// A token bucket with the semantics of `flowcontrol.NewTokenBucketRateLimiter` (which is `golang.org/x/time/rate`).
///
/// It starts full with `burst` tokens and gains `qps` a second up to `burst`. Who takes a token that is not there yet
/// owes it and sleeps until it is due, so that waiters are served in the order in which they came. A wait that is given
/// up returns its token, less what those behind it have already built upon.
#[derive(Debug)]
pub struct TokenBucket {
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Negative while tokens are owed.
    tokens: f64,
    /// When `tokens` was computed.
    last: Instant,
    /// When the latest reservation falls due.
    last_due: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(rate: Rate) -> Self {
        let now = Instant::now();
        Self {
            rate,
            state: Mutex::new(State {
                tokens: f64::from(rate.burst),
                last: now,
                last_due: now,
            }),
        }
    }

    /// Takes one token, after waiting for it where there is none.
    pub async fn acquire(&self) {
        let reservation = self.reserve(Instant::now());
        if let Some(due) = reservation.wait_until {
            sleep_until(due).await;
        }
        reservation.redeem();
    }

    /// Leaves the time since the last token was taken out of account: the bucket doesn't fill up during it.
    ///
    /// For pauses that belong to the experiment's set-up and not to the client that it imitates.
    pub fn skip_idle_time(&self) {
        self.state.lock().last = Instant::now();
    }

    fn reserve(&self, now: Instant) -> Reservation<'_> {
        let qps = f64::from(self.rate.qps);
        let mut state = self.state.lock();
        state.refill(now, self.rate);
        state.tokens -= 1.0;
        let wait_until = (state.tokens < 0.0)
            .then(|| now + Duration::try_from_secs_f64(-state.tokens / qps).unwrap_or(FAR_AWAY));
        let due = wait_until.unwrap_or(now);
        state.last_due = due;
        Reservation {
            bucket: self,
            due,
            wait_until,
        }
    }
}

/// A wait too long for the clock, as under a rate of 1e-30, is this long.
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 3600);

impl State {
    fn refill(&mut self, now: Instant, rate: Rate) {
        let gained = now.saturating_duration_since(self.last).as_secs_f64() * f64::from(rate.qps);
        self.tokens = (self.tokens + gained).min(f64::from(rate.burst));
        self.last = now;
    }
}

/// A token that was taken and is not used yet; dropped unused it goes back.
#[derive(Debug)]
struct Reservation<'a> {
    bucket: &'a TokenBucket,
    due: Instant,
    wait_until: Option<Instant>,
}

impl Reservation<'_> {
    fn redeem(self) {
        std::mem::forget(self);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let rate = self.bucket.rate;
        let mut state = self.bucket.state.lock();
        if self.due < now {
            return;
        }
        // Tokens that were reserved after this one are already promised for their times and can't come sooner.
        let promised = state
            .last_due
            .saturating_duration_since(self.due)
            .as_secs_f64()
            * f64::from(rate.qps);
        let restored = 1.0 - promised;
        if restored <= 0.0 {
            return;
        }
        state.refill(now, rate);
        state.tokens = (state.tokens + restored).min(f64::from(rate.burst));
        if state.last_due == self.due
            && let Ok(one) = Duration::try_from_secs_f64(1.0 / f64::from(rate.qps))
            && let Some(before) = self.due.checked_sub(one)
            && before >= now
        {
            state.last_due = before;
        }
    }
}

/// Lets every request through a shared [`TokenBucket`] and books the wait as [`Activity::Throttled`].
#[derive(Debug, Clone)]
pub(crate) struct ThrottleLayer {
    bucket: Option<Arc<TokenBucket>>,
    probe: Probe,
}

impl ThrottleLayer {
    /// Without a bucket every request passes at once.
    pub(crate) fn new(bucket: Option<Arc<TokenBucket>>, probe: Probe) -> Self {
        Self { bucket, probe }
    }
}

impl<S> Layer<S> for ThrottleLayer {
    type Service = Throttled<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Throttled {
            inner,
            layer: self.clone(),
        }
    }
}

/// See [`ThrottleLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Throttled<S> {
    inner: S,
    layer: ThrottleLayer,
}

impl<S, R> Service<R> for Throttled<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let mut inner = super::take_ready(&mut self.inner);
        let ThrottleLayer { bucket, probe } = self.layer.clone();
        Box::pin(async move {
            if let Some(bucket) = bucket {
                probe.enter(Activity::Throttled);
                bucket.acquire().await;
            }
            inner.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moments, in ms, at which `n` requests that all come at once get their token.
    async fn departures(bucket: &TokenBucket, n: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..n {
            bucket.acquire().await;
            times.push(start.elapsed().as_millis());
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn burst_goes_out_at_once_and_the_rest_at_the_rate() {
        let bucket = TokenBucket::new(Rate::CLIENT_GO);
        let expected: Vec<u128> = [0; 10]
            .into_iter()
            .chain((1..=22).map(|n| n * 200))
            .collect();
        assert_eq!(departures(&bucket, 32).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_are_served_in_the_order_they_came() {
        let bucket = Arc::new(TokenBucket::new(Rate { qps: 1.0, burst: 1 }));
        let start = Instant::now();
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        for n in 0..5u64 {
            let (bucket, send) = (bucket.clone(), send.clone());
            tokio::spawn(async move {
                bucket.acquire().await;
                send.send((n, start.elapsed().as_secs())).unwrap();
            });
        }
        drop(send);
        let mut served = Vec::new();
        while let Some(entry) = receive.recv().await {
            served.push(entry);
        }
        assert_eq!(served, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_bucket_fills_up_to_burst_and_no_further() {
        let bucket = TokenBucket::new(Rate { qps: 2.0, burst: 3 });
        assert_eq!(departures(&bucket, 4).await, [0, 0, 0, 500]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(departures(&bucket, 3).await, [0, 0, 500]);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(departures(&bucket, 4).await, [0, 0, 0, 500]);
    }

    #[tokio::test(start_paused = true)]
    async fn skipped_idle_time_gains_nothing() {
        let bucket = TokenBucket::new(Rate { qps: 1.0, burst: 2 });
        assert_eq!(departures(&bucket, 2).await, [0, 0]);
        tokio::time::advance(Duration::from_secs(10)).await;
        bucket.skip_idle_time();
        assert_eq!(departures(&bucket, 2).await, [1000, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_given_up_returns_its_token() {
        let bucket = TokenBucket::new(Rate { qps: 1.0, burst: 1 });
        bucket.acquire().await;
        let given_up = tokio::time::timeout(Duration::from_millis(100), bucket.acquire()).await;
        assert!(given_up.is_err());
        // Without the return the next token would be due at 2 s.
        assert_eq!(departures(&bucket, 1).await, [900]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_others_queue_behind_is_not_returned() {
        let bucket = TokenBucket::new(Rate { qps: 1.0, burst: 1 });
        bucket.acquire().await;
        let now = Instant::now();
        let first = bucket.reserve(now);
        let second = bucket.reserve(now);
        drop(first);
        let third = bucket.reserve(now);
        assert_eq!(second.due - now, Duration::from_secs(2));
        assert_eq!(third.due - now, Duration::from_secs(3));
        second.redeem();
        third.redeem();
    }

    #[tokio::test(start_paused = true)]
    async fn a_tiny_rate_waits_long_instead_of_overflowing() {
        let bucket = TokenBucket::new(Rate {
            qps: 1e-30,
            burst: 1,
        });
        bucket.acquire().await;
        let waiting = tokio::time::timeout(Duration::from_secs(3600), bucket.acquire()).await;
        assert!(waiting.is_err());
    }
}
