//! Rules of services, config maps, secrets, claims and RBAC objects that are about several
//! members. Each is named by a row of the table of rules.

use std::collections::HashSet;

use base64::Engine as _;
use serde_json::Value;

use super::field::{BadValue, Error, ErrorList};
use super::path::Path;
use super::walk::{Scope, between, formatted};
use super::{format, gofmt};
use crate::schema::Document;

/// Bytes of all values of a ConfigMap or Secret together, 1 MiB.
const DATA_MAX: usize = 1 << 20;

/// A Service without an address has no ports to name.
pub(super) fn ports(spec: &Scope<'_>, errors: &mut ErrorList) {
    let kind = spec.text("type");
    let headless = spec.text("clusterIP") == "None";
    let ports = spec.items("ports");
    let path = spec.path.child("ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(Error::required(&path, ""));
    }
    if kind == "ExternalName" {
        let path = spec.path.child("externalName");
        match spec.text("externalName").trim_end_matches('.') {
            "" => errors.push(Error::required(&path, "")),
            name => formatted(name, format::dns1123_subdomain, &path, errors),
        }
    }
    let mut names = HashSet::new();
    for (at, port) in ports.iter().enumerate() {
        let path = path.index(at);
        let path = path.child("name");
        match port["name"].as_str().unwrap_or_default() {
            "" if ports.len() > 1 => errors.push(Error::required(&path, "")),
            "" => {}
            name if names.insert(name) => {}
            name => errors.push(Error::duplicate(&path, name)),
        }
    }
}

/// Number of a port, which has to be there.
pub(super) fn port_number(port: &Scope<'_>, errors: &mut ErrorList) {
    between(
        port.int("port").unwrap_or(0),
        1,
        65_535,
        &port.path.child("port"),
        errors,
    );
}

/// Ports are used once for each protocol.
pub(super) fn repeated_ports(spec: &Scope<'_>, errors: &mut ErrorList) {
    let ports = spec.items("ports");
    let path = spec.path.child("ports");
    let number = |port: &Value, name: &str| port[name].as_i64().unwrap_or(0);
    if spec.text("type") == "ClusterIP" {
        for (at, port) in ports.iter().enumerate() {
            if number(port, "nodePort") != 0 {
                let path = path.index(at);
                let detail = "may not be used when `type` is 'ClusterIP'";
                errors.push(Error::forbidden(&path.child("nodePort"), detail));
            }
        }
    }
    let mut seen = HashSet::new();
    for (at, port) in ports.iter().enumerate() {
        let node = number(port, "nodePort");
        if node != 0 && !seen.insert((port["protocol"].as_str(), node)) {
            errors.push(Error::duplicate(&path.index(at).child("nodePort"), node));
        }
    }
    let mut seen = HashSet::new();
    for (at, port) in ports.iter().enumerate() {
        let protocol = port["protocol"].as_str().unwrap_or_default();
        let number = number(port, "port");
        if !seen.insert((protocol, number)) {
            let text = |text: &str| gofmt::json(&text.into());
            let shown = BadValue::internal(&[
                ("Name", text("")),
                ("Protocol", text(protocol)),
                ("AppProtocol", "null".to_owned()),
                ("Port", number.to_string()),
                ("TargetPort", "0".to_owned()),
                ("NodePort", "0".to_owned()),
            ]);
            errors.push(Error::duplicate(&path.index(at), shown));
        }
    }
}

