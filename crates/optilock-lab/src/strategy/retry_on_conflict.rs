use futures::future::BoxFuture;
use optilock::{Backoff, DEFAULT_BACKOFF, DEFAULT_RETRY, Retry, RetryError, is_conflict_in};

use super::Strategy;
use crate::{AttemptError, Update, Worker};

/// client-go's `RetryOnConflict` around get, change, update: the seed's second experiment.
#[derive(Debug, Clone, Copy)]
pub struct RetryOnConflict {
    /// How often to try and how long to wait in between.
    pub backoff: Backoff,
    id: &'static str,
}

impl RetryOnConflict {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "retry-on-conflict";

    /// With parameters of one's own.
    pub fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            id: Self::ID,
        }
    }

    /// With client-go's `DefaultRetry`.
    pub fn default_retry() -> Self {
        Self {
            backoff: DEFAULT_RETRY,
            id: "default-retry",
        }
    }

    /// With client-go's `DefaultBackoff`.
    pub fn default_backoff() -> Self {
        Self {
            backoff: DEFAULT_BACKOFF,
            id: "default-backoff",
        }
    }
}

impl Strategy for RetryOnConflict {
    fn id(&self) -> &'static str {
        self.id
    }

    fn parameters(&self) -> String {
        describe(&self.backoff)
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(retry(worker, self.backoff, || worker.get_and_update()))
    }
}

/// Attempts by client-go's rules: after a conflict, or after the failed `test` of a patch, the next one.
pub(super) async fn retry<Fut>(
    worker: &Worker,
    backoff: Backoff,
    attempt: impl FnMut() -> Fut,
) -> Result<Update, AttemptError>
where
    Fut: Future<Output = Result<Update, AttemptError>>,
{
    let overtaken = |error: &AttemptError| {
        matches!(error, AttemptError::TestFailed(_)) || is_conflict_in(error)
    };
    Retry::new(backoff)
        .random(worker.random())
        .on_error(overtaken, attempt)
        .await
        .map_err(|error| match error {
            RetryError::Failed(error) => error,
            RetryError::Interrupted(interrupt) => AttemptError::Interrupted(interrupt),
        })
}

/// A backoff's parameters in a line.
pub(super) fn describe(backoff: &Backoff) -> String {
    let steps = match backoff.steps() {
        steps if steps >= i64::from(i32::MAX) => "unlimited".to_owned(),
        steps => steps.to_string(),
    };
    let (duration, factor, jitter) = (backoff.duration(), backoff.factor(), backoff.jitter());
    let cap = backoff.cap().map(|cap| format!(", cap {cap:?}"));
    format!(
        "steps {steps}, duration {duration:?}, factor {factor}, jitter {jitter}{}",
        cap.unwrap_or_default()
    )
}
