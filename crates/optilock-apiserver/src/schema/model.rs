//! What a type of the API looks like: its fields, in the order of the Go struct, and what the
//! API server knows about each of them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::Deserialize;

use super::canonical;
use super::name_index::NameIndex;
use super::structural::CustomKind;
use super::table;

/// Group, version and kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(crate) struct Gvk {
    /// API group; empty for core.
    pub(crate) group: Box<str>,
    /// Version within the group, e.g. `v1`.
    pub(crate) version: Box<str>,
    /// Kind, e.g. `Deployment`.
    pub(crate) kind: Box<str>,
}

/// Handle of a [`StructType`]; cheap to clone, dereferences to the type.
///
/// Of a built-in type it is an index into the generated table, whose row is read on its first use. Types of custom
/// resources are made at run time and live as long as somebody holds them.
#[derive(Clone)]
pub(crate) struct TypeRef(Place);

#[derive(Clone)]
enum Place {
    Builtin(u16),
    Custom(Arc<StructType>),
}

impl PartialEq for TypeRef {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Place::Builtin(a), Place::Builtin(b)) => a == b,
            (Place::Custom(a), Place::Custom(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for TypeRef {}

impl TypeRef {
    /// Row `index` of the generated table.
    pub(super) fn builtin(index: u16) -> Self {
        Self(Place::Builtin(index))
    }

    /// A type that is made at run time.
    pub(super) fn of(ty: Arc<StructType>) -> Self {
        Self(Place::Custom(ty))
    }
}

impl Deref for TypeRef {
    type Target = StructType;

    fn deref(&self) -> &StructType {
        match &self.0 {
            Place::Builtin(index) => table::builtin_type(*index),
            Place::Custom(ty) => ty,
        }
    }
}

// By name: types may be recursive (JSONSchemaProps).
impl fmt::Debug for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeRef({})", self.name)
    }
}

/// A struct of the API.
#[derive(Debug)]
pub(crate) struct StructType {
    /// Name as OpenAPI has it, e.g. `io.k8s.api.apps.v1.Deployment`.
    pub(crate) name: Box<str>,
    /// `x-kubernetes-map-type: atomic`: owned as a whole.
    pub(crate) atomic: bool,
    /// Fields in Go struct order, with the fields of embedded structs in their place.
    pub(crate) fields: Vec<Field>,
    /// Row of a built-in type in the generated table.
    pub(super) row: Option<u16>,
    /// Indices into `fields` by JSON name.
    pub(super) by_json: NameIndex,
    /// Indices of the fields that Go writes also when nobody has set them.
    pub(super) always: Vec<u16>,
    /// Indices of the fields with a default in OpenAPI.
    pub(super) defaulted: Vec<u16>,
    /// Indices of the fields that hold structs, also inside lists and maps.
    pub(super) holding_structs: Vec<u16>,
    /// What a protobuf field number means, sorted by number.
    pub(super) by_proto: Vec<(u32, ProtoSlot)>,
    /// Members that the type does not declare are kept.
    pub(crate) open: bool,
    /// What else is known of the objects of a custom resource; `None` for all other types.
    pub(crate) custom: Option<CustomKind>,
}

/// Where the value of a protobuf field goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProtoSlot {
    /// To `fields[_]`.
    Field(u16),
    /// A message of its own in protobuf (an embedded struct), whose fields JSON has inline.
    Embedded(Vec<(u32, ProtoSlot)>),
}

impl StructType {
    /// A type with these fields, of which nothing else is known.
    pub(super) fn new(name: &str, fields: Vec<Field>) -> Self {
        let indices = |fits: fn(&Field) -> bool| {
            // A Go struct has no more than 2^16 fields.
            let all = (0..).zip(&fields);
            let fitting = all.filter(|(_, field)| fits(field)).map(|(at, _)| at);
            fitting.collect::<Vec<u16>>()
        };
        Self {
            name: name.into(),
            atomic: false,
            row: None,
            by_json: NameIndex::new(fields.iter().map(|field| &*field.json)),
            always: indices(canonical::is_always_written),
            defaulted: indices(|field| field.default.is_some()),
            holding_structs: indices(|field| field.shape.holds_structs()),
            by_proto: Vec::new(),
            fields,
            open: false,
            custom: None,
        }
    }

    /// The fields that Go writes also when nobody has set them.
    pub(super) fn always_written(&self) -> impl Iterator<Item = &Field> {
        self.always.iter().map(|&at| &self.fields[usize::from(at)])
    }

    /// The fields with a default in OpenAPI.
    pub(crate) fn with_default(&self) -> impl Iterator<Item = &Field> {
        self.defaulted
            .iter()
            .map(|&at| &self.fields[usize::from(at)])
    }

    /// The fields that hold structs, also inside lists and maps.
    pub(crate) fn holding_structs(&self) -> impl Iterator<Item = &Field> {
        self.holding_structs
            .iter()
            .map(|&at| &self.fields[usize::from(at)])
    }

    /// The field of that JSON name. Names are case-sensitive.
    pub(crate) fn field(&self, json: &str) -> Option<&Field> {
        self.field_at(json).map(|(_, field)| field)
    }

    /// The same with its place in `fields`.
    pub(super) fn field_at(&self, json: &str) -> Option<(usize, &Field)> {
        let index = self.by_json.find(json, |at| &*self.fields[at].json)?;
        Some((index, &self.fields[index]))
    }

