//! What kinds fill in or reset on a write, beyond what the strategy table can say.
//!
//! The rows name small functions. They see objects in the storage version. Some stand for admission plugins that
//! kube-apiserver has on by default (Priority, DefaultTolerationSeconds, StorageObjectInUseProtection, TaintNodesByCondition).

mod certificate;
mod daemon_set;
mod job;
mod pod;

pub(crate) use pod::quality_of_service;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::custom;
use super::object::{member_mut, meta_str, metadata_mut, root_mut, set};
use super::resource::{Part, Resource};

type Fill = fn(&mut Value);

/// (group, plural name, what a creation fills in)
const ON_CREATE: &[(&str, &str, Fill)] = &[
    ("", "namespaces", namespace),
    ("", "nodes", node),
    ("", "persistentvolumeclaims", |claim| {
        protect(claim, "kubernetes.io/pvc-protection");
        phase(claim, "Pending");
    }),
    ("", "persistentvolumes", |volume| {
        protect(volume, "kubernetes.io/pv-protection");
        phase(volume, "Pending");
        let created = metadata_mut(volume).get("creationTimestamp").cloned();
        set(
            member_mut(root_mut(volume), "status"),
            "lastPhaseTransitionTime",
            created,
        );
    }),
    ("", "pods", pod::on_create),
    ("apps", "daemonsets", daemon_set::on_create),
    ("batch", "jobs", job::on_create),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        certificate::on_create,
    ),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        custom::on_create,
    ),
    ("storage.k8s.io", "volumeattributesclasses", |class| {
        protect(class, "kubernetes.io/vac-protection");
    }),
];

/// Puts right what an update made of the old object (second), at this time.
type Refill = fn(&mut Value, &Value, &str);

/// (group, plural name, parts, what an update through the path of such a part resets)
const ON_UPDATE: &[(&str, &str, &[Part], Refill)] = &[
    (
        "",
        "namespaces",
        &[Part::Main, Part::Status],
        keep_finalizers,
    ),
    ("", "persistentvolumes", &[Part::Status], phase_time),
    ("", "pods", &[Part::Main], pod::on_update),
    (
        "apps",
        "daemonsets",
        &[Part::Main, Part::Status],
        daemon_set::on_update,
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        &[Part::Status, Part::Approval],
        certificate::on_update,
    ),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &[Part::Main],
        |definition, _, _| custom::on_update(definition),
    ),
];

/// (group, plural name, what every write of the object brings into shape)
const ON_WRITE: &[(&str, &str, Fill)] = &[
    ("", "pods", pod::on_write),
    ("", "secrets", secret),
    ("apps", "daemonsets", daemon_set::on_write),
];

fn fill(rows: &[(&str, &str, Fill)], resource: &Resource, object: &mut Value) {
    let (group, plural) = (&*resource.api.group, &*resource.api.plural);
    for (_, _, fill) in rows.iter().filter(|(g, p, _)| *g == group && *p == plural) {
        fill(object);
    }
}

/// Brings what was sent into the shape in which it is kept.
pub(super) fn on_write(resource: &Resource, object: &mut Value) {
    fill(ON_WRITE, resource, object);
}

/// Drops the status that the creator sent and fills in the one that a new object has.
pub(super) fn on_create(resource: &Resource, object: &mut Value) {
    if resource.has_status() {
        set(root_mut(object), "status", None);
    }
    fill(ON_CREATE, resource, object);
}

/// Resets what an update through this path may not touch.
pub(super) fn on_update(
    resource: &Resource,
    part: Part,
    object: &mut Value,
    old: &Value,
    now: &str,
) {
    let (group, plural) = (&*resource.api.group, &*resource.api.plural);
    for (_, _, parts, refill) in ON_UPDATE
        .iter()
        .filter(|row| (row.0, row.1) == (group, plural))
    {
        if parts.contains(&part) {
            refill(object, old, now);
        }
    }
}

/// The finalizers of a namespace's content change through `/finalize` only.
fn keep_finalizers(namespace: &mut Value, old: &Value, _: &str) {
    set(
        member_mut(root_mut(namespace), "spec"),
        "finalizers",
        old["spec"].get("finalizers").cloned(),
    );
}

/// When the phase of a volume changed last.
fn phase_time(volume: &mut Value, old: &Value, now: &str) {
    const TIME: &str = "lastPhaseTransitionTime";
    let changed = volume["status"]["phase"] != old["status"]["phase"];
    let (sent, before) = (volume["status"].get(TIME).cloned(), old["status"].get(TIME));
    let unsaid = sent.as_ref().is_none_or(Value::is_null) || sent.as_ref() == before;
    let time = match (changed, unsaid) {
        (true, true) => Some(now.into()),
        (false, true) => before.cloned(),
        (_, false) => sent,
    };
    set(member_mut(root_mut(volume), "status"), TIME, time);
}

/// Marks an object whose deletion begins.
pub(super) fn on_delete(resource: &Resource, object: &mut Value, old: &Value) {
    if custom::is_definition(resource) {
        custom::on_delete(object, old);
    }
    if is_namespace(resource) {
        phase(object, "Terminating");
        // A namespace goes when it is empty, not after a time.
        metadata_mut(object).remove("deletionGracePeriodSeconds");
    }
}

pub(super) fn is_namespace(resource: &Resource) -> bool {
    resource.api.group.is_empty() && &*resource.api.plural == "namespaces"
}

fn phase(object: &mut Value, phase: &str) {
    member_mut(root_mut(object), "status").insert("phase".into(), phase.into());
}

fn namespace(object: &mut Value) {
    phase(object, "Active");
    // The name may be generated: it is known only now.
    let name = meta_str(object, "name").to_owned();
    member_mut(metadata_mut(object), "labels")
        .insert("kubernetes.io/metadata.name".into(), name.into());
    let spec = member_mut(root_mut(object), "spec");
    let finalizers = spec.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|name| name == "kubernetes")
    {
        list.push("kubernetes".into());
    }
}

/// A node that nobody has reported ready.
fn node(node: &mut Value) {
    const NOT_READY: &str = "node.kubernetes.io/not-ready";
    let spec = member_mut(root_mut(node), "spec");
    let taints = spec.entry("taints").or_insert_with(|| json!([]));
    if let Some(list) = taints.as_array_mut()
        && !list
            .iter()
            .any(|taint| taint["key"] == NOT_READY && taint["effect"] == "NoSchedule")
    {
        list.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
    }
}

/// Holds an object back while it is in use.
fn protect(object: &mut Value, finalizer: &str) {
    let finalizers = metadata_mut(object)
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|name| name == finalizer)
    {
        list.push(finalizer.into());
    }
}

/// `stringData` is a way to write `data`; it is never read back.
fn secret(secret: &mut Value) {
    let root = root_mut(secret);
    let Some(Value::Object(texts)) = root.remove("stringData") else {
        return;
    };
    let encoded = texts.into_iter().filter_map(|(key, text)| {
        let text = STANDARD.encode(text.as_str()?);
        Some((key, Value::from(text)))
    });
    let encoded: Map<String, Value> = encoded.collect();
    member_mut(root, "data").extend(encoded);
}
