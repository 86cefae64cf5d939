//! A patched document as the refusal of it shows it.
//!
//! The Go library behind patches takes apart only what a patch touches: such objects are maps, with their members in the
//! order of their names. What it does not touch stays as it was encoded, in the order of the Go struct. The root is always
//! taken apart.

use serde_json::{Map, Value};

use crate::schema::{Schema, Shape, TypeRef, encode_untyped};

/// The document as text; `before` is what was patched, of type `ty`.
pub(super) fn text(ty: &TypeRef, document: &Value, before: &Value) -> String {
    let mut out = Vec::new();
    match document {
        Value::Object(members) => {
            object(&Shape::Struct(ty.clone()), members, before, &mut out);
        }
        other => encode_untyped(other, &mut out),
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn object(shape: &Shape, members: &Map<String, Value>, before: &Value, out: &mut Vec<u8>) {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    out.push(b'{');
    for (at, (name, member)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        encode_untyped(&Value::from(name.as_str()), out);
        out.push(b':');
        let inside = match shape {
            Shape::Struct(ty) => ty.field(name).map(|field| &field.shape),
            Shape::Map(item) => Some(&**item),
            _ => None,
        };
        value(inside, member, before.get(name), out);
    }
    out.push(b'}');
}

fn value(shape: Option<&Shape>, value: &Value, before: Option<&Value>, out: &mut Vec<u8>) {
    let untouched = before == Some(value);
    match (shape, value) {
        (Some(shape), value) if untouched => Schema::builtin().encode_shape(shape, value, out),
        (Some(shape), Value::Object(members)) => {
            object(shape, members, before.unwrap_or(&Value::Null), out);
        }
        (Some(shape), Value::Array(items)) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                let before = before.and_then(|before| before.get(at));
                self::value(shape.item(), item, before, out);
            }
            out.push(b']');
        }
        (_, value) => encode_untyped(value, out),
    }
}
