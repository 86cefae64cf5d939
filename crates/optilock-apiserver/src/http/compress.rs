//! Compression of large answers, for clients that accept it.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};
use http::{HeaderMap, Response};

use super::body::Body;

/// Smaller answers are sent as they are: compressing them takes longer than sending them. kube-apiserver draws the line
/// there.
const THRESHOLD: usize = 128 * 1024;

/// Compresses an answer if it is worth it and `asked`, the headers of the request, say that it may be.
pub(super) fn compress(asked: &HeaderMap, response: &mut Response<Body>) {
    let accepted = asked.get(ACCEPT_ENCODING);
    let accepted = accepted
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    // A weight is no part of the name that kube-apiserver looks for.
    if !accepted.split(',').any(|name| name.trim() == "gzip") {
        return;
    }
    let Some(whole) = response.body().whole() else {
        return;
    };
    if whole.len() <= THRESHOLD {
        return;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(whole.len() / 4), Compression::fast());
    // Writing to memory does not fail; if it did, the answer would go as it is.
    let compressed = encoder.write_all(whole).and_then(|()| encoder.finish());
    let Ok(compressed) = compressed else { return };
    *response.body_mut() = Body::from(Bytes::from(compressed));
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
}
