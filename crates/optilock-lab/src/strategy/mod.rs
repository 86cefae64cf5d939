//! How a worker gets its update in: one file a strategy.

mod apply;
mod blind;
mod combined;
mod json_patch;
mod kube_default;
mod lease;
mod merge_patch;
mod named;
mod once;
mod pauses;
mod retry_on_conflict;
mod update;
mod watch_fed;

use std::fmt::Debug;

use futures::future::BoxFuture;

pub use apply::Apply;
pub use blind::BlindPut;
pub use combined::OptilockCombined;
pub use json_patch::JsonPatch;
pub use kube_default::KubeDefault;
pub use lease::LeaseLock;
pub(crate) use lease::free_lease;
pub use merge_patch::MergePatch;
pub use named::{NAMES, UnknownStrategy, named};
pub use once::Once;
pub use pauses::{Jitter, Jittered};
pub use retry_on_conflict::RetryOnConflict;
pub use update::{OptilockSharing, OptilockUpdate};
pub use watch_fed::WatchFed;

use crate::{AttemptError, Change, Update, Worker};

/// A way to get an update in while others do the same.
///
/// A strategy sends its requests through [`Worker::api`] and changes the object by [`Worker::change`], so that what it
/// does is seen, counted and timed without its doing.
pub trait Strategy: Debug + Send + Sync {
    /// The strategy's name in tables and options.
    fn id(&self) -> &'static str;

    /// Its parameters, for people; nothing where it has none.
    fn parameters(&self) -> String {
        String::new()
    }

    /// The requests that one update takes where nobody is in another's way: the least that is possible, with so many workers
    /// who always have an update to make.
    fn least_requests(&self, workers: usize) -> f64 {
        let _ = workers;
        GET_AND_PUT
    }

    /// Whether it can make this change at all.
    fn can_make(&self, change: Change) -> bool {
        let _ = change;
        true
    }

    /// Whether a write has to be computed from the version that the one before has made, so that one can only follow upon
    /// the other's answer.
    fn writes_in_turn(&self) -> bool {
        true
    }

    /// Whether a Lease of the object's name has to be there.
    fn needs_lease(&self) -> bool {
        false
    }

    /// Makes the workload's change once, however many attempts it takes or the strategy allows.
    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>>;
}

/// What it takes to change an object of which nothing is known.
const GET_AND_PUT: f64 = 2.0;
