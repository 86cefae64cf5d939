//! What a writer is told about an object that is taken nevertheless, in `Warning` headers.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::gofmt::quote;
use super::path::Path;
use crate::schema::Resource;

/// (group, plural name, where its Pods are described)
const PODS: &[(&str, &str, &[&str])] = &[
    ("", "pods", &[]),
    ("", "podtemplates", &["template"]),
    ("", "replicationcontrollers", &["spec", "template"]),
    ("apps", "daemonsets", &["spec", "template"]),
    ("apps", "deployments", &["spec", "template"]),
    ("apps", "replicasets", &["spec", "template"]),
    ("apps", "statefulsets", &["spec", "template"]),
    (
        "batch",
        "cronjobs",
        &["spec", "jobTemplate", "spec", "template"],
    ),
    ("batch", "jobs", &["spec", "template"]),
];

/// Labels of nodes that have other names now.
const NODE_LABELS: &[(&str, &str)] = &[
    (
        "beta.kubernetes.io/arch",
        r#"deprecated since v1.14; use "kubernetes.io/arch" instead"#,
    ),
    (
        "beta.kubernetes.io/os",
        r#"deprecated since v1.14; use "kubernetes.io/os" instead"#,
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        r#"deprecated since v1.17; use "topology.kubernetes.io/region" instead"#,
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        r#"deprecated since v1.17; use "topology.kubernetes.io/zone" instead"#,
    ),
    (
        "beta.kubernetes.io/instance-type",
        r#"deprecated since v1.17; use "node.kubernetes.io/instance-type" instead"#,
    ),
];

/// Annotations that fields have taken the place of, by how they begin.
const ANNOTATIONS: &[(&str, &str)] = &[
    (
        "seccomp.security.alpha.kubernetes.io/pod",
        r#"non-functional in v1.27+; use the "seccompProfile" field instead"#,
    ),
    (
        "container.seccomp.security.alpha.kubernetes.io/",
        r#"non-functional in v1.27+; use the "seccompProfile" field instead"#,
    ),
    (
        "container.apparmor.security.beta.kubernetes.io/",
        r#"deprecated since v1.30; use the "appArmorProfile" field instead"#,
    ),
];

/// Kinds of volumes that are on their way out, or gone.
const VOLUMES: &[(&str, &str)] = &[
    (
        "gitRepo",
        "deprecated in v1.11, and disabled by default in v1.33+",
    ),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
];

