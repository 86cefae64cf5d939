//! The types that a document is about.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use super::schema::{Definition, Nested, Reference, Schema, SchemaKind};
use crate::registry::Resource;
use crate::schema::{self, Field, Gvk, ListType, Omit, PatchStrategy, Shape, StructType, TypeRef};

/// Package of the types of meta/v1.
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
/// Package of the types around `CustomResourceDefinition`.
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

/// Collects the types that operations refer to, and all that these refer to.
pub(super) struct Components<'a> {
    resources: &'a [Arc<Resource>],
    /// Group and version of the document; empty for one that is about no version.
    group: String,
    version: String,
    /// Kinds of the types that operations exchange.
    kinds: HashMap<String, Vec<SchemaKind>>,
    schemas: BTreeMap<String, Schema>,
    pending: Vec<TypeRef>,
    /// Types of custom resources.
    given: BTreeMap<String, Value>,
}

impl<'a> Components<'a> {
    pub(super) fn new(resources: &'a [Arc<Resource>]) -> Self {
        Self {
            resources,
            group: String::new(),
            version: String::new(),
            kinds: HashMap::new(),
            schemas: BTreeMap::new(),
            pending: Vec::new(),
            given: BTreeMap::new(),
        }
    }

    pub(super) fn set_version(&mut self, group: &str, version: &str) {
        self.group = group.to_owned();
        self.version = version.to_owned();
    }

    /// The type of a kind.
    pub(super) fn kind(&mut self, gvk: &Gvk) -> Option<Reference> {
        if let Some(reference) = self.custom(gvk) {
            return Some(reference);
        }
        let ty = schema::Schema::builtin().kind(&gvk.group, &gvk.version, &gvk.kind)?;
        let kind = schema_kind(&gvk.group, &gvk.version, &gvk.kind);
        let kinds = self.kinds.entry(ty.name.to_string()).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        Some(self.reference(&ty))
    }

    /// The type of a kind of meta/v1.
    pub(super) fn meta(&mut self, kind: &str) -> Reference {
        let name = format!("{META}.{kind}");
        match schema::Schema::builtin().type_named(&name) {
            None => self.special(&name),
            Some(ty) => {
                let mut kinds = vec![schema_kind("", "v1", kind)];
                // These two are registered in every version of every group.
                if ["DeleteOptions", "WatchEvent"].contains(&kind) && !self.group.is_empty() {
                    kinds.push(schema_kind(&self.group, &self.version, kind));
                }
                self.kinds.insert(name, kinds);
                self.reference(&ty)
            }
        }
    }

    /// The same, where it is needed.
    pub(super) fn meta_if(&mut self, kind: &str, needed: bool) -> Option<Reference> {
        needed.then(|| self.meta(kind))
    }

    /// All types.
    pub(super) fn schemas(mut self) -> BTreeMap<String, Definition> {
        while let Some(ty) = self.pending.pop() {
            let schema = self.schema(&ty);
            self.schemas.insert(ty.name.to_string(), schema);
        }
        let made = self.schemas.into_iter();
        let made = made.map(|(name, schema)| (name, Definition::Made(Box::new(schema))));
        let given = self.given.into_iter();
        made.chain(given.map(|(name, schema)| (name, Definition::Given(schema))))
            .collect()
    }

    /// A custom resource, or a list of them.
    fn custom(&mut self, gvk: &Gvk) -> Option<Reference> {
        let resources = self.resources;
        let resource = resources.iter().find(|resource| {
            let api = &resource.api;
            resource.custom.is_some()
                && api.group == gvk.group
                && api.version == gvk.version
                && (api.kind == gvk.kind || api.list_kind() == *gvk.kind)
        })?;
        let ty = resource.ty.as_ref()?;
        let kind = ty.custom.as_ref()?;
        let is_list = resource.api.kind != gvk.kind;
        let metadata = format!("{META}.{}", if is_list { "ListMeta" } else { "ObjectMeta" });
        let metadata = schema::Schema::builtin().type_named(&metadata)?;
        let metadata = serde_json::to_value(self.reference(&metadata)).ok()?;
        let text = json!({"type": "string"});
        let mut definition = if is_list {
            let item = serde_json::to_value(Reference::to(&ty.name)).ok()?;
            json!({
                "type": "object",
                "required": ["items"],
                "properties": {"items": {"type": "array", "items": item}, "metadata": metadata},
            })
        } else {
            let mut definition = kind.published.clone();
            publish(&mut definition, &metadata);
            definition["properties"]["metadata"] = json!({"allOf": [metadata]});
            definition
        };
        definition["properties"]["apiVersion"] = text.clone();
        definition["properties"]["kind"] = text;
        definition["x-kubernetes-group-version-kind"] =
            json!([schema_kind(&gvk.group, &gvk.version, &gvk.kind)]);
        let name = if is_list {
            format!("{}List", ty.name)
        } else {
            ty.name.to_string()
        };
        let reference = Reference::to(&name);
        self.given.insert(name, definition);
        Some(reference)
    }

