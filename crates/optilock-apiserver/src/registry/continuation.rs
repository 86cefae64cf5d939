//! The token with which a client asks for the next page of a list.
//!
//! The same form as kube-apiserver's: base64url of `{"v":"meta.k8s.io/v1","rv":N,"start":KEY}`, so that the two can
//! be compared; clients take it as opaque.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};
use base64::{DecodeError, alphabet};
use serde::{Deserialize, Serialize};

use crate::schema::Document;
use crate::status::Status;

const FORMAT: &str = "meta.k8s.io/v1";

/// Version of a token that continues in the present, whatever has happened since the first page.
const LATEST: i64 = -1;

/// Reads what Go reads: bits that are left over at the end do not matter.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Continuation {
    /// The version of the first page; `None` for the latest.
    pub(super) revision: Option<u64>,
    /// First key of the page.
    pub(super) start: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

impl Continuation {
    /// The token; `prefix` is that of the list's keys.
    pub(super) fn encode(&self, prefix: &str) -> String {
        let start = self.start.strip_prefix(prefix).unwrap_or(&self.start);
        let wire = Wire {
            v: FORMAT.to_owned(),
            rv: self
                .revision
                .and_then(|r| i64::try_from(r).ok())
                .unwrap_or(LATEST),
            start: start.to_owned(),
        };
        let json = serde_json::json!({"v": wire.v, "rv": wire.rv, "start": wire.start});
        URL_SAFE_NO_PAD.encode(json.to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 for what is none.
    pub(super) fn decode(token: &str, prefix: &str) -> Result<Self, Status> {
        let invalid = |why: String| {
            Status::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let token = token.trim_end_matches('=');
        let json = LENIENT.decode(token).map_err(|error| {
            let at = match error {
                DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
                DecodeError::InvalidLength(length) => length,
                DecodeError::InvalidPadding => token.len(),
            };
            invalid(format!("illegal base64 data at input byte {at}"))
        })?;
        // For the words of Go's decoder, which the other one does not have.
        Document::json(&json).map_err(|error| invalid(error.to_string()))?;
        let wire: Wire =
            serde_json::from_slice(&json).map_err(|error| invalid(error.to_string()))?;
        if wire.v != FORMAT {
            return Err(invalid(format!(
                "server does not recognize this encoded version {}",
                wire.v
            )));
        }
        if wire.rv == 0 {
            return Err(invalid(
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)".into(),
            ));
        }
        if wire.start.is_empty() {
            return Err(invalid(
                "encoded start key empty (version meta.k8s.io/v1)".into(),
            ));
        }
        // A start of ".." would leave the keys of this list.
        if wire
            .start
            .split('/')
            .any(|part| part == ".." || part == ".")
        {
            return Err(invalid(wire.start));
        }
        Ok(Self {
            revision: u64::try_from(wire.rv).ok(),
            start: format!("{prefix}{}", wire.start),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_kube_apiserver_would_make_and_is_read_back() {
        let token = Continuation {
            revision: Some(1),
            start: "/registry/configmaps/default/a\0".to_owned(),
        };
        let text = token.encode("/registry/configmaps/");
        let json = String::from_utf8(URL_SAFE_NO_PAD.decode(&text).unwrap()).unwrap();
        assert_eq!(
            json,
            r#"{"rv":1,"start":"default/a\u0000","v":"meta.k8s.io/v1"}"#
        );
        assert_eq!(
            Continuation::decode(&text, "/registry/configmaps/").unwrap(),
            token
        );
    }

    #[test]
    fn damaged_tokens_are_refused() {
        for json in [
            "",
            "{",
            r#"{"v":"v0","rv":1,"start":"a"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":1,"start":""}"#,
            r#"{"v":"meta.k8s.io/v1","rv":1,"start":"a/../../secrets"}"#,
        ] {
            let status =
                Continuation::decode(&URL_SAFE_NO_PAD.encode(json), "/registry/x/").unwrap_err();
            assert_eq!(status.code, 400, "{json}");
            assert!(
                status.message.starts_with("invalid continue token: "),
                "{}",
                status.message
            );
        }
        assert_eq!(Continuation::decode("%%%", "/x/").unwrap_err().code, 400);
    }
}
