//! The rules that an object has to keep, put together for one write.

use serde_json::Value;

use super::resource::Resource;
use crate::validation::field;

/// What is wrong with an object that is to be created.
pub(super) fn on_create(resource: &Resource, object: &Value) -> Vec<field::Error> {
    let _ = (resource, object);
    Vec::new()
}

/// What is wrong with an object that is to replace `old`.
pub(super) fn on_update(resource: &Resource, new: &Value, old: &Value) -> Vec<field::Error> {
    let _ = (resource, new, old);
    Vec::new()
}
