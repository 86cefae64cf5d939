//! From a parsed document to a canonical value of a type: what `sigs.k8s.io/json` does, with its
//! complaints and its errors.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::canonical::{complete, store, zero};
use super::model::{Field, Shape, StructType};
use super::node::{MAX_COMPLAINTS, Node};
use super::quantity::Quantity;
use super::time::Instant;
use super::{DecodeError, Decoded, bytes};
use crate::validation::gofmt::quote;

/// Decodes a document as a type.
pub(super) fn decode(ty: &StructType, node: &Node<'_>) -> Result<Decoded, DecodeError> {
    let mut walk = Walk::new(true);
    let value = walk
        .root(ty, node)
        .map_err(|error| DecodeError::Type(error.to_string()))?;
    Ok(Decoded {
        value,
        complaints: walk.complaints,
    })
}

/// Where a decoder stands, for complaints.
enum Step<'t> {
    Key(&'t str),
    Index(usize),
}

/// Why a document does not fit.
enum Misfit {
    /// A value of the wrong type; the context is added where it is reported.
    Type(TypeMisfit),
    /// Anything else, in the words of the API server.
    Text(String),
}

struct TypeMisfit {
    /// What there is, e.g. `number 1.5`.
    found: String,
    /// Go's name of the type that it should be.
    wanted: String,
    /// Struct and path of the field; empty at the root.
    owner: String,
    field: String,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Type(TypeMisfit {
                found,
                wanted,
                owner,
                field,
            }) => {
                if owner.is_empty() && field.is_empty() {
                    return write!(
                        f,
                        "json: cannot unmarshal {found} into Go value of type {wanted}"
                    );
                }
                write!(
                    f,
                    "json: cannot unmarshal {found} into Go struct field {owner}.{field} of type {wanted}"
                )
            }
        }
    }
}

struct Walk<'t> {
    complaints: Vec<String>,
    /// Types that decode themselves do so without complaints.
    strict: bool,
    path: Vec<Step<'t>>,
    /// Struct at hand and the fields that led there, for errors. List indices and map keys are
    /// no part of it.
    owner: Option<&'t StructType>,
    fields: Vec<&'t str>,
    /// A value of the wrong type does not stop the decoder, and the first one is reported; an
    /// error of a type that decodes itself stops it, and is reported instead.
    first: Option<Misfit>,
}

impl<'t> Walk<'t> {
    fn new(strict: bool) -> Self {
        Self {
            complaints: Vec::new(),
            strict,
            path: Vec::new(),
            owner: None,
            fields: Vec::new(),
            first: None,
        }
    }

    fn root(&mut self, ty: &'t StructType, node: &'t Node<'_>) -> Result<Value, Misfit> {
        let mut object = Map::new();
        match node {
            Node::Object(members) => self.object(ty, members, &mut object)?,
            Node::Null => complete(ty, &mut object),
            other => self.misfit(other.kind(), ty.go_name().to_owned()),
        }
        match self.first.take() {
            Some(first) => Err(first),
            None => Ok(Value::Object(object)),
        }
    }

    /// Decodes members into an object that may have some already (of a duplicate).
    fn object(
        &mut self,
        ty: &'t StructType,
        members: &'t [(Cow<'_, str>, Node<'_>)],
        object: &mut Map<String, Value>,
    ) -> Result<(), Misfit> {
        let outer = self.owner;
        let had_members = !object.is_empty();
        let mut seen = vec![false; ty.fields.len()];
        for (key, node) in members {
            let Some((index, field)) = ty.field_at(key) else {
                self.complain("unknown field", key);
                continue;
            };
            let again = std::mem::replace(&mut seen[index], true);
            if again {
                self.complain("duplicate field", key);
            }
            self.owner = Some(ty);
            let outer_fields = self.fields.len();
            if !field.within.is_empty() {
                self.fields.push(&field.within);
            }
            self.fields.push(&field.json);
            self.path.push(Step::Key(&field.json));
            let decoded = self.member(field, node, object, again || had_members);
            self.path.pop();
            self.fields.truncate(outer_fields);
            self.owner = outer;
            decoded?;
        }
        complete(ty, object);
        Ok(())
    }

    fn member(
        &mut self,
        field: &'t Field,
        node: &'t Node<'_>,
        object: &mut Map<String, Value>,
        may_be_there: bool,
    ) -> Result<(), Misfit> {
        if matches!(node, Node::Null) && !field.pointer && ignores_null(&field.shape) {
            return Ok(());
        }
        // Of a duplicate the first value stays where the second does not say otherwise.
        let before = if may_be_there {
            object.remove(&*field.json)
        } else {
            None
        };
        if let Some(value) = self.value(&field.shape, &field.go_type, node, before)? {
            store(field, value, object);
        }
        Ok(())
    }

