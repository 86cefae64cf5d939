//! Decoding objects of custom resources: metadata as it is everywhere, all else pruned to the schema.

use serde_json::{Map, Value};

use super::Structural;
use crate::schema::node::Node;
use crate::schema::{DecodeError, Decoded, table, walk};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Members that every object has, whatever its schema says.
const TYPE_META: [&str; 2] = ["apiVersion", "kind"];

/// Decodes a document.
pub(in crate::schema) fn decode(
    schema: &Structural,
    node: &Node<'_>,
) -> Result<Decoded, DecodeError> {
    let mut complaints = Vec::new();
    node.duplicates("", "", &mut complaints);
    let mut decoded = normalize(schema, node.to_value())?;
    decoded.complaints.splice(0..0, complaints);
    Ok(decoded)
}

/// The same of a document that is parsed already.
pub(in crate::schema) fn normalize(
    schema: &Structural,
    value: Value,
) -> Result<Decoded, DecodeError> {
    pruned(schema, value, Nulls::Drop)
}

/// The same of what was merged here. A null in it is what became of a value, and left for validation to refuse.
pub(in crate::schema) fn normalize_merged(
    schema: &Structural,
    value: Value,
) -> Result<Decoded, DecodeError> {
    pruned(schema, value, Nulls::Keep)
}

/// What happens to nulls that the schema does not allow and has no default for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Drop,
    Keep,
}

fn pruned(schema: &Structural, mut value: Value, nulls: Nulls) -> Result<Decoded, DecodeError> {
    let mut complaints = Vec::new();
    let Value::Object(object) = &mut value else {
        return Err(DecodeError::Type(
            "only encoded map or array can be decoded into a struct".into(),
        ));
    };
    metadata(object, &mut complaints)?;
    let mut unknown = Vec::new();
    members(schema, object, true, "", nulls, &mut unknown);
    unknown.sort_unstable();
    complaints.extend(
        unknown
            .iter()
            .map(|path| format!("unknown field {}", crate::validation::gofmt::quote(path))),
    );
    Ok(Decoded { value, complaints })
}

/// Brings the metadata into the form that it has in every object.
fn metadata(
    object: &mut Map<String, Value>,
    complaints: &mut Vec<String>,
) -> Result<(), DecodeError> {
    let Some(ty) = table::type_named(OBJECT_META) else {
        return Ok(());
    };
    let sent = match object.get("metadata") {
        None | Some(Value::Null) => &Value::Object(Map::new()),
        Some(sent) => sent,
    };
    let node = Node::from_value(sent, 1)
        .ok_or_else(|| DecodeError::Syntax("exceeded max depth".into()))?;
    let decoded = walk::decode(&ty, &node).map_err(|error| {
        // The metadata is decoded by itself.
        DecodeError::Type(error.to_string())
    })?;
    complaints.extend(
        decoded
            .complaints
            .iter()
            .map(|complaint| complaint.replacen(" \"", " \"metadata.", 1)),
    );
    object.insert("metadata".into(), decoded.value);
    Ok(())
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Drops members that the schema does not know, and nulls if they are not to be kept.
fn members(
    schema: &Structural,
    object: &mut Map<String, Value>,
    is_resource: bool,
    path: &str,
    nulls: Nulls,
    unknown: &mut Vec<String>,
) {
    let given = |name: &str| is_resource && (TYPE_META.contains(&name) || name == "metadata");
    object.retain(|name, value| {
        if given(name) {
            return true;
        }
        let inner = schema
            .properties
            .get(name.as_str())
            .or(schema.additional.as_deref());
        match inner {
            Some(inner) if value.is_null() && !inner.nullable && !is_any(inner) => {
                nulls == Nulls::Keep || inner.default.is_some()
            }
            Some(inner) => {
                prune(inner, value, &child(path, name), nulls, unknown);
                true
            }
            None if schema.preserves_unknown => true,
            None => {
                unknown.push(child(path, name));
                false
            }
        }
    });
}

/// Whether a schema says nothing about its value.
fn is_any(schema: &Structural) -> bool {
    schema.kind.is_empty() && schema.preserves_unknown
}

fn prune(
    schema: &Structural,
    value: &mut Value,
    path: &str,
    nulls: Nulls,
    unknown: &mut Vec<String>,
) {
    match value {
        Value::Object(object) => {
            members(
                schema,
                object,
                schema.embedded_resource,
                path,
                nulls,
                unknown,
            );
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                for (at, item) in items.iter_mut().enumerate() {
                    prune(schema, item, &format!("{path}[{at}]"), nulls, unknown);
                }
            }
        }
        _ => {}
    }
}
