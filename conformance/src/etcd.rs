//! Compaction of a control plane's storage, by etcd's JSON gateway.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::error::{Error, Result};

/// The key at which kube-apiserver's compactor keeps the revision that it has compacted to; its caches follow it.
const COMPACTED: &str = "compact_rev_key";

/// Compacts the etcd at `url` to its newest revision, and says so as kube-apiserver's compactor would.
pub(crate) async fn compact(url: &str) -> Result<()> {
    let status = call(url, "/v3/maintenance/status", &json!({})).await?;
    let revision = status["header"]["revision"].as_str().unwrap_or_default();
    let at = json!({
        "key": STANDARD.encode(COMPACTED),
        "value": STANDARD.encode(revision),
    });
    call(url, "/v3/kv/put", &at).await?;
    let compaction = json!({"revision": revision, "physical": true});
    call(url, "/v3/kv/compaction", &compaction).await?;
    Ok(())
}

/// Asks the etcd at `url` by its JSON gateway; its answer.
///
/// # Errors
/// When it can't be reached, or refuses.
pub async fn call(url: &str, path: &str, body: &Value) -> Result<Value> {
    let address = url.strip_prefix("http://").unwrap_or(url);
    let exchange = async || -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::post(path)
            .header(HOST, address)
            .body(Full::new(Bytes::from(body.to_string())))?;
        let response = sender.send_request(request).await?;
        let code = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if !code.is_success() {
            return Err(format!("{code}: {}", String::from_utf8_lossy(&answer)).into());
        }
        Ok(answer)
    };
    let answer = exchange()
        .await
        .map_err(|error| Error::connection(url, error))?;
    serde_json::from_slice(&answer).map_err(|error| Error::connection(url, error))
}
