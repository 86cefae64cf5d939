//! One step of a path into an object.

use std::fmt;

use serde_json::{Map, Value};

use crate::schema::{Field, Omit, Shape};

/// A step: a member, an item of a list by its key, by its value, or by its place.
///
/// Keys and values are held as JSON text, so that steps can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathElement {
    /// `f:NAME`
    Field(String),
    /// `k:{"name":"web"}`
    Key(String),
    /// `v:"value"`
    Value(String),
    /// `i:0`
    Index(usize),
}

impl PathElement {
    /// The step as a member of `FieldsV1`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        Some(match kind {
            "f" => Self::Field(rest.to_owned()),
            "k" => Self::Key(normalized(rest)?),
            "v" => Self::Value(normalized(rest)?),
            "i" => Self::Index(rest.parse().ok()?),
            _ => return None,
        })
    }

    /// The item of an associative list; `keys` are the members that identify it. A missing key has its default.
    pub(super) fn of_item(
        keys: &[Box<str>],
        item: &Value,
        default: impl Fn(&str) -> Option<Value>,
    ) -> Option<Self> {
        let item = item.as_object()?;
        let mut key = Map::new();
        for name in keys {
            let value = item.get(&**name).filter(|value| !value.is_null());
            if let Some(value) = value.cloned().or_else(|| default(name)) {
                key.insert(String::from(&**name), value);
            }
        }
        (!key.is_empty()).then(|| Self::Key(Value::Object(key).to_string()))
    }

    /// The item of a list that is a set.
    pub(super) fn of_value(item: &Value) -> Self {
        Self::Value(item.to_string())
    }
}

/// Default of a member, as OpenAPI has it: where it says nothing, the zero of what Go always writes.
pub(super) fn default_of(field: Option<&Field>) -> Option<Value> {
    let field = field?;
    if let Some(json) = field.default.as_deref() {
        return serde_json::from_str(json).ok();
    }
    let written = field.omit == Omit::Never && !field.pointer;
    match field.shape {
        Shape::String if written => Some("".into()),
        Shape::Int32 | Shape::Int64 if written => Some(0.into()),
        _ => None,
    }
}

/// JSON text in this program's spelling.
fn normalized(json: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    Some(value.to_string())
}

/// As in `FieldsV1`.
pub(super) fn wire(element: &PathElement) -> String {
    match element {
        PathElement::Field(name) => ["f:", name].concat(),
        PathElement::Key(key) => ["k:", key].concat(),
        PathElement::Value(value) => ["v:", value].concat(),
        PathElement::Index(index) => format!("i:{index}"),
    }
}

/// As in the text of a conflict.
impl fmt::Display for PathElement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(out, ".{name}"),
            Self::Key(key) => {
                let members: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let members = members
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"));
                write!(out, "[{}]", members.collect::<Vec<_>>().join(","))
            }
            Self::Value(value) => write!(out, "[={value}]"),
            Self::Index(index) => write!(out, "[{index}]"),
        }
    }
}
