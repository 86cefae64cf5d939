//! Rules of pods that are about several members. Each is named by a row of the table of rules.

use std::collections::HashSet;

use serde_json::Value;

use super::field::{BadValue, Error, ErrorList};
use super::path::Path;
use super::walk::{NEGATIVE, Scope, between, formatted};
use super::{format, gofmt, metadata};
use crate::schema::Quantity;

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Metadata of a template, and what it may not have. The paths leave `metadata` out.
pub(super) fn template(template: &Scope<'_>, errors: &mut ErrorList) {
    let meta = template.at(&["metadata"]);
    metadata::labels(meta.get("labels"), &template.path.child("labels"), errors);
    metadata::annotations(
        meta.get("annotations"),
        &template.path.child("annotations"),
        errors,
    );
    if !template.at(&["spec", "ephemeralContainers"]).is_null() {
        let path = template.path.child("spec");
        let detail = "ephemeral containers not allowed in pod template";
        errors.push(Error::forbidden(&path.child("ephemeralContainers"), detail));
    }
}

/// Names and sources of volumes, and that every mount has its volume.
pub(super) fn volumes(spec: &Scope<'_>, errors: &mut ErrorList) {
    let path = spec.path.child("volumes");
    let mut names = HashSet::new();
    for (at, volume) in spec.items("volumes").iter().enumerate() {
        let path = path.index(at);
        let members = volume.as_object();
        let sources = members.into_iter().flat_map(|members| members.keys());
        for extra in sources.filter(|name| *name != "name").skip(1) {
            let detail = "may not specify more than 1 volume type";
            errors.push(Error::forbidden(&path.child(extra), detail));
        }
        let path = path.child("name");
        match text(volume, "name") {
            "" => errors.push(Error::required(&path, "")),
            name => {
                let complaints = format::dns1123_label(name);
                let valid = complaints.is_empty();
                for complaint in complaints {
                    errors.push(Error::invalid(&path, name, complaint));
                }
                if valid && !names.insert(name) {
                    errors.push(Error::duplicate(&path, name));
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        let path = spec.path.child(list);
        for (at, container) in spec.items(list).iter().enumerate() {
            let path = path.index(at);
            mounts(container, &names, &path.child("volumeMounts"), errors);
        }
    }
}

fn mounts(container: &Value, volumes: &HashSet<&str>, path: &Path<'_>, errors: &mut ErrorList) {
    let mut points = HashSet::new();
    let mounts = container["volumeMounts"].as_array();
    for (at, mount) in mounts.into_iter().flatten().enumerate() {
        let path = path.index(at);
        let name = text(mount, "name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        }
        if !volumes.contains(name) {
            errors.push(Error::not_found(&path.child("name"), name));
        }
        let point = text(mount, "mountPath");
        if point.is_empty() {
            errors.push(Error::required(&path.child("mountPath"), ""));
        }
        if !points.insert(point) {
            errors.push(Error::invalid(
                &path.child("mountPath"),
                point,
                "must be unique",
            ));
        }
    }
}

/// Names of init containers are not those of others.
pub(super) fn init_containers(spec: &Scope<'_>, errors: &mut ErrorList) {
    let mut names: HashSet<&str> = spec
        .items("containers")
        .iter()
        .map(|container| text(container, "name"))
        .collect();
    let path = spec.path.child("initContainers");
    for (at, container) in spec.items("initContainers").iter().enumerate() {
        let path = path.index(at);
        let name = text(container, "name");
        if !name.is_empty() && !names.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), name));
        }
        if text(container, "restartPolicy") != "Always" {
            let detail = "may not be set for init containers without restartPolicy=Always";
            for member in [
                "lifecycle",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
            ] {
                if !container[member].is_null() {
                    errors.push(Error::forbidden(&path.child(member), detail));
                }
            }
        }
    }
}

/// Visits the ports of the containers, each with its path.
fn each_port<'v>(spec: &Scope<'v>, mut visit: impl FnMut(&'v Value, &Path<'_>)) {
    let path = spec.path.child("containers");
    for (at, container) in spec.items("containers").iter().enumerate() {
        let path = path.index(at);
        let path = path.child("ports");
        let ports = container["ports"].as_array();
        for (at, port) in ports.into_iter().flatten().enumerate() {
            visit(port, &path.index(at));
        }
    }
}

/// On the network of the host a container listens where the host does.
pub(super) fn host_network(spec: &Scope<'_>, errors: &mut ErrorList) {
    if *spec.at(&["hostNetwork"]) != true {
        return;
    }
    each_port(spec, |port, path| {
        let number = |name: &str| port[name].as_i64().unwrap_or(0);
        let host = number("hostPort");
        if host != number("containerPort") {
            let complaint = "must match `containerPort` when `hostNetwork` is true";
            errors.push(Error::invalid(&path.child("hostPort"), host, complaint));
        }
    });
}

