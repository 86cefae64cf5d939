//! Values as kube-apiserver writes them, and what it knows of keys.

use std::time::Duration;

use bytes::Bytes;

use crate::defaults;
use crate::schema::{Envelope, Schema};

/// What all keys of objects begin with.
pub(super) const PREFIX: &str = "/registry/";
/// The first key behind them.
pub(super) const PREFIX_END: &str = "/registry0";

/// What protobuf values begin with.
const PROTOBUF: &[u8] = b"k8s\0";
/// What encrypted values begin with.
const ENCRYPTED: &[u8] = b"k8s:enc:";

/// Events go by themselves after so long, as with kube-apiserver's `--event-ttl`.
const EVENTS: (&str, Duration) = ("/registry/events/", Duration::from_secs(3600));

/// Why a value can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is encrypted")]
    Encrypted,
    #[error("{0}")]
    Damaged(String),
}

/// How long what is written to a key lasts; `None` for ever.
pub(super) fn lifetime(key: &str) -> Option<Duration> {
    key.starts_with(EVENTS.0).then_some(EVENTS.1)
}

/// The canonical JSON of a value: kube-apiserver writes custom resources in JSON, everything else in protobuf.
///
/// JSON stays as it is, what is no object too: not all keys hold objects.
pub(super) fn decode(value: Bytes) -> Result<Bytes, Unreadable> {
    if value.starts_with(ENCRYPTED) {
        return Err(Unreadable::Encrypted);
    }
    if value.starts_with(PROTOBUF) {
        return message(&value)
            .map(Bytes::from)
            .map_err(Unreadable::Damaged);
    }
    // Go's encoder ends with one.
    Ok(match value.strip_suffix(b"\n") {
        Some(json) if json.starts_with(b"{") => value.slice(..json.len()),
        _ => value,
    })
}

fn message(value: &[u8]) -> Result<Vec<u8>, String> {
    let envelope = Envelope::parse(value).map_err(|error| error.to_string())?;
    let (api_version, kind) = (envelope.api_version, envelope.kind);
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let schema = Schema::builtin();
    let ty = schema
        .kind(group, version, kind)
        .ok_or_else(|| format!("the kind {kind} in {api_version} is not known"))?;
    let mut object = schema
        .decode_protobuf(&ty, envelope.raw)
        .map_err(|error| error.to_string())?;
    if let Some(members) = object.as_object_mut() {
        members.insert("kind".into(), kind.into());
        members.insert("apiVersion".into(), api_version.into());
    }
    // An older server may not have known all of them.
    defaults::apply(&ty, &mut object);
    schema.forget_empty(&ty, &mut object);
    let mut json = Vec::with_capacity(value.len() * 2);
    schema.encode(&ty, &object, &mut json);
    json.shrink_to_fit();
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_becomes_the_json_that_is_stored_here() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"},
            "data": {"k": "v"}});
        let message = Schema::builtin().encode_protobuf(&object).unwrap();
        assert_eq!(
            decode(message.into()).unwrap(),
            r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"b"},"data":{"k":"v"}}"#
        );
    }

    #[test]
    fn json_and_what_is_no_object_stay_as_they_are() {
        assert_eq!(decode("{\"a\":1}\n".into()).unwrap(), "{\"a\":1}");
        assert_eq!(decode("{\"a\":1}".into()).unwrap(), "{\"a\":1}");
        assert_eq!(decode("x\n".into()).unwrap(), "x\n");
        let encrypted = decode("k8s:enc:aescbc:v1:key1:".into());
        assert_eq!(encrypted, Err(Unreadable::Encrypted));
        assert!(matches!(
            decode("k8s\0\u{1}".into()),
            Err(Unreadable::Damaged(_))
        ));
    }

    #[test]
    fn events_go_by_themselves() {
        assert_eq!(lifetime("/registry/events/default/a"), Some(EVENTS.1));
        assert_eq!(lifetime("/registry/pods/default/a"), None);
    }
}
