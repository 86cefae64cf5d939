//! Why a loop ended before its operation did.

use std::error::Error;

use crate::BoxError;

/// Why a retry loop ended although its operation neither succeeded nor failed for good.
///
/// Texts and meaning are those of Go: apimachinery's `wait.ErrWaitTimeout` and the two errors of a
/// `context.Context`. [`interrupted`] finds one in an error that wraps it.
///
/// ```
/// use std::time::Duration;
/// use optilock::{Backoff, Interrupt, Retry, RetryError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let backoff = Backoff::new(2, Duration::from_millis(1));
/// let outcome = Retry::new(backoff).until(async || Ok::<_, std::fmt::Error>(false)).await;
/// assert!(matches!(outcome, Err(RetryError::Interrupted(Interrupt::Timeout))));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Interrupt {
    /// The backoff allows no further try. Go: `wait.ErrWaitTimeout`.
    #[error("timed out waiting for the condition")]
    Timeout,
    /// The loop was cancelled. Go: `context.Canceled`.
    #[error("context canceled")]
    Cancelled,
    /// The deadline of the whole operation has passed. Go: `context.DeadlineExceeded`.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
    /// Something else ended the loop; the text is the cause's own. Go: `wait.ErrorInterrupted(cause)`.
    #[error("{0}")]
    Because(#[source] BoxError),
}

impl Interrupt {
    /// An interruption for a reason of the caller's own, as Go's `wait.ErrorInterrupted` makes.
    ///
    /// A cause that is an interruption already is returned as it is.
    ///
    /// ```
    /// use optilock::Interrupt;
    ///
    /// let shutdown = Interrupt::because("the process is shutting down");
    /// assert_eq!(shutdown.to_string(), "the process is shutting down");
    /// assert!(optilock::interrupted(&shutdown));
    /// ```
    #[doc(alias = "ErrorInterrupted")]
    pub fn because(cause: impl Into<BoxError>) -> Self {
        match cause.into().downcast::<Self>() {
            Ok(interrupt) => *interrupt,
            Err(cause) => Self::Because(cause),
        }
    }
}

/// Whether an error is an [`Interrupt`], or has one among its sources. Go: `wait.Interrupted`.
///
/// Go's `Unwrap` is [`Error::source`] here: an error that keeps its cause to itself is not seen
/// through.
///
/// ```
/// use optilock::{BoxError, Interrupt};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("waiting for the pod")]
/// struct Waiting(#[source] BoxError);
///
/// assert!(optilock::interrupted(&Waiting(Interrupt::Cancelled.into())));
/// assert!(!optilock::interrupted(&Waiting("it is too large".into())));
/// ```
#[doc(alias = "Interrupted")]
#[must_use]
pub fn interrupted(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.is::<Interrupt>())
}

/// An error and all its sources, outermost first.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
