//! The first change of an object after a version.

use std::pin::pin;

use futures::{Stream, StreamExt};
use kube::Resource;
use kube::core::{Status, WatchEvent};
use serde::de::DeserializeOwned;

use super::Pending;
use crate::update::{Endpoint, Metadata};

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

/// Asks the server's history, by a watch that starts at the base of a write.
pub(crate) async fn first_after<K>(endpoint: &Endpoint, pending: &Pending) -> First<K>
where
    K: Resource + Clone + DeserializeOwned,
{
    let Pending {
        name, uid, base, ..
    } = pending;
    if !endpoint.scale {
        return match endpoint.watch(name, base).await {
            Ok(events) => first_of(events, uid).await,
            Err(error) => failed(error),
        };
    }
    // Nobody can watch scales, but their objects. If the write is what came first, then the scale was what
    // it said.
    let first: First<Metadata> = match endpoint.watch(name, base).await {
        Ok(events) => first_of(events, uid).await,
        Err(error) => failed(error),
    };
    first.try_map(|whole| {
        let mut scale: K = serde_json::from_str(&pending.body)?;
        *scale.meta_mut() = whole.metadata;
        Ok(scale)
    })
}

async fn first_of<T: Resource>(
    events: impl Stream<Item = kube::Result<WatchEvent<T>>>,
    uid: &str,
) -> First<T> {
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

impl<T> First<T> {
    fn try_map<K>(self, map: impl FnOnce(T) -> serde_json::Result<K>) -> First<K> {
        match self {
            Self::Written(object) => match map(*object) {
                Ok(object) => First::Written(Box::new(object)),
                Err(error) => failed(kube::Error::SerdeError(error)),
            },
            Self::Deleted => First::Deleted,
            Self::Gone => First::Gone,
            Self::Forbidden(error) => First::Forbidden(error),
            Self::Untold => First::Untold,
        }
    }
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
