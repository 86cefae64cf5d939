//! The servers that sequences are played against.

mod in_process;
mod kubeconfig;
mod pair;
mod tcp;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

pub use in_process::InProcess;
pub use pair::Pair;
pub use tcp::Tcp;

use crate::error::{Error, Result};

/// The body of an answer, whichever way it comes.
pub type BoxBody =
    http_body_util::combinators::UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A server.
pub trait Target: Send + Sync {
    /// Sends a request whose URI is a path; the answer's body may still be under way.
    fn send(&self, request: Request<Full<Bytes>>) -> BoxFuture<'_, Result<Response<BoxBody>>>;

    /// Makes the server forget what was before. Without a way of its own it is two writes, which is enough for a
    /// server that keeps no history.
    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        forget(self).boxed()
    }
}

/// Two writes.
async fn forget<T: Target + ?Sized>(target: &T) -> Result<()> {
    let folder = "/api/v1/namespaces/default/configmaps";
    let body = r#"{"metadata":{"name":"conformance-compaction"}}"#;
    expect(target, Method::POST, folder, body.into()).await?;
    let object = format!("{folder}/conformance-compaction");
    expect(target, Method::DELETE, &object, String::new()).await
}

/// Sends a request that has to succeed.
pub(crate) async fn expect<T: Target + ?Sized>(
    target: &T,
    method: Method,
    path: &str,
    body: String,
) -> Result<()> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .map_err(|error| Error::malformed(path, error))?;
    let response = target.send(request).await?;
    let code = response.status();
    if code == StatusCode::OK || code == StatusCode::CREATED {
        return Ok(());
    }
    let body = response.into_body().collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    Err(Error::Preparation(format!(
        "{path}: {code}: {}",
        text.unwrap_or_default()
    )))
}
