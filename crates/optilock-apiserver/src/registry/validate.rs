//! The rules that an object has to keep on its way into the store.

use serde_json::Value;

use super::custom::is_definition;
use super::errors;
use super::object::meta_str;
use super::resource::{Part, Resource};
use crate::status::Status;
use crate::validation::{self, Path, approvals, definitions, field, pod_updates, statuses};

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
    ("", "namespaces", Part::Status, statuses::namespace),
    ("", "services", Part::Status, statuses::service),
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
    let Some(ty) = resource.held_type() else {
        return Ok(());
    };
    let mut problems = validation::validate_create(&resource.api, ty, object);
    if is_definition(resource) {
        definitions::check_new(object, &mut problems);
    }
    by_schema(resource, object, None, &mut problems, &mut Vec::new());
    refuse(resource, object, &problems)
}

/// Adds what a custom resource breaks of its schema.
fn by_schema(
    resource: &Resource,
    new: &Value,
    old: Option<&Value>,
    problems: &mut field::ErrorList,
    told: &mut Vec<String>,
) {
    let kind = resource.ty.as_ref().and_then(|ty| ty.custom.as_ref());
    let (Some(custom), Some(kind)) = (&resource.custom, kind) else {
        return;
    };
    validation::custom::check(&kind.schema, new, problems);
    if let Some(scale) = &custom.scale {
        for place in [&scale.spec_replicas, &scale.status_replicas] {
            validation::custom::replicas(new, place, problems);
        }
    }
    if !kind.schema.has_rules {
        return;
    }
    // Rules are about objects of the right form.
    if problems.iter().any(|problem| problem.kind.is_about_form()) {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing \
                      errors to complete validation";
        problems.push(field::Error::invalid(&Path::ROOT, &Value::Null, detail));
    } else {
        custom.check_rules(new, old, problems, told);
    }
}

/// Refuses an object that may not replace `old`. What is wrong with it and may stay so is added to `told`.
///
/// # Errors
/// 422 with all findings.
pub(super) fn on_update(
    resource: &Resource,
    part: Part,
    new: &Value,
    (old, is_sound): (&Value, bool),
    told: &mut Vec<String>,
) -> Result<(), Status> {
    let Some(ty) = resource.held_type() else {
        return Ok(());
    };
    let mut problems = validation::validate_update(&resource.api, ty, new, old, is_sound);
    debug_assert_eq!(
        problems,
        validation::validate_update(&resource.api, ty, new, old, false),
        "what is as it was has nothing new wrong with it"
    );
    let (group, plural) = (&*resource.api.group, &*resource.api.plural);
    for (_, _, _, judge) in BY_PART
        .iter()
        .filter(|row| (row.0, row.1, row.2) == (group, plural, part))
    {
        judge(new, old, &mut problems);
    }
    if is_definition(resource) && part == Part::Main {
        definitions::check_update(new, old, &mut problems);
        definitions::check(new, &mut problems);
    }
    by_schema(resource, new, Some(old), &mut problems, told);
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
