//! Between an object as a value and its stored bytes.
//!
//! Stored bytes are canonical JSON without `metadata.resourceVersion`: the version is the store's revision, known
//! only after the commit, and spliced in when the object is read.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use serde_json::Value;

use super::Stored;
use super::custom;
use super::object::{metadata_mut, root_mut, set_meta};
use super::resource::Resource;
use crate::schema::{Schema, TypeRef};
use crate::status::Status;

/// The canonical form of an object that the engine has changed. `object` is in the version in which the engine holds it,
/// and its parts are canonical.
///
/// # Errors
/// 500: what was canonical before can't stop being of its type.
pub(super) fn canonical(resource: &Resource, object: Value) -> Result<Value, Status> {
    let Some(ty) = resource.held_type() else {
        return Ok(object);
    };
    Schema::builtin().settle(ty, object).map_err(|error| {
        Status::untyped(format!(
            "the prepared object is no {}: {error}",
            resource.api.kind
        ))
    })
}

/// The bytes under which an object is stored, and the object as they will be read. `object` is canonical, in the
/// version in which the engine holds it.
///
/// # Errors
/// 500: what is canonical in one version can't be no object in another.
pub(super) fn encode(resource: &Resource, object: &mut Value) -> Result<Bytes, Status> {
    metadata_mut(object).remove("resourceVersion");
    if resource.is_held_converted() {
        *object = custom::to_storage(resource, std::mem::take(object))?;
    }
    if let Some(ty) = &resource.storage.ty {
        Schema::builtin().forget_empty(ty, object);
    }
    let mut out = Vec::with_capacity(4096);
    encode_as(resource.storage.ty.as_ref(), object, &mut out);
    // The store keeps them: no byte more than there are.
    out.shrink_to_fit();
    Ok(Bytes::from(out))
}

fn encode_as(ty: Option<&TypeRef>, object: &Value, out: &mut Vec<u8>) {
    match ty {
        Some(ty) => Schema::builtin().encode(ty, object, out),
        // Only resources without a type of their own come here, and they store nothing.
        None => out.extend_from_slice(object.to_string().as_bytes()),
    }
}

/// The object with its resourceVersion, in the resource's own version.
pub(crate) fn decode(resource: &Resource, stored: &Stored) -> Result<Value, Status> {
    let object = decode_stored(stored)?;
    if resource.custom.is_some() {
        return if resource.reads_as_stored() {
            Ok(object)
        } else {
            custom::from_storage(resource, object)
        };
    }
    Ok(match resource.storage.conversion {
        None => object,
        Some(conversion) => {
            let mut object = (conversion.from_storage)(object);
            root_mut(&mut object).insert("apiVersion".into(), resource.api_version().into());
            resource.normalize(&object)?
        }
    })
}

/// The object with its resourceVersion, in the version in which the engine holds what it writes.
pub(super) fn decode_held(resource: &Resource, stored: &Stored) -> Result<Value, Status> {
    if resource.custom.is_some() {
        return decode(resource, stored);
    }
    decode_stored(stored)
}

/// The object with its resourceVersion, as it is stored.
pub(super) fn decode_stored(stored: &Stored) -> Result<Value, Status> {
    let mut object: Value = serde_json::from_slice(&stored.bytes)
        .map_err(|error| Status::untyped(format!("a stored object is damaged: {error}")))?;
    if stored.revision != 0 {
        set_meta(
            &mut object,
            "resourceVersion",
            Some(stored.revision.to_string().into()),
        );
    }
    Ok(object)
}

/// The uid in stored bytes; empty where there is none. It is the first of that name: what stands before it holds no objects.
pub(super) fn uid(bytes: &[u8]) -> &str {
    const UID: &[u8] = b"\"uid\":\"";
    let found = memchr::memmem::find(bytes, UID).map(|at| &bytes[at + UID.len()..]);
    let found = found.and_then(|rest| Some(&rest[..memchr::memchr(b'"', rest)?]));
    found
        .and_then(|uid| std::str::from_utf8(uid).ok())
        .unwrap_or_default()
}

/// Members of the metadata that stand before the resourceVersion, in Go's order.
const BEFORE_VERSION: [&[u8]; 5] = [
    b"\"name\":",
    b"\"generateName\":",
    b"\"namespace\":",
    b"\"selfLink\":",
    b"\"uid\":",
];

/// Appends the JSON of an object with its resourceVersion in its place.
///
/// This is the hot path of every read: no parsing, one copy.
pub(crate) fn splice_version(stored: &Stored, out: &mut Vec<u8>) {
    let bytes = &stored.bytes[..];
    let Some(at) = (stored.revision != 0)
        .then(|| version_position(bytes))
        .flatten()
    else {
        out.extend_from_slice(bytes);
        return;
    };
    out.reserve(bytes.len() + 48);
    out.extend_from_slice(&bytes[..at]);
    // What is sorted may have something before the version that does not end with a quote.
    if matches!(bytes[at - 1], b'}' | b']' | b'0'..=b'9' | b'e' | b'l') {
        out.push(b',');
    }
    // Mostly `at` is behind a comma or the opening brace, but not where the metadata ends with one of the members before.
    if bytes[at - 1] == b'"' {
        out.push(b',');
    }
    out.extend_from_slice(b"\"resourceVersion\":\"");
    out.extend_from_slice(stored.revision.to_string().as_bytes());
    out.push(b'"');
    match bytes.get(at) {
        Some(b'}') => {}
        _ => out.push(b','),
    }
    out.extend_from_slice(&bytes[at..]);
}

