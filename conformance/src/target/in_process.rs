//! A server in this process.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use super::{BoxBody, Target, forget};
use crate::error::{Error, Result};
use crate::etcd;

/// A server as a [`tower::Service`], called without a socket.
#[derive(Debug, Clone)]
pub struct InProcess<S> {
    service: S,
    etcd: Option<String>,
}

impl<S> InProcess<S> {
    /// Calls this service.
    pub fn new(service: S) -> Self {
        Self {
            service,
            etcd: None,
        }
    }

    /// The same, where the server's storage is the etcd at this URL: compaction is done there.
    #[must_use]
    pub fn with_etcd(mut self, url: impl Into<String>) -> Self {
        self.etcd = Some(url.into());
        self
    }
}

impl<S, B> Target for InProcess<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn send(&self, request: Request<Full<Bytes>>) -> BoxFuture<'_, Result<Response<BoxBody>>> {
        async move {
            let answered = self.service.clone().oneshot(request).await;
            let response = answered.map_err(|error| Error::connection("in process", error))?;
            Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        }
        .boxed()
    }

    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        match &self.etcd {
            Some(url) => etcd::compact(url).boxed(),
            None => forget(self).boxed(),
        }
    }
}
