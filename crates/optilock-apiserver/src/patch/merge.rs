//! Merge patch, RFC 7386, as kube-apiserver applies it.
//!
//! In one place the Go library behind it goes beyond the RFC: it drops nulls also from objects
//! inside of lists that the patch brings in where there was no object.

use serde_json::{Map, Value};

use super::document::parse;
use super::{Check, PatchError, Patched};
use crate::schema::Node;

/// Applies the merge patch in `body` to `document`.
///
/// # Errors
/// 400 when the body is no JSON object. With [`Check::Ignore`] a list passes and becomes the
/// document, which then does not decode.
pub(crate) fn merge_patch(
    document: &Value,
    body: &[u8],
    check: Check,
) -> Result<Patched, PatchError> {
    let invalid = || PatchError::Decode("Invalid JSON Patch".to_owned());
    let complaining = check == Check::Complain;
    let body = parse(body).map_err(|error| match error {
        PatchError::Decode(text) if complaining => {
            PatchError::Decode(format!("error decoding patch: {text}"))
        }
        _ => invalid(),
    })?;
    let mut complaints = Vec::new();
    match &body {
        Node::Object(_) if complaining => body.duplicates("", "", &mut complaints),
        Node::Object(_) => {}
        Node::Null => return Err(invalid()),
        other if complaining => {
            return Err(PatchError::Decode(format!(
                "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                other.kind()
            )));
        }
        Node::Array(_) => {}
        _ => return Err(invalid()),
    }
    Ok(Patched {
        document: merge(document.clone(), body.to_value()),
        complaints,
        shown: None,
    })
}

fn merge(current: Value, patch: Value) -> Value {
    match (current, patch) {
        (Value::Object(current), Value::Object(patch)) => merge_members(current, patch).into(),
        (Value::Object(_), patch) => patch,
        (_, mut patch) => {
            prune(&mut patch);
            patch
        }
    }
}

fn merge_members(mut current: Map<String, Value>, patch: Map<String, Value>) -> Map<String, Value> {
    for (name, member) in patch {
        let before = current.remove(&name).unwrap_or_default();
        if !member.is_null() {
            current.insert(name, merge(before, member));
        }
    }
    current
}

/// Drops the nulls of all objects; those in lists stay.
fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}
