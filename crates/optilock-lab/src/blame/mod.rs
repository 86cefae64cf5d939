//! Who writes an object, and who is in whose way.
//!
//! A [watch](blame) tells every version of the object, managedFields tell whose fields are whose, and what changed
//! between two versions tells the rest. Nothing is written.

mod fields;
mod find;
mod tracker;

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::{
    Api,
    api::{DynamicObject, WatchEvent, WatchParams},
};
use serde::Serialize;
use tokio::time::Instant;

use crate::{FieldManager, ServerError, Target};
pub use find::{BlameError, ObjectRef};
use tracker::Tracker;

/// How long a PUT's writer has had its copy, on the way there and back and in between: what the chances are told for.
const WINDOW: Duration = Duration::from_millis(100);
/// How many of the fields that a writer changes are told.
const MOST_FIELDS: usize = 8;

/// What one writer did while the object was watched.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// Who.
    #[serde(flatten)]
    pub writer: FieldManager,
    /// Versions that it made.
    pub writes: u64,
    /// Of these, versions in which nothing but metadata of the write itself differs.
    pub idle: u64,
    /// Writes per second.
    pub per_second: f64,
    /// The fields that it changed, most often first, with how often.
    pub fields: Vec<(String, u64)>,
}

/// Two writers that are in each other's way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pair {
    /// Whose PUTs are refused.
    pub refused: FieldManager,
    /// Because of whose writes.
    pub by: FieldManager,
    /// The share of its PUTs that fails if it has had its copy for 100 ms: 1 - e^(-rate × 0.1 s), which takes the other's
    /// writes for independent of its own.
    pub chance: f64,
    /// The fields that both change, in which they undo each other's work.
    pub contested: Vec<String>,
}

/// Who wrote an object, how often, and who is in whose way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Blame {
    /// The object, as `deployments.apps "web"`.
    pub object: String,
    /// For how long it was watched, in seconds.
    pub seconds: f64,
    /// Versions that were made meanwhile.
    pub writes: u64,
    /// Of these, versions that don't tell whose they are.
    pub untold: u64,
    /// The fields that changed in them, most often first: nobody owns them in managedFields.
    pub untold_fields: Vec<(String, u64)>,
    /// Whether the object was deleted, which ended the watch.
    pub deleted: bool,
    /// The writers, the busiest first.
    pub writers: Vec<Share>,
    /// Who owns fields without having written meanwhile.
    pub silent: Vec<FieldManager>,
    /// Who is in whose way, the worst first.
    pub pairs: Vec<Pair>,
    /// What could be done, in sentences.
    pub advice: Vec<String>,
}

/// Watches an object until `until` is ready, and tells who writes it. `seen` is told how many versions there were: 0 when the
/// object has been read, from when on none is missed, and then after each. The object's deletion ends it too.
///
/// ```
/// use optilock_lab::{ObjectRef, Target, blame};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let target = Target::embedded();
/// let object: ObjectRef = "namespace/default".parse()?;
/// let blame = blame(&target, &object, None, async {}, |_| ()).await?;
/// assert_eq!(blame.writes, 0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`BlameError`] where there is no such kind or object, it may not be read or watched, or the server is gone.
pub async fn blame(
    target: &Target,
    object: &ObjectRef,
    namespace: Option<&str>,
    until: impl Future<Output = ()>,
    mut seen: impl FnMut(u64),
) -> Result<Blame, BlameError> {
    let found = find::find(target, object, namespace).await?;
    let failed = |error| BlameError::Server(target.failed(error));
    let first = found
        .api
        .get(&object.name)
        .await
        .map_err(|error| match error {
            kube::Error::Api(status) if status.code == 404 => BlameError::NotFound {
                object: found.title.clone(),
                namespace: found.namespace.clone(),
            },
            other => failed(other),
        })?;
    let begun = Instant::now();
    let mut tracker = Tracker::new(&first);
    seen(0);
    tokio::pin!(until);
    let deleted = loop {
        let followed = tokio::select! {
            biased;
            () = &mut until => break false,
            followed = follow(&found.api, &object.name, &mut tracker, &mut seen) => followed,
        };
        match followed.map_err(failed)? {
            Followed::Deleted => break true,
            // The server ends watches from time to time.
            Followed::Ended => {}
            Followed::Expired => {
                return Err(BlameError::Expired {
                    object: found.title,
                });
            }
        }
    };
    Ok(tracker.conclude(found.title, begun.elapsed(), deleted))
}

/// How a watch came to its end.
enum Followed {
    Ended,
    Deleted,
    Expired,
}

/// One watch, from the version that was seen last.
async fn follow(
    api: &Api<DynamicObject>,
    name: &str,
    tracker: &mut Tracker,
    seen: &mut impl FnMut(u64),
) -> Result<Followed, kube::Error> {
    let params = WatchParams::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(290);
    let mut events = api.watch(&params, tracker.version()).await?.boxed();
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                tracker.observe(&object);
                seen(tracker.writes());
            }
            WatchEvent::Deleted(_) => return Ok(Followed::Deleted),
            WatchEvent::Bookmark(bookmark) => tracker.passed(&bookmark.metadata.resource_version),
            WatchEvent::Error(status) if status.code == 410 => return Ok(Followed::Expired),
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        }
    }
    Ok(Followed::Ended)
}

impl From<ServerError> for BlameError {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}
