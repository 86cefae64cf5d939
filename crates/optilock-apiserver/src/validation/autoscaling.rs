//! Rules of autoscalers. Each is named by a row of the table of rules.

use super::field::{Error, ErrorList};
use super::format;
use super::walk::{Scope, formatted};

/// How few and how many replicas.
pub(super) fn replicas(spec: &Scope<'_>, errors: &mut ErrorList) {
    let fewest = spec.int("minReplicas").unwrap_or(1);
    let most = spec.int("maxReplicas").unwrap_or(0);
    if fewest < 1 {
        let complaint = "must be greater than or equal to 1";
        errors.push(Error::invalid(
            &spec.path.child("minReplicas"),
            fewest,
            complaint,
        ));
    }
    let path = spec.path.child("maxReplicas");
    if most < 1 {
        errors.push(Error::required(&path, "must be set and greater than 0"));
    }
    if most < fewest {
        let complaint = "must be greater than or equal to `minReplicas`";
        errors.push(Error::invalid(&path, most, complaint));
    }
}

/// What is scaled. Only replication controllers have no group.
pub(super) fn target(spec: &Scope<'_>, errors: &mut ErrorList) {
    let path = spec.path.child("scaleTargetRef");
    let member = |name: &str| {
        spec.at(&["scaleTargetRef", name])
            .as_str()
            .unwrap_or_default()
    };
    for name in ["kind", "name"] {
        match member(name) {
            "" => errors.push(Error::required(&path.child(name), "")),
            text => formatted(text, format::path_segment, &path.child(name), errors),
        }
    }
    let version = member("apiVersion");
    let complaint = match version.split('/').count() {
        2 => return,
        1 if member("kind") == "ReplicationController" => return,
        1 => "apiVersion must specify API group".to_owned(),
        _ => format!("unexpected GroupVersion string: {version}"),
    };
    errors.push(Error::invalid(
        &path.child("apiVersion"),
        version,
        complaint,
    ));
}
