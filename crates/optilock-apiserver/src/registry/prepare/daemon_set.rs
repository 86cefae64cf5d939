//! The generation of a DaemonSet's template, which is kept in an annotation.

use serde_json::Value;

use super::super::object::{member_mut, metadata, metadata_mut};

const ANNOTATION: &str = "deprecated.daemonset.template.generation";

fn generation(set: &Value) -> i64 {
    metadata(set)
        .and_then(|metadata| metadata.get("annotations")?.get(ANNOTATION)?.as_str())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn put(set: &mut Value, generation: i64) {
    member_mut(metadata_mut(set), "annotations")
        .insert(ANNOTATION.to_owned(), generation.to_string().into());
}

/// The annotation is always there, so that whoever writes the object owns it.
pub(super) fn on_write(set: &mut Value) {
    let sent = generation(set);
    put(set, sent);
}

pub(super) fn on_create(set: &mut Value) {
    let first = generation(set).max(1);
    put(set, first);
}

/// It counts the changes of the template, whatever the client says.
pub(super) fn on_update(set: &mut Value, old: &Value, _: &str) {
    let changed = set["spec"]["template"] != old["spec"]["template"];
    put(set, generation(old) + i64::from(changed));
}
