//! The first change of an object after a version.

use std::fmt::Debug;
use std::pin::pin;

use futures::StreamExt;
use kube::api::WatchParams;
use kube::core::{Status, WatchEvent};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// What happened to an object first after a version of it.
pub(crate) enum First<K> {
    /// It was written; this is what came out.
    Written(Box<K>),
    /// It was deleted.
    Deleted,
    /// The server's history doesn't go back that far.
    Gone,
    /// We may not watch.
    Forbidden(kube::Error),
    /// The server didn't tell, this time.
    Untold,
}

/// Asks the server's history, by a watch that starts at `base`.
pub(crate) async fn first_after<K>(api: &Api<K>, name: &str, uid: &str, base: &str) -> First<K>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let events = match api.watch(&params, base).await {
        Ok(events) => events,
        Err(error) => return failed(error),
    };
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        return match event {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                if object.meta().uid.as_deref() == Some(uid) {
                    First::Written(Box::new(object))
                } else {
                    // Its deletion should have come first.
                    First::Gone
                }
            }
            Ok(WatchEvent::Deleted(_)) => First::Deleted,
            Ok(WatchEvent::Bookmark(_)) => continue,
            Ok(WatchEvent::Error(status)) => failed(kube::Error::Api(status)),
            Err(error) => failed(error),
        };
    }
    First::Untold
}

fn failed<K>(error: kube::Error) -> First<K> {
    let code = match &error {
        kube::Error::Api(status) => {
            let Status { code, .. } = &**status;
            *code
        }
        _ => 0,
    };
    match code {
        410 => First::Gone,
        401 | 403 | 404 | 405 => First::Forbidden(error),
        _ => First::Untold,
    }
}