    /// Decodes a value; `None` for null and for what does not fit.
    fn value(
        &mut self,
        shape: &'t Shape,
        go: &str,
        node: &'t Node<'_>,
        before: Option<Value>,
    ) -> Result<Option<Value>, Misfit> {
        if matches!(node, Node::Null) {
            return Ok(None);
        }
        let value = match (shape, node) {
            (Shape::Bool, Node::Bool(b)) => Value::Bool(*b),
            (Shape::String, Node::String(s)) => Value::String(s.to_string()),
            (Shape::Int32, Node::Number(text)) => match text.parse::<i32>() {
                Ok(n) => n.into(),
                Err(_) => return Ok(self.overflow(text, shape, go)),
            },
            (Shape::Int64, Node::Number(text)) => match text.parse::<i64>() {
                Ok(n) => n.into(),
                Err(_) => return Ok(self.overflow(text, shape, go)),
            },
            (Shape::Float64, Node::Number(text)) => {
                match text.parse().ok().and_then(Number::from_f64) {
                    Some(n) => n.into(),
                    None => return Ok(self.overflow(text, shape, go)),
                }
            }
            (Shape::Bytes, Node::String(text)) => match bytes::decode(text) {
                Ok(bytes) => bytes::encode(&bytes).into(),
                Err(error) => {
                    self.first.get_or_insert(Misfit::Text(error));
                    return Ok(None);
                }
            },
            (Shape::Bytes, Node::Array(items)) => self.byte_list(items),
            (Shape::Struct(ty), Node::Object(members)) => {
                let mut object = match before {
                    Some(Value::Object(object)) => object,
                    _ => Map::new(),
                };
                self.object(ty, members, &mut object)?;
                Value::Object(object)
            }
            (Shape::List(item) | Shape::WrappedList(item), Node::Array(items)) => {
                self.list(item, go, items)?
            }
            (Shape::Map(value), Node::Object(members)) => self.map(value, go, members, before)?,
            (Shape::Raw | Shape::Any, node) => node.to_value(),
            (Shape::Time | Shape::MicroTime, node) => return self.time(shape, node),
            (Shape::Quantity, node) => quantity(node)?,
            (Shape::IntOrString, Node::String(s)) => Value::String(s.to_string()),
            (Shape::IntOrString, Node::Number(text)) => match text.parse::<i32>() {
                Ok(n) => n.into(),
                Err(_) => return Err(self.type_error(format!("number {text}"), "int32".into())),
            },
            (Shape::IntOrString, other) => {
                return Err(self.type_error(other.kind().into(), "int32".into()));
            }
            (Shape::SchemaOrBool(ty), node) => match node {
                Node::Bool(allows) => Value::Bool(*allows),
                Node::Object(_) => self.nested(ty, node)?,
                _ => return Err(Misfit::Text("boolean or JSON schema expected".into())),
            },
            (Shape::SchemaOrList(ty) | Shape::SchemaOrStrings(ty), Node::Object(_)) => {
                self.nested(ty, node)?
            }
            (Shape::SchemaOrList(ty), Node::Array(items)) => {
                let schemas = items.iter().map(|item| self.nested(ty, item));
                non_empty(schemas.collect::<Result<_, _>>()?)
            }
            (Shape::SchemaOrStrings(_), Node::Array(items)) => {
                let mut strings = Vec::with_capacity(items.len());
                for item in items {
                    match item {
                        Node::String(s) => strings.push(Value::String(s.to_string())),
                        Node::Null => strings.push(Value::String(String::new())),
                        other => return Err(self.type_error(other.kind().into(), "string".into())),
                    }
                }
                non_empty(strings)
            }
            // What is neither a schema nor a list is passed over.
            (Shape::SchemaOrList(_) | Shape::SchemaOrStrings(_), _) => Value::Null,
            (_, other) => {
                self.misfit(other.kind(), go_name(shape, go));
                return Ok(None);
            }
        };
        Ok(Some(value))
    }

    fn list(&mut self, item: &'t Shape, go: &str, nodes: &'t [Node<'_>]) -> Result<Value, Misfit> {
        let go = go.strip_prefix("[]").unwrap_or_default();
        let mut items = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            self.path.push(Step::Index(index));
            let value = self.value(item, go, node, None);
            self.path.pop();
            items.push(value?.unwrap_or_else(|| zero(item)));
        }
        Ok(Value::Array(items))
    }

    fn map(
        &mut self,
        shape: &'t Shape,
        go: &str,
        members: &'t [(Cow<'_, str>, Node<'_>)],
        before: Option<Value>,
    ) -> Result<Value, Misfit> {
        let go = go
            .strip_prefix("map[")
            .and_then(|go| go.split_once(']'))
            .unwrap_or_default()
            .1;
        let mut map = Map::new();
        for (key, node) in members {
            if map.contains_key(&**key) {
                self.complain("duplicate field", key);
            }
            self.path.push(Step::Key(key));
            let value = self.value(shape, go, node, None);
            self.path.pop();
            map.insert(key.to_string(), value?.unwrap_or_else(|| zero(shape)));
        }
        Ok(Value::Object(match before {
            Some(Value::Object(mut before)) => {
                before.extend(map);
                before
            }
            _ => map,
        }))
    }

