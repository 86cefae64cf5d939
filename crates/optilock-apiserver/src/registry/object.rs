//! Access to the metadata of an object that is held as JSON.

use serde_json::{Map, Value};

/// The metadata; `None` for what is no object of the API.
pub(crate) fn metadata(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.as_object()
}

/// The metadata, made if it is not there. Typed decoding guarantees that `object` is a JSON object; anything else
/// is replaced by one.
pub(crate) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    member_mut(root_mut(object), "metadata")
}

/// The members of an object.
pub(crate) fn root_mut(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    match object {
        Value::Object(members) => members,
        _ => unreachable!("was made an object above"),
    }
}

/// A member that is an object itself, made if it is not there.
pub(crate) fn member_mut<'a>(
    parent: &'a mut Map<String, Value>,
    name: &str,
) -> &'a mut Map<String, Value> {
    root_mut(
        parent
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new())),
    )
}

/// A text in the metadata; empty where there is none.
pub(crate) fn meta_str<'a>(object: &'a Value, name: &str) -> &'a str {
    metadata(object)
        .and_then(|metadata| metadata.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Sets or removes (`None`) a member of the metadata.
pub(crate) fn set_meta(object: &mut Value, name: &str, value: Option<Value>) {
    set(metadata_mut(object), name, value);
}

/// Sets or removes (`None`) a member.
pub(crate) fn set(members: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            members.insert(name.to_owned(), value);
        }
        None => {
            members.remove(name);
        }
    }
}

/// Names of the finalizers.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    metadata(object)
        .and_then(|metadata| metadata.get("finalizers"))
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// Whether a deletion has begun.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !meta_str(object, "deletionTimestamp").is_empty()
}
