//! The rules that an object has to keep on its way into the store.

use serde_json::Value;

use super::errors;
use super::object::meta_str;
use super::resource::{Part, Resource};
use crate::status::Status;
use crate::validation::{self, approvals, field, pod_updates};

/// Finds what is wrong with the new object (first) as the successor of the old one.
type Judge = fn(&Value, &Value, &mut field::ErrorList);

/// (group, plural name, part that is written, rules beyond those of the type)
const BY_PART: &[(&str, &str, Part, Judge)] = &[
    ("", "pods", Part::Main, pod_updates::own_path),
    (
        "",
        "pods",
        Part::EphemeralContainers,
        pod_updates::ephemeral_containers,
    ),
    ("", "pods", Part::Resize, pod_updates::resize),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        Part::Status,
        approvals::status,
    ),
    (
        "certificates.k8s.io",
        "certificatesigningrequests",
        Part::Approval,
        approvals::approval,
    ),
];

/// Refuses an object that may not be created.
///
/// # Errors
/// 422 with all findings.
pub(super) fn on_create(resource: &Resource, object: &Value) -> Result<(), Status> {
    let Some(ty) = &resource.storage.ty else {
        return Ok(());
    };
    refuse(
        resource,
        object,
        &validation::validate_create(&resource.api, ty, object),
    )
}

/// Refuses an object that may not replace `old`.
///
/// # Errors
/// 422 with all findings.
pub(super) fn on_update(
    resource: &Resource,
    part: Part,
    new: &Value,
    old: &Value,
) -> Result<(), Status> {
    let Some(ty) = &resource.storage.ty else {
        return Ok(());
    };
    let mut problems = validation::validate_update(&resource.api, ty, new, old);
    let (group, plural) = (&*resource.api.group, &*resource.api.plural);
    for (_, _, _, judge) in BY_PART
        .iter()
        .filter(|row| (row.0, row.1, row.2) == (group, plural, part))
    {
        judge(new, old, &mut problems);
    }
    refuse(resource, new, &problems)
}

fn refuse(resource: &Resource, object: &Value, problems: &[field::Error]) -> Result<(), Status> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(errors::invalid(
        resource,
        meta_str(object, "name"),
        problems,
    ))
}
