//! A server in this process.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use super::{BoxBody, Target};
use crate::error::{Error, Result};

/// A server as a [`tower::Service`], called without a socket.
#[derive(Debug, Clone)]
pub struct InProcess<S>(S);

impl<S> InProcess<S> {
    /// Calls this service.
    pub fn new(service: S) -> Self {
        Self(service)
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
            let answered = self.0.clone().oneshot(request).await;
            let response = answered.map_err(|error| Error::connection("in process", error))?;
            Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        }
        .boxed()
    }
}
