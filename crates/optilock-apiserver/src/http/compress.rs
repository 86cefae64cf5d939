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

/// Compresses the answer for a path if it is worth it and `asked`, the headers of the request, say that it may be.
///
/// kube-apiserver has a way of its own for the document of OpenAPI v2, and never compresses those of v3.
pub(super) fn compress(path: &str, asked: &HeaderMap, response: &mut Response<Body>) {
    let Some(whole) = response.body().whole() else {
        return;
    };
    if whole.len() <= THRESHOLD {
        return;
    }
    let is_document = path == "/openapi/v2";
    if path.starts_with("/openapi/v3") || !accepts(asked, is_document) {
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

/// Whether a client takes gzip. With `weighted` it may say how much it likes it, and in capitals; without, only the bare
/// name counts.
fn accepts(asked: &HeaderMap, weighted: bool) -> bool {
    let accepted = asked.get(ACCEPT_ENCODING);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    accepted.unwrap_or_default().split(',').any(|coding| {
        if !weighted {
            return coding.trim() == "gzip";
        }
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=");
        let refused = weight.is_some_and(|weight| weight.parse::<f32>().is_ok_and(|q| q <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}
