//! The scale subresource: a view on some members of an object.

use serde_json::{Value, json};

use super::errors;
use super::object::{member_mut, meta_str, root_mut, set, set_meta};
use super::resource::Resource;
use crate::selector::LabelSelector;
use crate::status::Status;
use crate::validation::{Path, field};

/// How a kind says what its scale is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelectorForm {
    /// `spec.selector` is a `metav1.LabelSelector`.
    LabelSelector,
    /// `spec.selector` is a map of labels.
    Map,
}

/// (group, plural name, form of the selector)
const SCALED: &[(&str, &str, SelectorForm)] = &[
    ("apps", "deployments", SelectorForm::LabelSelector),
    ("apps", "replicasets", SelectorForm::LabelSelector),
    ("apps", "statefulsets", SelectorForm::LabelSelector),
    ("", "replicationcontrollers", SelectorForm::Map),
];

/// How the resource is scaled; `None` when it is not.
pub(super) fn form(resource: &Resource) -> Option<SelectorForm> {
    SCALED
        .iter()
        .find(|(group, plural, _)| {
            *group == &*resource.api.group && *plural == &*resource.api.plural
        })
        .map(|(_, _, form)| *form)
}

/// The `autoscaling/v1 Scale` of an object.
///
/// # Errors
/// 500 when the stored selector can't be read.
pub(super) fn project(form: SelectorForm, object: &Value) -> Result<Value, Status> {
    let selector = match form {
        SelectorForm::LabelSelector => LabelSelector::from_meta(object["spec"].get("selector"))
            .map_err(|error| Status::untyped(error.to_string()))?,
        SelectorForm::Map => {
            let labels = json!({"matchLabels": object["spec"]["selector"]});
            LabelSelector::from_meta(Some(&labels))
                .map_err(|error| Status::untyped(error.to_string()))?
        }
    };
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {},
        "spec": {},
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)},
    });
    for name in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        let value = meta_str(object, name);
        if !value.is_empty() {
            set_meta(&mut scale, name, Some(value.into()));
        }
    }
    let replicas = object["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas != 0 {
        scale["spec"]["replicas"] = replicas.into();
    }
    let selector = selector.to_string();
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    Ok(scale)
}

/// The object with the number of replicas that the scale asks for, and the version that it insists on.
///
/// # Errors
/// 422 for a negative number.
pub(super) fn merge(resource: &Resource, scale: &Value, object: &Value) -> Result<Value, Status> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let path = Path::new("spec");
        let path = path.child("replicas");
        let problem = field::Error::invalid(&path, replicas, "must be greater than or equal to 0");
        return Err(field::invalid(
            "Scale",
            "autoscaling",
            meta_str(object, "name"),
            &[problem],
        ));
    }
    let uid = meta_str(scale, "uid");
    if !uid.is_empty() && uid != meta_str(object, "uid") {
        let (name, live) = (meta_str(object, "name"), meta_str(object, "uid"));
        let key = resource.key(meta_str(object, "namespace"), name);
        return Err(errors::wrong_uid(resource, name, &key, uid, live));
    }
    let mut object = object.clone();
    let version = meta_str(scale, "resourceVersion").to_owned();
    set_meta(&mut object, "resourceVersion", Some(version.into()));
    set(
        member_mut(root_mut(&mut object), "spec"),
        "replicas",
        Some(replicas.into()),
    );
    Ok(object)
}
