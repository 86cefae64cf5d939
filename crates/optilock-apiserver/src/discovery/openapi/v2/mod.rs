//! `/openapi/v2`: what `/openapi/v3` says, as one document of the older version.
//!
//! It is made of the documents of version 3, so that there is one description of paths and types. Clients before
//! Kubernetes 1.27 read nothing else: `kubectl explain` and its validation.

mod convert;
mod protobuf;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::parts;
use crate::registry::Resource;

pub(in crate::discovery) use protobuf::encode;

const KINDS: &str = "x-kubernetes-group-version-kind";

/// The document about all resources.
pub(in crate::discovery) fn document(resources: &[Arc<Resource>]) -> Value {
    let (mut paths, mut definitions) = (Map::new(), Map::new());
    for part in parts(resources) {
        // Plain structs and strings can always be written.
        let mut part = serde_json::to_value(super::document(resources, &part)).unwrap_or_default();
        for (path, item) in members(&mut part["paths"]) {
            paths.insert(path, convert::path_item(item));
        }
        for (name, schema) in members(&mut part["components"]["schemas"]) {
            let definition = convert::definition(schema);
            match definitions.get_mut(&name) {
                // The same type, but perhaps for other versions.
                Some(known) => add_kinds(known, definition),
                None => {
                    definitions.insert(name, definition);
                }
            }
        }
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "1.36"},
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {
            "BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"},
        },
        "security": [{"BearerToken": []}],
    })
}

fn members(value: &mut Value) -> Map<String, Value> {
    match value.take() {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Adds the kinds that a type stands for in another document.
fn add_kinds(known: &mut Value, mut other: Value) {
    let Some(Value::Array(more)) = other.get_mut(KINDS).map(Value::take) else {
        return;
    };
    let members = known.as_object_mut();
    let kinds = members.map(|known| known.entry(KINDS).or_insert_with(|| json!([])));
    if let Some(Value::Array(kinds)) = kinds {
        for kind in more {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let text = |kind: &Value, member: &str| kind[member].as_str().map(str::to_owned);
        kinds.sort_by_key(|kind| ["group", "version", "kind"].map(|member| text(kind, member)));
    }
}
