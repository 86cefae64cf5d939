//! Schemas of CustomResourceDefinitions: structural ones, and the rules in them.

use regex::Regex;
use serde_json::Value;

use super::field::{Error, ErrorList};
use super::path::Path;
use super::{custom, expressions};
use crate::schema::Structural;

/// What is wrong with the schema of a version.
pub(super) fn check(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let before = errors.len();
    node(schema, path, true, errors);
    let metadata = &schema["properties"]["metadata"];
    let known = |name: &String| matches!(name.as_str(), "name" | "generateName");
    let members = metadata["properties"].as_object();
    if members.is_some_and(|members| !members.keys().all(known)) {
        let properties = path.child("properties");
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(Error::forbidden(&properties.key("metadata"), detail));
    }
    // What a rule is about has to have a form first.
    #[cfg(feature = "cel")]
    if errors.len() == before {
        super::cel::check_definition(schema, path, errors);
    }
    #[cfg(not(feature = "cel"))]
    let _unused = before;
}

/// A schema that says the type of everything it names.
fn node(schema: &Value, path: &Path<'_>, is_root: bool, errors: &mut ErrorList) {
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let kind = text(&schema["type"]);
    let flag = |name: &str| schema[name] == true;
    let free = flag("x-kubernetes-int-or-string") || flag("x-kubernetes-preserve-unknown-fields");
    if is_root && kind != "object" {
        let path = path.child("type");
        errors.push(match kind {
            "" => Error::required(&path, "must not be empty at the root"),
            kind => Error::invalid(&path, kind, "must be object at the root"),
        });
        if !kind.is_empty() {
            return;
        }
    } else if kind.is_empty() && !free && text(&schema["$ref"]).is_empty() {
        let detail = "must not be empty for specified object fields";
        errors.push(Error::required(&path.child("type"), detail));
    } else if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(Error::not_supported(&path.child("type"), kind, &TYPES));
    }
    if schema
        .get("$ref")
        .is_some_and(|reference| !text(reference).is_empty())
    {
        errors.push(Error::forbidden(
            &path.child("$ref"),
            "$ref is not supported",
        ));
    }
    if flag("uniqueItems") {
        errors.push(Error::forbidden(
            &path.child("uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && let Err(error) = Regex::new(pattern)
    {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default();
        let why = why.trim_start_matches("error: ");
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        errors.push(Error::invalid(&path.child("pattern"), pattern, detail));
    }
    let has_properties = schema["properties"]
        .as_object()
        .is_some_and(|p| !p.is_empty());
    if has_properties && !schema["additionalProperties"].is_null() {
        errors.push(Error::forbidden(
            &path.child("additionalProperties"),
            "additionalProperties and properties are mutual exclusive",
        ));
    }
    default(schema, path, errors);
    extensions(schema, kind, path, errors);
    list_type(schema, kind, path, errors);
    expressions::check(schema, path, errors);
    if kind == "array" && schema["items"].is_null() {
        errors.push(Error::required(&path.child("items"), "must be specified"));
    }
    let properties = path.child("properties");
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if !(is_root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata")) {
            node(inner, &properties.key(name), false, errors);
        }
    }
    for member in ["items", "additionalProperties"] {
        if schema[member].is_object() {
            node(&schema[member], &path.child(member), false, errors);
        }
    }
}

fn list_type(schema: &Value, kind: &str, path: &Path<'_>, errors: &mut ErrorList) {
    let list_type = text(&schema["x-kubernetes-list-type"]);
    if list_type.is_empty() {
        return;
    }
    if kind != "array" {
        let detail = "must be array if x-kubernetes-list-type is specified";
        errors.push(Error::invalid(&path.child("type"), kind, detail));
    }
    if !["atomic", "map", "set"].contains(&list_type) {
        errors.push(Error::not_supported(
            &path.child("x-kubernetes-list-type"),
            list_type,
            &["atomic", "set", "map"],
        ));
    }
    let items = &schema["items"];
    let is_set_of_objects = list_type == "set" && items["type"] == "object";
    if is_set_of_objects && items["x-kubernetes-map-type"] != "atomic" {
        let path = path.child("items");
        let path = path.child("x-kubernetes-map-type");
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        errors.push(Error::invalid(
            &path,
            &items["x-kubernetes-map-type"],
            detail,
        ));
    }
    if list_type != "map" {
        return;
    }
    let keys_path = path.child("x-kubernetes-list-map-keys");
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    let keys: Vec<&str> = keys.into_iter().flatten().map(text).collect();
    if keys.is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        errors.push(Error::required(&keys_path, detail));
    }
    if keys
        .iter()
        .any(|key| items["properties"].get(*key).is_none())
    {
        let detail = "entries must all be names of item properties";
        let shown = Value::from(keys.clone());
        errors.push(Error::invalid(&keys_path, &shown, detail));
    }
    let items_path = path.child("items");
    let properties = items_path.child("properties");
    for key in keys {
        let Some(property) = items["properties"].get(key) else {
            continue;
        };
        let required = items["required"].as_array().into_iter().flatten();
        if property.get("default").is_none() && !required.into_iter().any(|name| name == key) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            let property = properties.key(key);
            errors.push(Error::required(&property.child("default"), detail));
        }
    }
}

/// A default is a value of its schema. What is said about it names only the place of the default.
fn default(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let value = &schema["default"];
    if value.is_null() {
        return;
    }
    let mut found = ErrorList::new();
    custom::check(&Structural::parse(schema), value, &mut found);
    let place = path.child("default").to_string();
    errors.extend(found.into_iter().map(|error| {
        let inside = match error.field.as_str() {
            "<nil>" => String::new(),
            inside => format!(".{inside}"),
        };
        Error {
            field: format!("{place}{inside}"),
            ..error
        }
    }));
}

/// What Kubernetes adds to OpenAPI, and what it leaves of the junctors.
fn extensions(schema: &Value, kind: &str, path: &Path<'_>, errors: &mut ErrorList) {
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let path = path.child("x-kubernetes-preserve-unknown-fields");
        let shown = Value::Bool(false);
        errors.push(Error::invalid(&path, &shown, "must be true or undefined"));
    }
    let has_properties = schema["properties"]
        .as_object()
        .is_some_and(|p| !p.is_empty());
    if schema["x-kubernetes-embedded-resource"] == true
        && schema["x-kubernetes-preserve-unknown-fields"] != true
        && !has_properties
        && kind == "object"
    {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(Error::required(&path.child("properties"), detail));
    }
    let map_type = text(&schema["x-kubernetes-map-type"]);
    if !matches!(map_type, "" | "atomic" | "granular") {
        errors.push(Error::not_supported(
            &path.child("x-kubernetes-map-type"),
            map_type,
            &["atomic", "granular"],
        ));
    }
    for junctor in ["allOf", "anyOf", "oneOf"] {
        let path = path.child(junctor);
        let branches = schema[junctor].as_array().into_iter().flatten();
        for (at, branch) in branches.enumerate() {
            if !text(&branch["type"]).is_empty() && schema["x-kubernetes-int-or-string"] != true {
                let path = path.index(at);
                let detail = "must be empty to be structural";
                errors.push(Error::forbidden(&path.child("type"), detail));
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
