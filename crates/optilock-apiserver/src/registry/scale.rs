//! The scale subresource: a view on some members of an object.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

use super::custom::ScalePaths;
use super::errors;
use super::object::{member_mut, meta_str, root_mut, set, set_meta};
use super::resource::{Resource, resource};
use crate::schema::{self, Column};
use crate::selector::LabelSelector;
use crate::status::Status;
use crate::validation::{Path, field};

/// Name of the subresource.
pub(super) const SUBRESOURCE: &str = "scale";

/// How a kind says what its scale is.
#[derive(Debug, Clone)]
pub(crate) enum ScaleForm {
    /// In `spec.replicas` and `status.replicas`, with a selector in `spec`.
    Builtin(&'static Scaled),
    /// Where the definition of the custom resource says.
    Custom(Arc<ScalePaths>),
}

/// A built-in kind that has a scale.
#[derive(Debug)]
pub(crate) struct Scaled {
    group: &'static str,
    plural: &'static str,
    selector: SelectorForm,
    /// All that its objects were ever written in.
    api_versions: &'static [&'static str],
}

/// How a built-in kind writes its selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SelectorForm {
    /// `spec.selector` is a `metav1.LabelSelector`.
    LabelSelector,
    /// `spec.selector` is a map of labels.
    Map,
}

const SCALED: &[Scaled] = &[
    workload("deployments"),
    workload("replicasets"),
    workload("statefulsets"),
    Scaled {
        group: "",
        plural: "replicationcontrollers",
        selector: SelectorForm::Map,
        api_versions: &["v1"],
    },
];

const fn workload(plural: &'static str) -> Scaled {
    Scaled {
        group: "apps",
        plural,
        selector: SelectorForm::LabelSelector,
        api_versions: &["apps/v1", "apps/v1beta1", "apps/v1beta2"],
    }
}

/// Scales as if they were a resource, for those who want them as a table.
pub(crate) fn scales() -> &'static Resource {
    static SCALES: LazyLock<Resource> = LazyLock::new(|| {
        resource(Arc::new(schema::Resource {
            group: "autoscaling".into(),
            version: "v1".into(),
            plural: "scales".into(),
            singular: "scale".into(),
            kind: "Scale".into(),
            list_kind: None,
            namespaced: true,
            verbs: Vec::new(),
            short_names: Vec::new(),
            categories: Vec::new(),
            subresources: Vec::new(),
            columns: vec![
                Column::new("Name", "string"),
                Column::new("Desired", "integer"),
                Column::new("Available", "integer"),
                Column::new("Age", "string"),
            ]
            .into(),
        }))
    });
    &SCALES
}

/// How the resource is scaled; `None` when it is not.
pub(super) fn form(resource: &Resource) -> Option<ScaleForm> {
    if let Some(custom) = &resource.custom {
        return custom.scale.clone().map(ScaleForm::Custom);
    }
    SCALED
        .iter()
        .find(|scaled| {
            scaled.group == &*resource.api.group && scaled.plural == &*resource.api.plural
        })
        .map(ScaleForm::Builtin)
}

impl ScaleForm {
    /// Where objects of a version have their number of replicas, name by name: nowhere where the version has no scale,
    /// `None` where the kind has no such version.
    pub(super) fn replicas(&self, api_version: &str) -> Option<Vec<&str>> {
        match self {
            Self::Builtin(scaled) => {
                let known = scaled.api_versions.contains(&api_version);
                known.then(|| vec!["spec", "replicas"])
            }
            Self::Custom(paths) => {
                let mut versions = paths.all_spec_replicas.iter();
                let (_, path) = versions.find(|(version, _)| version == api_version)?;
                Some(path.split('.').skip(1).collect())
            }
        }
    }
}

/// The `autoscaling/v1 Scale` of an object.
///
/// # Errors
/// 500 when the stored selector can't be read.
pub(super) fn project(form: &ScaleForm, object: &Value) -> Result<Value, Status> {
    let selector = match form {
        ScaleForm::Custom(paths) => at(object, &paths.selector)
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        ScaleForm::Builtin(scaled) => selector(scaled.selector, object)?,
    };
    let (wanted, there) = match form {
        ScaleForm::Custom(paths) => (
            at(object, &paths.spec_replicas),
            at(object, &paths.status_replicas),
        ),
        ScaleForm::Builtin(_) => (&object["spec"]["replicas"], &object["status"]["replicas"]),
    };
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {},
        "spec": {},
        "status": {"replicas": there.as_i64().unwrap_or(0)},
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
    let replicas = wanted.as_i64().unwrap_or(0);
    if replicas != 0 {
        scale["spec"]["replicas"] = replicas.into();
    }
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    Ok(scale)
}

/// The value at a path such as `.spec.replicas`; null where there is none.
fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let names = path.split('.').skip(1);
    names.fold(object, |value, name| &value[name])
}

/// The members of the object that holds the value at such a path, and the name of the value.
fn place<'a, 'p>(object: &'a mut Value, path: &'p str) -> (&'a mut Map<String, Value>, &'p str) {
    let path = path.trim_start_matches('.');
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let parents = parents.split('.').filter(|name| !name.is_empty());
    (
        parents.fold(root_mut(object), |held, name| member_mut(held, name)),
        name,
    )
}

fn selector(form: SelectorForm, object: &Value) -> Result<String, Status> {
    let selector = match form {
        SelectorForm::LabelSelector => LabelSelector::from_meta(object["spec"].get("selector"))
            .map_err(|error| Status::untyped(error.to_string()))?,
        SelectorForm::Map => {
            let labels = json!({"matchLabels": object["spec"]["selector"]});
            LabelSelector::from_meta(Some(&labels))
                .map_err(|error| Status::untyped(error.to_string()))?
        }
    };
    Ok(selector.to_string())
}

/// The object with the number of replicas that the scale asks for, and the version that it insists on.
///
/// # Errors
/// 422 for a negative number.
pub(super) fn merge(
    form: &ScaleForm,
    resource: &Resource,
    scale: &Value,
    object: &Value,
) -> Result<Value, Status> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    // Of a custom resource its own validation says so.
    if replicas < 0 && matches!(form, ScaleForm::Builtin(_)) {
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
    // Without a version the one that is there is meant, whatever the kind asks of other updates.
    if !matches!(version.as_str(), "" | "0") {
        set_meta(&mut object, "resourceVersion", Some(version.into()));
    }
    let (members, name) = match form {
        ScaleForm::Custom(paths) => place(&mut object, &paths.spec_replicas),
        ScaleForm::Builtin(_) => place(&mut object, ".spec.replicas"),
    };
    set(members, name, Some(replicas.into()));
    Ok(object)
}
