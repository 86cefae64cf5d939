//! The token with which a client asks for the next page of a list.
//!
//! The same form as kube-apiserver's: base64url of `{"v":"meta.k8s.io/v1","rv":N,"start":KEY}`, so that the two can
//! be compared; clients take it as opaque.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine, alphabet};
use serde_json::json;

use crate::schema::{Document, Node};
use crate::status::Status;

const FORMAT: &str = "meta.k8s.io/v1";

/// Version of a token that continues in the present, whatever has happened since the first page.
const LATEST: i64 = -1;

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Continuation {
    /// The version of the first page; `None` for the latest.
    pub(super) revision: Option<u64>,
    /// First key of the page.
    pub(super) start: String,
}

/// Base64 as Go reads it: bits that are left over count for nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// What is in a token.
#[derive(Default)]
struct Wire {
    v: String,
    rv: i64,
    start: String,
}

impl Continuation {
    /// The token; `prefix` is that of the list's keys.
    pub(super) fn encode(&self, prefix: &str) -> String {
        let start = self.start.strip_prefix(prefix).unwrap_or(&self.start);
        let revision = self.revision.and_then(|r| i64::try_from(r).ok());
        let json = json!({"v": FORMAT, "rv": revision.unwrap_or(LATEST), "start": start});
        BASE64.encode(json.to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 for what is none, with Go's texts.
    pub(super) fn decode(token: &str, prefix: &str) -> Result<Self, Status> {
        let read = Self::read(token, prefix);
        read.map_err(|why| {
            Status::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        })
    }

    fn read(token: &str, prefix: &str) -> Result<Self, String> {
        let Wire { v, rv, start } = Wire::parse(&bytes(token)?)?;
        if v != FORMAT {
            return Err(format!(
                "server does not recognize this encoded version {v}"
            ));
        }
        if rv == 0 {
            return Err("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".into());
        }
        if start.is_empty() {
            return Err("encoded start key empty (version meta.k8s.io/v1)".into());
        }
        // A start of ".." would leave the keys of this list.
        let key = start.strip_prefix('/').unwrap_or(&start);
        if !key.is_empty() && key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(start);
        }
        Ok(Self {
            revision: u64::try_from(rv).ok(),
            start: format!("{prefix}{key}"),
        })
    }
}

/// What the base64 says; Go passes over line ends.
fn bytes(token: &str) -> Result<Vec<u8>, String> {
    let text = token.replace(['\r', '\n'], "");
    BASE64.decode(&text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            // A last byte that is alone.
            DecodeError::InvalidLength(length) => length.saturating_sub(1),
            DecodeError::InvalidPadding => text.find('=').unwrap_or(text.len()),
        };
        format!("illegal base64 data at input byte {at}")
    })
}

impl Wire {
    fn parse(json: &[u8]) -> Result<Self, String> {
        let document = Document::json(json).map_err(|error| error.to_string())?;
        let members = match document.into_root() {
            Node::Object(members) => members,
            Node::Null => Vec::new(),
            other => {
                let found = other.kind();
                return Err(format!(
                    "json: cannot unmarshal {found} into Go value of type storage.continueToken"
                ));
            }
        };
        let mut wire = Self::default();
        for (name, node) in members {
            let misfit = |found: &str, wanted: &str| {
                Err(format!(
                    "json: cannot unmarshal {found} into Go struct field continueToken.{name} of type {wanted}"
                ))
            };
            match (&*name, node) {
                ("v" | "rv" | "start", Node::Null) => {}
                ("v", Node::String(text)) => wire.v = text.into_owned(),
                ("start", Node::String(text)) => wire.start = text.into_owned(),
                ("rv", Node::Number(text)) => match text.parse() {
                    Ok(number) => wire.rv = number,
                    Err(_) => return misfit(&format!("number {text}"), "int64"),
                },
                ("rv", other) => return misfit(other.kind(), "int64"),
                ("v" | "start", other) => return misfit(other.kind(), "string"),
                _ => {}
            }
        }
        Ok(wire)
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
        let json = String::from_utf8(BASE64.decode(&text).unwrap()).unwrap();
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
            let status = Continuation::decode(&BASE64.encode(json), "/registry/x/").unwrap_err();
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
