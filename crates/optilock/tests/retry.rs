//! The retry loops: apimachinery's and client-go's own cases for `ExponentialBackoff`, its variant with
//! a context, `Interrupted`, `OnError` and `RetryOnConflict`, on a clock that stands still.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

use std::error::Error;
use std::fmt;
use std::future::ready;
use std::time::Duration;

use kube::core::Status;
use kube::core::response::{StatusCause, StatusDetails, reason};
use optilock::{
    Backoff, DEFAULT_BACKOFF, DEFAULT_RETRY, Interrupt, Retry, RetryError, exponential_backoff,
    interrupted, is_apply_conflict, is_conflict, is_conflict_in, on_error, retry_on_conflict,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// An error that can be told from all others, to check that it is handed on and not copied.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("condition failed ({0})")]
struct Failed(u32);

/// Upstream's parameters of the loop without a context.
fn factor_one(steps: i64) -> Backoff {
    Backoff::new(steps, Duration::ZERO).with_factor(1.0)
}

/// Upstream's parameters of the loop with a context.
fn microsecond(steps: i64) -> Backoff {
    Backoff::new(steps, Duration::from_micros(1)).with_factor(1.0)
}

/// Runs a loop whose condition is the given function of the number of the call, and counts the calls.
async fn until(
    retry: Retry<'_>,
    mut condition: impl FnMut(u32) -> Result<bool, Failed>,
) -> (Result<(), RetryError<Failed>>, u32) {
    let mut calls = 0;
    let result = retry
        .until(|| {
            calls += 1;
            ready(condition(calls))
        })
        .await;
    (result, calls)
}

fn assert_timed_out<T, E: Error>(result: Result<T, RetryError<E>>) {
    let error = result.err().expect("a timeout");
    assert!(matches!(error, RetryError::Interrupted(Interrupt::Timeout)));
    assert_eq!(error.to_string(), "timed out waiting for the condition");
}

fn assert_cancelled<T, E: Error>(result: Result<T, RetryError<E>>) {
    let error = result.err().expect("a cancellation");
    assert!(matches!(
        error,
        RetryError::Interrupted(Interrupt::Cancelled)
    ));
    assert_eq!(error.to_string(), "context canceled");
}

fn assert_past_deadline<T, E: Error>(result: Result<T, RetryError<E>>) {
    let error = result.err().expect("a passed deadline");
    assert!(matches!(
        error,
        RetryError::Interrupted(Interrupt::DeadlineExceeded)
    ));
    assert_eq!(error.to_string(), "context deadline exceeded");
}

// Group ExponentialBackoff.

#[tokio::test(start_paused = true)]
async fn zero_steps_never_call_the_condition() {
    let (result, calls) = until(Retry::new(factor_one(0)), |_| Ok(false)).await;
    assert_timed_out(result);
    assert_eq!(calls, 0);
}

#[tokio::test(start_paused = true)]
async fn negative_steps_never_call_the_condition() {
    let (result, calls) = until(Retry::new(factor_one(-1)), |_| Ok(true)).await;
    assert_timed_out(result);
    assert_eq!(calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_stays_false_is_called_for_every_step() {
    let (result, calls) = until(Retry::new(factor_one(3)), |_| Ok(false)).await;
    assert_timed_out(result);
    assert_eq!(calls, 3);
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_holds_at_once_is_called_once() {
    let (result, calls) = until(Retry::new(factor_one(3)), |_| Ok(true)).await;
    assert!(result.is_ok());
    assert_eq!(calls, 1);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_condition_comes_back_itself() {
    let (result, calls) = until(Retry::new(factor_one(3)), |call| Err(Failed(40 + call))).await;
    assert_eq!(result.unwrap_err().into_failed(), Some(Failed(41)));
    assert_eq!(calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_condition_may_hold_in_the_last_step() {
    let (result, calls) = until(Retry::new(factor_one(3)), |call| Ok(call == 3)).await;
    assert!(result.is_ok());
    assert_eq!(calls, 3);
}

/// The functions are the loop without options.
#[tokio::test(start_paused = true)]
async fn the_function_is_the_loop_without_options() {
    let mut calls = 0;
    let result = exponential_backoff(factor_one(3), || {
        calls += 1;
        ready(Ok::<_, Failed>(false))
    })
    .await;
    assert_timed_out(result);
    assert_eq!(calls, 3);
}

async fn sleeps_and_calls(backoff: Backoff) -> (Vec<Duration>, u32, Duration) {
    let mut sleeps = Vec::new();
    let start = Instant::now();
    let retry = Retry::new(backoff).on_sleep(|delay| sleeps.push(delay));
    let (result, calls) = until(retry, |_| Ok(false)).await;
    assert_timed_out(result);
    (sleeps, calls, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_last_step_is_followed_by_no_sleep() {
    let second = Duration::from_secs(1);
    let (sleeps, calls, took) = sleeps_and_calls(Backoff::new(3, second).with_factor(2.0)).await;
    assert_eq!(sleeps, [second, 2 * second]);
    assert_eq!(calls, 3);
    assert_eq!(took, 3 * second);
}

/// The code of apimachinery and not its comment: the duration before the cap is slept, then it ends
/// without another call.
#[tokio::test(start_paused = true)]
async fn the_cap_ends_the_loop_after_one_more_sleep_and_no_more_call() {
    let second = Duration::from_secs(1);
    let backoff = Backoff::new(10, second)
        .with_factor(2.0)
        .with_cap(3 * second);
    let (sleeps, calls, took) = sleeps_and_calls(backoff).await;
    assert_eq!(sleeps, [second, 2 * second]);
    assert_eq!(calls, 2);
    assert_eq!(took, 3 * second);
}

#[tokio::test(start_paused = true)]
async fn a_negative_duration_is_no_sleep() {
    let backoff = Backoff::new(4, Duration::from_secs(1)).with_factor(-2.0);
    let (sleeps, calls, took) = sleeps_and_calls(backoff).await;
    assert_eq!(sleeps, [1, 0, 4].map(Duration::from_secs));
    assert_eq!(calls, 4);
    assert_eq!(took, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn jitter_comes_from_the_given_randomness() {
    let mut numbers = [0.0, 0.25, 0.5].into_iter();
    let mut sleeps = Vec::new();
    let retry = Retry::new(Backoff::new(4, Duration::from_secs(1)).with_jitter(2.0))
        .random(move || numbers.next().unwrap())
        .on_sleep(|delay| sleeps.push(delay));
    let (result, _) = until(retry, |_| Ok(false)).await;
    assert_timed_out(result);
    assert_eq!(sleeps, [1000, 1500, 2000].map(Duration::from_millis));
}

// Group ExponentialBackoffWithContext.

#[tokio::test(start_paused = true)]
async fn context_zero_steps() {
    let retry = Retry::new(microsecond(0)).cancellation(CancellationToken::new().cancelled_owned());
    let (result, calls) = until(retry, |_| Ok(false)).await;
    assert_timed_out(result);
    assert_eq!(calls, 0);
}

#[tokio::test(start_paused = true)]
async fn context_one_step_false() {
    let retry = Retry::new(microsecond(1)).cancellation(CancellationToken::new().cancelled_owned());
    let (result, calls) = until(retry, |_| Ok(false)).await;
    assert_timed_out(result);
    assert_eq!(calls, 1);
}

#[tokio::test(start_paused = true)]
async fn context_one_step_true() {
    let retry = Retry::new(microsecond(1)).cancellation(CancellationToken::new().cancelled_owned());
    let (result, calls) = until(retry, |_| Ok(true)).await;
    assert!(result.is_ok());
    assert_eq!(calls, 1);
}

#[tokio::test(start_paused = true)]
async fn context_five_steps_false() {
    let retry = Retry::new(microsecond(5)).cancellation(CancellationToken::new().cancelled_owned());
    let (result, calls) = until(retry, |_| Ok(false)).await;
    assert_timed_out(result);
    assert_eq!(calls, 5);
}

#[tokio::test(start_paused = true)]
async fn context_five_steps_true_at_the_third() {
    let retry = Retry::new(microsecond(5)).cancellation(CancellationToken::new().cancelled_owned());
    let (result, calls) = until(retry, |call| Ok(call == 3)).await;
    assert!(result.is_ok());
    assert_eq!(calls, 3);
}

#[tokio::test(start_paused = true)]
async fn context_five_steps_of_no_duration_true_at_the_third() {
    let retry = Retry::new(factor_one(5)).cancellation(CancellationToken::new().cancelled_owned());
    let (result, calls) = until(retry, |call| Ok(call == 3)).await;
    assert!(result.is_ok());
    assert_eq!(calls, 3);
}

/// Go's `(true, err)` can't be said in Rust: an error is an error.
#[tokio::test(start_paused = true)]
async fn context_five_steps_error() {
    let retry = Retry::new(microsecond(5)).cancellation(CancellationToken::new().cancelled_owned());
    let (result, calls) = until(retry, |_| Err(Failed(7))).await;
    assert_eq!(result.unwrap_err().into_failed(), Some(Failed(7)));
    assert_eq!(calls, 1);
}

#[tokio::test(start_paused = true)]
async fn context_cancelled_before_the_first_step() {
    let token = CancellationToken::new();
    token.cancel();
    let (result, calls) = until(
        Retry::new(microsecond(5)).cancellation(token.cancelled_owned()),
        |_| Ok(true),
    )
    .await;
    assert_cancelled(result);
    assert_eq!(calls, 0);
}

#[tokio::test(start_paused = true)]
async fn context_past_its_deadline_before_the_first_step() {
    let retry = Retry::new(microsecond(5)).timeout(Duration::ZERO);
    let (result, calls) = until(retry, |_| Ok(true)).await;
    assert_past_deadline(result);
    assert_eq!(calls, 0);

    let past = Instant::now().into_std();
    tokio::time::advance(Duration::from_millis(1)).await;
    let (result, calls) = until(Retry::new(microsecond(5)).deadline(past), |_| Ok(true)).await;
    assert_past_deadline(result);
    assert_eq!(calls, 0);
}

#[tokio::test(start_paused = true)]
async fn context_cancelled_in_the_fourth_call() {
    let token = CancellationToken::new();
    let retry = Retry::new(microsecond(5)).cancellation(token.clone().cancelled_owned());
    let (result, calls) = until(retry, |call| {
        if call == 4 {
            token.cancel();
        }
        Ok(false)
    })
    .await;
    assert_cancelled(result);
    assert_eq!(calls, 4);
}

/// A sleep doesn't outlast the token or the deadline.
#[tokio::test(start_paused = true)]
async fn context_ends_a_sleep() {
    let hour = Duration::from_secs(3600);
    let token = CancellationToken::new();
    let start = Instant::now();
    let canceller = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        token.cancel();
    };
    let retry = Retry::new(Backoff::new(5, hour)).cancellation(token.clone().cancelled_owned());
    let ((result, calls), ()) = tokio::join!(until(retry, |_| Ok(false)), canceller);
    assert_cancelled(result);
    assert_eq!(calls, 1);
    assert!(start.elapsed() < hour);

    let retry = Retry::new(Backoff::new(5, hour)).timeout(Duration::from_secs(1));
    let (result, calls) = until(retry, |_| Ok(false)).await;
    assert_past_deadline(result);
    assert_eq!(calls, 1);
    assert!(start.elapsed() < hour);
}

/// A call that runs is left to end, and its success counts.
#[tokio::test(start_paused = true)]
async fn context_leaves_a_call_alone() {
    let result = Retry::new(microsecond(5))
        .timeout(Duration::from_millis(1))
        .until(async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Failed>(true)
        })
        .await;
    assert!(result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_too_long_to_be_told_is_none() {
    let retry = Retry::new(microsecond(2)).timeout(Duration::MAX);
    let (result, calls) = until(retry, |_| Ok(false)).await;
    assert_timed_out(result);
    assert_eq!(calls, 2);
}

// Group Interrupted. Go's `Unwrap` is `Error::source`; Go's nil is no error at all.

#[derive(Debug)]
struct Wrapper<E> {
    inner: E,
    tells: bool,
}

impl<E: fmt::Display> fmt::Display for Wrapper<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrapped: {}", self.inner)
    }
}

impl<E: Error + 'static> Error for Wrapper<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.tells.then_some(&self.inner as _)
    }
}

fn wrapped<E>(inner: E) -> Wrapper<E> {
    Wrapper { inner, tells: true }
}

fn hidden<E>(inner: E) -> Wrapper<E> {
    Wrapper {
        inner,
        tells: false,
    }
}

#[test]
fn interrupted_by_a_timeout() {
    assert!(interrupted(&Interrupt::Timeout));
}

#[test]
fn interrupted_by_a_wrapped_timeout() {
    assert!(interrupted(&wrapped(Interrupt::Timeout)));
}

#[test]
fn interrupted_by_cancellation() {
    assert!(interrupted(&Interrupt::Cancelled));
    assert!(interrupted(&wrapped(Interrupt::Cancelled)));
}

#[test]
fn interrupted_by_a_deadline() {
    assert!(interrupted(&Interrupt::DeadlineExceeded));
    assert!(interrupted(&wrapped(wrapped(Interrupt::DeadlineExceeded))));
}

#[test]
fn interrupted_for_a_reason_of_ones_own() {
    // Go's ErrorInterrupted(nil) is the timeout.
    assert!(interrupted(&Interrupt::Timeout));
    assert!(interrupted(&Interrupt::because("unknown")));
    assert!(interrupted(&Interrupt::because(Failed(1))));
    assert!(interrupted(&Interrupt::because(Interrupt::Cancelled)));
    assert!(interrupted(&Interrupt::because(Interrupt::Timeout)));
    assert!(interrupted(&wrapped(Interrupt::because(Failed(1)))));
}

#[test]
fn not_interrupted_by_another_error() {
    assert!(!interrupted(&Failed(1)));
    assert!(!interrupted(&wrapped(Failed(1))));
}

#[test]
fn not_interrupted_where_the_cause_is_not_told() {
    assert!(!interrupted(&hidden(Interrupt::Timeout)));
    assert!(!interrupted(&hidden(Interrupt::Cancelled)));
    assert!(!interrupted(&hidden(Interrupt::DeadlineExceeded)));
}

#[test]
fn an_interruption_is_not_wrapped_twice() {
    let once = Interrupt::because(Interrupt::because(Failed(3)));
    let Interrupt::Because(cause) = once else {
        panic!("{once:?}")
    };
    assert_eq!(cause.downcast_ref(), Some(&Failed(3)));
    assert!(matches!(
        Interrupt::because(Interrupt::Timeout),
        Interrupt::Timeout
    ));
}

#[test]
fn an_interruption_has_the_text_of_its_cause() {
    assert_eq!(
        Interrupt::because(Failed(3)).to_string(),
        "condition failed (3)"
    );
}

// Group RetryOnConflict.

fn conflict(name: &str) -> kube::Error {
    let message = format!(
        "Operation cannot be fulfilled on resource.group {name:?}: \
         the object has been modified; please apply your changes to the latest version and try again"
    );
    kube::Error::Api(
        Status::failure(&message, reason::CONFLICT)
            .with_code(409)
            .boxed(),
    )
}

#[tokio::test(start_paused = true)]
async fn the_last_conflict_comes_back_itself() {
    let mut calls = 0;
    let mut answers = Vec::new();
    let result = retry_on_conflict(factor_one(3), || {
        calls += 1;
        let error = conflict(&format!("attempt-{calls}"));
        if let kube::Error::Api(status) = &error {
            answers.push(std::ptr::from_ref(&**status));
        }
        ready(Err::<(), _>(error))
    })
    .await;
    let error = result.unwrap_err().into_failed().unwrap();
    assert!(is_conflict(&error));
    let kube::Error::Api(status) = error else {
        panic!("{error:?}")
    };
    assert_eq!(calls, 3);
    // The very same value, not an equal one.
    assert_eq!(answers.last(), Some(&std::ptr::from_ref(&*status)));
}

#[tokio::test(start_paused = true)]
async fn success_at_once_is_one_call() {
    let mut calls = 0;
    let result: Result<_, RetryError<kube::Error>> = retry_on_conflict(factor_one(3), || {
        calls += 1;
        ready(Ok("done"))
    })
    .await;
    assert_eq!(result.unwrap(), "done");
    assert_eq!(calls, 1);
}

#[tokio::test(start_paused = true)]
async fn another_error_is_not_retried() {
    let mut calls = 0;
    let result = retry_on_conflict(factor_one(3), || {
        calls += 1;
        ready(Err::<(), _>(Failed(9)))
    })
    .await;
    assert_eq!(result.unwrap_err().into_failed(), Some(Failed(9)));
    assert_eq!(calls, 1);
}

#[tokio::test(start_paused = true)]
async fn two_conflicts_then_success() {
    let mut conflicts = 0;
    let result = retry_on_conflict(factor_one(3), || {
        if conflicts < 2 {
            conflicts += 1;
            return ready(Err(conflict("foo")));
        }
        ready(Ok(()))
    })
    .await;
    assert!(result.is_ok());
    assert_eq!(conflicts, 2);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_cancelled_itself() {
    let mut calls = 0;
    let result = retry_on_conflict(DEFAULT_BACKOFF, || {
        calls += 1;
        ready(Err::<(), _>(Interrupt::Cancelled))
    })
    .await;
    let error = result.unwrap_err().into_failed().unwrap();
    assert_eq!(error.to_string(), "context canceled");
    assert_eq!(calls, 1);
}

#[derive(Debug, thiserror::Error)]
enum Operation {
    #[error("writing")]
    Write(#[source] kube::Error),
    #[error("waiting")]
    Wait(#[source] Interrupt),
}

/// client-go's side effect: a conflict, then a context error, gives the conflict.
#[tokio::test(start_paused = true)]
async fn a_conflict_outlives_an_interruption() {
    let mut calls = 0;
    let result = retry_on_conflict(DEFAULT_RETRY, || {
        calls += 1;
        ready(Err::<(), _>(match calls {
            1 => Operation::Write(conflict("foo")),
            _ => Operation::Wait(Interrupt::DeadlineExceeded),
        }))
    })
    .await;
    assert!(matches!(
        result,
        Err(RetryError::Failed(Operation::Write(_)))
    ));
    assert_eq!(calls, 2);

    let token = CancellationToken::new();
    let result = Retry::new(DEFAULT_RETRY)
        .cancellation(token.clone().cancelled_owned())
        .on_conflict(|| {
            token.cancel();
            ready(Err::<(), _>(conflict("foo")))
        })
        .await;
    assert!(is_conflict(&result.unwrap_err().into_failed().unwrap()));
}

/// client-go up to 0.36 calls this a success.
#[tokio::test(start_paused = true)]
async fn zero_steps_are_a_timeout_and_no_success() {
    let mut calls = 0;
    let result = retry_on_conflict(factor_one(0), || {
        calls += 1;
        ready(Ok::<_, kube::Error>(()))
    })
    .await;
    assert_timed_out(result);
    assert_eq!(calls, 0);
}

#[tokio::test(start_paused = true)]
async fn on_error_asks_what_is_retriable() {
    let mut calls = 0;
    let result = on_error(
        DEFAULT_RETRY,
        |error: &Failed| error.0 < 3,
        || {
            calls += 1;
            ready(Err::<(), _>(Failed(calls)))
        },
    )
    .await;
    assert_eq!(result.unwrap_err().into_failed(), Some(Failed(3)));
    assert_eq!(calls, 3);
}

// What a conflict is.

fn answer(code: u16, reason: &str) -> kube::Error {
    kube::Error::Api(Status::failure("no", reason).with_code(code).boxed())
}

#[test]
fn conflicts_are_told_by_reason_then_by_code() {
    assert!(is_conflict(&answer(409, reason::CONFLICT)));
    assert!(is_conflict(&answer(500, reason::CONFLICT)));
    assert!(is_conflict(&answer(409, "SomethingNew")));
    assert!(is_conflict(&answer(409, reason::UNKNOWN)));
    assert!(!is_conflict(&answer(409, reason::ALREADY_EXISTS)));
    assert!(!is_conflict(&answer(404, reason::NOT_FOUND)));
    assert!(!is_conflict(&answer(500, "SomethingNew")));
    assert!(!is_conflict(&kube::Error::TlsRequired));
}

#[test]
fn wrapped_conflicts_are_found() {
    assert!(is_conflict_in(&conflict("foo")));
    assert!(is_conflict_in(&wrapped(wrapped(conflict("foo")))));
    assert!(is_conflict_in(&Operation::Write(conflict("foo"))));
    // An error that shows its inside's text and source as its own.
    assert!(is_conflict_in(&RetryError::Failed(conflict("foo"))));
    assert!(is_conflict_in(
        &Status::failure("", reason::CONFLICT).with_code(409)
    ));
    assert!(!is_conflict_in(&hidden(conflict("foo"))));
    assert!(!is_conflict_in(&Failed(1)));
}

#[test]
fn apply_conflicts_are_told_apart() {
    let details = |causes: Vec<StatusCause>| StatusDetails {
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes,
        retry_after_seconds: 0,
    };
    let cause = StatusCause {
        reason: "FieldManagerConflict".to_owned(),
        message: "conflict with \"kubectl\"".to_owned(),
        field: ".spec.replicas".to_owned(),
    };
    let status = Status::failure("Apply failed with 1 conflict", reason::CONFLICT).with_code(409);
    assert!(!is_apply_conflict(&status));
    assert!(!is_apply_conflict(
        &status.clone().with_details(details(Vec::new()))
    ));
    let apply = status.with_details(details(vec![cause]));
    assert!(is_apply_conflict(&apply));
    // To client-go it is a conflict like any other.
    assert!(is_conflict(&kube::Error::Api(apply.boxed())));
}

/// The futures can be spawned on a runtime of many threads: with closures that return a future, and
/// with async closures that only borrow.
#[tokio::test]
async fn retries_can_be_spawned() {
    let task = tokio::spawn(async {
        let mut calls = 0;
        retry_on_conflict(factor_one(3), || {
            calls += 1;
            async move {
                tokio::task::yield_now().await;
                if calls < 2 {
                    return Err(conflict("foo"));
                }
                Ok(calls)
            }
        })
        .await
    });
    assert_eq!(task.await.unwrap().unwrap(), 2);

    let name = "foo".to_owned();
    let task = tokio::spawn(async move {
        retry_on_conflict(factor_one(3), async || {
            tokio::task::yield_now().await;
            Err::<(), _>(conflict(&name))
        })
        .await
    });
    assert!(task.await.unwrap().is_err());
}
