//! Whether a document of one kind is taken where another one is expected.

use crate::registry::View;
use crate::schema::Schema;
use crate::validation::gofmt::quote;

/// Versions that kube-apiserver still reads although no path of it serves them any longer: (group and version, kinds).
const RETIRED: &[(&str, &[&str])] = &[
    (
        "apps/v1beta1",
        &["ControllerRevision", "Deployment", "Scale", "StatefulSet"],
    ),
    (
        "apps/v1beta2",
        &[
            "ControllerRevision",
            "DaemonSet",
            "Deployment",
            "ReplicaSet",
            "Scale",
            "StatefulSet",
        ],
    ),
    ("batch/v1beta1", &["CronJob"]),
    (
        "extensions/v1beta1",
        &[
            "DaemonSet",
            "Deployment",
            "Ingress",
            "NetworkPolicy",
            "ReplicaSet",
            "Scale",
        ],
    ),
    ("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"]),
    ("policy/v1beta1", &["PodDisruptionBudget"]),
];

/// Why an object of that version and kind can't be read as what the view shows.
pub(super) fn misfit(view: &View, api_version: &str, kind: &str) -> Option<String> {
    if kind == view.kind && api_version == view.api_version {
        return None;
    }
    if !is_registered(api_version, kind) {
        return Some(unregistered(api_version, kind));
    }
    (kind != view.kind).then(|| {
        let (_, version) = split(api_version);
        let (group, _) = split(&view.api_version);
        format!(
            "converting ({version}.{kind}) to ({}.{}): unknown conversion",
            internal_package(group),
            view.kind
        )
    })
}

/// That nobody knows a kind.
pub(super) fn unregistered(api_version: &str, kind: &str) -> String {
    format!(
        "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
        quote(kind),
        quote(api_version)
    )
}

/// Group and version.
pub(super) fn split(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}

/// The Go package of a group's internal types.
pub(super) fn internal_package(group: &str) -> &str {
    match group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    }
}

fn is_registered(api_version: &str, kind: &str) -> bool {
    let (group, version) = split(api_version);
    let retired = RETIRED
        .iter()
        .any(|(known, kinds)| *known == api_version && kinds.contains(&kind));
    retired || Schema::builtin().kind(group, version, kind).is_some()
}
