//! Values as kube-apiserver writes them, and what it knows of keys.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::definition;
use crate::defaults;
use crate::schema::{Envelope, Schema, TypeRef};

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

/// How objects begin that kube-apiserver writes in JSON: those of servers that are part of it. Custom resources begin
/// with something else, because their members are sorted.
const IN_JSON: [&[u8]; 2] = [
    br#"{"kind":"CustomResourceDefinition","#,
    br#"{"kind":"APIService","#,
];
/// How all others begin that have a type.
const TYPED: &[u8] = br#"{"kind":"#;

/// The value that kube-apiserver would write for an object, byte for byte: it takes an update that leaves the bytes as
/// they are for none. What is no object stays as it is.
pub(super) fn encode(json: &Bytes) -> Bytes {
    if !json.starts_with(b"{") {
        return json.clone();
    }
    if json.starts_with(TYPED)
        && !IN_JSON.iter().any(|beginning| json.starts_with(beginning))
        && let Ok(object) = serde_json::from_slice::<Value>(json)
        && let Some(message) = Schema::builtin().encode_protobuf(&object)
    {
        return message.into();
    }
    // Go's encoder ends with one.
    [&json[..], b"\n"].concat().into()
}

/// The canonical JSON of a value. What is no object stays as it is: not all keys hold objects.
pub(super) fn decode(value: Bytes) -> Result<Bytes, Unreadable> {
    if value.starts_with(ENCRYPTED) {
        return Err(Unreadable::Encrypted);
    }
    if value.starts_with(PROTOBUF) {
        return message(&value).map_err(Unreadable::Damaged);
    }
    if value.starts_with(definition::BEGINNING) {
        return definition(&value).map_err(Unreadable::Damaged);
    }
    Ok(match value.strip_suffix(b"\n") {
        Some(json) if json.starts_with(b"{") => value.slice(..json.len()),
        _ => value,
    })
}

fn definition(value: &[u8]) -> Result<Bytes, String> {
    let stored = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    let (schema, kind) = (Schema::builtin(), "CustomResourceDefinition");
    let ty = schema.kind("apiextensions.k8s.io", "v1", kind);
    let ty = ty.ok_or("definitions are not known")?;
    let decoded = schema.normalize(&ty, &definition::to_v1(stored));
    let decoded = decoded.map_err(|error| error.to_string())?;
    Ok(canonical(&ty, decoded.value))
}

fn message(value: &[u8]) -> Result<Bytes, String> {
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
    Ok(canonical(&ty, object))
}

fn canonical(ty: &TypeRef, mut object: Value) -> Bytes {
    // An older server may not have known all of them.
    defaults::apply(ty, &mut object);
    let schema = Schema::builtin();
    schema.forget_empty(ty, &mut object);
    let mut json = Vec::with_capacity(4096);
    schema.encode(ty, &object, &mut json);
    json.shrink_to_fit();
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_written_as_a_message_and_read_back() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"},
            "data": {"k": "v"}});
        let message = Schema::builtin().encode_protobuf(&object).unwrap();
        let json = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"b"},"data":{"k":"v"}}"#;
        assert_eq!(encode(&json.into()), message);
        assert_eq!(decode(message.into()).unwrap(), json);
    }

    #[test]
    fn custom_resources_and_definitions_are_written_in_json() {
        for json in [
            r#"{"apiVersion":"e/v1","kind":"X","metadata":{"name":"a"}}"#,
            r#"{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1","metadata":{"name":"a"}}"#,
        ] {
            let written = encode(&json.into());
            assert_eq!(written, format!("{json}\n"));
            assert_eq!(decode(written).unwrap(), json);
        }
        assert_eq!(encode(&"/registry/x".into()), "/registry/x");
        let old = r#"{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1","metadata":{"name":"a"},
            "spec":{"group":"e","version":"v1","names":{"plural":"as","kind":"A"},"scope":"Cluster",
            "versions":[{"name":"v1","served":true,"storage":true}],"validation":{"openAPIV3Schema":{"type":"object"}}}}"#;
        let read = decode(old.into()).unwrap();
        let read: Value = serde_json::from_slice(&read).unwrap();
        assert_eq!(read["apiVersion"], definition::API_VERSION);
        assert_eq!(
            read["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"],
            "object"
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
