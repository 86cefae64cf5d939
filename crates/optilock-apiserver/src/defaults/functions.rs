//! Defaults that depend on other values. Each is named by a row of the table and sees one struct
//! of the type of its row.

use serde_json::{Map, Value, json};

use super::image;

type Object = Map<String, Value>;

fn text<'o>(object: &'o Object, name: &str) -> &'o str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_set(object: &Object, name: &str) -> bool {
    object.get(name).is_some_and(|value| !value.is_null())
}

fn set(object: &mut Object, name: &str, default: impl Into<Value>) {
    if !is_set(object, name) {
        object.insert(name.to_owned(), default.into());
    }
}

/// A member that is an object; made where there is none.
pub(super) fn object<'o>(object: &'o mut Object, name: &str) -> Option<&'o mut Object> {
    let member = object.entry(name).or_insert(Value::Null);
    if member.is_null() {
        *member = Value::Object(Map::new());
    }
    member.as_object_mut()
}

/// The objects of a list.
fn items<'o>(object: &'o mut Object, name: &str) -> impl Iterator<Item = &'o mut Object> {
    let list = object.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Copies what `to` lacks from `from`.
fn fill_from(to: &mut Object, from: Object) {
    for (name, value) in from {
        to.entry(name).or_insert(value);
    }
}

fn taken(object: &Object, name: &str) -> Object {
    object
        .get(name)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

fn rolling(strategy: &mut Object, defaults: &[(&str, Value)]) {
    if text(strategy, "type") == "RollingUpdate"
        && let Some(rolling) = object(strategy, "rollingUpdate")
    {
        for (name, default) in defaults {
            set(rolling, name, default.clone());
        }
    }
}

/// `25%` both ways.
pub(super) fn rolling_deployment(strategy: &mut Object) {
    let quarter = json!("25%");
    rolling(
        strategy,
        &[("maxUnavailable", quarter.clone()), ("maxSurge", quarter)],
    );
}

/// One at a time.
pub(super) fn rolling_daemon_set(strategy: &mut Object) {
    rolling(
        strategy,
        &[("maxUnavailable", json!(1)), ("maxSurge", json!(0))],
    );
}

/// `rollingUpdate` is made only where the type is not given either.
pub(super) fn rolling_stateful_set(strategy: &mut Object) {
    if text(strategy, "type").is_empty() {
        strategy.insert("type".to_owned(), "RollingUpdate".into());
        set(strategy, "rollingUpdate", json!({}));
    }
    if is_set(strategy, "rollingUpdate") {
        rolling(strategy, &[("partition", json!(0))]);
    }
}

/// Claim templates say what they are.
pub(super) fn claim_templates(set: &mut Object) {
    if let Some(spec) = set.get_mut("spec").and_then(Value::as_object_mut) {
        for claim in items(spec, "volumeClaimTemplates") {
            claim.insert("apiVersion".to_owned(), "v1".into());
            claim.insert("kind".to_owned(), "PersistentVolumeClaim".into());
        }
    }
}

/// Counts that depend on each other, and labels like those of the pods.
pub(super) fn job(job: &mut Object) {
    let Some(spec) = object(job, "spec") else {
        return;
    };
    if !is_set(spec, "completions") && !is_set(spec, "parallelism") {
        set(spec, "completions", 1);
    }
    set(spec, "parallelism", 1);
    let limit = if is_set(spec, "backoffLimitPerIndex") {
        i32::MAX
    } else {
        6
    };
    set(spec, "backoffLimit", limit);
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    let replacement = if is_set(spec, "podFailurePolicy") {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    set(spec, "podReplacementPolicy", replacement);
    set(spec, "manualSelector", false);
    let labels = template_labels(spec);
    label_like(job, labels);
}

fn template_labels(spec: &Object) -> Object {
    taken(&taken(&taken(spec, "template"), "metadata"), "labels")
}

/// Gives an object the labels where it has none of its own.
fn label_like(owner: &mut Object, labels: Object) {
    if !labels.is_empty()
        && let Some(metadata) = object(owner, "metadata")
        && taken(metadata, "labels").is_empty()
    {
        metadata.insert("labels".to_owned(), labels.into());
    }
}

/// Labels and selector are those of the template.
pub(super) fn replication_controller(controller: &mut Object) {
    let Some(spec) = object(controller, "spec") else {
        return;
    };
    let labels = template_labels(spec);
    if !labels.is_empty() && taken(spec, "selector").is_empty() {
        spec.insert("selector".to_owned(), labels.clone().into());
    }
    label_like(controller, labels);
}

/// Requests are limits where they are not given, and host ports are container ports on the
/// network of the host. Pod templates don't get these.
pub(super) fn pod(pod: &mut Object) {
    let Some(spec) = object(pod, "spec") else {
        return;
    };
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            let limits = taken(&taken(container, "resources"), "limits");
            if !limits.is_empty()
                && let Some(resources) = object(container, "resources")
                && let Some(requests) = object(resources, "requests")
            {
                fill_from(requests, limits);
            }
            if host_network {
                for port in items(container, "ports") {
                    if let Some(number) = port.get("containerPort").cloned() {
                        set(port, "hostPort", number);
                    }
                }
            }
        }
    }
}

/// `Always` for an image without a version.
pub(super) fn image_pull_policy(container: &mut Object) {
    pull_policy(container, "imagePullPolicy", "image");
}

fn pull_policy(holder: &mut Object, name: &str, reference: &str) {
    if text(holder, name).is_empty() {
        let latest = image::is_latest(text(holder, reference));
        let policy = if latest { "Always" } else { "IfNotPresent" };
        holder.insert(name.to_owned(), policy.into());
    }
}

