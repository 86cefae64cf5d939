//! The formats of a body: what a document that is JSON so far goes over the wire as.

use bytes::Bytes;
use serde_json::Value;

use super::accept::Clause;
use super::indent::indented;
use crate::schema::Schema;
use crate::status::Status;

/// Media type of JSON.
pub(super) const JSON: &str = "application/json";
/// Media type of YAML.
pub(super) const YAML: &str = "application/yaml";
/// Media type of Kubernetes' protobuf.
pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// A format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For programs, or with line breaks for people.
    Json {
        pretty: bool,
    },
    Yaml,
    /// For those types that have a message.
    Protobuf,
}

impl Format {
    /// The format that a clause of an `Accept` header asks for. `pretty` is for JSON.
    pub(super) fn of(clause: &Clause, pretty: bool) -> Option<Self> {
        [Self::Json { pretty }, Self::Yaml, Self::Protobuf]
            .into_iter()
            .find(|format| clause.covers(format.media_type()) && clause.is_stream_known())
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json { .. } => JSON,
            Self::Yaml => YAML,
            Self::Protobuf => PROTOBUF,
        }
    }

    /// Media type of a watch.
    pub(super) fn stream_type(self) -> &'static str {
        match self {
            Self::Json { .. } => JSON,
            Self::Yaml => YAML,
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }

    /// A JSON document in this format.
    ///
    /// # Errors
    /// 500 for what is no JSON, or has no message.
    pub(super) fn write(self, json: Vec<u8>) -> Result<Bytes, Status> {
        match self {
            Self::Json { pretty: false } => Ok(json.into()),
            Self::Json { pretty: true } => Ok(indented(&json).into()),
            Self::Yaml => serde_saphyr::to_string(&parsed(&json)?)
                .map(Bytes::from)
                .map_err(|error| unwritable(&error.to_string())),
            Self::Protobuf => Schema::builtin()
                .encode_protobuf(&parsed(&json)?)
                .map(Bytes::from)
                .ok_or_else(|| unwritable("its type has no protobuf message")),
        }
    }
}

fn parsed(json: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(json).map_err(|error| unwritable(&error.to_string()))
}

fn unwritable(why: &str) -> Status {
    Status::untyped(format!("the answer can't be written: {why}"))
}