/// A port of the host is one container's.
pub(super) fn host_ports(spec: &Scope<'_>, errors: &mut ErrorList) {
    let mut taken = HashSet::new();
    each_port(spec, |port, path| {
        let Some(number) = port["hostPort"].as_i64().filter(|number| *number != 0) else {
            return;
        };
        let (protocol, address) = (text(port, "protocol"), text(port, "hostIP"));
        if !taken.insert((protocol, address, number)) {
            let place = format!("{protocol}/{address}/{number}");
            errors.push(Error::duplicate(&path.child("hostPort"), place.as_str()));
        }
    });
}

/// Without a policy for names the Pod says itself who resolves them.
pub(super) fn dns_config(spec: &Scope<'_>, errors: &mut ErrorList) {
    if spec.text("dnsPolicy") != "None" {
        return;
    }
    let path = spec.path.child("dnsConfig");
    if spec.get("dnsConfig").is_none() {
        let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
        errors.push(Error::required(&path, detail));
    } else if spec
        .at(&["dnsConfig", "nameservers"])
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.push(Error::required(&path.child("nameservers"), detail));
    }
}

/// An address of a host, and its names.
pub(super) fn host_alias(alias: &Scope<'_>, errors: &mut ErrorList) {
    formatted(
        alias.text("ip"),
        format::ip,
        &alias.path.child("ip"),
        errors,
    );
    let path = alias.path.child("hostnames");
    for (at, name) in alias.items("hostnames").iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        formatted(name, format::dns1123_subdomain, &path.index(at), errors);
    }
}

/// How Pods spread over topologies.
pub(super) fn spread(constraint: &Scope<'_>, errors: &mut ErrorList) {
    let positive = |name: &str, number: i64, errors: &mut ErrorList| {
        if number <= 0 {
            let complaint = "must be greater than zero";
            errors.push(Error::invalid(
                &constraint.path.child(name),
                number,
                complaint,
            ));
        }
    };
    positive("maxSkew", constraint.int("maxSkew").unwrap_or(0), errors);
    if constraint.text("topologyKey").is_empty() {
        errors.push(Error::required(
            &constraint.path.child("topologyKey"),
            "can not be empty",
        ));
    }
    let actions = ["DoNotSchedule", "ScheduleAnyway"];
    let action = constraint.text("whenUnsatisfiable");
    if !actions.contains(&action) {
        let path = constraint.path.child("whenUnsatisfiable");
        errors.push(Error::not_supported(&path, action, &actions));
    }
    if let Some(domains) = constraint.int("minDomains") {
        positive("minDomains", domains, errors);
    }
}

/// Members of a security context, in the order in which complaints show it, by their names in Go.
const SECURITY_CONTEXT: [(&str, &str); 12] = [
    ("Capabilities", "capabilities"),
    ("Privileged", "privileged"),
    ("SELinuxOptions", "seLinuxOptions"),
    ("WindowsOptions", "windowsOptions"),
    ("RunAsUser", "runAsUser"),
    ("RunAsGroup", "runAsGroup"),
    ("RunAsNonRoot", "runAsNonRoot"),
    ("ReadOnlyRootFilesystem", "readOnlyRootFilesystem"),
    ("AllowPrivilegeEscalation", "allowPrivilegeEscalation"),
    ("ProcMount", "procMount"),
    ("SeccompProfile", "seccompProfile"),
    ("AppArmorProfile", "appArmorProfile"),
];

/// Who has all privileges can't be kept from getting more.
pub(super) fn privileges(context: &Scope<'_>, errors: &mut ErrorList) {
    if *context.at(&["allowPrivilegeEscalation"]) != false || *context.at(&["privileged"]) != true {
        return;
    }
    let members = SECURITY_CONTEXT.map(|(go, name)| (go, gofmt::json(context.at(&[name]))));
    let complaint = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
    errors.push(Error::invalid(
        context.path,
        BadValue::internal(&members),
        complaint,
    ));
}

/// The mode of a file.
pub(super) fn mode(source: &Scope<'_>, name: &str, errors: &mut ErrorList) {
    if let Some(mode) = source.int(name).filter(|mode| !(0..=0o777).contains(mode)) {
        let complaint = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(Error::invalid(&source.path.child(name), mode, complaint));
    }
}

/// A container listens on a port.
pub(super) fn container_port(port: &Scope<'_>, errors: &mut ErrorList) {
    let path = port.path.child("containerPort");
    match port.int("containerPort").unwrap_or(0) {
        0 => errors.push(Error::required(&path, "")),
        number => between(number, 1, 65_535, &path, errors),
    }
}

