//! What the rest of the server knows about types, made of a structural schema.

use std::sync::Arc;

use serde_json::Value;

use super::{CustomKind, Structural};
use crate::schema::model::{Field, Omit, PatchStrategy, Shape, StructType, TypeRef};
use crate::schema::table;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The type of a whole object.
pub(super) fn root(name: &str, published: &Value) -> TypeRef {
    let schema = Structural::parse(published);
    let mut fields = vec![
        field("apiVersion", Shape::String),
        field("kind", Shape::String),
    ];
    if let Some(metadata) = table::type_named(OBJECT_META) {
        fields.push(field("metadata", Shape::Struct(metadata)));
    }
    let known = ["apiVersion", "kind", "metadata"];
    let own = schema.properties.iter();
    fields.extend(
        own.filter(|(name, _)| !known.contains(&&***name))
            .map(|(name, schema)| property(name, schema)),
    );
    let open = schema.preserves_unknown;
    let kind = CustomKind {
        schema,
        published: published.clone(),
    };
    structure(name, fields, open, false, Some(kind))
}

fn structure(
    name: &str,
    mut fields: Vec<Field>,
    open: bool,
    atomic: bool,
    custom: Option<CustomKind>,
) -> TypeRef {
    // More fields than an index can name can't be told apart; no schema is so large.
    fields.truncate(usize::from(u16::MAX));
    TypeRef::of(Arc::new(StructType {
        atomic,
        open,
        custom,
        ..StructType::new(name, fields)
    }))
}

fn field(json: &str, shape: Shape) -> Field {
    Field {
        json: json.into(),
        shape,
        pointer: true,
        omit: Omit::Empty,
        patch_strategy: PatchStrategy::default(),
        patch_merge_key: "".into(),
        required: false,
        list_type: None,
        list_map_keys: Vec::new(),
        atomic: false,
        enum_values: Vec::new(),
        default: None,
        go_type: "".into(),
        within: "".into(),
    }
}

fn property(name: &str, schema: &Structural) -> Field {
    Field {
        list_type: schema.list_type,
        list_map_keys: schema.list_map_keys.clone(),
        atomic: schema.atomic,
        default: schema
            .default
            .as_ref()
            .map(|value| value.to_string().into()),
        ..field(name, shape(schema))
    }
}

fn shape(schema: &Structural) -> Shape {
    if schema.int_or_string {
        return Shape::IntOrString;
    }
    match (&*schema.kind, &schema.additional, &schema.items) {
        ("boolean", ..) => Shape::Bool,
        ("integer", ..) if &*schema.format == "int32" => Shape::Int32,
        ("integer", ..) => Shape::Int64,
        ("number", ..) => Shape::Float64,
        ("string", ..) => Shape::String,
        ("array", _, Some(items)) => Shape::List(Box::new(shape(items))),
        ("object", Some(additional), _) => Shape::Map(Box::new(shape(additional))),
        ("object", ..) if schema.properties.is_empty() && schema.preserves_unknown => Shape::Any,
        ("object", ..) => {
            let fields = schema.properties.iter();
            let fields = fields
                .map(|(name, schema)| property(name, schema))
                .collect();
            let open = schema.preserves_unknown || schema.embedded_resource;
            Shape::Struct(structure("", fields, open, schema.atomic, None))
        }
        _ => Shape::Any,
    }
}
