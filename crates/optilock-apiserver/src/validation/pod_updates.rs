//! What may change of a Pod, by the path through which it is written.

use serde_json::Value;

use super::field::{Error, ErrorList};
use super::path::Path;

const FORBIDDEN: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// What a container may ask for more of while it runs.
const RESIZABLE: [&str; 2] = ["cpu", "memory"];

const CONTAINERS: [&str; 2] = ["containers", "initContainers"];

fn items<'v>(spec: &'v Value, name: &str) -> &'v [Value] {
    spec[name].as_array().map_or(&[], Vec::as_slice)
}

/// Through the object's own path: images, deadlines, more tolerations.
pub(crate) fn own_path(new: &Value, old: &Value, errors: &mut ErrorList) {
    let (new, old) = (&new["spec"], &old["spec"]);
    if new == old {
        return;
    }
    let path = Path::new("spec");
    for list in CONTAINERS {
        if items(new, list).len() != items(old, list).len() {
            let detail = "pod updates may not add or remove containers";
            errors.push(Error::forbidden(&path.child(list), detail));
            return;
        }
    }
    deadline(new, old, &path, errors);
    for before in items(old, "tolerations") {
        let mut rest = before.clone();
        rest["tolerationSeconds"] = Value::Null;
        let kept = items(new, "tolerations").iter().any(|toleration| {
            let mut toleration = toleration.clone();
            toleration["tolerationSeconds"] = Value::Null;
            toleration == rest
        });
        if !kept {
            let detail = "existing toleration can not be modified except its tolerationSeconds";
            errors.push(Error::forbidden(&path.child("tolerations"), detail));
            break;
        }
    }
    let gates = path.child("schedulingGates");
    for (at, gate) in items(new, "schedulingGates").iter().enumerate() {
        if !items(old, "schedulingGates").contains(gate) {
            let name = gate["name"].as_str().unwrap_or_default();
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(Error::forbidden(&gates.index(at), detail));
        }
    }
    if !errors.is_empty() {
        return;
    }
    let mut rest = new.clone();
    for list in CONTAINERS {
        for (at, before) in items(old, list).iter().enumerate() {
            rest[list][at]["image"] = before["image"].clone();
        }
    }
    let mut mutable = vec!["activeDeadlineSeconds", "tolerations", "schedulingGates"];
    if !items(old, "schedulingGates").is_empty() {
        // What nobody has scheduled yet may be narrowed down.
        mutable.extend(["nodeSelector", "affinity"]);
    }
    let grace = |spec: &Value| spec["terminationGracePeriodSeconds"].as_i64();
    if grace(old).is_some_and(|seconds| seconds < 0) && grace(new) == Some(1) {
        mutable.push("terminationGracePeriodSeconds");
    }
    for member in mutable {
        rest[member] = old[member].clone();
    }
    if !same_members(&rest, old) {
        errors.push(Error::forbidden(&path, FORBIDDEN));
    }
}

/// Whether two objects are the same, where null is the same as nothing.
fn same_members(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else {
        return one == other;
    };
    let names = one.keys().chain(other.keys());
    let value = |members: &serde_json::Map<String, Value>, name: &String| {
        members.get(name).cloned().unwrap_or_default()
    };
    names
        .into_iter()
        .all(|name| value(one, name) == value(other, name))
}

fn deadline(new: &Value, old: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let seconds = |spec: &Value| spec["activeDeadlineSeconds"].as_i64();
    let path = path.child("activeDeadlineSeconds");
    match (seconds(new), seconds(old)) {
        (Some(after), Some(before)) if after > before => {
            let complaint = "must be less than or equal to previous value";
            errors.push(Error::invalid(&path, after, complaint));
        }
        (None, Some(_)) => {
            let complaint = "must not update from a positive integer to nil value";
            errors.push(Error::invalid(&path, &Value::Null, complaint));
        }
        _ => {}
    }
}

/// Through `/ephemeralcontainers`: more of them.
pub(crate) fn ephemeral_containers(new: &Value, old: &Value, errors: &mut ErrorList) {
    let (new, old) = (&new["spec"], &old["spec"]);
    let path = Path::new("spec");
    let path = path.child("ephemeralContainers");
    for before in items(old, "ephemeralContainers") {
        let name = before["name"].as_str().unwrap_or_default();
        let after = items(new, "ephemeralContainers")
            .iter()
            .find(|container| container["name"] == before["name"]);
        let what = match after {
            None => "removed\n",
            Some(after) if after != before => "changed",
            Some(_) => continue,
        };
        let name = super::gofmt::quote(name);
        let detail = format!("existing ephemeral containers {name} may not be {what}");
        errors.push(Error::forbidden(&path, detail));
    }
}

/// Through `/resize`: cpu and memory of containers, within the class of the Pod.
pub(crate) fn resize(new: &Value, old: &Value, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let class = |pod: &Value| crate::registry::quality_of_service(&pod["spec"]);
    if class(new) != class(old) {
        let complaint = "Pod QOS Class may not change as a result of resizing";
        errors.push(Error::invalid(&path, class(old), complaint));
    }
    for list in CONTAINERS {
        let pairs = items(&new["spec"], list).iter();
        for (after, before) in pairs.zip(items(&old["spec"], list)) {
            if fixed_resources(after) != fixed_resources(before) {
                let detail = "only cpu and memory resources are mutable";
                errors.push(Error::forbidden(&path, detail));
            }
        }
    }
}

/// What a container asks for that a resize may not change.
fn fixed_resources(container: &Value) -> Vec<(&str, &String, &Value)> {
    ["requests", "limits"]
        .into_iter()
        .flat_map(|kind| {
            let amounts = container["resources"][kind].as_object();
            let amounts = amounts.into_iter().flatten();
            amounts.map(move |(name, amount)| (kind, name, amount))
        })
        .filter(|(_, name, _)| !RESIZABLE.contains(&name.as_str()))
        .collect()
}
