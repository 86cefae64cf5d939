//! Structural schemas: the types of custom resources, which come and go while the server runs.
//!
//! Objects of such a type are not canonical in the sense of Go structs: a value of the wrong type is decoded and then
//! refused by validation, null may be a value, and members are written in the order of their names.

mod decode;
mod defaults;
mod types;

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) use decode::{decode, normalize, normalize_merged};
pub(crate) use defaults::fill as fill_defaults;

use super::TypeRef;
use super::model::ListType;

/// A node of a structural schema: `JSONSchemaProps`, as far as it means anything for a value.
#[derive(Debug, Default)]
pub(crate) struct Structural {
    /// `type`; empty when the schema does not say.
    pub(crate) kind: Box<str>,
    /// `format`; empty when the schema does not say.
    pub(crate) format: Box<str>,
    pub(crate) properties: BTreeMap<Box<str>, Structural>,
    /// `additionalProperties` that is a schema; `true` is one that allows everything.
    pub(crate) additional: Option<Box<Structural>>,
    pub(crate) items: Option<Box<Structural>>,
    pub(crate) required: Vec<Box<str>>,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Value>,
    pub(crate) allowed: Vec<Value>,
    pub(crate) pattern: Option<Box<str>>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) all_of: Vec<Structural>,
    pub(crate) any_of: Vec<Structural>,
    pub(crate) one_of: Vec<Structural>,
    pub(crate) not: Option<Box<Structural>>,
    /// `x-kubernetes-preserve-unknown-fields`
    pub(crate) preserves_unknown: bool,
    /// `x-kubernetes-embedded-resource`
    pub(crate) embedded_resource: bool,
    /// `x-kubernetes-int-or-string`
    pub(crate) int_or_string: bool,
    pub(crate) list_type: Option<ListType>,
    pub(crate) list_map_keys: Vec<Box<str>>,
    /// `x-kubernetes-map-type: atomic`
    pub(crate) atomic: bool,
    /// Whether there are `x-kubernetes-validations` here or below.
    pub(crate) has_rules: bool,
}

impl Structural {
    /// Reads a schema that has been decoded as `JSONSchemaProps`.
    pub(crate) fn parse(schema: &Value) -> Self {
        let text = |name: &str| -> Box<str> { schema[name].as_str().unwrap_or_default().into() };
        let texts = |name: &str| -> Vec<Box<str>> {
            let list = schema[name].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).map(Into::into).collect()
        };
        let flag = |name: &str| schema[name] == true;
        let size = |name: &str| schema[name].as_u64();
        let several = |name: &str| -> Vec<Self> {
            let list = schema[name].as_array().into_iter().flatten();
            list.map(Self::parse).collect()
        };
        let one = |name: &str| {
            schema[name]
                .is_object()
                .then(|| Box::new(Self::parse(&schema[name])))
        };
        let properties: BTreeMap<Box<str>, Self> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.as_str().into(), Self::parse(schema)))
            .collect();
        let additional = match &schema["additionalProperties"] {
            Value::Bool(true) => Some(Box::new(Self {
                preserves_unknown: true,
                ..Self::default()
            })),
            Value::Object(_) => one("additionalProperties"),
            _ => None,
        };
        let items = one("items");
        let own_rules = schema["x-kubernetes-validations"]
            .as_array()
            .is_some_and(|rules| !rules.is_empty());
        let below = properties
            .values()
            .chain(items.as_deref())
            .chain(additional.as_deref());
        let has_rules = own_rules || below.into_iter().any(|schema| schema.has_rules);
        Self {
            kind: text("type"),
            format: text("format"),
            properties,
            additional,
            items,
            required: texts("required"),
            nullable: flag("nullable"),
            default: schema
                .get("default")
                .filter(|value| !value.is_null())
                .cloned(),
            allowed: schema["enum"].as_array().cloned().unwrap_or_default(),
            pattern: schema["pattern"]
                .as_str()
                .filter(|p| !p.is_empty())
                .map(Into::into),
            minimum: schema["minimum"].as_f64(),
            maximum: schema["maximum"].as_f64(),
            exclusive_minimum: flag("exclusiveMinimum"),
            exclusive_maximum: flag("exclusiveMaximum"),
            multiple_of: schema["multipleOf"].as_f64(),
            min_length: size("minLength"),
            max_length: size("maxLength"),
            min_items: size("minItems"),
            max_items: size("maxItems"),
            min_properties: size("minProperties"),
            max_properties: size("maxProperties"),
            all_of: several("allOf"),
            any_of: several("anyOf"),
            one_of: several("oneOf"),
            not: one("not"),
            preserves_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded_resource: flag("x-kubernetes-embedded-resource"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            list_type: match schema["x-kubernetes-list-type"].as_str() {
                Some("atomic") => Some(ListType::Atomic),
                Some("set") => Some(ListType::Set),
                Some("map") => Some(ListType::Map),
                _ => None,
            },
            list_map_keys: texts("x-kubernetes-list-map-keys"),
            atomic: schema["x-kubernetes-map-type"] == "atomic",
            has_rules,
        }
    }
}

/// A kind of a custom resource: its OpenAPI name and its schema as it is in the definition.
#[derive(Debug)]
pub(crate) struct CustomKind {
    /// For what looks at values.
    pub(crate) schema: Structural,
    /// For those who publish it.
    pub(crate) published: Value,
}

impl TypeRef {
    /// The type of a custom resource with that schema, under that OpenAPI name.
    pub(crate) fn custom(name: &str, schema: &Value) -> Self {
        types::root(name, schema)
    }
}
