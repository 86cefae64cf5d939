//! Types as OpenAPI schemas.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A reference to a type.
#[derive(Debug, Clone)]
pub(super) struct Reference(Arc<str>);

impl Reference {
    pub(super) fn to(name: &str) -> Self {
        Self(format!("#/components/schemas/{name}").into())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("$ref", &*self.0)])
    }
}

/// A schema, members in the order in which kube-apiserver writes them.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schema {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<Value>,
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub(super) allowed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) required: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) all_of: Vec<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) one_of: Vec<Schema>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) properties: BTreeMap<String, Schema>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) items: Option<Nested>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) additional_properties: Option<Nested>,
    #[serde(
        rename = "x-kubernetes-group-version-kind",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) kinds: Vec<SchemaKind>,
    #[serde(
        rename = "x-kubernetes-list-map-keys",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) list_map_keys: Vec<String>,
    #[serde(
        rename = "x-kubernetes-list-type",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) list_type: Option<&'static str>,
    #[serde(
        rename = "x-kubernetes-map-type",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) map_type: Option<&'static str>,
    #[serde(
        rename = "x-kubernetes-patch-merge-key",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) patch_merge_key: Option<String>,
    #[serde(
        rename = "x-kubernetes-patch-strategy",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) patch_strategy: Option<String>,
}

/// Type of items and values: a mere reference where nothing more is to be said.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Nested {
    Reference(Reference),
    Schema(Box<Schema>),
}

impl From<Schema> for Nested {
    fn from(schema: Schema) -> Self {
        Self::Schema(Box::new(schema))
    }
}

/// A named type: one that is made of what the server knows, or one that a definition gives.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Definition {
    Made(Box<Schema>),
    Given(Value),
}

/// A kind that a type stands for.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(super) struct SchemaKind {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) version: String,
}