    /// `[]byte` as a list of numbers, which Go takes too.
    fn byte_list(&mut self, items: &[Node<'_>]) -> Value {
        let mut bytes = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Node::Number(text) => match text.parse::<u8>() {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => self.misfit(&format!("number {text}"), "uint8".into()),
                },
                Node::Null => bytes.push(0),
                other => self.misfit(other.kind(), "uint8".into()),
            }
        }
        bytes::encode(&bytes).into()
    }

    fn time(&mut self, shape: &Shape, node: &Node<'_>) -> Result<Option<Value>, Misfit> {
        let Node::String(text) = node else {
            return Err(self.type_error(node.kind().into(), "string".into()));
        };
        let (instant, format): (_, fn(Instant) -> String) = match shape {
            Shape::MicroTime => (Instant::parse_micro(text), Instant::format_micro),
            _ => (Instant::parse(text), Instant::format),
        };
        let instant = instant.map_err(Misfit::Text)?;
        Ok((!instant.is_zero()).then(|| format(instant).into()))
    }

    /// Decodes a schema by itself, as a type does that decodes itself: without complaints, and an
    /// error stops the decoder.
    fn nested(&mut self, ty: &'t StructType, node: &'t Node<'_>) -> Result<Value, Misfit> {
        Walk::new(false)
            .root(ty, node)
            .map_err(|misfit| match misfit {
                Misfit::Type(inner) => {
                    let mut outer = self.context(inner.found, inner.wanted);
                    if !inner.field.is_empty() {
                        outer.field = [outer.field, inner.field].join(".");
                    }
                    Misfit::Type(outer)
                }
                text @ Misfit::Text(_) => text,
            })
    }

    /// A number that its type does not hold.
    fn overflow(&mut self, text: &str, shape: &Shape, go: &str) -> Option<Value> {
        self.misfit(&format!("number {text}"), go_name(shape, go));
        None
    }

    /// Notes a value of the wrong type.
    fn misfit(&mut self, found: &str, wanted: String) {
        if self.first.is_none() {
            self.first = Some(self.type_error(found.into(), wanted));
        }
    }

    fn type_error(&self, found: String, wanted: String) -> Misfit {
        Misfit::Type(self.context(found, wanted))
    }

    fn context(&self, found: String, wanted: String) -> TypeMisfit {
        let owner = self.owner.map_or("", StructType::short_name);
        TypeMisfit {
            found,
            wanted,
            owner: owner.into(),
            field: self.fields.join("."),
        }
    }

    fn complain(&mut self, what: &str, key: &str) {
        if !self.strict || self.complaints.len() >= MAX_COMPLAINTS {
            return;
        }
        let mut path = String::new();
        for step in self.path.iter().chain([&Step::Key(key)]) {
            match step {
                Step::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        let complaint = format!("{what} {}", quote(&path));
        if !self.complaints.contains(&complaint) {
            self.complaints.push(complaint);
        }
    }
}

/// Whether null leaves a value of that shape as it is instead of emptying it.
fn ignores_null(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Bool
            | Shape::Int32
            | Shape::Int64
            | Shape::Float64
            | Shape::String
            | Shape::Struct(_)
            | Shape::Raw
    )
}

fn quantity(node: &Node<'_>) -> Result<Value, Misfit> {
    let text = match node {
        Node::String(text) | Node::Number(text) => &**text,
        // The text of any other value, which is never a quantity.
        other => other.kind(),
    };
    match Quantity::parse(text.trim()) {
        Ok(quantity) => Ok(quantity.to_string().into()),
        Err(error) => Err(Misfit::Text(error.to_string())),
    }
}

/// An empty list counts as none.
fn non_empty(items: Vec<Value>) -> Value {
    if items.is_empty() {
        Value::Null
    } else {
        Value::Array(items)
    }
}

/// Go's name of a type: the declared one, or the one that follows from the shape.
fn go_name(shape: &Shape, declared: &str) -> String {
    if !declared.is_empty() {
        return declared.to_owned();
    }
    match shape {
        Shape::Bool => "bool".into(),
        Shape::Int32 => "int32".into(),
        Shape::Int64 => "int64".into(),
        Shape::Float64 => "float64".into(),
        Shape::String => "string".into(),
        Shape::Bytes => "[]uint8".into(),
        Shape::Struct(ty) => ty.go_name().into(),
        Shape::List(item) | Shape::WrappedList(item) => format!("[]{}", go_name(item, "")),
        Shape::Map(value) => format!("map[string]{}", go_name(value, "")),
        // These decode themselves and never get here.
        Shape::Time
        | Shape::MicroTime
        | Shape::Quantity
        | Shape::IntOrString
        | Shape::Raw
        | Shape::Any
        | Shape::SchemaOrBool(_)
        | Shape::SchemaOrList(_)
        | Shape::SchemaOrStrings(_) => String::new(),
    }
}
