//! What stands before a server: from a port of one's own through the network.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use tower::BoxError;

use super::{Answer, Network};

/// The largest body of a request; kube-apiserver takes no more than 3 MiB.
const MAX_BODY: usize = 4 << 20;

/// Takes a request that has come in by a port through the network, as the user of the cluster's kubeconfig.
///
/// Upgrades (exec, attach, port-forward) are not passed on.
///
/// # Errors
/// Where the connection breaks, by a fault or in truth.
pub async fn relay<B>(network: Network, request: Request<B>) -> Result<Answer, BoxError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    if request.headers().contains_key(header::UPGRADE) {
        let what = "the proxy passes on no upgrades, as exec, attach and port-forward are";
        return Ok(refusal(StatusCode::NOT_IMPLEMENTED, what));
    }
    let (mut parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        let what = "the body is too large, or ended early";
        return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, what));
    };
    // The token is the proxy's, the host too.
    parts.headers.remove(header::AUTHORIZATION);
    parts.headers.remove(header::HOST);
    hop_by_hop(&mut parts.headers);
    let mut onward = Request::new(body.to_bytes());
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = parts.uri;
    *onward.headers_mut() = parts.headers;
    let mut answer = network.pass(onward).await?;
    hop_by_hop(answer.headers_mut());
    Ok(answer)
}

/// Takes away what belongs to one connection (RFC 9110, 7.6.1).
fn hop_by_hop(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    for name in [
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        KEEP_ALIVE,
    ] {
        headers.remove(name);
    }
}

pub(crate) fn refusal(code: StatusCode, what: &'static str) -> Answer {
    let never = |never: Infallible| -> BoxError { match never {} };
    let body = Full::new(Bytes::from_static(what.as_bytes())).map_err(never);
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = code;
    answer
}
