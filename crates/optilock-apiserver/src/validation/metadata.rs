//! The rules of `metadata`, which are the same for all objects but for the name.

use serde_json::{Map, Value};

use super::field::{BadValue, Error, ErrorList};
use super::format::{self, Format};
use super::names::NameRule;
use super::path::Path;
use super::{gofmt, walk};

/// Keys and values of all annotations together, 256 KiB.
pub(crate) const ANNOTATIONS_MAX: usize = 256 << 10;

/// Finalizers that have no domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// What a kind asks of the metadata of its objects.
pub(super) fn of_kind(metadata: &Map<String, Value>, name: &NameRule, errors: &mut ErrorList) {
    let prefixed = |text: &str| (name.format)(&mask_trailing_dash(text));
    named(metadata, name.format, prefixed, errors);
    common(metadata, errors);
    if name.qualified_finalizers {
        qualified_finalizers(metadata, errors);
    }
}

/// What every object has to keep, whatever its kind says.
pub(super) fn generic(metadata: &Map<String, Value>, errors: &mut ErrorList) {
    named(
        metadata,
        format::path_segment,
        format::path_segment_prefix,
        errors,
    );
    common(metadata, errors);
}

/// What a kind asks of an update of the metadata.
pub(super) fn update_of_kind(
    new: &Map<String, Value>,
    old: &Map<String, Value>,
    name: &NameRule,
    errors: &mut ErrorList,
) {
    update(new, old, errors);
    if name.qualified_finalizers {
        qualified_finalizers(new, errors);
    }
}

/// What an update may do, whatever the kind says.
pub(super) fn update(new: &Map<String, Value>, old: &Map<String, Value>, errors: &mut ErrorList) {
    let path = Path::new("metadata");
    if old.contains_key("deletionTimestamp") {
        let before: Vec<&str> = texts(old, "finalizers").collect();
        let mut extra: Vec<&str> = texts(new, "finalizers")
            .filter(|finalizer| !before.contains(finalizer))
            .collect();
        extra.sort_unstable();
        extra.dedup();
        if !extra.is_empty() {
            let list: Vec<String> = extra.into_iter().map(gofmt::quote).collect();
            errors.push(Error::forbidden(
                &path.child("finalizers"),
                format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    list.join(", ")
                ),
            ));
        }
    }
    for member in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        immutable(
            new.get(member),
            old.get(member),
            &path.child(member),
            errors,
        );
    }
    labels_and_annotations(new, errors);
    owner_references(new, errors);
}

/// Complaint about a change.
pub(super) const IMMUTABLE: &str = "field is immutable";

/// A value that an update may not change.
pub(super) fn immutable(
    new: Option<&Value>,
    old: Option<&Value>,
    path: &Path<'_>,
    errors: &mut ErrorList,
) {
    if new != old {
        let new = new.unwrap_or(&Value::Null);
        errors.push(Error::invalid(path, new, IMMUTABLE));
    }
}

fn named(
    metadata: &Map<String, Value>,
    name: Format,
    prefix: impl Fn(&str) -> Vec<String>,
    errors: &mut ErrorList,
) {
    let path = Path::new("metadata");
    let generate = text(metadata, "generateName");
    if !generate.is_empty() {
        let path = path.child("generateName");
        for complaint in prefix(generate) {
            errors.push(Error::invalid(&path, generate, complaint));
        }
    }
    let path = path.child("name");
    match text(metadata, "name") {
        "" => errors.push(Error::required(&path, "name or generateName is required")),
        text => {
            for complaint in name(text) {
                errors.push(Error::invalid(&path, text, complaint));
            }
        }
    }
}

/// A prefix may end with a dash, because something follows.
fn mask_trailing_dash(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut masked = rest.to_owned();
            masked.pop();
            masked.push('a');
            masked
        }
        _ => text.to_owned(),
    }
}

fn common(metadata: &Map<String, Value>, errors: &mut ErrorList) {
    labels_and_annotations(metadata, errors);
    owner_references(metadata, errors);
    finalizers(metadata, errors);
}

