//! One PUT, and whether it really was one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kube::api::PostParams;
use kube::core::request::Request;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

/// The answer to a PUT.
pub(crate) struct Answer<K> {
    pub(crate) result: kube::Result<K>,
    /// Whether a layer of the client has sent the request more than once.
    pub(crate) repeated: bool,
}

/// Sends an object that is encoded already.
pub(crate) async fn put<K>(
    api: &Api<K>,
    name: &str,
    subresource: Option<&str>,
    params: &PostParams,
    body: Vec<u8>,
) -> Answer<K>
where
    K: Resource + Clone + DeserializeOwned,
{
    let request = Request::new(api.resource_url());
    let request = match subresource {
        None => request.replace(name, params, body),
        Some(subresource) => request.replace_subresource(subresource, name, params, body),
    };
    let mut request = match request {
        Ok(request) => request,
        Err(error) => {
            return Answer {
                result: Err(kube::Error::BuildRequest(error)),
                repeated: false,
            };
        }
    };
    let copies = Copies::default();
    request.extensions_mut().insert(copies.clone_uncounted());
    let client: Client = api.clone().into_client();
    let result = client.request(request).await;
    Answer {
        result,
        repeated: copies.more_than_one(),
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
