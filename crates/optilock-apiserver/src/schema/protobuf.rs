//! From a protobuf message to a canonical value of a type.

use std::str;

use serde_json::{Map, Number, Value};

use super::canonical::{complete, store, zero};
use super::model::{Field, ProtoSlot, Shape, StructType};
use super::node::MAX_DEPTH;
use super::quantity::Quantity;
use super::time::Instant;
use super::wire::{Data, MAGIC, Reader};
use super::{DecodeError, bytes, json};

/// What is around a protobuf message: `runtime.Unknown` behind four magic bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    /// `apiVersion` of the object; may be empty.
    pub(crate) api_version: &'a str,
    /// `kind` of the object; may be empty.
    pub(crate) kind: &'a str,
    /// The message itself.
    pub(crate) raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Opens a body of `application/vnd.kubernetes.protobuf`.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, DecodeError> {
        Self::open(body).map_err(DecodeError::Protobuf)
    }

    fn open(body: &'a [u8]) -> Result<Self, String> {
        if body.is_empty() {
            return Err("empty data".into());
        }
        let message = body.strip_prefix(MAGIC).ok_or(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
        )?;
        if message.is_empty() {
            return Err("empty body".into());
        }
        let mut envelope = Self {
            api_version: "",
            kind: "",
            raw: b"",
        };
        let mut reader = Reader::new(message, "Unknown");
        while let Some((number, data)) = reader.field()? {
            match (number, data) {
                (1, Data::Bytes(meta)) => {
                    let mut reader = Reader::new(meta, "TypeMeta");
                    while let Some((number, data)) = reader.field()? {
                        match (number, data) {
                            (1, Data::Bytes(text)) => envelope.api_version = ascii(text)?,
                            (2, Data::Bytes(text)) => envelope.kind = ascii(text)?,
                            (1, data) => return Err(wrong_wire_type(data, "APIVersion")),
                            (2, data) => return Err(wrong_wire_type(data, "Kind")),
                            _ => {}
                        }
                    }
                }
                (2, Data::Bytes(raw)) => envelope.raw = raw,
                (1, data) => return Err(wrong_wire_type(data, "TypeMeta")),
                (2, data) => return Err(wrong_wire_type(data, "Raw")),
                _ => {}
            }
        }
        Ok(envelope)
    }
}

/// A version or kind: text, which no served one makes more of than ASCII.
fn ascii(bytes: &[u8]) -> Result<&str, String> {
    str::from_utf8(bytes).map_err(|_| "proto: apiVersion or kind is not valid UTF-8".into())
}

/// Decodes a message as a type.
pub(super) fn decode(ty: &StructType, raw: &[u8]) -> Result<Value, DecodeError> {
    let mut object = Map::new();
    message(ty, raw, &mut object, 0).map_err(DecodeError::Protobuf)?;
    Ok(Value::Object(object))
}

/// Decodes a message into an object that may have fields already: of a field that comes twice
/// the two are merged.
fn message(
    ty: &StructType,
    raw: &[u8],
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("proto: {}: nested too deeply", ty.short_name()));
    }
    slots(ty, &ty.by_proto, raw, object, depth)?;
    complete(ty, object);
    Ok(())
}

fn slots(
    ty: &StructType,
    slots_of: &[(u32, ProtoSlot)],
    raw: &[u8],
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), String> {
    let mut reader = Reader::new(raw, ty.short_name());
    while let Some((number, data)) = reader.field()? {
        let Ok(at) = slots_of.binary_search_by_key(&number, |(number, _)| *number) else {
            continue;
        };
        match &slots_of[at].1 {
            ProtoSlot::Field(index) => {
                let field = &ty.fields[usize::from(*index)];
                let before = object.remove(&*field.json);
                let value = value(field, &field.shape, data, before, depth)?;
                store(field, value, object);
            }
            // As deep as the types are, which is not deep.
            ProtoSlot::Embedded(inner) => match data {
                Data::Bytes(raw) => slots(ty, inner, raw, object, depth)?,
                other => return Err(wrong_wire_type(other, "embedded struct")),
            },
        }
    }
    Ok(())
}

