//! What may change of volumes and claims.

use serde_json::{Map, Value};

use super::field::{Error, ErrorList};
use super::path::Path;

/// Members of the spec of a volume that are not where its data is.
const BESIDE_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

fn without(object: &Value, members: &[&str]) -> Map<String, Value> {
    let mut spec = object["spec"].as_object().cloned().unwrap_or_default();
    spec.retain(|name, _| !members.contains(&&**name));
    spec
}

/// The data stays where it is.
pub(super) fn volume_update(new: &Value, old: &Value, errors: &mut ErrorList) {
    if without(new, &BESIDE_SOURCE) != without(old, &BESIDE_SOURCE) {
        let path = Path::new("spec");
        let detail = "spec.persistentvolumesource is immutable after creation";
        errors.push(Error::forbidden(
            &path.child("persistentvolumesource"),
            detail,
        ));
    }
}

/// A claim is bound to a volume, and may grow then.
pub(super) fn claim_update(new: &Value, old: &Value, errors: &mut ErrorList) {
    let bound = old["status"]["phase"] == "Bound";
    let mut new = new.clone();
    let mut free = Vec::new();
    if bound {
        free.push("volumeAttributesClassName");
        new["spec"]["resources"]["requests"] = old["spec"]["resources"]["requests"].clone();
    }
    let unset = |name: &str| old["spec"][name].as_str().unwrap_or_default().is_empty();
    if unset("volumeName") {
        free.push("volumeName");
    }
    if old["spec"]["storageClassName"].is_null() {
        // The default class may come later than the claim.
        free.push("storageClassName");
    }
    if without(&new, &free) != without(old, &free) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.push(Error::forbidden(&Path::new("spec"), detail));
    }
}
