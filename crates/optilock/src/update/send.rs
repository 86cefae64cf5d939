//! One write, and whether it really was one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kube::api::{Patch, PatchParams, PostParams};
use kube::core::request::{self, Request};
use serde::de::DeserializeOwned;

use super::Endpoint;
use super::endpoint::built;
use crate::{Pending, Verb};

/// The answer to a write.
pub(crate) struct Answer<K> {
    pub(crate) result: kube::Result<K>,
    /// Whether a layer of the client has sent the request more than once.
    pub(crate) repeated: bool,
}

/// Sends a write.
pub(crate) async fn send<K>(endpoint: &Endpoint, pending: &Pending, dry_run: bool) -> Answer<K>
where
    K: DeserializeOwned,
{
    let mut request = match built(request(&endpoint.url, pending, dry_run)) {
        Ok(request) => request,
        Err(error) => {
            return Answer {
                result: Err(error),
                repeated: false,
            };
        }
    };
    let copies = Copies::default();
    request.extensions_mut().insert(copies.clone_uncounted());
    let result = endpoint.client.request(request).await;
    Answer {
        result,
        repeated: copies.more_than_one(),
    }
}

fn request(
    url: &str,
    pending: &Pending,
    dry_run: bool,
) -> Result<http::Request<Vec<u8>>, request::Error> {
    let Pending { name, body, .. } = pending;
    let field_manager = pending.field_manager.clone();
    let params = PostParams {
        dry_run,
        field_manager: field_manager.clone(),
    };
    let request = Request::new(url);
    let body = body.clone().into_bytes();
    match (pending.verb, pending.subresource.as_deref()) {
        (Verb::Create, _) => request.create(&params, body),
        (Verb::Update, None) => request.replace(name, &params, body),
        (Verb::Update, Some(part)) => request.replace_subresource(part, name, &params, body),
        (Verb::Patch, _) => {
            let params = PatchParams {
                dry_run,
                field_manager,
                ..PatchParams::default()
            };
            // It is encoded already, and what is sent again must be the same to the byte.
            let request = request.patch_metadata(name, &params, &Patch::Merge(()))?;
            Ok(request.map(|_| body))
        }
    }
}

/// Rides on a request and counts how often that is copied.
///
/// A layer that sends a request again has to keep a copy of it: kube's own copies the request once
/// before it sends it, and once more each time that it sends it again. One copy is thus the sign that
/// such a layer is there, and two that it has done its work.
#[derive(Debug, Default)]
struct Copies(Arc<AtomicU32>);

impl Copies {
    fn clone_uncounted(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn more_than_one(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

impl Clone for Copies {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.clone_uncounted()
    }
}