fn keys<'o>(object: &Scope<'o>, name: &str) -> impl Iterator<Item = (&'o String, &'o Value)> {
    object
        .get(name)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// Bytes of a value that is base64 in JSON.
fn decoded_len(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_or(text.len(), |bytes| bytes.len())
}

/// Keys are file names, in one place only, and all values together have a limit.
pub(super) fn config_map(map: &Scope<'_>, errors: &mut ErrorList) {
    let mut size = 0;
    let path = map.path.child("data");
    for (key, value) in keys(map, "data") {
        formatted(key, format::config_map_key, &path.key(key), errors);
        if !map.at(&["binaryData", key]).is_null() {
            let complaint = "duplicate of key present in binaryData";
            errors.push(Error::invalid(&path.key(key), key.as_str(), complaint));
        }
        size += value.as_str().map_or(0, str::len);
    }
    let path = map.path.child("binaryData");
    for (key, value) in keys(map, "binaryData") {
        formatted(key, format::config_map_key, &path.key(key), errors);
        size += decoded_len(value);
    }
    if size > DATA_MAX {
        // It is about the whole object.
        errors.push(Error::too_long(&Path::ROOT.key(""), DATA_MAX));
    }
}

/// Keys that a Secret of a type has to have.
const SECRET_KEYS: &[(&str, &[&str])] = &[
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
];

/// Types of Secrets whose one value is JSON.
const SECRET_JSON: &[(&str, [&str; 1])] = &[
    ("kubernetes.io/dockercfg", [".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", [".dockerconfigjson"]),
];

/// Keys are file names, the type says which there are, and all values together have a limit.
pub(super) fn secret(secret: &Scope<'_>, errors: &mut ErrorList) {
    let path = secret.path.child("data");
    let mut size = 0;
    for (key, value) in keys(secret, "data") {
        formatted(key, format::config_map_key, &path.key(key), errors);
        size += decoded_len(value);
    }
    if size > DATA_MAX {
        errors.push(Error::too_long(&path, DATA_MAX));
    }
    let missing = |key: &str| secret.at(&["data", key]).is_null();
    let kind = secret.text("type");
    for (_, keys) in SECRET_KEYS.iter().filter(|(of, _)| *of == kind) {
        for key in keys.iter().filter(|key| missing(key)) {
            errors.push(Error::required(&path.key(key), ""));
        }
    }
    if let Some((_, [key])) = SECRET_JSON.iter().find(|(of, _)| *of == kind)
        && let Some(Value::String(text)) = secret.get("data").and_then(|data| data.get(*key))
        && let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(text)
        && let Err(why) = Document::json(&bytes)
    {
        // What is secret is not shown.
        let shown = "<secret contents redacted>";
        errors.push(Error::invalid(&path.key(key), shown, why.to_string()));
    }
    match kind {
        "kubernetes.io/basic-auth" if missing("username") && missing("password") => {
            for key in ["username", "password"] {
                errors.push(Error::required(&path.key(key), ""));
            }
        }
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            let account = secret.at(&["metadata", "annotations", name]).as_str();
            if account.unwrap_or_default().is_empty() {
                let path = secret.path.child("metadata");
                errors.push(Error::required(&path.child("annotations").key(name), ""));
            }
        }
        _ => {}
    }
}

/// A claim asks for storage.
pub(super) fn claim(spec: &Scope<'_>, errors: &mut ErrorList) {
    let modes = [
        "ReadOnlyMany",
        "ReadWriteMany",
        "ReadWriteOnce",
        "ReadWriteOncePod",
    ];
    let path = spec.path.child("accessModes");
    for mode in spec.items("accessModes").iter().filter_map(Value::as_str) {
        if !modes.contains(&mode) {
            errors.push(Error::not_supported(&path, mode, &modes));
        }
    }
    if spec.at(&["resources", "requests", "storage"]).is_null() {
        let path = spec.path.child("resources");
        errors.push(Error::required(&path.key("storage"), ""));
    }
}

/// Rules of a role.
pub(super) fn namespaced_rules(role: &Scope<'_>, errors: &mut ErrorList) {
    policy_rules(role, true, errors);
}

/// Rules of a cluster role.
pub(super) fn cluster_rules(role: &Scope<'_>, errors: &mut ErrorList) {
    policy_rules(role, false, errors);
}

fn policy_rules(role: &Scope<'_>, namespaced: bool, errors: &mut ErrorList) {
    let path = role.path.child("rules");
    for (at, rule) in role.items("rules").iter().enumerate() {
        let path = path.index(at);
        let empty = |name: &str| rule[name].as_array().is_none_or(Vec::is_empty);
        if empty("verbs") {
            let detail = "verbs must contain at least one value";
            errors.push(Error::required(&path.child("verbs"), detail));
        }
        if !empty("nonResourceURLs") {
            let path = path.child("nonResourceURLs");
            let urls = &rule["nonResourceURLs"];
            if namespaced {
                let complaint = "namespaced rules cannot apply to non-resource URLs";
                errors.push(Error::invalid(&path, urls, complaint));
            }
            if !(empty("apiGroups") && empty("resources") && empty("resourceNames")) {
                let complaint =
                    "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(Error::invalid(&path, urls, complaint));
            }
            continue;
        }
        for (name, detail) in [
            (
                "apiGroups",
                "resource rules must supply at least one api group",
            ),
            (
                "resources",
                "resource rules must supply at least one resource",
            ),
        ] {
            if empty(name) {
                errors.push(Error::required(&path.child(name), detail));
            }
        }
    }
}

/// The role of a binding.
pub(super) fn role_ref(binding: &Scope<'_>, kinds: &[&str], errors: &mut ErrorList) {
    let path = binding.path.child("roleRef");
    let member = |name: &str| binding.at(&["roleRef", name]).as_str().unwrap_or_default();
    if !kinds.contains(&member("kind")) {
        errors.push(Error::not_supported(
            &path.child("kind"),
            member("kind"),
            kinds,
        ));
    }
    match member("name") {
        "" => errors.push(Error::required(&path.child("name"), "")),
        name => formatted(name, format::path_segment, &path.child("name"), errors),
    }
}

/// The subjects of a binding.
pub(super) fn subjects(binding: &Scope<'_>, namespaced: bool, errors: &mut ErrorList) {
    let group = "rbac.authorization.k8s.io";
    let path = binding.path.child("subjects");
    for (at, subject) in binding.items("subjects").iter().enumerate() {
        let path = path.index(at);
        let member = |name: &str| subject[name].as_str().unwrap_or_default();
        let name = member("name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        }
        let expected = match member("kind") {
            "ServiceAccount" => {
                if !name.is_empty() {
                    formatted(name, format::dns1123_subdomain, &path.child("name"), errors);
                }
                ""
            }
            "User" | "Group" => group,
            other => {
                let kinds = ["ServiceAccount", "User", "Group"];
                errors.push(Error::not_supported(&path.child("kind"), other, &kinds));
                continue;
            }
        };
        if member("apiGroup") != expected {
            let path = path.child("apiGroup");
            errors.push(Error::not_supported(&path, member("apiGroup"), &[expected]));
        }
        if member("kind") == "ServiceAccount" && !namespaced && member("namespace").is_empty() {
            errors.push(Error::required(&path.child("namespace"), ""));
        }
    }
}