/// What a writer of `object` is told. `old` is what it replaces, where it replaces something: an unchanged `spec` is not
/// talked about again, but that of a Pod.
pub(crate) fn about(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<String> {
    let (group, plural) = (&*resource.group, &*resource.plural);
    let mut told = Vec::new();
    if (group, plural) == ("", "services") {
        service(&object["spec"], &mut told);
    }
    let row = PODS
        .iter()
        .find(|(of, name, _)| *of == group && *name == plural);
    let Some((_, _, place)) = row else {
        return told;
    };
    let again = old.is_some_and(|old| !place.is_empty() && old["spec"] == object["spec"]);
    if !again {
        descend(object, &Path::ROOT, place, &mut told);
    }
    told
}

fn descend(value: &Value, path: &Path<'_>, place: &[&str], told: &mut Vec<String>) {
    match place {
        [] => {
            pod(value, path, told);
            // A Pod is given another grace before anybody looks at it.
            if path.parent().is_some() {
                grace(value, path, told);
            }
        }
        [name, rest @ ..] => descend(&value[*name], &path.child(name), rest, told),
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn items(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn pod(pod: &Value, path: &Path<'_>, told: &mut Vec<String>) {
    let (meta, inside) = (path.child("metadata"), path.child("spec"));
    let spec = &pod["spec"];
    let selector = inside.child("nodeSelector");
    for (name, _) in members(&spec["nodeSelector"]) {
        if let Some((_, why)) = NODE_LABELS.iter().find(|(old, _)| old == name) {
            told.push(format!("{}: {why}", selector.key(name)));
        }
    }
    let annotations = meta.child("annotations");
    for (name, _) in members(&pod["metadata"]["annotations"]) {
        if let Some((_, why)) = ANNOTATIONS.iter().find(|(old, _)| name.starts_with(old)) {
            told.push(format!("{}: {why}", annotations.key(name)));
        }
    }
    let volumes = inside.child("volumes");
    for (at, volume) in items(&spec["volumes"]) {
        for (kind, why) in VOLUMES.iter().filter(|(kind, _)| !volume[*kind].is_null()) {
            told.push(format!("{}: {why}", volumes.index(at).child(kind)));
        }
    }
    let secrets = inside.child("imagePullSecrets");
    for (at, _) in
        items(&spec["imagePullSecrets"]).filter(|(_, secret)| text(&secret["name"]).is_empty())
    {
        told.push(format!(
            r#"{}: invalid empty name """#,
            secrets.index(at).child("name")
        ));
    }
    for list in ["initContainers", "containers"] {
        let path = inside.child(list);
        for (at, one) in items(&spec[list]) {
            container(one, &path.index(at), told);
        }
    }
}

fn grace(template: &Value, path: &Path<'_>, told: &mut Vec<String>) {
    const NAME: &str = "terminationGracePeriodSeconds";
    let seconds = template["spec"][NAME].as_i64();
    if seconds.is_some_and(|seconds| seconds < 0) {
        let path = path.child("spec");
        told.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            path.child(NAME)
        ));
    }
}

fn container(container: &Value, path: &Path<'_>, told: &mut Vec<String>) {
    let resources = path.child("resources");
    for list in ["limits", "requests"] {
        let path = resources.child(list);
        for (name, amount) in members(&container["resources"][list]) {
            let amount = text(amount);
            let bytes = matches!(name.as_str(), "memory" | "ephemeral-storage");
            // Less than one has such a suffix in canonical form.
            if bytes && amount.ends_with(['m', 'u', 'n']) {
                told.push(format!(
                    "{}: fractional byte value {} is invalid, must be an integer",
                    path.key(name),
                    quote(amount)
                ));
            }
        }
    }
    let env = path.child("env");
    let mut seen = HashMap::new();
    for (at, variable) in items(&container["env"]) {
        let name = text(&variable["name"]);
        // Who refers to the value before means to replace it.
        let refers = text(&variable["value"]).contains(&format!("$({name})"));
        if seen.insert(name, at).is_some() && !refers {
            told.push(format!(
                "{}: hides previous definition of {}, which may be dropped when using apply",
                env.index(at),
                quote(name)
            ));
        }
    }
    let ports = path.child("ports");
    let mut seen: HashMap<(i64, i64, &str, &str), usize> = HashMap::new();
    for (at, port) in items(&container["ports"]) {
        let number = |name: &str| port[name].as_i64().unwrap_or(0);
        let protocol = match text(&port["protocol"]) {
            "" => "TCP",
            other => other,
        };
        let key = (
            number("containerPort"),
            number("hostPort"),
            text(&port["hostIP"]),
            protocol,
        );
        if let Some(first) = seen.get(&key) {
            told.push(format!(
                "{}: duplicate port definition with {}",
                ports.index(at),
                ports.index(*first)
            ));
        } else {
            seen.insert(key, at);
        }
    }
}

/// What a Service without an address has no use for.
fn service(spec: &Value, told: &mut Vec<String>) {
    if spec["clusterIP"] != "None" {
        return;
    }
    if items(&spec["externalIPs"]).next().is_some() {
        told.push("spec.externalIPs is ignored for headless services".to_owned());
    }
    if !matches!(text(&spec["sessionAffinity"]), "" | "None") {
        told.push("spec.SessionAffinity is ignored for headless services".to_owned());
    }
}
