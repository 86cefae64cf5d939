//! Rules of CustomResourceDefinitions.

use regex::Regex;
use serde_json::Value;

use super::field::{BadValue, Error, ErrorList};
use super::format::{dns1035_label, dns1123_subdomain};
use super::gofmt;
use super::path::Path;

/// Groups that only Kubernetes itself may extend without approval.
const PROTECTED: [&str; 2] = ["k8s.io", "kubernetes.io"];
const APPROVAL: &str = "api-approved.kubernetes.io";

/// What is wrong with a definition.
pub(crate) fn check(definition: &Value, errors: &mut ErrorList) {
    let spec = &definition["spec"];
    let root = Path::new("spec");
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let name = text(&definition["metadata"]["name"]);
    if name != format!("{plural}.{group}") {
        let metadata = Path::new("metadata");
        errors.push(Error::invalid(
            &metadata.child("name"),
            name,
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    if group.is_empty() {
        errors.push(Error::required(&root.child("group"), ""));
    } else {
        for complaint in dns1123_subdomain(group) {
            errors.push(Error::invalid(&root.child("group"), group, complaint));
        }
        if !group.contains('.') && dns1123_subdomain(group).is_empty() {
            let detail = "should be a domain with at least one dot";
            errors.push(Error::invalid(&root.child("group"), group, detail));
        }
    }
    approval(definition, group, errors);
    match text(&spec["scope"]) {
        "" => errors.push(Error::required(&root.child("scope"), "")),
        "Cluster" | "Namespaced" => {}
        other => errors.push(Error::not_supported(
            &root.child("scope"),
            other,
            &["Cluster", "Namespaced"],
        )),
    }
    versions(&spec["versions"], &root, errors);
    names(&spec["names"], &root, errors);
    if spec["preserveUnknownFields"] == true {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        let value = Value::Bool(true);
        errors.push(Error::invalid(
            &root.child("preserveUnknownFields"),
            &value,
            detail,
        ));
    }
    stored_versions(definition, errors);
}

/// What is wrong with a definition as the successor of another.
pub(crate) fn check_update(new: &Value, old: &Value, errors: &mut ErrorList) {
    let established = old["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True");
    let mut fixed: Vec<&[&str]> = vec![&["group"], &["names", "plural"]];
    if established {
        fixed.splice(0..0, [&["scope"][..], &["names", "kind"][..]]);
    }
    for names in fixed {
        let at = |object: &Value| {
            let spec = object["spec"].clone();
            names.iter().fold(spec, |value, name| value[*name].clone())
        };
        let value = at(new);
        if value != at(old) {
            let field = format!("spec.{}", names.join("."));
            let path = Path::new(&field);
            errors.push(Error::invalid(&path, &value, "field is immutable"));
        }
    }
}

fn approval(definition: &Value, group: &str, errors: &mut ErrorList) {
    let protected = PROTECTED
        .iter()
        .any(|protected| group == *protected || group.ends_with(&format!(".{protected}")));
    if !protected {
        return;
    }
    let sent = text(&definition["metadata"]["annotations"][APPROVAL]);
    let metadata = Path::new("metadata");
    let annotations = metadata.child("annotations");
    let path = annotations.key(APPROVAL);
    const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    if sent.is_empty() {
        let detail =
            format!("protected groups must have approval annotation \"{APPROVAL}\", {SEE}");
        errors.push(Error::required(&path, detail));
    } else if !sent.starts_with("unapproved") && !sent.contains("://") {
        let detail = format!(
            "protected groups must have approval annotation \"{APPROVAL}\" with either a URL or a reason starting with \"unapproved\", {SEE}"
        );
        errors.push(Error::invalid(&path, sent, detail));
    }
}

fn versions(value: &Value, root: &Path<'_>, errors: &mut ErrorList) {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let path = root.child("versions");
    // What all versions share is told about the whole.
    let single = matches!(list, [_]);
    for (at, version) in list.iter().enumerate() {
        let place = path.index(at);
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            let schema = place.child("schema");
            errors.push(Error::required(&schema.child("openAPIV3Schema"), ""));
        } else if single {
            let validation = root.child("validation");
            self::schema(schema, &validation.child("openAPIV3Schema"), true, errors);
        } else {
            let held = place.child("schema");
            self::schema(schema, &held.child("openAPIV3Schema"), true, errors);
        }
        let outer = if single { *root } else { place };
        subresources(&version["subresources"], &outer, errors);
        columns(&version["additionalPrinterColumns"], &outer, errors);
        selectable(version, &outer, errors);
        for complaint in dns1035_label(text(&version["name"])) {
            let name = text(&version["name"]);
            errors.push(Error::invalid(&place.child("name"), name, complaint));
        }
    }
    let names: Vec<&str> = list.iter().map(|version| text(&version["name"])).collect();
    if (1..names.len()).any(|at| names[..at].contains(&names[at])) {
        errors.push(Error::invalid(
            &path,
            shown(list),
            "must contain unique version names",
        ));
    }
    if list
        .iter()
        .filter(|version| version["storage"] == true)
        .count()
        != 1
    {
        let detail = "must have exactly one version marked as storage version";
        errors.push(Error::invalid(&path, shown(list), detail));
    }
}

/// Versions as kube-apiserver shows them: the members of its internal type.
fn shown(versions: &[Value]) -> BadValue {
    const MEMBERS: [(&str, &str); 9] = [
        ("Name", "name"),
        ("Served", "served"),
        ("Storage", "storage"),
        ("Deprecated", "deprecated"),
        ("DeprecationWarning", "deprecationWarning"),
        ("Schema", "schema"),
        ("Subresources", "subresources"),
        ("AdditionalPrinterColumns", "additionalPrinterColumns"),
        ("SelectableFields", "selectableFields"),
    ];
    if versions.is_empty() {
        return BadValue::raw("null".to_owned());
    }
    let versions: Vec<String> = versions
        .iter()
        .map(|version| {
            let members = MEMBERS.iter().map(|(internal, name)| {
                let value = match &version[*name] {
                    Value::Null if *name == "deprecated" => Value::Bool(false),
                    value => value.clone(),
                };
                format!("\"{internal}\":{}", gofmt::json(&value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        })
        .collect();
    BadValue::raw(format!("[{}]", versions.join(",")))
}

fn names(names: &Value, root: &Path<'_>, errors: &mut ErrorList) {
    let path = root.child("names");
    for member in ["plural", "singular"] {
        let name = text(&names[member]);
        if name.is_empty() {
            errors.push(Error::required(&path.child(member), ""));
        } else {
            label(name, &path.child(member), errors);
        }
    }
    for member in ["kind", "listKind"] {
        let name = text(&names[member]);
        if name.is_empty() {
            errors.push(Error::required(&path.child(member), ""));
            continue;
        }
        for complaint in dns1035_label(&name.to_lowercase()) {
            let detail = format!("may have mixed case, but should otherwise match: {complaint}");
            errors.push(Error::invalid(&path.child(member), name, detail));
        }
    }
    for member in ["shortNames", "categories"] {
        let path = path.child(member);
        let list = names[member].as_array().into_iter().flatten();
        for (at, name) in list.enumerate() {
            label(text(name), &path.index(at), errors);
        }
    }
    let (kind, list_kind) = (text(&names["kind"]), text(&names["listKind"]));
    if !kind.is_empty() && kind == list_kind {
        let detail = "kind and listKind may not be the same";
        errors.push(Error::invalid(&path.child("listKind"), list_kind, detail));
    }
}

fn label(name: &str, path: &Path<'_>, errors: &mut ErrorList) {
    for complaint in dns1035_label(name) {
        errors.push(Error::invalid(path, name, complaint));
    }
}

fn stored_versions(definition: &Value, errors: &mut ErrorList) {
    let status = Path::new("status");
    let path = status.child("storedVersions");
    let stored = definition["status"]["storedVersions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if stored.is_empty() {
        let detail = "must have at least one stored version";
        errors.push(Error::invalid(&path, &Value::Null, detail));
    }
    let versions = definition["spec"]["versions"].as_array();
    let versions = versions.map(Vec::as_slice).unwrap_or_default();
    for (at, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| version["name"] == *name) {
            let name = text(name);
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {name} and removes {name} from \
                 status.storedVersions"
            );
            errors.push(Error::invalid(&path.index(at), name, detail));
        }
    }
}

fn subresources(subresources: &Value, root: &Path<'_>, errors: &mut ErrorList) {
    let scale = &subresources["scale"];
    if !scale.is_object() {
        return;
    }
    let subresources = root.child("subresources");
    let path = subresources.child("scale");
    for (member, below, required) in [
        ("specReplicasPath", ".spec", true),
        ("statusReplicasPath", ".status", true),
        ("labelSelectorPath", "", false),
    ] {
        let place = text(&scale[member]);
        let path = path.child(member);
        if place.is_empty() {
            if required {
                errors.push(Error::required(&path, ""));
            }
        } else if !is_simple(place) {
            errors.push(Error::invalid(&path, place, NOT_SIMPLE));
        } else if below.is_empty() {
            if !place.starts_with(".spec.") && !place.starts_with(".status.") {
                let detail = "should be a json path under either .spec or .status";
                errors.push(Error::invalid(&path, place, detail));
            }
        } else if !place.starts_with(&format!("{below}.")) {
            let detail = format!("should be a json path under {below}");
            errors.push(Error::invalid(&path, place, detail));
        }
    }
}

const NOT_SIMPLE: &str = "must be a simple json path starting with .";

fn is_simple(path: &str) -> bool {
    path.starts_with('.') && path.len() > 1
}

fn columns(columns: &Value, root: &Path<'_>, errors: &mut ErrorList) {
    let path = root.child("additionalPrinterColumns");
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    for (at, column) in columns.as_array().into_iter().flatten().enumerate() {
        let path = path.index(at);
        if text(&column["name"]).is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        }
        match text(&column["type"]) {
            "" => errors.push(Error::required(
                &path.child("type"),
                format!("must be one of {}", TYPES.join(",")),
            )),
            kind if TYPES.contains(&kind) => {}
            kind => errors.push(Error::invalid(
                &path.child("type"),
                kind,
                format!("must be one of {}", TYPES.join(",")),
            )),
        }
        match text(&column["jsonPath"]) {
            "" => errors.push(Error::required(&path.child("JSONPath"), "")),
            place if is_simple(place) => {}
            place => errors.push(Error::invalid(&path.child("JSONPath"), place, NOT_SIMPLE)),
        }
    }
}

fn selectable(version: &Value, root: &Path<'_>, errors: &mut ErrorList) {
    let path = root.child("selectableFields");
    let fields = version["selectableFields"].as_array();
    for (at, field) in fields.into_iter().flatten().enumerate() {
        let place = text(&field["jsonPath"]);
        let path = path.index(at);
        let path = path.child("jsonPath");
        if place.is_empty() {
            errors.push(Error::required(&path, ""));
            continue;
        }
        let schema = &version["schema"]["openAPIV3Schema"];
        let found = place
            .split('.')
            .skip(1)
            .try_fold(schema, |schema, name| schema["properties"].get(name));
        match found.map(|schema| text(&schema["type"])) {
            Some("string" | "boolean" | "integer") => {}
            Some(_) => errors.push(Error::invalid(
                &path,
                place,
                "must point to a field of type string, boolean or integer",
            )),
            None => errors.push(Error::invalid(
                &path,
                place,
                "is an invalid path: does not refer to a valid field",
            )),
        }
    }
}

/// A schema that says the type of everything it names.
fn schema(schema: &Value, path: &Path<'_>, is_root: bool, errors: &mut ErrorList) {
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
    } else if kind.is_empty() && !free {
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
    list_type(schema, kind, path, errors);
    rules(schema, path, errors);
    if kind == "array" && schema["items"].is_null() {
        errors.push(Error::required(&path.child("items"), "must be specified"));
    }
    let properties = path.child("properties");
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if !(is_root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata")) {
            self::schema(inner, &properties.key(name), false, errors);
        }
    }
    for member in ["items", "additionalProperties"] {
        if schema[member].is_object() {
            self::schema(&schema[member], &path.child(member), false, errors);
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
            &["atomic", "map", "set"],
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
    let items = &schema["items"];
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

/// The form of `x-kubernetes-validations`.
fn rules(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let path = path.child("x-kubernetes-validations");
    let rules = schema["x-kubernetes-validations"].as_array();
    for (at, rule) in rules.into_iter().flatten().enumerate() {
        let path = path.index(at);
        if text(&rule["rule"]).trim().is_empty() {
            errors.push(Error::required(
                &path.child("rule"),
                "rule is not specified",
            ));
        } else {
            compiles(rule, &path.child("rule"), errors);
        }
        let message = text(&rule["message"]);
        if message.contains('\n') || message.contains('\r') {
            let detail = "must not contain line breaks";
            errors.push(Error::invalid(&path.child("message"), message, detail));
        }
    }
}

/// Rules are compiled when there is nothing else to complain about.
#[cfg(feature = "cel")]
fn compiles(rule: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    if !errors.is_empty() {
        return;
    }
    if let Err(why) = super::cel::compile(text(&rule["rule"])) {
        let member = |name: &str| gofmt::json(&Value::from(text(&rule[name])));
        let shown = BadValue::internal(&[
            ("Rule", member("rule")),
            ("Message", member("message")),
            ("MessageExpression", member("messageExpression")),
            ("Reason", gofmt::json(&rule["reason"])),
            ("FieldPath", member("fieldPath")),
            ("OptionalOldSelf", gofmt::json(&rule["optionalOldSelf"])),
        ]);
        errors.push(Error::invalid(
            path,
            shown,
            format!("compilation failed: {why}"),
        ));
    }
}

/// Without CEL there is nothing to compile them with.
#[cfg(not(feature = "cel"))]
fn compiles(_: &Value, _: &Path<'_>, _: &mut ErrorList) {}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
