//! What a server answered, with symbols: as much of it as is compared.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER, WARNING,
};
use http::response::Parts;
use serde_json::{Map, Value, json};

use crate::symbols::Symbols;

/// The headers that clients act on.
const HEADERS: [HeaderName; 5] = [CONTENT_TYPE, CONTENT_ENCODING, WARNING, RETRY_AFTER, ALLOW];

/// An answer as it is recorded, and the document in it for later steps.
pub(crate) fn record(head: &Parts, body: &Bytes, symbols: &mut Symbols) -> (Value, Value) {
    let body = &decoded(&head.headers, body);
    let document = document(&head.headers, body);
    let mut answer = self::head(head, symbols);
    answer["body"] = symbols.document(&document);
    if is_indented(&document, body) {
        answer["indented"] = true.into();
    }
    (answer, document)
}

/// Status and headers of an answer.
pub(crate) fn head(head: &Parts, symbols: &mut Symbols) -> Value {
    let mut headers = Map::new();
    for name in &HEADERS {
        let values = head.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| symbols.text(&String::from_utf8_lossy(value.as_bytes())))
            .collect();
        if !values.is_empty() {
            headers.insert(name.to_string(), values.into());
        }
    }
    json!({"status": head.status.as_u16(), "headers": headers})
}

/// The body without its compression. One that can't be read is compared as it is.
fn decoded(headers: &HeaderMap, body: &Bytes) -> Bytes {
    let mut whole = Vec::new();
    let compressed = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding == "gzip");
    match GzDecoder::new(&**body).read_to_end(&mut whole) {
        Ok(_) if compressed => whole.into(),
        _ => body.clone(),
    }
}

/// The body as a document: JSON and YAML by what they say, protobuf not at all, anything else as text.
fn document(headers: &HeaderMap, body: &Bytes) -> Value {
    let text = String::from_utf8_lossy(body).into_owned();
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let parsed = match media_type.unwrap_or_default().split(';').next() {
        Some("application/json") => serde_json::from_slice(body).ok(),
        Some("application/yaml") => crate::yaml::parse(&text).ok(),
        // Its uids and versions are out of reach.
        Some("application/vnd.kubernetes.protobuf") => Some("<protobuf>".into()),
        _ => None,
    };
    parsed.unwrap_or(Value::String(text))
}

/// Whether a JSON document is laid out for people.
fn is_indented(document: &Value, body: &Bytes) -> bool {
    !document.is_string() && body.starts_with(b"{\n")
}