    fn reference(&mut self, ty: &TypeRef) -> Reference {
        if !self.schemas.contains_key(&*ty.name) {
            // Its place; the schema follows.
            self.schemas.insert(ty.name.to_string(), Schema::default());
            self.pending.push(ty.clone());
        }
        Reference::to(&ty.name)
    }

    /// A type that is no struct to the rest of the world.
    fn special(&mut self, name: &str) -> Reference {
        if !self.schemas.contains_key(name) {
            self.schemas.insert(name.to_owned(), special_schema(name));
        }
        Reference::to(name)
    }

    fn schema(&mut self, ty: &StructType) -> Schema {
        let properties = ty
            .fields
            .iter()
            .map(|field| (field.json.to_string(), self.property(ty, field)))
            .collect();
        let required = ty.fields.iter().filter(|field| field.required);
        Schema {
            kind: Some("object"),
            required: required.map(|field| field.json.to_string()).collect(),
            properties,
            kinds: self.kinds_of(&ty.name),
            map_type: ty.atomic.then_some("atomic"),
            ..Schema::default()
        }
    }

    /// The kinds of a type, whether an operation exchanges it or another type holds it.
    fn kinds_of(&self, name: &str) -> Vec<SchemaKind> {
        if let Some(kinds) = self.kinds.get(name) {
            return kinds.clone();
        }
        let resource = self
            .resources
            .iter()
            .find(|resource| resource.ty.as_ref().is_some_and(|ty| &*ty.name == name));
        let kind = resource.map(|resource| {
            schema_kind(
                &resource.api.group,
                &resource.api.version,
                &resource.api.kind,
            )
        });
        kind.into_iter().collect()
    }

    fn property(&mut self, ty: &StructType, field: &Field) -> Schema {
        let mut schema = match self.value(ty, &field.shape, &field.enum_values) {
            Nested::Schema(schema) => *schema,
            Nested::Reference(reference) => Schema {
                all_of: vec![reference],
                ..Schema::default()
            },
        };
        schema.default = match &field.default {
            Some(text) => serde_json::from_str(text).ok(),
            None => zero(field),
        };
        schema.list_type = field.list_type.map(|kind| match kind {
            ListType::Atomic => "atomic",
            ListType::Set => "set",
            ListType::Map => "map",
        });
        schema.list_map_keys = field
            .list_map_keys
            .iter()
            .map(ToString::to_string)
            .collect();
        if matches!(field.shape, Shape::Map(_)) && field.atomic {
            schema.map_type = Some("atomic");
        }
        schema.patch_merge_key =
            Some(field.patch_merge_key.to_string()).filter(|key| !key.is_empty());
        schema.patch_strategy = patch_strategy(field.patch_strategy);
        schema
    }

    /// Schema of a value without a default. `ty` is the struct that it is in.
    fn value(&mut self, ty: &StructType, shape: &Shape, allowed: &[Box<str>]) -> Nested {
        let simple = |kind, format| {
            Nested::from(Schema {
                kind: Some(kind),
                format,
                allowed: allowed.iter().map(ToString::to_string).collect(),
                ..Schema::default()
            })
        };
        match shape {
            Shape::Bool => simple("boolean", None),
            Shape::Int32 => simple("integer", Some("int32")),
            Shape::Int64 => simple("integer", Some("int64")),
            Shape::Float64 => simple("number", Some("double")),
            Shape::String => simple("string", None),
            Shape::Bytes => simple("string", Some("byte")),
            Shape::Time => Nested::Reference(self.special(&format!("{META}.Time"))),
            Shape::MicroTime => Nested::Reference(self.special(&format!("{META}.MicroTime"))),
            Shape::Quantity => Nested::Reference(self.special(QUANTITY)),
            Shape::IntOrString => Nested::Reference(self.special(INT_OR_STRING)),
            Shape::Raw => Nested::Reference(self.special(&raw_name(ty))),
            Shape::Any => Nested::from(Schema::default()),
            Shape::SchemaOrBool(_) => {
                Nested::Reference(self.special(&format!("{EXTENSIONS}.JSONSchemaPropsOrBool")))
            }
            Shape::SchemaOrList(_) => {
                Nested::Reference(self.special(&format!("{EXTENSIONS}.JSONSchemaPropsOrArray")))
            }
            Shape::SchemaOrStrings(_) => Nested::Reference(
                self.special(&format!("{EXTENSIONS}.JSONSchemaPropsOrStringArray")),
            ),
            Shape::Struct(held) => Nested::Reference(self.reference(held)),
            Shape::List(item) | Shape::WrappedList(item) => Nested::from(Schema {
                kind: Some("array"),
                items: Some(self.element(ty, item, allowed)),
                ..Schema::default()
            }),
            Shape::Map(value) => Nested::from(Schema {
                kind: Some("object"),
                additional_properties: Some(self.element(ty, value, allowed)),
                ..Schema::default()
            }),
        }
    }

