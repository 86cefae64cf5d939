//! Rules of CustomResourceDefinitions.

use serde_json::Value;

use super::field::{BadValue, Error, ErrorList};
use super::format::{dns1035_label, dns1123_subdomain};
use super::path::Path;
use super::{gofmt, structure};

/// Groups that only Kubernetes itself may extend without approval.
const PROTECTED: [&str; 2] = ["k8s.io", "kubernetes.io"];
const APPROVAL: &str = "api-approved.kubernetes.io";

/// What is wrong with a new definition, whose name is that of what it defines.
pub(crate) fn check_new(definition: &Value, errors: &mut ErrorList) {
    let spec = &definition["spec"];
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let name = text(&definition["metadata"]["name"]);
    if !name.is_empty() && name != format!("{plural}.{group}") {
        let metadata = Path::new("metadata");
        errors.push(Error::invalid(
            &metadata.child("name"),
            name,
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    check(definition, errors);
}

/// What is wrong with a definition.
pub(crate) fn check(definition: &Value, errors: &mut ErrorList) {
    let spec = &definition["spec"];
    let root = Path::new("spec");
    let group = text(&spec["group"]);
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
    conversion(&spec["conversion"], &root, errors);
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
    for (at, version) in list.iter().enumerate() {
        let place = path.index(at);
        // What all versions share is told once, about the whole.
        let shared = |member: &str| is_shared(list, member);
        let outer = |member: &str| if shared(member) { *root } else { place };
        let told = |member: &str| at == 0 || !shared(member);
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            let schema = place.child("schema");
            errors.push(Error::required(&schema.child("openAPIV3Schema"), ""));
        } else if told("schema") {
            let name = if shared("schema") {
                "validation"
            } else {
                "schema"
            };
            let outer = outer("schema");
            let held = outer.child(name);
            structure::check(schema, &held.child("openAPIV3Schema"), errors);
        }
        if told("subresources") {
            subresources(&version["subresources"], &outer("subresources"), errors);
        }
        let member = "additionalPrinterColumns";
        if told(member) {
            columns(&version[member], &outer(member), errors);
        }
        if told("selectableFields") {
            selectable(version, &outer("selectableFields"), errors);
        }
        let name = text(&version["name"]);
        for complaint in dns1035_label(name) {
            errors.push(Error::invalid(&place.child("name"), name, complaint));
        }
    }
    // The first version has a second place, from the time when there was but one.
    let first = list.first().map(|version| text(&version["name"]));
    if let Some(name) = first.filter(|name| !name.is_empty()) {
        label(name, &root.child("version"), errors);
    }
    let names: Vec<&str> = list.iter().map(|version| text(&version["name"])).collect();
    if (1..names.len()).any(|at| names[..at].contains(&names[at])) {
        errors.push(Error::invalid(
            &path,
            shown(value, list),
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
        errors.push(Error::invalid(&path, shown(value, list), detail));
    }
}

/// Whether all versions say the same there, so that kube-apiserver keeps it beside them and not in each.
fn is_shared(versions: &[Value], member: &str) -> bool {
    versions
        .windows(2)
        .all(|pair| pair[0][member] == pair[1][member])
}

/// Versions as kube-apiserver shows them: the members of its internal type.
fn shown(value: &Value, versions: &[Value]) -> BadValue {
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
    if value.is_null() {
        return BadValue::raw("null".to_owned());
    }
    const KEPT_BESIDE: [&str; 4] = [
        "schema",
        "subresources",
        "additionalPrinterColumns",
        "selectableFields",
    ];
    let list = versions;
    let versions: Vec<String> = versions
        .iter()
        .map(|version| {
            let members = MEMBERS.iter().map(|(internal, name)| {
                let value = match &version[*name] {
                    Value::Null if *name == "deprecated" => Value::Bool(false),
                    _ if KEPT_BESIDE.contains(name) && is_shared(list, name) => Value::Null,
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

fn conversion(conversion: &Value, root: &Path<'_>, errors: &mut ErrorList) {
    let path = root.child("conversion");
    match text(&conversion["strategy"]) {
        "" | "None" => {}
        "Webhook" => {
            if conversion["webhook"]["clientConfig"].is_null() {
                let detail = "required when strategy is set to Webhook";
                errors.push(Error::required(&path.child("webhookClientConfig"), detail));
            }
            let versions = conversion["webhook"]["conversionReviewVersions"].as_array();
            if versions.is_none_or(Vec::is_empty) {
                errors.push(Error::required(&path.child("conversionReviewVersions"), ""));
            }
        }
        other => errors.push(Error::not_supported(
            &path.child("strategy"),
            other,
            &["None", "Webhook"],
        )),
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
    let storage = versions
        .iter()
        .rev()
        .find(|version| version["storage"] == true);
    let unknown = storage.filter(|version| !stored.contains(&version["name"]));
    if let Some(version) = unknown.filter(|_| !stored.is_empty()) {
        let detail = format!("must have the storage version {}", text(&version["name"]));
        errors.push(Error::invalid(&path, &Value::from(stored), detail));
    }
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
    const FORMATS: [&str; 8] = [
        "byte",
        "date",
        "date-time",
        "double",
        "float",
        "int32",
        "int64",
        "password",
    ];
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
        let format = text(&column["format"]);
        if !format.is_empty() && !FORMATS.contains(&format) {
            let detail = format!("must be one of {}", FORMATS.join(","));
            errors.push(Error::invalid(&path.child("format"), format, detail));
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
        if !place.starts_with(['.', '[']) {
            let detail = format!("is an invalid path: expected [ or . but got: {place}");
            errors.push(Error::invalid(&path, place, detail));
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

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
