use futures::future::BoxFuture;
use kube::{
    Api, Client,
    client::{Body, retry::RetryPolicy},
};
use optilock::Backoff;
use tower::{BoxError, Layer, retry::RetryLayer, service_fn};

use super::{
    Strategy,
    retry_on_conflict::{describe, retry},
};
use crate::{AttemptError, Update, Worker};

/// Get, change, update and retries on conflict, with a client as kube makes it by default: a layer below the
/// `Api` sends any request again after 429, 503 and 504.
///
/// A 504 doesn't mean that nothing was done. Where the write was carried out, the second sending meets a conflict with the
/// first, and the retry applies the change again.
#[derive(Debug, Clone, Copy)]
pub struct KubeDefault {
    /// How often to try and how long to wait in between.
    pub backoff: Backoff,
}

impl KubeDefault {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "kube-default";
}

impl Strategy for KubeDefault {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn parameters(&self) -> String {
        describe(&self.backoff)
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(async move {
            let namespace = worker.api().namespace().unwrap_or_default();
            let client = worker.api().clone().into_client();
            let mut worker = worker.clone();
            worker.api = Api::namespaced(resending(client), namespace);
            retry(&worker, self.backoff, || worker.get_and_update()).await
        })
    }
}

/// The client with the layer that kube's own has.
fn resending(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let sender = service_fn(move |request: http::Request<Body>| {
        let client = client.clone();
        async move { client.send(request).await.map_err(BoxError::from) }
    });
    let layer = RetryLayer::new(RetryPolicy::server_retry());
    Client::new(layer.layer(sender), namespace)
}