/// A port number, or the name of a port.
pub(super) fn port_or_name(action: &Scope<'_>, name: &str, errors: &mut ErrorList) {
    let path = action.path.child(name);
    match action.get(name) {
        Some(Value::String(text)) => formatted(text, format::port_name, &path, errors),
        value => {
            let number = value.and_then(Value::as_i64).unwrap_or(0);
            between(number, 1, 65_535, &path, errors);
        }
    }
}

const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// A probe or hook does exactly one thing.
pub(super) fn handler(handler: &Scope<'_>, errors: &mut ErrorList) {
    let mut set = HANDLERS
        .into_iter()
        .filter(|name| handler.get(name).is_some());
    if set.next().is_none() {
        errors.push(Error::required(handler.path, "must specify a handler type"));
    }
    for extra in set {
        let detail = "may not specify more than 1 handler type";
        errors.push(Error::forbidden(&handler.path.child(extra), detail));
    }
}

/// The grace period of a probe.
pub(super) fn probe_grace(probe: &Scope<'_>, errors: &mut ErrorList) {
    let name = "terminationGracePeriodSeconds";
    if let Some(grace) = probe.int(name).filter(|grace| *grace <= 0) {
        errors.push(Error::invalid(
            &probe.path.child(name),
            grace,
            "must be greater than 0",
        ));
    }
}

/// What only some probes may say.
pub(super) fn probes(container: &Scope<'_>, errors: &mut ErrorList) {
    for name in ["livenessProbe", "startupProbe"] {
        let threshold = container.at(&[name, "successThreshold"]).as_i64();
        if let Some(threshold) = threshold.filter(|threshold| *threshold != 1) {
            let path = container.path.child(name);
            errors.push(Error::invalid(
                &path.child("successThreshold"),
                threshold,
                "must be 1",
            ));
        }
    }
    let grace = container.at(&["readinessProbe", "terminationGracePeriodSeconds"]);
    if !grace.is_null() {
        let path = container.path.child("readinessProbe");
        errors.push(Error::invalid(
            &path.child("terminationGracePeriodSeconds"),
            grace,
            "must not be set for readinessProbes",
        ));
    }
}

/// Names of HTTP headers. The path is that of the list.
pub(super) fn http_headers(action: &Scope<'_>, errors: &mut ErrorList) {
    for header in action.items("httpHeaders") {
        let path = action.path.child("httpHeaders");
        formatted(
            text(header, "name"),
            format::http_header_name,
            &path,
            errors,
        );
    }
}

/// A variable has a value or a source, and one source.
pub(super) fn env_source(variable: &Scope<'_>, errors: &mut ErrorList) {
    let Some(source) = variable.get("valueFrom").and_then(Value::as_object) else {
        return;
    };
    let path = variable.path.child("valueFrom");
    if source.is_empty() {
        errors.push(Error::invalid(
            &path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ));
    } else if !variable.text("value").is_empty() {
        let complaint = "may not be specified when `value` is not empty";
        errors.push(Error::invalid(&path, "", complaint));
    } else if source.len() > 1 {
        let complaint = "may not have more than one field specified at a time";
        errors.push(Error::invalid(&path, "", complaint));
    }
}

/// Fields of a pod that a variable can have the value of.
const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields of a pod that a variable cannot have the value of, but a file.
const FILE_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
];

/// The field of a pod that a variable has the value of.
pub(super) fn env_field(variable: &Scope<'_>, errors: &mut ErrorList) {
    let field = variable.at(&["valueFrom", "fieldRef", "fieldPath"]);
    let name = field.as_str().unwrap_or_default();
    // Labels and annotations may be named by key.
    let keyed = ["metadata.labels['", "metadata.annotations['"];
    let by_key = keyed
        .into_iter()
        .any(|start| name.starts_with(start) && name.ends_with("']"));
    if name.is_empty() || by_key || ENV_FIELDS.contains(&name) {
        return;
    }
    let path = variable.path.child("valueFrom");
    let path = path.child("fieldRef");
    let path = path.child("fieldPath");
    errors.push(if FILE_FIELDS.contains(&name) {
        Error::not_supported(&path, name, ENV_FIELDS)
    } else {
        let complaint = format!("error converting fieldPath: field label not supported: {name}");
        Error::invalid(&path, name, complaint)
    });
}

