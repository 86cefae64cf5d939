//! Field errors with the API server's texts, and the rules that produce them.
//!
//! Rules are rows keyed by the type that they are for ([`rules`]); the walk applies them wherever
//! the type occurs. The rules of `metadata` and of names are the same for all kinds, with a row
//! for each that differs. What an update may not change is a table of its own ([`updates`]).

pub(crate) mod addresses;
pub(crate) mod approvals;
mod autoscaling;
#[cfg(feature = "cel")]
pub(crate) mod cel;
pub(crate) mod custom;
pub(crate) mod definitions;
mod expressions;
pub(crate) mod field;
pub(crate) mod format;
pub(crate) mod gofmt;
mod metadata;
mod names;
mod path;
pub(crate) mod pod_updates;
mod pods;
mod priorities;
#[cfg(test)]
pub(crate) mod recording;
mod rules;
mod services;
pub(crate) mod statuses;
mod structure;
#[cfg(test)]
mod tests;
mod updates;
mod volumes;
mod walk;
pub(crate) mod warnings;
mod workloads;

use std::sync::LazyLock;

use serde_json::{Map, Value};

pub(crate) use metadata::ANNOTATIONS_MAX;
pub(crate) use path::Path;

use field::ErrorList;
use names::{NameRule, OnUpdate};
use walk::Scope;

use crate::schema::{Resource, TypeRef};

/// What is wrong with an object of type `ty` that is to be created.
///
/// The object has its defaults and its generated name. Its namespace is taken to be right.
pub(crate) fn validate_create(resource: &Resource, ty: &TypeRef, object: &Value) -> ErrorList {
    let name = name_rule(resource, ty);
    let mut errors = ErrorList::new();
    metadata::of_kind(metadata(object), &name, &mut errors);
    content(ty, object, None, &mut errors);
    if errors.is_empty() {
        metadata::generic(metadata(object), &mut errors);
    }
    errors
}

/// What is wrong with an object of type `ty` that is to replace `old`.
///
/// Both are in the same version. The system fields have been restored; `resourceVersion` and
/// `managedFields` are not looked at. An old object that is known to be sound, because this program found nothing wrong
/// with it, vouches for what is the same in the new one.
pub(crate) fn validate_update(
    resource: &Resource,
    ty: &TypeRef,
    new: &Value,
    old: &Value,
    is_old_sound: bool,
) -> ErrorList {
    let name = name_rule(resource, ty);
    let mut errors = ErrorList::new();
    metadata::generic(metadata(new), &mut errors);
    metadata::update(metadata(new), metadata(old), &mut errors);
    if name.on_update != OnUpdate::Skip {
        metadata::update_of_kind(metadata(new), metadata(old), &name, &mut errors);
    }
    if name.on_update == OnUpdate::Both {
        metadata::of_kind(metadata(new), &name, &mut errors);
    }
    content(ty, new, is_old_sound.then_some(old), &mut errors);
    updates::check(ty, new, old, &mut errors);
    errors
}

/// What is wrong with the addresses of a Service, which are looked at before any is given to it.
pub(crate) fn service_addresses(spec: &Map<String, Value>) -> ErrorList {
    let path = &Path::new("spec");
    let mut errors = ErrorList::new();
    let scope = Scope {
        members: spec,
        path,
    };
    addresses::cluster_ips(&scope, &mut errors);
    errors
}

fn name_rule(resource: &Resource, ty: &TypeRef) -> NameRule {
    if ty.custom.is_some() {
        return names::CUSTOM;
    }
    names::name_rule(&resource.group, &resource.plural)
}

/// All but the metadata, and but for what is as in an object that is sound.
fn content(ty: &TypeRef, object: &Value, sound: Option<&Value>, errors: &mut ErrorList) {
    if let Value::Object(members) = object {
        let path = &Path::ROOT;
        let sound = sound.and_then(Value::as_object);
        walk::walk(ty, &Scope { members, path }, sound, errors);
    }
}

fn metadata(object: &Value) -> &Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    object["metadata"].as_object().unwrap_or(&NONE)
}
