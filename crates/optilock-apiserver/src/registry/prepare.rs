//! What kinds fill in or reset on a write, beyond what the strategy table can say.
//!
//! The rows name small functions. They see objects in the storage version.

use serde_json::{Value, json};

use super::object::{member_mut, root_mut, set};
use super::resource::{Part, Resource};

type OnCreate = fn(&mut Value);

/// (group, plural name, what a creation fills in)
const ON_CREATE: &[(&str, &str, OnCreate)] = &[
    ("", "namespaces", namespace),
    ("", "pods", |pod| phase(pod, "Pending")),
    ("", "persistentvolumes", |volume| phase(volume, "Pending")),
    ("", "persistentvolumeclaims", |claim| {
        phase(claim, "Pending")
    }),
];

/// Drops the status that the creator sent and fills in the one that a new object has.
pub(super) fn on_create(resource: &Resource, object: &mut Value) {
    if resource.has_status() {
        set(root_mut(object), "status", None);
    }
    let (group, plural) = (&*resource.api.group, &*resource.api.plural);
    for (_, _, fill) in ON_CREATE
        .iter()
        .filter(|(g, p, _)| *g == group && *p == plural)
    {
        fill(object);
    }
}

/// Resets what an update through this path may not touch.
pub(super) fn on_update(resource: &Resource, part: Part, object: &mut Value, old: &Value) {
    // The finalizers of a namespace's content change through `/finalize` only.
    if part == Part::Main && is_namespace(resource) {
        set(
            member_mut(root_mut(object), "spec"),
            "finalizers",
            old["spec"].get("finalizers").cloned(),
        );
    }
}

/// Marks an object whose deletion begins.
pub(super) fn on_delete(resource: &Resource, object: &mut Value) {
    if is_namespace(resource) {
        phase(object, "Terminating");
    }
}

fn is_namespace(resource: &Resource) -> bool {
    resource.api.group.is_empty() && &*resource.api.plural == "namespaces"
}

fn phase(object: &mut Value, phase: &str) {
    member_mut(root_mut(object), "status").insert("phase".into(), phase.into());
}

fn namespace(object: &mut Value) {
    phase(object, "Active");
    let spec = member_mut(root_mut(object), "spec");
    let finalizers = spec.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|name| name == "kubernetes")
    {
        list.push("kubernetes".into());
    }
}