fn labels_and_annotations(metadata: &Map<String, Value>, errors: &mut ErrorList) {
    let path = Path::new("metadata");
    labels(metadata.get("labels"), &path.child("labels"), errors);
    annotations(
        metadata.get("annotations"),
        &path.child("annotations"),
        errors,
    );
}

/// Labels, wherever they occur.
pub(super) fn labels(labels: Option<&Value>, path: &Path<'_>, errors: &mut ErrorList) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        for complaint in format::label_key(key) {
            errors.push(Error::invalid(path, key.as_str(), complaint));
        }
        let value = value.as_str().unwrap_or_default();
        for complaint in format::label_value(value) {
            errors.push(Error::invalid(path, value, complaint));
        }
    }
}

/// Annotations, wherever they occur.
pub(super) fn annotations(annotations: Option<&Value>, path: &Path<'_>, errors: &mut ErrorList) {
    let mut size = 0;
    for (key, value) in annotations.and_then(Value::as_object).into_iter().flatten() {
        size += key.len() + value.as_str().unwrap_or_default().len();
        // Case does not matter, but the complaint shows the key as it is.
        for complaint in format::label_key(&key.to_lowercase()) {
            errors.push(Error::invalid(path, key.as_str(), complaint));
        }
    }
    if size > ANNOTATIONS_MAX {
        errors.push(Error::too_long(path, ANNOTATIONS_MAX));
    }
}

fn owner_references(metadata: &Map<String, Value>, errors: &mut ErrorList) {
    let Some(references) = metadata.get("ownerReferences").and_then(Value::as_array) else {
        return;
    };
    let path = Path::new("metadata");
    let path = path.child("ownerReferences");
    let render = |reference: &Value| {
        walk::canonical(
            "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
            reference,
        )
    };
    let mut controller: Option<String> = None;
    for reference in references {
        let member = |name: &str| reference[name].as_str().unwrap_or_default();
        let api_version = member("apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let version = if version.contains('/') { "" } else { version };
        if version.is_empty() {
            let path = path.child("apiVersion");
            errors.push(Error::invalid(
                &path,
                api_version,
                "version must not be empty",
            ));
        }
        for name in ["kind", "name", "uid"] {
            if member(name).is_empty() {
                errors.push(Error::invalid(&path.child(name), "", "must not be empty"));
            }
        }
        if (group, version, member("kind")) == ("", "v1", "Event") {
            let complaint = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(Error::invalid(&path, render(reference), complaint));
        }
        if reference["controller"] == true {
            let this = format!("{}/{}", member("kind"), member("name"));
            match &controller {
                None => controller = Some(this),
                Some(first) => {
                    let all: Vec<String> =
                        references.iter().map(|r| render(r).into_text()).collect();
                    errors.push(Error::invalid(
                        &path,
                        BadValue::raw(format!("[{}]", all.join(","))),
                        format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"),
                    ));
                }
            }
        }
    }
}

fn finalizers(metadata: &Map<String, Value>, errors: &mut ErrorList) {
    let path = Path::new("metadata");
    let path = path.child("finalizers");
    for finalizer in texts(metadata, "finalizers") {
        for complaint in format::label_key(finalizer) {
            errors.push(Error::invalid(&path, finalizer, complaint));
        }
    }
    let has = |name: &str| texts(metadata, "finalizers").any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let all = metadata.get("finalizers").unwrap_or(&Value::Null);
        let complaint = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(Error::invalid(&path, all, complaint));
    }
}

fn qualified_finalizers(metadata: &Map<String, Value>, errors: &mut ErrorList) {
    let path = Path::new("metadata");
    let path = path.child("finalizers");
    for (at, finalizer) in texts(metadata, "finalizers").enumerate() {
        if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer) {
            let complaint = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(Error::invalid(&path.index(at), finalizer, complaint));
        }
    }
}

fn text<'m>(metadata: &'m Map<String, Value>, name: &str) -> &'m str {
    metadata
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn texts<'m>(metadata: &'m Map<String, Value>, name: &str) -> impl Iterator<Item = &'m str> {
    let list = metadata.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}
