use futures::future::BoxFuture;

use super::Strategy;
use crate::{AttemptError, Update, Worker};

/// Get, change, update, and leave a conflict to the caller: the seed's first experiment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Once;

impl Once {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "once";
}

impl Strategy for Once {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(worker.get_and_update())
    }
}