/// Where the resourceVersion goes: behind the last of [`BEFORE_VERSION`].
fn version_position(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"{\"kind\":") && !bytes.starts_with(b"{\"metadata\":") {
        return sorted_version_position(bytes);
    }
    const METADATA: &[u8] = b"\"metadata\":{";
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(METADATA));
    let mut at = FINDER.find(bytes)? + METADATA.len();
    for member in BEFORE_VERSION {
        if bytes[at..].starts_with(member) {
            let start = at + member.len();
            let end = end_of_string(bytes, start)?;
            at = end + usize::from(bytes.get(end) == Some(&b','));
        }
    }
    Some(at)
}

/// Where the resourceVersion goes in the metadata of a custom resource, whose members are sorted: before the first
/// member that is behind it in the alphabet.
fn sorted_version_position(bytes: &[u8]) -> Option<usize> {
    // At depth 1 names are those of the object, at depth 2 in the metadata those of the metadata.
    let (mut at, mut depth, mut in_metadata) = (0, 0_usize, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                if in_metadata && depth == 2 {
                    return Some(at);
                }
                depth = depth.checked_sub(1)?;
            }
            b'"' => {
                let end = end_of_string(bytes, at)?;
                if bytes.get(end) == Some(&b':') {
                    let name = &bytes[at + 1..end - 1];
                    if depth == 1 {
                        in_metadata = name == b"metadata" && bytes.get(end + 1) == Some(&b'{');
                    } else if depth == 2 && in_metadata && name > &b"resourceVersion"[..] {
                        return Some(at);
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The position behind the JSON string that starts at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(json: &'static str) -> String {
        let stored = Stored {
            bytes: Bytes::from_static(json.as_bytes()),
            revision: 42,
        };
        let mut out = Vec::new();
        splice_version(&stored, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_version_stands_where_go_puts_it() {
        assert_eq!(
            spliced(
                r#"{"kind":"X","metadata":{"name":"a","namespace":"b","uid":"c","labels":{}},"spec":{}}"#
            ),
            r#"{"kind":"X","metadata":{"name":"a","namespace":"b","uid":"c","resourceVersion":"42","labels":{}},"spec":{}}"#
        );
    }

    #[test]
    fn the_version_of_a_custom_resource_stands_where_the_alphabet_puts_it() {
        for (json, expected) in [
            (
                r#"{"a":{"metadata":{"x":1}},"apiVersion":"e/v1","kind":"X","metadata":{"generation":1,"name":"n","uid":"u"}}"#,
                r#"{"a":{"metadata":{"x":1}},"apiVersion":"e/v1","kind":"X","metadata":{"generation":1,"name":"n","resourceVersion":"42","uid":"u"}}"#,
            ),
            (
                r#"{"apiVersion":"e/v1","kind":"X","metadata":{"generation":1},"spec":{}}"#,
                r#"{"apiVersion":"e/v1","kind":"X","metadata":{"generation":1,"resourceVersion":"42"},"spec":{}}"#,
            ),
            (
                r#"{"apiVersion":"e/v1","kind":"X","metadata":{"labels":{"zz":"{"}}}"#,
                r#"{"apiVersion":"e/v1","kind":"X","metadata":{"labels":{"zz":"{"},"resourceVersion":"42"}}"#,
            ),
            (
                r#"{"apiVersion":"e/v1","kind":"X","metadata":{}}"#,
                r#"{"apiVersion":"e/v1","kind":"X","metadata":{"resourceVersion":"42"}}"#,
            ),
        ] {
            assert_eq!(spliced(json), expected);
        }
    }

    #[test]
    fn short_metadata_and_escapes_are_understood() {
        for (json, expected) in [
            (
                r#"{"metadata":{}}"#,
                r#"{"metadata":{"resourceVersion":"42"}}"#,
            ),
            (
                r#"{"metadata":{"labels":{"a":"b"}}}"#,
                r#"{"metadata":{"resourceVersion":"42","labels":{"a":"b"}}}"#,
            ),
            // The comma behind the last member is taken along.
            (
                r#"{"metadata":{"name":"a\"\\"},"x":1}"#,
                r#"{"metadata":{"name":"a\"\\","resourceVersion":"42"},"x":1}"#,
            ),
        ] {
            let result: Value = serde_json::from_str(&spliced(json)).expect(json);
            assert_eq!(result, serde_json::from_str::<Value>(expected).unwrap());
        }
    }
}
