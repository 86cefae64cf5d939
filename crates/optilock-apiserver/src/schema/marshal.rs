//! From a canonical value of a type to a protobuf message, byte for byte as Go's generated code writes it: fields in
//! the order of their numbers, what is held by value even when it is zero, maps sorted.

use serde_json::{Map, Value};

use super::model::{Field, ProtoSlot, Shape, StructType};
use super::time::Instant;
use super::wire::{self, put_bytes, put_delimited, put_varint};
use super::{bytes, encode};

/// Wraps a message into the envelope that it travels in, `runtime.Unknown` behind four magic bytes.
pub(super) fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + api_version.len() + kind.len() + 24);
    out.extend_from_slice(wire::MAGIC);
    put_delimited(1, &mut out, |out| {
        put_bytes(1, api_version.as_bytes(), out);
        put_bytes(2, kind.as_bytes(), out);
    });
    put_bytes(2, raw, &mut out);
    // Encoding and media type of the message: as it is.
    put_bytes(3, b"", &mut out);
    put_bytes(4, b"", &mut out);
    out
}

/// Appends an object of a type.
pub(super) fn message(ty: &StructType, object: &Map<String, Value>, out: &mut Vec<u8>) {
    slots(ty, &ty.by_proto, object, out);
}

fn slots(
    ty: &StructType,
    slots_of: &[(u32, ProtoSlot)],
    object: &Map<String, Value>,
    out: &mut Vec<u8>,
) {
    for (number, slot) in slots_of {
        match slot {
            ProtoSlot::Field(index) => {
                let field = &ty.fields[usize::from(*index)];
                put_field(*number, field, object.get(&*field.json), out);
            }
            ProtoSlot::Embedded(inner) => {
                put_delimited(*number, out, |out| slots(ty, inner, object, out));
            }
        }
    }
}

/// Appends a field, unless Go leaves it out: a pointer to nothing, an empty list, an empty map.
fn put_field(number: u32, field: &Field, found: Option<&Value>, out: &mut Vec<u8>) {
    match found.filter(|value| !value.is_null()) {
        None if field.pointer => {}
        found => put(number, &field.shape, found, out),
    }
}

/// Appends a value; `None` is the zero of its shape.
fn put(number: u32, shape: &Shape, found: Option<&Value>, out: &mut Vec<u8>) {
    let integer = || found.and_then(Value::as_i64).unwrap_or_default();
    let text = || found.and_then(Value::as_str).unwrap_or_default();
    match shape {
        Shape::Bool => put_varint(number, u64::from(found == Some(&Value::Bool(true))), out),
        Shape::Int32 | Shape::Int64 => put_varint(number, integer().cast_unsigned(), out),
        Shape::Float64 => {
            let value = found.and_then(Value::as_f64).unwrap_or_default();
            wire::put_fixed64(number, value.to_bits(), out);
        }
        Shape::String => put_bytes(number, text().as_bytes(), out),
        Shape::Bytes => {
            if found.is_some() {
                // Canonical text is base64.
                put_bytes(number, &bytes::decode(text()).unwrap_or_default(), out);
            }
        }
        Shape::Time | Shape::MicroTime => {
            put_delimited(number, out, |out| put_time(shape, text(), out));
        }
        Shape::Quantity => put_delimited(number, out, |out| {
            put_bytes(1, found.map_or("0", |_| text()).as_bytes(), out);
        }),
        Shape::IntOrString => put_delimited(number, out, |out| {
            let is_text = found.is_some_and(Value::is_string);
            put_varint(1, u64::from(is_text), out);
            // An int32 in Go.
            put_varint(2, integer().cast_unsigned(), out);
            put_bytes(3, text().as_bytes(), out);
        }),
        Shape::Raw | Shape::Any => put_delimited(number, out, |out| {
            if let Some(value) = found {
                let mut json = Vec::new();
                encode::untyped(value, &mut json);
                put_bytes(1, &json, out);
            }
        }),
        Shape::Struct(ty) => put_struct(number, ty, found, out),
        Shape::List(item) => {
            for value in found.and_then(Value::as_array).into_iter().flatten() {
                put(number, item, Some(value).filter(|v| !v.is_null()), out);
            }
        }
        Shape::WrappedList(item) => put_delimited(number, out, |out| {
            for value in found.and_then(Value::as_array).into_iter().flatten() {
                put(1, item, Some(value), out);
            }
        }),
        Shape::Map(shape) => {
            let members = found.and_then(Value::as_object);
            let mut members: Vec<_> = members.into_iter().flatten().collect();
            // Sorted already, unless another crate of the build turns on serde_json's preserve_order.
            members.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in members {
                put_delimited(number, out, |out| {
                    put_bytes(1, key.as_bytes(), out);
                    put(2, shape, Some(value).filter(|v| !v.is_null()), out);
                });
            }
        }
        Shape::SchemaOrBool(ty) => put_delimited(number, out, |out| match found {
            // A schema allows.
            Some(schema @ Value::Object(_)) => {
                put_varint(1, 1, out);
                put_struct(2, ty, Some(schema), out);
            }
            found => put_varint(1, u64::from(found == Some(&Value::Bool(true))), out),
        }),
        Shape::SchemaOrList(ty) => put_delimited(number, out, |out| match found {
            Some(Value::Array(schemas)) => {
                for schema in schemas {
                    put_struct(2, ty, Some(schema), out);
                }
            }
            Some(schema) => put_struct(1, ty, Some(schema), out),
            None => {}
        }),
        Shape::SchemaOrStrings(ty) => put_delimited(number, out, |out| match found {
            Some(Value::Array(strings)) => {
                for text in strings.iter().filter_map(Value::as_str) {
                    put_bytes(2, text.as_bytes(), out);
                }
            }
            Some(schema) => put_struct(1, ty, Some(schema), out),
            None => {}
        }),
    }
}

fn put_struct(number: u32, ty: &StructType, found: Option<&Value>, out: &mut Vec<u8>) {
    let empty = Map::new();
    let object = found.and_then(Value::as_object).unwrap_or(&empty);
    put_delimited(number, out, |out| message(ty, object, out));
}

/// `Timestamp`: seconds and nanoseconds; nothing for no time.
fn put_time(shape: &Shape, text: &str, out: &mut Vec<u8>) {
    let parsed = match shape {
        Shape::MicroTime => Instant::parse_micro(text),
        _ => Instant::parse(text),
    };
    // Canonical text is a time, or empty.
    let Some((seconds, nanos)) = parsed.ok().filter(|t| !t.is_zero()).map(Instant::parts) else {
        return;
    };
    put_varint(1, seconds.cast_unsigned(), out);
    put_varint(2, u64::from(nanos), out);
}
