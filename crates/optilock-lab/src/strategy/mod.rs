//! How a worker gets its update in: one file a strategy.

mod combined;
mod once;
mod retry_on_conflict;
mod update;

use std::fmt::Debug;

use futures::future::BoxFuture;

pub use combined::OptilockCombined;
pub use once::Once;
pub use retry_on_conflict::RetryOnConflict;
pub use update::OptilockUpdate;

use crate::{AttemptError, Update, Worker};

/// A way to get an update in while others do the same.
///
/// A strategy sends its requests through [`Worker::api`] and changes the object by [`Worker::increment`], so that what it
/// does is seen, counted and timed without its doing.
pub trait Strategy: Debug + Send + Sync {
    /// The strategy's name in tables and options.
    fn id(&self) -> &'static str;

    /// Adds one to the counter once, however many attempts it takes or the strategy allows.
    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>>;
}
