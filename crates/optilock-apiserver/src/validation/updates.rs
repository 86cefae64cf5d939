//! What an update may not change, by type.

use serde_json::Value;

use super::field::{BadValue, Error, ErrorList};
use super::metadata::IMMUTABLE;
use super::path::Path;
use super::{addresses, gofmt, metadata, priorities, volumes, walk, workloads};
use crate::schema::StructType;

/// One rule about the old and the new object.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// A member, given by its path, stays as it is.
    Immutable(&'static [&'static str]),
    /// The same for a member that is a struct of this type.
    Fixed(&'static [&'static str], &'static str),
    /// `immutable: true` freezes these members, and itself.
    Freezes(&'static [&'static str]),
    /// Only these members of `spec` may change.
    OnlySpec(&'static [&'static str], &'static str),
    /// A binding stays with its role.
    RoleRef,
    /// Whatever the function finds about the new and the old object.
    Run(fn(&Value, &Value, &mut ErrorList)),
}

use Rule::{Fixed, Freezes, Immutable, OnlySpec, RoleRef, Run};

const SELECTOR: Rule = Fixed(&["spec", "selector"], super::rules::LABEL_SELECTOR);

#[rustfmt::skip] // a table
const TABLE: &[(&str, &[Rule])] = &[
    ("io.k8s.api.apps.v1.Deployment", &[SELECTOR]),
    ("io.k8s.api.apps.v1.ReplicaSet", &[SELECTOR]),
    ("io.k8s.api.apps.v1.DaemonSet", &[SELECTOR]),
    ("io.k8s.api.apps.v1.StatefulSet", &[OnlySpec(
        &["replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy", "minReadySeconds"],
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    )]),
    ("io.k8s.api.batch.v1.Job", &[
        SELECTOR,
        Immutable(&["spec", "completionMode"]),
        Fixed(&["spec", "podFailurePolicy"], "io.k8s.api.batch.v1.PodFailurePolicy"),
        Immutable(&["spec", "backoffLimitPerIndex"]),
        Immutable(&["spec", "managedBy"]),
        Run(workloads::job_update),
    ]),
    ("io.k8s.api.core.v1.ConfigMap", &[Freezes(&["data", "binaryData"])]),
    ("io.k8s.api.core.v1.Secret", &[Immutable(&["type"]), Freezes(&["data"])]),
    ("io.k8s.api.core.v1.PersistentVolume", &[Run(volumes::volume_update)]),
    ("io.k8s.api.core.v1.PersistentVolumeClaim", &[Run(volumes::claim_update)]),
    ("io.k8s.api.core.v1.Service", &[Run(addresses::update)]),
    ("io.k8s.api.scheduling.v1.PriorityClass", &[Run(priorities::update), Immutable(&["preemptionPolicy"])]),
    ("io.k8s.api.rbac.v1.RoleBinding", &[RoleRef]),
    ("io.k8s.api.rbac.v1.ClusterRoleBinding", &[RoleRef]),
];

fn at<'v>(object: &'v Value, path: &[&str]) -> &'v Value {
    path.iter().fold(object, |value, name| &value[*name])
}

/// Compares an object with what it is to replace.
pub(super) fn check(ty: &StructType, new: &Value, old: &Value, errors: &mut ErrorList) {
    let rows = TABLE.iter().filter(|(name, _)| **name == *ty.name);
    for rule in rows.flat_map(|(_, rules)| *rules) {
        match *rule {
            Immutable(path) => {
                let (new, old) = (at(new, path), at(old, path));
                with_path(path, |path| {
                    metadata::immutable(Some(new), Some(old), path, errors);
                });
            }
            Fixed(path, ty) => {
                let (new, old) = (at(new, path), at(old, path));
                if new != old {
                    with_path(path, |path| {
                        errors.push(Error::invalid(path, walk::canonical(ty, new), IMMUTABLE));
                    });
                }
            }
            Run(function) => function(new, old, errors),
            RoleRef => {
                if new["roleRef"] != old["roleRef"] {
                    let member = |name: &str| gofmt::json(&new["roleRef"][name]);
                    let shown = BadValue::internal(&[
                        ("APIGroup", member("apiGroup")),
                        ("Kind", member("kind")),
                        ("Name", member("name")),
                    ]);
                    errors.push(Error::invalid(
                        &Path::new("roleRef"),
                        shown,
                        "cannot change roleRef",
                    ));
                }
            }
            Freezes(members) => {
                if old["immutable"] == true {
                    let complaint = "field is immutable when `immutable` is set";
                    for member in ["immutable"].iter().chain(members) {
                        if new[*member] != old[*member] {
                            errors.push(Error::forbidden(&Path::new(member), complaint));
                        }
                    }
                }
            }
            OnlySpec(mutable, complaint) => {
                let fixed = |object: &Value| {
                    let mut spec = object["spec"].as_object().cloned().unwrap_or_default();
                    spec.retain(|name, _| !mutable.contains(&&**name));
                    spec
                };
                if fixed(new) != fixed(old) {
                    errors.push(Error::forbidden(&Path::new("spec"), complaint));
                }
            }
        }
    }
}

/// Calls `then` with the path of these names.
fn with_path(names: &[&str], then: impl FnOnce(&Path<'_>)) {
    fn descend(path: &Path<'_>, names: &[&str], then: impl FnOnce(&Path<'_>)) {
        match names {
            [] => then(path),
            [name, rest @ ..] => descend(&path.child(name), rest, then),
        }
    }
    descend(&Path::ROOT, names, then);
}