/// Decodes an occurrence of a field, whose occurrences up to now made `before`.
fn value(
    field: &Field,
    shape: &Shape,
    data: Data<'_>,
    before: Option<Value>,
    depth: usize,
) -> Result<Value, String> {
    Ok(match (shape, data) {
        (Shape::Bool, Data::Varint(n)) => Value::Bool(n != 0),
        // Cut to 32 bits, as Go does.
        (Shape::Int32, Data::Varint(n)) => (n as i32).into(),
        (Shape::Int64, Data::Varint(n)) => n.cast_signed().into(),
        (Shape::Float64, Data::Fixed64(bits)) => {
            let number = Number::from_f64(f64::from_bits(bits));
            number
                .ok_or("json: unsupported value: not a finite number")?
                .into()
        }
        (Shape::String, Data::Bytes(text)) => lossy(text).into(),
        (Shape::Bytes, Data::Bytes(raw)) => bytes::encode(raw).into(),
        (Shape::Struct(ty), Data::Bytes(raw)) => {
            let mut object = match before {
                Some(Value::Object(object)) => object,
                _ => Map::new(),
            };
            message(ty, raw, &mut object, depth + 1)?;
            Value::Object(object)
        }
        (Shape::List(item), data) => {
            let mut items = match before {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            match (&**item, data) {
                // A packed list.
                (Shape::Int32 | Shape::Int64 | Shape::Bool, Data::Bytes(raw)) => {
                    for number in Reader::packed(raw)? {
                        items.push(value(field, item, Data::Varint(number), None, depth)?);
                    }
                }
                _ => items.push(value(field, item, data, None, depth)?),
            }
            Value::Array(items)
        }
        (Shape::WrappedList(item), Data::Bytes(raw)) => {
            // The message is there, so the list is, too.
            let mut items = Vec::new();
            let mut reader = Reader::new(raw, "");
            while let Some((number, data)) = reader.field()? {
                if number == 1 {
                    items.push(value(field, item, data, None, depth)?);
                }
            }
            Value::Array(items)
        }
        (Shape::Map(shape), Data::Bytes(raw)) => {
            let mut map = match before {
                Some(Value::Object(map)) => map,
                _ => Map::new(),
            };
            let (mut key, mut entry) = (String::new(), None);
            let mut reader = Reader::new(raw, "");
            while let Some((number, data)) = reader.field()? {
                match (number, data) {
                    (1, Data::Bytes(text)) => key = lossy(text),
                    (2, data) => entry = Some(value(field, shape, data, entry.take(), depth)?),
                    (1, data) => return Err(wrong_wire_type(data, &field.json)),
                    _ => {}
                }
            }
            let entry = entry.unwrap_or_else(|| match &**shape {
                // Without a value it is there and empty.
                Shape::Bytes => Value::String(String::new()),
                Shape::WrappedList(_) => Value::Array(Vec::new()),
                shape => zero(shape),
            });
            map.insert(key, entry);
            Value::Object(map)
        }
        (Shape::Time | Shape::MicroTime, Data::Bytes(raw)) => time(shape, raw)?,
        (Shape::Quantity, Data::Bytes(raw)) => match text_field(raw, 1, "Quantity")? {
            None => zero(shape),
            Some(text) => match Quantity::parse(&text) {
                Ok(quantity) => quantity.to_string().into(),
                Err(error) => return Err(error.to_string()),
            },
        },
        (Shape::IntOrString, Data::Bytes(raw)) => int_or_string(raw)?,
        (Shape::Raw, Data::Bytes(raw)) => raw_json(raw)?,
        (Shape::SchemaOrBool(ty), Data::Bytes(raw)) => {
            let (mut allows, mut schema) = (false, None);
            let mut reader = Reader::new(raw, "JSONSchemaPropsOrBool");
            while let Some((number, data)) = reader.field()? {
                match (number, data) {
                    (1, Data::Varint(n)) => allows = n != 0,
                    (2, data) => schema = Some(schema_of(field, ty, data, schema.take(), depth)?),
                    _ => {}
                }
            }
            schema.unwrap_or(Value::Bool(allows))
        }
        (Shape::SchemaOrList(ty), Data::Bytes(raw)) => {
            let (mut schema, mut schemas) = (Value::Null, Vec::new());
            let mut reader = Reader::new(raw, "JSONSchemaPropsOrArray");
            while let Some((number, data)) = reader.field()? {
                match number {
                    1 => schema = schema_of(field, ty, data, Some(schema), depth)?,
                    2 => schemas.push(schema_of(field, ty, data, None, depth)?),
                    _ => {}
                }
            }
            if schemas.is_empty() {
                schema
            } else {
                Value::Array(schemas)
            }
        }
        (Shape::SchemaOrStrings(ty), Data::Bytes(raw)) => {
            let (mut schema, mut strings) = (Value::Null, Vec::new());
            let mut reader = Reader::new(raw, "JSONSchemaPropsOrStringArray");
            while let Some((number, data)) = reader.field()? {
                match (number, data) {
                    (1, data) => schema = schema_of(field, ty, data, Some(schema), depth)?,
                    (2, Data::Bytes(text)) => strings.push(lossy(text).into()),
                    _ => {}
                }
            }
            if strings.is_empty() {
                schema
            } else {
                Value::Array(strings)
            }
        }
        (_, other) => return Err(wrong_wire_type(other, &field.json)),
    })
}

fn schema_of(
    field: &Field,
    ty: &super::TypeRef,
    data: Data<'_>,
    before: Option<Value>,
    depth: usize,
) -> Result<Value, String> {
    value(field, &Shape::Struct(ty.clone()), data, before, depth)
}

/// `Timestamp`: seconds and nanoseconds. An empty message is no time.
fn time(shape: &Shape, raw: &[u8]) -> Result<Value, String> {
    if raw.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    let mut reader = Reader::new(raw, "Timestamp");
    while let Some((number, data)) = reader.field()? {
        match (number, data) {
            (1, Data::Varint(n)) => seconds = n.cast_signed(),
            (2, Data::Varint(n)) => nanos = i64::from(n as i32),
            _ => {}
        }
    }
    let micro = *shape == Shape::MicroTime;
    // Towards zero to whole microseconds first, as Go does.
    let nanos = if micro { nanos / 1000 * 1000 } else { 0 };
    let seconds = seconds.saturating_add(nanos.div_euclid(1_000_000_000));
    // Less than 10^9.
    let nanos = nanos.rem_euclid(1_000_000_000) as u32;
    let instant = Instant::new(seconds, nanos)?;
    if instant.is_zero() {
        return Ok(Value::Null);
    }
    Ok(if micro {
        instant.format_micro()
    } else {
        instant.format()
    }
    .into())
}

fn int_or_string(raw: &[u8]) -> Result<Value, String> {
    let (mut kind, mut int, mut text) = (0, 0, String::new());
    let mut reader = Reader::new(raw, "IntOrString");
    while let Some((number, data)) = reader.field()? {
        match (number, data) {
            (1, Data::Varint(n)) => kind = n,
            (2, Data::Varint(n)) => int = n as i32,
            (3, Data::Bytes(bytes)) => text = lossy(bytes),
            _ => {}
        }
    }
    match kind {
        0 => Ok(int.into()),
        1 => Ok(text.into()),
        _ => Err("impossible IntOrString.Type".into()),
    }
}

/// `RawExtension`, `FieldsV1`, `JSON`: JSON text in field 1.
fn raw_json(raw: &[u8]) -> Result<Value, String> {
    let mut found = &b""[..];
    let mut reader = Reader::new(raw, "RawExtension");
    while let Some((number, data)) = reader.field()? {
        if let (1, Data::Bytes(bytes)) = (number, data) {
            found = bytes;
        }
    }
    if found.is_empty() {
        return Ok(Value::Null);
    }
    Ok(json::parse(found)?.to_value())
}

fn text_field(raw: &[u8], wanted: u32, message: &str) -> Result<Option<String>, String> {
    let mut found = None;
    let mut reader = Reader::new(raw, message);
    while let Some((number, data)) = reader.field()? {
        match data {
            Data::Bytes(text) if number == wanted => found = Some(lossy(text)),
            _ => {}
        }
    }
    Ok(found)
}

/// Text; Go writes bytes that are no UTF-8 as U+FFFD, each.
fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    json::push_lossy(&mut text, bytes);
    text
}

fn wrong_wire_type(data: Data<'_>, field: &str) -> String {
    format!(
        "proto: wrong wireType = {} for field {field}",
        data.wire_type()
    )
}
