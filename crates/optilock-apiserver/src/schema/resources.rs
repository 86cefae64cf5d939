//! The resources that kube-apiserver 1.36 serves, as discovery lists them, and the columns of
//! their tables.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::model::Gvk;

/// A line a resource; `cargo xtask schema` writes it.
const RESOURCES: &str = include_str!("../../data/resources.json");

/// A resource of the API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct Resource {
    /// API group; empty for core.
    pub(crate) group: Box<str>,
    /// Version, e.g. `v1`.
    pub(crate) version: Box<str>,
    /// Plural name in paths, e.g. `deployments`.
    pub(crate) plural: Box<str>,
    /// Singular name.
    pub(crate) singular: Box<str>,
    /// Kind of the objects. Its group and version are the resource's own.
    pub(crate) kind: Box<str>,
    /// Kind of lists, where it is not the kind with `List` behind it.
    #[serde(default)]
    pub(crate) list_kind: Option<Box<str>>,
    /// Whether objects live in a namespace.
    pub(crate) namespaced: bool,
    /// Verbs in the order of discovery, e.g. `create`, `delete`, `deletecollection`, …
    pub(crate) verbs: Vec<Box<str>>,
    /// Short names, e.g. `deploy`.
    #[serde(default)]
    pub(crate) short_names: Vec<Box<str>>,
    /// Categories, e.g. `all`.
    #[serde(default)]
    pub(crate) categories: Vec<Box<str>>,
    /// `status`, `scale`, …, sorted by name.
    #[serde(default)]
    pub(crate) subresources: Vec<Subresource>,
    /// Columns of its table; empty for a resource that can't be listed.
    #[serde(default)]
    pub(crate) columns: Columns,
}

/// A subresource, e.g. `deployments/scale`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Subresource {
    /// Name behind the slash.
    pub(crate) name: Box<str>,
    /// Kind of the objects that it exchanges, which may be of another group (`autoscaling/v1
    /// Scale`).
    pub(crate) gvk: Gvk,
    /// Verbs, e.g. `get`, `patch`, `update`.
    pub(crate) verbs: Vec<Box<str>>,
}

/// Columns, which are read when they are looked at first: a server starts sooner so, and shows few of its tables.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// JSON; empty where they were never text.
    text: &'static str,
    read: OnceLock<Vec<Column>>,
}

impl Deref for Columns {
    type Target = [Column];

    fn deref(&self) -> &[Column] {
        self.read.get_or_init(|| match self.text {
            "" => Vec::new(),
            // A test reads all of them.
            text => {
                serde_json::from_str(text).expect("columns in data/resources.json are well formed")
            }
        })
    }
}

impl From<Vec<Column>> for Columns {
    fn from(columns: Vec<Column>) -> Self {
        Self {
            text: "",
            read: OnceLock::from(columns),
        }
    }
}

impl<'de: 'static> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: &'de RawValue = Deserialize::deserialize(deserializer)?;
        Ok(Self {
            text: text.get(),
            read: OnceLock::new(),
        })
    }
}

/// A column of a table: `metav1.TableColumnDefinition` without its description.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Column {
    /// Header.
    pub(crate) name: Box<str>,
    /// OpenAPI type: `string`, `integer`, `date`, …
    #[serde(rename = "type")]
    pub(crate) kind: Box<str>,
    /// OpenAPI format: `name` for the column of names, mostly empty.
    #[serde(default)]
    pub(crate) format: Box<str>,
    /// 0 is always shown, more only in wide output.
    #[serde(default)]
    pub(crate) priority: i32,
    /// What the column says; empty for the built-in ones.
    #[serde(default)]
    pub(crate) description: Box<str>,
    /// JSONPath of the cell; empty for the built-in ones, whose cells are computed.
    #[serde(default)]
    pub(crate) path: Box<str>,
}

impl Column {
    /// A column that is always shown; nothing else is known of it.
    pub(crate) fn new(name: &str, kind: &str) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            format: "".into(),
            priority: 0,
            description: "".into(),
            path: "".into(),
        }
    }
}

impl Resource {
    /// Kind of lists.
    pub(crate) fn list_kind(&self) -> Cow<'_, str> {
        match &self.list_kind {
            Some(kind) => Cow::Borrowed(kind),
            None => Cow::Owned(format!("{}List", self.kind)),
        }
    }
}

/// All resources, in the order in which discovery lists groups, versions and resources.
pub(crate) fn builtin_resources() -> &'static [Arc<Resource>] {
    static ALL: OnceLock<Vec<Arc<Resource>>> = OnceLock::new();
    ALL.get_or_init(|| {
        // A test reads the data too, so that a build with data that can't be read does not pass.
        let all: Vec<Resource> =
            serde_json::from_str(RESOURCES).expect("data/resources.json is well formed");
        all.into_iter().map(Arc::new).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn every_resource_has_a_type_for_each_kind() {
        for resource in builtin_resources() {
            let Resource {
                group,
                version,
                kind,
                plural,
                ..
            } = &**resource;
            assert!(
                Schema::builtin().kind(group, version, kind).is_some(),
                "{plural}"
            );
            for Subresource { name, gvk, .. } in &resource.subresources {
                let found = Schema::builtin().kind(&gvk.group, &gvk.version, &gvk.kind);
                // NodeProxyOptions and the like are no bodies.
                assert!(found.is_some(), "{plural}/{name}: {gvk:?}");
            }
            let listable = resource.verbs.iter().any(|verb| &**verb == "list");
            assert_eq!(listable, !resource.columns.is_empty(), "{plural}");
        }
    }

    #[test]
    fn deployments_are_what_discovery_says() {
        let deployments = builtin_resources()
            .iter()
            .find(|r| &*r.group == "apps" && &*r.plural == "deployments")
            .expect("served");
        assert!(deployments.namespaced);
        assert_eq!(&*deployments.singular, "deployment");
        assert_eq!(&*deployments.short_names[0], "deploy");
        assert_eq!(&*deployments.categories[0], "all");
        let scale = deployments
            .subresources
            .iter()
            .find(|s| &*s.name == "scale")
            .expect("served");
        assert_eq!(
            (&*scale.gvk.group, &*scale.gvk.kind),
            ("autoscaling", "Scale")
        );
        assert_eq!(&*deployments.columns[1].name, "Ready");
    }
}
