//! Resources as a definition describes them.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use super::condition;
use crate::registry::object::is_deleting;
use crate::registry::resource::{Resource, Storage, api_version};
use crate::registry::strategy::{Generation, StatusUpdate, Strategy};
use crate::schema::{self, Column, Gvk, Subresource, TypeRef};
use crate::selector::SelectableFields;
#[cfg(feature = "cel")]
use crate::validation::cel::Rules;
use crate::validation::field::ErrorList;

/// Verbs of every custom resource, in the order in which discovery lists them.
const VERBS: [&str; 8] = [
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

/// What is particular about a custom resource.
#[derive(Debug)]
pub(crate) struct Custom {
    /// Objects are stored in this version.
    pub(crate) storage_version: bool,
    /// The types of all versions of the definition.
    pub(crate) versions: Arc<Versions>,
    /// Whether stored objects are known to be as this version shows them: there is one, and it has never changed.
    pub(crate) as_stored: bool,
    /// The definition is going away.
    pub(crate) terminating: bool,
    /// Told to whoever uses the version.
    pub(crate) deprecation: Option<String>,
    /// Fields that a field selector may name.
    pub(crate) selectable: SelectableFields,
    /// Where the scale is.
    pub(crate) scale: Option<Arc<ScalePaths>>,
    #[cfg(feature = "cel")]
    rules: Rules,
}

impl Custom {
    /// Adds what an object breaks of the rules of its schema; what it has broken before is added to `told`.
    #[cfg(feature = "cel")]
    pub(crate) fn check_rules(
        &self,
        new: &Value,
        old: Option<&Value>,
        problems: &mut ErrorList,
        told: &mut Vec<String>,
    ) {
        self.rules.check(new, old, problems, told);
    }

    /// Without CEL the rules are kept, and not looked at.
    #[cfg(not(feature = "cel"))]
    pub(crate) fn check_rules(
        &self,
        _: &Value,
        _: Option<&Value>,
        _: &mut ErrorList,
        _: &mut Vec<String>,
    ) {
    }
}

/// The types of all versions of a definition, by their `apiVersion`.
pub(crate) type Versions = Vec<(String, TypeRef)>;

/// Where a custom resource keeps its scale: paths such as `.spec.replicas`.
#[derive(Debug)]
pub(crate) struct ScalePaths {
    pub(crate) spec_replicas: String,
    /// The same of all versions of the definition, by their `apiVersion`; empty where one has no scale.
    pub(crate) all_spec_replicas: Vec<(String, String)>,
    pub(crate) status_replicas: String,
    /// Empty when there is none.
    pub(crate) selector: String,
}

/// The resources that a definition makes: one for each served version, none before it is established.
pub(super) fn of_definition(definition: &Value) -> Vec<Resource> {
    if !condition::is_true(definition, "Established") {
        return Vec::new();
    }
    let types = Arc::new(types(definition));
    let versions = super::versions(definition).iter();
    let served = versions.filter(|version| version["served"] == true);
    served
        .map(|version| resource(definition, version, &types))
        .collect()
}

/// The resource in the version in which objects are stored, served or not.
pub(super) fn stored(definition: &Value) -> Option<Resource> {
    let versions = super::versions(definition);
    let version = versions.iter().find(|version| version["storage"] == true)?;
    Some(resource(definition, version, &Arc::new(types(definition))))
}

fn types(definition: &Value) -> Versions {
    let group = text(&definition["spec"]["group"]);
    let versions = super::versions(definition).iter();
    let types = versions.map(|version| {
        let api_version = api_version(group, text(&version["name"]));
        (api_version, type_of(definition, version))
    });
    types.collect()
}

/// The built-in resources and behind them the custom ones: groups by name, versions by their age, resources by name.
pub(super) fn in_order(
    all: &[Arc<Resource>],
    mut custom: Vec<Arc<Resource>>,
) -> Vec<Arc<Resource>> {
    custom.sort_by(|a, b| {
        let (a, b) = (&a.api, &b.api);
        (a.group.cmp(&b.group))
            .then_with(|| newer_first(&a.version, &b.version))
            .then_with(|| a.plural.cmp(&b.plural))
    });
    let builtin = all.iter().filter(|resource| resource.custom.is_none());
    builtin.cloned().chain(custom).collect()
}

/// `v2` before `v1` before `v1beta1` before everything else.
fn newer_first(a: &str, b: &str) -> Ordering {
    match (age(a), age(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Stability, major and minor number of a version that is named like those of Kubernetes.
fn age(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let major = rest[..digits].parse().ok()?;
    let (stability, minor) = match &rest[digits..] {
        "" => (2, "0"),
        rest => match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
            (Some(minor), _) => (1, minor),
            (_, Some(minor)) => (0, minor),
            _ => return None,
        },
    };
    Some((stability, major, minor.parse().ok()?))
}

fn resource(definition: &Value, version: &Value, types: &Arc<Versions>) -> Resource {
    let spec = &definition["spec"];
    let group = text(&spec["group"]);
    let names = &definition["status"]["acceptedNames"];
    let name = text(&version["name"]);
    let storage = super::versions(definition)
        .iter()
        .find(|version| version["storage"] == true)
        .unwrap_or(version);
    let is_storage = storage["name"] == version["name"];
    let storage_version = api_version(group, text(&storage["name"]));
    let own_version = api_version(group, name);
    let ty_of = |wanted: &str| {
        let mut versions = types.iter();
        let found = versions.find(|(api_version, _)| api_version == wanted);
        found.map(|(_, ty)| ty.clone())
    };
    let plural = text(&spec["names"]["plural"]);
    Resource {
        api: Arc::new(schema::Resource {
            group: group.into(),
            version: name.into(),
            plural: plural.into(),
            singular: text(&names["singular"]).into(),
            kind: text(&spec["names"]["kind"]).into(),
            list_kind: Some(text(&names["listKind"]).into()),
            namespaced: spec["scope"] == "Namespaced",
            verbs: VERBS.map(Into::into).into(),
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            subresources: subresources(definition, version),
            columns: columns(version).into(),
        }),
        ty: ty_of(&own_version),
        strategy: Strategy {
            unconditional_update: false,
            generation: Generation::AllButMetadata,
            status: StatusUpdate::StatusOnly,
            ..Strategy::DEFAULT
        },
        storage: Storage {
            prefix: format!("/registry/{group}/{plural}/"),
            ty: ty_of(&storage_version),
            api_version: storage_version,
            conversion: None,
        },
        custom: Some(custom(definition, version, is_storage, types)),
    }
}

fn custom<'v>(
    definition: &'v Value,
    version: &'v Value,
    is_storage: bool,
    types: &Arc<Versions>,
) -> Custom {
    let scale = &version["subresources"]["scale"];
    let spec_replicas = |version: &'v Value| &version["subresources"]["scale"]["specReplicasPath"];
    let group = text(&definition["spec"]["group"]);
    let deprecation = (version["deprecated"] == true).then(|| {
        let own = version["deprecationWarning"].as_str().map(str::to_owned);
        own.unwrap_or_else(|| {
            let version = api_version(group, text(&version["name"]));
            let kind = text(&definition["spec"]["names"]["kind"]);
            format!("{version} {kind} is deprecated")
        })
    });
    let selectable = version["selectableFields"].as_array().into_iter().flatten();
    let selectable = selectable
        .filter_map(|field| field["jsonPath"].as_str())
        .map(|path| path.trim_start_matches('.').to_owned());
    Custom {
        storage_version: is_storage,
        versions: Arc::clone(types),
        as_stored: types.len() == 1 && definition["metadata"]["generation"] == 1,
        terminating: is_deleting(definition),
        deprecation,
        selectable: SelectableFields::custom(selectable.collect()),
        #[cfg(feature = "cel")]
        rules: Rules::compile(&version["schema"]["openAPIV3Schema"]),
        scale: scale.is_object().then(|| {
            Arc::new(ScalePaths {
                spec_replicas: text(spec_replicas(version)).to_owned(),
                all_spec_replicas: super::versions(definition)
                    .iter()
                    .map(|version| {
                        let api_version = api_version(group, text(&version["name"]));
                        (api_version, text(spec_replicas(version)).to_owned())
                    })
                    .collect(),
                status_replicas: text(&scale["statusReplicasPath"]).to_owned(),
                selector: text(&scale["labelSelectorPath"]).to_owned(),
            })
        }),
    }
}

/// The type of a version, under its OpenAPI name: `com.example.v1.Widget`.
fn type_of(definition: &Value, version: &Value) -> TypeRef {
    let spec = &definition["spec"];
    let mut words: Vec<&str> = text(&spec["group"]).split('.').collect();
    words.reverse();
    words.push(text(&version["name"]));
    words.push(text(&spec["names"]["kind"]));
    TypeRef::custom(&words.join("."), &version["schema"]["openAPIV3Schema"])
}

fn subresources(definition: &Value, version: &Value) -> Vec<Subresource> {
    let verbs = || SUBRESOURCE_VERBS.map(Into::into).into();
    let mut subresources = Vec::new();
    // In the order of discovery.
    if version["subresources"]["status"].is_object() {
        subresources.push(Subresource {
            name: "status".into(),
            gvk: Gvk {
                group: text(&definition["spec"]["group"]).into(),
                version: text(&version["name"]).into(),
                kind: text(&definition["spec"]["names"]["kind"]).into(),
            },
            verbs: verbs(),
        });
    }
    if version["subresources"]["scale"].is_object() {
        subresources.push(Subresource {
            name: "scale".into(),
            gvk: Gvk {
                group: "autoscaling".into(),
                version: "v1".into(),
                kind: "Scale".into(),
            },
            verbs: verbs(),
        });
    }
    subresources
}

/// The name, and what the definition wants to be shown: the age when it does not say.
fn columns(version: &Value) -> Vec<Column> {
    let mut columns = vec![Column {
        format: "name".into(),
        path: ".metadata.name".into(),
        ..Column::new("Name", "string")
    }];
    let wanted = version["additionalPrinterColumns"].as_array();
    match wanted.filter(|wanted| !wanted.is_empty()) {
        None => columns.push(Column {
            path: ".metadata.creationTimestamp".into(),
            ..Column::new("Age", "date")
        }),
        Some(wanted) => columns.extend(wanted.iter().map(|wanted| {
            let path = text(&wanted["jsonPath"]);
            let description = match text(&wanted["description"]) {
                "" => format!("Custom resource definition column (in JSONPath format): {path}"),
                own => own.to_owned(),
            };
            Column {
                format: text(&wanted["format"]).into(),
                priority: wanted["priority"]
                    .as_i64()
                    .and_then(|priority| priority.try_into().ok())
                    .unwrap_or_default(),
                description: description.into(),
                path: path.into(),
                ..Column::new(text(&wanted["name"]), text(&wanted["type"]))
            }
        })),
    }
    columns
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<Box<str>> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_age() {
        let mut versions = [
            "v1alpha1", "foo", "v10", "v1beta2", "v2", "v1beta10", "bar", "v1",
        ];
        versions.sort_by(|a, b| newer_first(a, b));
        let expected = [
            "v10", "v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "bar", "foo",
        ];
        assert_eq!(versions, expected);
    }
}