    /// Name that Go prints in errors: with the last segment of its package, `v1.Deployment`.
    pub(crate) fn go_name(&self) -> &str {
        let short = self.short_name().len() + 1;
        let package = &self.name[..self.name.len().saturating_sub(short)];
        let start = package.rfind('.').map_or(0, |dot| dot + 1);
        &self.name[start..]
    }

    /// Struct name without its package, e.g. `Deployment`.
    pub(crate) fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

/// A field of a [`StructType`].
#[derive(Debug)]
pub(crate) struct Field {
    /// JSON name.
    pub(crate) json: Box<str>,
    /// Type of the value.
    pub(crate) shape: Shape,
    /// Held by pointer: absent and zero differ (`replicas: 0` stays). The zero of a field that
    /// is held by value is the same as no value.
    pub(crate) pointer: bool,
    /// When encoding leaves the field out.
    pub(crate) omit: Omit,
    /// How strategic merge patch treats the field.
    pub(crate) patch_strategy: PatchStrategy,
    /// Key by which strategic merge patch pairs the items of a list; empty when there is none.
    pub(crate) patch_merge_key: Box<str>,
    /// Named in `required` of the OpenAPI schema.
    pub(crate) required: bool,
    /// `x-kubernetes-list-type`.
    pub(crate) list_type: Option<ListType>,
    /// `x-kubernetes-list-map-keys`.
    pub(crate) list_map_keys: Vec<Box<str>>,
    /// `x-kubernetes-map-type: atomic`, on the field, or on the struct that it holds if the field says nothing.
    pub(crate) atomic: bool,
    /// Allowed values, where OpenAPI lists them; of a list, those of its items.
    pub(crate) enum_values: Vec<Box<str>>,
    /// Default from OpenAPI, as JSON text. Only the defaults that say something: `""`, `{}`
    /// and 0 are left out.
    pub(crate) default: Option<Box<str>>,
    /// Go's name of the type where it does not follow from `shape`, e.g. `v1.Protocol`; for
    /// error texts.
    pub(super) go_type: Box<str>,
    /// Names of the embedded Go structs that the field comes from, e.g. `TypeMeta`; mostly empty.
    /// For error texts.
    pub(super) within: Box<str>,
}

/// When encoding leaves a field out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Omit {
    /// Always written: a missing list is `null`, a missing struct is `{}`.
    Never,
    /// Go's `omitempty`: false, 0, "", nil and empty lists and maps; a struct held by value is
    /// never empty.
    Empty,
    /// Go's `omitzero`: the zero of the type, structs and times included.
    Zero,
}

/// `patchStrategy` of a field. All false: the default (scalars and lists replace, structs and
/// maps merge).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PatchStrategy {
    /// `merge`.
    pub(crate) merge: bool,
    /// `replace`.
    pub(crate) replace: bool,
    /// `retainKeys`.
    pub(crate) retain_keys: bool,
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListType {
    /// Owned as a whole.
    Atomic,
    /// Items are unique scalars.
    Set,
    /// Items are structs, paired by `list_map_keys`.
    Map,
}

/// Type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Shape {
    /// `bool`.
    Bool,
    /// Signed 32 bits.
    Int32,
    /// Signed 64 bits.
    Int64,
    /// `float64`.
    Float64,
    /// Text.
    String,
    /// `[]byte`: base64 in JSON.
    Bytes,
    /// `metav1.Time`: RFC 3339, UTC, whole seconds.
    Time,
    /// `metav1.MicroTime`: the same with six decimals.
    MicroTime,
    /// `resource.Quantity`, canonical.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// Any JSON: `RawExtension`, `FieldsV1`, `apiextensions.JSON`. Kept as it is.
    Raw,
    /// Any JSON of a custom resource: like [`Shape::Raw`], but owned member by member.
    Any,
    /// A struct.
    Struct(TypeRef),
    /// A list; items are never pointers.
    List(Box<Shape>),
    /// A list that is a message of its own in protobuf (`ExtraValue`); a list in all else.
    WrappedList(Box<Shape>),
    /// A map from string.
    Map(Box<Shape>),
    /// `JSONSchemaPropsOrBool`: a schema or `true`/`false`.
    SchemaOrBool(TypeRef),
    /// `JSONSchemaPropsOrArray`: a schema or a list of schemas.
    SchemaOrList(TypeRef),
    /// `JSONSchemaPropsOrStringArray`: a schema or a list of strings.
    SchemaOrStrings(TypeRef),
}

impl Shape {
    /// Shape of the items when this is a list of either form.
    pub(crate) fn item(&self) -> Option<&Shape> {
        match self {
            Self::List(item) | Self::WrappedList(item) => Some(item),
            _ => None,
        }
    }

    /// Whether there are structs in it.
    fn holds_structs(&self) -> bool {
        match self {
            Self::Struct(_) => true,
            Self::List(item) | Self::WrappedList(item) | Self::Map(item) => item.holds_structs(),
            _ => false,
        }
    }

    /// The struct when this is one.
    pub(crate) fn as_struct(&self) -> Option<&TypeRef> {
        match self {
            Self::Struct(ty) => Some(ty),
            _ => None,
        }
    }
}
