use futures::future::BoxFuture;
use optilock::{Backoff, Retry, RetryError};

use super::Strategy;
use crate::{AttemptError, Update, Worker};

/// client-go's `RetryOnConflict` around get, change, update: the seed's second experiment.
#[derive(Debug, Clone, Copy)]
pub struct RetryOnConflict {
    /// How often to try and how long to wait in between.
    pub backoff: Backoff,
}

impl RetryOnConflict {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "retry-on-conflict";
}

impl Strategy for RetryOnConflict {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(async move {
            Retry::new(self.backoff)
                .random(worker.random())
                .on_conflict(async || worker.get_and_update().await)
                .await
                .map_err(|error| match error {
                    RetryError::Failed(error) => error,
                    RetryError::Interrupted(interrupt) => AttemptError::Interrupted(interrupt),
                })
        })
    }
}
