//! client-go's retries: the operation is a closure that knows nothing of them.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use crate::conflict::is_conflict_in;
use crate::engine::{Engine, Flow};
use crate::limits::{self, Limits};
use crate::random::thread_random;
use crate::{Backoff, Interrupt, interrupted};

/// How a retry loop ends when it doesn't end well.
///
/// The text is that of the error inside, which for an [`Interrupt`] is Go's own.
///
/// ```
/// use optilock::RetryError;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let result = optilock::on_error(optilock::DEFAULT_RETRY, |_| false, async || {
///     "x".parse::<u32>()
/// });
/// match result.await {
///     Ok(number) => println!("{number}"),
///     Err(RetryError::Failed(error)) => println!("no number: {error}"),
///     Err(RetryError::Interrupted(why)) => println!("given up: {why}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum RetryError<E> {
    /// The loop ended before the operation did: the steps are used up, it is cancelled, or the
    /// deadline has passed.
    #[error(transparent)]
    Interrupted(#[from] Interrupt),
    /// The operation failed. This is its error itself, not a copy: one that is not to be retried, or
    /// the last one that was.
    #[error(transparent)]
    Failed(E),
}

impl<E> RetryError<E> {
    /// The operation's own error, if there is one.
    #[must_use]
    pub fn into_failed(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Interrupted(_) => None,
        }
    }
}

/// Tries a condition until it holds, sleeping in between as the backoff says.
///
/// - `Ok(true)`: done. `Ok(false)`: sleep, then try again. An error: returned at once.
/// - Steps used up, or the cap of the backoff reached: [`Interrupt::Timeout`], "timed out waiting for
///   the condition". With zero steps the condition is never tried; there is no sleep after the last try.
///
/// For cancellation, a deadline, or randomness of your own, see [`Retry::until`].
///
/// # Errors
/// The condition's error, or that it did not come to hold in time.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// use std::convert::Infallible;
///
/// let mut tries = 0;
/// let outcome = optilock::exponential_backoff(optilock::DEFAULT_BACKOFF, || {
///     tries += 1;
///     let holds = tries == 3;
///     async move { Ok::<_, Infallible>(holds) }
/// })
/// .await;
/// assert!(outcome.is_ok());
/// assert_eq!(tries, 3);
/// # });
/// ```
#[doc(alias = "ExponentialBackoff")]
pub async fn exponential_backoff<E, Fut: Future<Output = Result<bool, E>>>(
    backoff: Backoff,
    condition: impl FnMut() -> Fut,
) -> Result<(), RetryError<E>> {
    Retry::new(backoff).until(condition).await
}

/// Runs an operation until it succeeds or fails with an error that is not `retriable`.
///
/// When the steps are used up, the *last retriable error* comes back, the very value that the
/// operation returned. With zero steps the operation never runs: [`Interrupt::Timeout`].
///
/// # Errors
/// The error that is not retriable, the last one that is, or an interruption.
///
/// # Differences to client-go
/// This is `retry.OnError` as of client-go 0.37. Up to 0.36 it returns *nil*, success, where the loop
/// is interrupted before any retriable error: with zero steps, or when the operation returns
/// `context.Canceled` on its own. Here both are errors in either case.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::io::{Error, ErrorKind};
///
/// let mut tries = 0;
/// let result = optilock::on_error(
///     optilock::DEFAULT_RETRY,
///     |error: &Error| error.kind() == ErrorKind::TimedOut,
///     || {
///         tries += 1;
///         let answer = if tries < 3 { Err(ErrorKind::TimedOut.into()) } else { Ok(tries) };
///         async move { answer }
///     },
/// );
/// assert_eq!(result.await.ok(), Some(3));
/// # }
/// ```
#[doc(alias = "OnError")]
pub async fn on_error<T, E: Error + 'static, Fut: Future<Output = Result<T, E>>>(
    backoff: Backoff,
    retriable: impl FnMut(&E) -> bool,
    operation: impl FnMut() -> Fut,
) -> Result<T, RetryError<E>> {
    Retry::new(backoff).on_error(retriable, operation).await
}

/// Runs an operation until it no longer ends in a conflict: client-go's `retry.RetryOnConflict`.
///
/// The operation reads the object, changes it, and writes it, all anew in every try; an object that
/// was read before the loop makes every try fail the same way. [`update`](crate::update()) does all
/// that itself, and more safely: this one runs the operation again whenever it returns a conflict,
/// also if that conflict is with its own earlier write, whose answer was lost.
///
/// The error may be [`kube::Error`] or any error that has one among its sources; the first that is
/// found decides. A server-side-apply conflict counts too, as it does in Go, although trying again
/// doesn't cure it.
///
/// # Errors
/// The first error that is no conflict, the last conflict when the steps are used up, or an
/// interruption.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use kube::api::PostParams;
///
/// let written = optilock::retry_on_conflict(optilock::DEFAULT_RETRY, async || {
///     let mut config = api.get("settings").await?;
///     config.data.get_or_insert_default().insert("level".into(), "debug".into());
///     api.replace("settings", &PostParams::default(), &config).await
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RetryOnConflict")]
pub async fn retry_on_conflict<T, E: Error + 'static, Fut: Future<Output = Result<T, E>>>(
    backoff: Backoff,
    operation: impl FnMut() -> Fut,
) -> Result<T, RetryError<E>> {
    Retry::new(backoff).on_conflict(operation).await
}