    /// Schema of an item of a list or a value of a map: never a pointer, so that its zero is its default.
    fn element(&mut self, ty: &StructType, shape: &Shape, allowed: &[Box<str>]) -> Nested {
        match (self.value(ty, shape, allowed), zero_value(shape)) {
            (Nested::Schema(schema), default) => Nested::from(Schema { default, ..*schema }),
            (Nested::Reference(reference), Some(default)) => Nested::from(Schema {
                default: Some(default),
                all_of: vec![reference],
                ..Schema::default()
            }),
            (reference, None) => reference,
        }
    }
}

/// Says what a schema of a custom resource says without words: what every embedded object has, and which two types an
/// `x-kubernetes-int-or-string` may be. `metadata` is the reference to the metadata of an object.
fn publish(schema: &mut Value, metadata: &Value) {
    let Value::Object(members) = schema else {
        return;
    };
    for member in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(member) {
            publish(inner, metadata);
        }
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties
            .values_mut()
            .for_each(|property| publish(property, metadata));
    }
    if members.get("x-kubernetes-embedded-resource") == Some(&json!(true)) {
        let properties = members.entry("properties").or_insert_with(|| json!({}));
        properties["apiVersion"] = json!({"type": "string"});
        properties["kind"] = json!({"type": "string"});
        properties["metadata"] = json!({"allOf": [metadata]});
        let required = members.entry("required").or_insert_with(|| json!([]));
        if let Value::Array(required) = required {
            for name in ["kind", "apiVersion"] {
                if !required.contains(&json!(name)) {
                    required.push(name.into());
                }
            }
        }
    }
    if members.get("x-kubernetes-int-or-string") == Some(&json!(true)) {
        members
            .entry("anyOf")
            .or_insert_with(|| json!([{"type": "integer"}, {"type": "string"}]));
    }
}

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";

/// Types whose JSON is not that of their fields.
fn special_schema(name: &str) -> Schema {
    let of = |kind, format| Schema {
        kind: Some(kind),
        format,
        ..Schema::default()
    };
    match name.rsplit('.').next().unwrap_or(name) {
        "Time" | "MicroTime" => of("string", Some("date-time")),
        "Quantity" => Schema {
            one_of: vec![of("string", None), of("number", None)],
            ..Schema::default()
        },
        "IntOrString" => Schema {
            format: Some("int-or-string"),
            one_of: vec![of("integer", None), of("string", None)],
            ..Schema::default()
        },
        "RawExtension" | "FieldsV1" | "Patch" => of("object", None),
        // JSON and the schemas that may be something else: anything.
        _ => Schema::default(),
    }
}

/// The type of a field that keeps any JSON.
fn raw_name(ty: &StructType) -> String {
    if ty.short_name() == "ManagedFieldsEntry" {
        format!("{META}.FieldsV1")
    } else if ty.name.starts_with(EXTENSIONS) {
        format!("{EXTENSIONS}.JSON")
    } else {
        "io.k8s.apimachinery.pkg.runtime.RawExtension".to_owned()
    }
}

/// Default of a field that says nothing: structs that are held by value are never missing, and of scalars those that
/// are always written have their zero.
fn zero(field: &Field) -> Option<Value> {
    if field.pointer {
        return None;
    }
    match field.shape {
        Shape::Struct(_) => zero_value(&field.shape),
        _ if field.omit == Omit::Never => zero_value(&field.shape),
        _ => None,
    }
}

/// Go's zero of a shape, where it is a default worth a word.
fn zero_value(shape: &Shape) -> Option<Value> {
    match shape {
        Shape::Bool => Some(json!(false)),
        Shape::Int32 | Shape::Int64 | Shape::Float64 => Some(json!(0)),
        Shape::String => Some(json!("")),
        Shape::Struct(_) => Some(json!({})),
        _ => None,
    }
}

fn patch_strategy(strategy: PatchStrategy) -> Option<String> {
    let words = [
        (strategy.merge, "merge"),
        (strategy.replace, "replace"),
        (strategy.retain_keys, "retainKeys"),
    ];
    let words: Vec<&str> = words
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| *word)
        .collect();
    (!words.is_empty()).then(|| words.join(","))
}

fn schema_kind(group: &str, version: &str, kind: &str) -> SchemaKind {
    SchemaKind {
        group: group.to_owned(),
        kind: kind.to_owned(),
        version: version.to_owned(),
    }
}