/// Variables come from one place. The path is that of the list.
pub(super) fn env_from_source(source: &Scope<'_>, errors: &mut ErrorList) {
    let set = ["configMapRef", "secretRef"];
    let set = set
        .into_iter()
        .filter(|name| source.get(name).is_some())
        .count();
    let complaint = match set {
        0 => "must specify one of: `configMapRef` or `secretRef`",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    let path = source.path.parent().unwrap_or(source.path);
    errors.push(Error::invalid(path, "", complaint));
}

/// Resources without a domain: those of a container, and those that only quotas count.
const OF_CONTAINERS: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const OF_QUOTAS: [&str; 17] = [
    "configmaps",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "storage",
];

/// Known resources in amounts that exist, requests not above limits, and what can't be shared requested as it is limited.
pub(super) fn resources(resources: &Scope<'_>, errors: &mut ErrorList) {
    for list in ["limits", "requests"] {
        let path = resources.path.child(list);
        let amounts = resources.get(list).and_then(Value::as_object);
        for (name, amount) in amounts.into_iter().flatten() {
            let amount = amount.as_str().unwrap_or_default();
            resource_name(name, &path.key(name), errors);
            if amount.starts_with('-') {
                errors.push(Error::invalid(&path.key(name), amount, NEGATIVE));
            }
            let extended = name.contains('/') && !name.starts_with("kubernetes.io/");
            // Parts of one have a suffix in canonical form.
            if extended && amount.ends_with(['m', 'u', 'n']) {
                errors.push(Error::invalid(
                    &path.key(name),
                    amount,
                    "must be an integer",
                ));
            }
            if list == "requests" {
                let limit = resources.at(&["limits", name]).as_str();
                let shared = !extended && !name.starts_with("hugepages-");
                match limit {
                    Some(limit) => requested(name, amount, limit, shared, &path, errors),
                    None if shared => {}
                    None => errors.push(Error::required(
                        &resources.path.child("limits"),
                        "Limit must be set for non overcommitable resources",
                    )),
                }
            }
        }
    }
}

fn resource_name(name: &str, path: &Path<'_>, errors: &mut ErrorList) {
    if name.contains('/') || name.starts_with("hugepages-") || OF_CONTAINERS.contains(&name) {
        return;
    }
    if !OF_QUOTAS.contains(&name) {
        let complaint = "must be a standard resource type or fully qualified";
        errors.push(Error::invalid(path, name, complaint));
    }
    let complaint = "must be a standard resource for containers";
    errors.push(Error::invalid(path, name, complaint));
}

fn requested(
    name: &str,
    amount: &str,
    limit: &str,
    shared: bool,
    path: &Path<'_>,
    errors: &mut ErrorList,
) {
    let (Ok(request), Ok(most)) = (Quantity::parse(amount), Quantity::parse(limit)) else {
        return;
    };
    let order = request.compare(&most);
    let complaint = match (order.is_eq(), order.is_gt(), shared) {
        (false, _, false) => format!("must be equal to {name} limit of {limit}"),
        (_, true, true) => format!("must be less than or equal to {name} limit of {limit}"),
        _ => return,
    };
    errors.push(Error::invalid(path, amount, complaint));
}

/// Key, operator, value and effect of a toleration.
pub(super) fn toleration(toleration: &Scope<'_>, errors: &mut ErrorList) {
    let path = toleration.path;
    let key = toleration.text("key");
    let operator = toleration.text("operator");
    let value = toleration.text("value");
    let effect = toleration.text("effect");
    if !key.is_empty() {
        formatted(key, format::label_key, &path.child("key"), errors);
    } else if operator != "Exists" {
        let complaint = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(Error::invalid(&path.child("operator"), operator, complaint));
    }
    if toleration.get("tolerationSeconds").is_some() && effect != "NoExecute" {
        let complaint = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(Error::invalid(&path.child("effect"), effect, complaint));
    }
    match operator {
        "" | "Equal" => {
            let complaints = format::label_value(value);
            if !complaints.is_empty() {
                let path = path.child("operator");
                errors.push(Error::invalid(&path, value, complaints.join(";")));
            }
        }
        "Exists" => {
            if !value.is_empty() {
                let complaint = "value must be empty when `operator` is 'Exists'";
                errors.push(Error::invalid(&path.child("operator"), value, complaint));
            }
        }
        "Gt" | "Lt" => {
            let supported = ["Equal", "Exists", "Lt", "Gt"];
            errors.push(Error::not_supported(
                &path.child("operator"),
                operator,
                &supported,
            ));
        }
        other => {
            errors.push(Error::not_supported(
                &path.child("operator"),
                other,
                &["Equal", "Exists"],
            ));
        }
    }
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if !effect.is_empty() && !effects.contains(&effect) {
        errors.push(Error::not_supported(
            &path.child("effect"),
            effect,
            &effects,
        ));
    }
}
