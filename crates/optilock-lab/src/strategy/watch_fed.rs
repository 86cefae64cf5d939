use futures::future::BoxFuture;
use optilock::Backoff;
use parking_lot::Mutex;

use super::{
    Strategy,
    retry_on_conflict::{describe, retry},
};
use crate::{AttemptError, Update, Worker, worker::version};

/// Change and update the object as a watch tells it, which the workers share as the informers of one process do; after a
/// conflict wait for the next version and try again.
#[derive(Debug, Clone, Copy)]
pub struct WatchFed {
    /// How often to try and how long to wait in between.
    pub backoff: Backoff,
}

impl WatchFed {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "watch-fed";
}

impl Strategy for WatchFed {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn parameters(&self) -> String {
        describe(&self.backoff)
    }

    fn least_requests(&self, _: usize) -> f64 {
        1.0
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(async move {
            let stale = Mutex::default();
            retry(worker, self.backoff, || attempt(worker, &stale)).await
        })
    }
}

/// One attempt on a version other than the stale one, which is the next one's.
async fn attempt(worker: &Worker, stale: &Mutex<Option<String>>) -> Result<Update, AttemptError> {
    let base = stale.lock().clone();
    let mut object = worker.watched(base.as_deref()).await?;
    *stale.lock() = Some(version(&object));
    let value = worker.change(&mut object)?;
    worker.put(&object, value).await
}
