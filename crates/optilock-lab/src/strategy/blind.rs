use futures::future::BoxFuture;

use super::Strategy;
use crate::{AttemptError, Update, Worker, worker::version};

/// Get, change, and a PUT without a resourceVersion, which overwrites whatever is there: loses updates, on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlindPut;

impl BlindPut {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "blind";
}

impl Strategy for BlindPut {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn writes_in_turn(&self) -> bool {
        false
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(async move {
            let (old, mut new, value) = worker.read_and_change().await?;
            new.metadata.resource_version = None;
            let update = worker.put(&new, value).await?;
            Ok(Update {
                old: version(&old),
                ..update
            })
        })
    }
}
