//! The rules that an object has to keep on its way into the store.

use serde_json::Value;

use super::errors;
use super::object::meta_str;
use super::resource::Resource;
use crate::status::Status;
use crate::validation::{self, field};

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
pub(super) fn on_update(resource: &Resource, new: &Value, old: &Value) -> Result<(), Status> {
    let Some(ty) = &resource.storage.ty else {
        return Ok(());
    };
    refuse(
        resource,
        new,
        &validation::validate_update(&resource.api, ty, new, old),
    )
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