/// A retry loop with a cancellation, a deadline, or randomness of your own.
///
/// The functions [`exponential_backoff`], [`on_error`] and [`retry_on_conflict`] are this without
/// options.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// use std::{convert::Infallible, time::Duration};
/// use optilock::{Backoff, Interrupt, Retry, RetryError};
///
/// let outcome = Retry::new(Backoff::new(i64::MAX, Duration::from_millis(10)))
///     .timeout(Duration::from_secs(1))
///     .until(async || Ok::<_, Infallible>(false))
///     .await;
/// assert!(matches!(outcome, Err(RetryError::Interrupted(Interrupt::DeadlineExceeded))));
/// # });
/// ```
#[doc(alias = "ExponentialBackoffWithContext")]
#[must_use = "a retry does nothing until one of its last three methods is awaited"]
pub struct Retry<'a> {
    backoff: Backoff,
    limits: Limits,
    random: Box<dyn FnMut() -> f64 + Send + 'a>,
    on_sleep: Box<dyn FnMut(Duration) + Send + 'a>,
}

impl fmt::Debug for Retry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("backoff", &self.backoff)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<'a> Retry<'a> {
    /// A loop that ends by this backoff alone.
    pub fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            limits: Limits::default(),
            random: Box::new(thread_random),
            on_sleep: Box::new(|_| {}),
        }
    }

    /// Ends the loop with [`Interrupt::Cancelled`] once this future is ready: before the next try, or in
    /// the middle of a sleep. A try that runs is left to end. The future can be a signal, a channel, or
    /// the `cancelled_owned()` of tokio-util's `CancellationToken`.
    pub fn cancellation(mut self, cancelled: impl Future<Output = ()> + Send + 'static) -> Self {
        self.limits.cancel_on(cancelled);
        self
    }

    /// Ends the loop with [`Interrupt::DeadlineExceeded`] at this instant: before the next try, or in
    /// the middle of a sleep.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.limits.deadline = Some(deadline.into());
        self
    }

    /// A [deadline](Self::deadline) that is `timeout` from now.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.deadline = limits::after(timeout);
        self
    }

    /// Takes the jitter's random numbers, from 0 (included) to 1 (excluded), from here.
    pub fn random(mut self, random: impl FnMut() -> f64 + Send + 'a) -> Self {
        self.random = Box::new(random);
        self
    }

    /// Calls this before every sleep, with its length.
    pub fn on_sleep(mut self, on_sleep: impl FnMut(Duration) + Send + 'a) -> Self {
        self.on_sleep = Box::new(on_sleep);
        self
    }

    /// Tries a condition until it holds; see [`exponential_backoff`].
    ///
    /// # Errors
    /// As [`exponential_backoff`]; a limit that is reached comes before "timed out".
    pub async fn until<E, Fut: Future<Output = Result<bool, E>>>(
        self,
        condition: impl FnMut() -> Fut,
    ) -> Result<(), RetryError<E>> {
        self.run(condition, |result| match result {
            Ok(true) => Ok(Flow::Done(())),
            Ok(false) => Ok(Flow::AGAIN),
            Err(error) => Err(error),
        })
        .await
    }

    /// Runs an operation until it succeeds or fails with an error that is not `retriable`; see
    /// [`on_error`].
    ///
    /// If the loop is interrupted after a retriable error was seen, that error comes back and not the
    /// interruption. This includes an operation that itself returns an [`Interrupt`], wrapped or not.
    ///
    /// # Errors
    /// As [`on_error`].
    pub async fn on_error<T, E: Error + 'static, Fut: Future<Output = Result<T, E>>>(
        self,
        mut retriable: impl FnMut(&E) -> bool,
        operation: impl FnMut() -> Fut,
    ) -> Result<T, RetryError<E>> {
        let mut last = None;
        let result = self
            .run(operation, |result| match result {
                Ok(output) => Ok(Flow::Done(output)),
                Err(error) if retriable(&error) => {
                    last = Some(error);
                    Ok(Flow::AGAIN)
                }
                Err(error) => Err(error),
            })
            .await;
        result.map_err(|error| {
            let was_interrupted = match &error {
                RetryError::Interrupted(_) => true,
                RetryError::Failed(error) => interrupted(error),
            };
            match last {
                Some(last) if was_interrupted => RetryError::Failed(last),
                _ => error,
            }
        })
    }

    /// Runs an operation until it no longer ends in a conflict; see [`retry_on_conflict`].
    ///
    /// # Errors
    /// As [`retry_on_conflict`].
    pub async fn on_conflict<T, E: Error + 'static, Fut: Future<Output = Result<T, E>>>(
        self,
        operation: impl FnMut() -> Fut,
    ) -> Result<T, RetryError<E>> {
        self.on_error(|error: &E| is_conflict_in(error), operation)
            .await
    }

    /// Attempts, and sleeps in between, until `judge` finds that a result ends it.
    async fn run<R, T, E, Fut: Future<Output = R>>(
        mut self,
        mut attempt: impl FnMut() -> Fut,
        mut judge: impl FnMut(R) -> Result<Flow<T>, E>,
    ) -> Result<T, RetryError<E>> {
        let mut engine = Engine::new(&self.limits, self.backoff.delays_with(self.random));
        loop {
            engine.begin()?;
            let result = judge(attempt().await);
            let on_sleep = |delay| {
                (self.on_sleep)(delay);
                Ok(())
            };
            if let Some(output) = engine.turn(result, on_sleep).await? {
                return Ok(output);
            }
        }
    }
}
