//! What every answer has to be.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// Texts of the answers with code 500 that are about this server's own mistakes. Others are kube-apiserver's: it answers
/// 500 to malformed versions, merges and applies, too.
const OWN_MISTAKES: [&str; 6] = [
    "a stored object is damaged",
    "the answer can't be written",
    "the schema has no ",
    "there is no empty ",
    "\"message\":\"this is no ",
    "the prepared object is no ",
];

/// An answer, as far as it was read.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body of an answer in JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        let media_type = self.headers.get("content-type")?.to_str().ok()?;
        let parsed = (media_type == "application/json").then(|| serde_json::from_slice(&self.body));
        parsed.map(|value| value.unwrap_or_else(|error| panic!("{error} in {}", self.text())))
    }

    /// Panics where the server said that something is wrong with itself.
    pub(crate) fn check(&self) {
        let own = self.code == 500 && OWN_MISTAKES.iter().any(|text| self.text().contains(text));
        assert!(!own, "{}", self.text());
    }
}