/// A volume without a source is an empty directory.
pub(super) fn volume(volume: &mut Object) {
    if volume
        .iter()
        .all(|(name, source)| name == "name" || source.is_null())
    {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    if let Some(image) = volume.get_mut("image").and_then(Value::as_object_mut) {
        pull_policy(image, "pullPolicy", "reference");
    }
}

/// Affinity and traffic policies, by type.
pub(super) fn service(service: &mut Object) {
    let Some(spec) = object(service, "spec") else {
        return;
    };
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let config = taken(&taken(spec, "sessionAffinityConfig"), "clientIP");
            if !is_set(&config, "timeoutSeconds") {
                let config = json!({"clientIP": {"timeoutSeconds": 10_800}});
                spec.insert("sessionAffinityConfig".to_owned(), config);
            }
        }
        _ => {}
    }
    let kind = text(spec, "type").to_owned();
    let balanced = kind == "LoadBalancer";
    let reachable = spec
        .get("externalIPs")
        .and_then(Value::as_array)
        .is_some_and(|ips| !ips.is_empty());
    if balanced || kind == "NodePort" || (kind == "ClusterIP" && reachable) {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if balanced || matches!(&*kind, "NodePort" | "ClusterIP") {
        set(spec, "internalTrafficPolicy", "Cluster");
    }
    if balanced {
        set(spec, "allocateLoadBalancerNodePorts", true);
        if let Some(balancer) = service
            .get_mut("status")
            .and_then(|status| status.get_mut("loadBalancer"))
            .and_then(Value::as_object_mut)
        {
            for ingress in items(balancer, "ingress") {
                if !text(ingress, "ip").is_empty() {
                    set(ingress, "ipMode", "VIP");
                }
            }
        }
    }
}

/// The target is the port itself.
pub(super) fn service_port(port: &mut Object) {
    let unset = match port.get("targetPort") {
        None | Some(Value::Null) => true,
        Some(target) => *target == 0 || *target == "",
    };
    if unset && let Some(number) = port.get("port").cloned() {
        port.insert("targetPort".to_owned(), number);
    }
}

/// A namespace can be selected by its name.
pub(super) fn namespace(namespace: &mut Object) {
    let name = text(&taken(namespace, "metadata"), "name").to_owned();
    if !name.is_empty()
        && let Some(metadata) = object(namespace, "metadata")
        && let Some(labels) = object(metadata, "labels")
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    }
}

/// An account has two names, of which the newer one counts.
pub(super) fn service_account(spec: &mut Object) {
    const NAMES: [&str; 2] = ["serviceAccountName", "serviceAccount"];
    let names = NAMES.iter().map(|name| text(spec, name));
    let name = names.into_iter().find(|name| !name.is_empty());
    if let Some(name) = name.map(Value::from) {
        for member in NAMES {
            spec.insert(member.to_owned(), name.clone());
        }
    }
}

/// All that there is can be allocated.
pub(super) fn node_status(status: &mut Object) {
    if let Some(capacity) = status.get("capacity").cloned() {
        set(status, "allocatable", capacity);
    }
}

/// Defaults of a container are its maxima, its requests the defaults, then the minima.
pub(super) fn limit_range_item(item: &mut Object) {
    if text(item, "type") != "Container" {
        return;
    }
    let mut defaults = taken(item, "default");
    fill_from(&mut defaults, taken(item, "max"));
    let mut requests = taken(item, "defaultRequest");
    fill_from(&mut requests, defaults.clone());
    fill_from(&mut requests, taken(item, "min"));
    for (name, list) in [("default", defaults), ("defaultRequest", requests)] {
        if !list.is_empty() {
            item.insert(name.to_owned(), list.into());
        }
    }
}

/// Users and groups are of the RBAC group, service accounts of the core one.
pub(super) fn subject(subject: &mut Object) {
    if text(subject, "apiGroup").is_empty() && matches!(text(subject, "kind"), "User" | "Group") {
        subject.insert("apiGroup".to_owned(), "rbac.authorization.k8s.io".into());
    }
}

/// A policy is about ingress, and about egress where it has rules for it.
pub(super) fn network_policy_spec(spec: &mut Object) {
    let filled = |name: &str| {
        spec.get(name)
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    if !filled("policyTypes") {
        let types = if filled("egress") {
            json!(["Ingress", "Egress"])
        } else {
            json!(["Ingress"])
        };
        spec.insert("policyTypes".to_owned(), types);
    }
}

/// One device.
pub(super) fn device_request(request: &mut Object) {
    if text(request, "allocationMode").is_empty() {
        request.insert("allocationMode".to_owned(), "ExactCount".into());
    }
    if text(request, "allocationMode") == "ExactCount" {
        set(request, "count", 1);
    }
}

/// Names that follow from the kind, no conversion, and the version that is stored.
pub(super) fn custom_resource_definition(definition: &mut Object) {
    let Some(spec) = object(definition, "spec") else {
        return;
    };
    set(spec, "conversion", json!({"strategy": "None"}));
    if let Some(names) = object(spec, "names") {
        let kind = text(names, "kind").to_owned();
        if text(names, "singular").is_empty() && !kind.is_empty() {
            names.insert("singular".to_owned(), kind.to_lowercase().into());
        }
        if text(names, "listKind").is_empty() && !kind.is_empty() {
            names.insert("listKind".to_owned(), format!("{kind}List").into());
        }
    }
    let stored = items(spec, "versions")
        .find(|version| version.get("storage") == Some(&Value::Bool(true)))
        .map(|version| text(version, "name").to_owned());
    if let Some(version) = stored
        && let Some(status) = object(definition, "status")
        && status
            .get("storedVersions")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
    {
        status.insert("storedVersions".to_owned(), json!([version]));
    }
}
