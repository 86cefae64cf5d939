//! Canonical JSON, byte for byte as Go's `encoding/json` writes it.

use serde_json::{Map, Number, Value};

use super::model::{Shape, StructType};

/// Appends an object of a type: its fields in struct order.
pub(super) fn encode_struct(ty: &StructType, object: &Map<String, Value>, out: &mut Vec<u8>) {
    // There are far fewer members than fields: each looks for its field.
    let members = object.iter();
    let members = members.filter_map(|(name, value)| Some((ty.field_at(name)?.0, value)));
    let mut members: Vec<(usize, &Value)> = members.collect();
    members.sort_unstable_by_key(|(at, _)| *at);
    out.push(b'{');
    let mut first = true;
    for (at, value) in members {
        let field = &ty.fields[at];
        if ty.row.is_some() {
            plain_key(&field.json, &mut first, out);
        } else {
            key(&field.json, &mut first, out);
        }
        encode(&field.shape, value, out);
    }
    out.push(b'}');
}

/// Appends a value of a shape.
pub(super) fn encode(shape: &Shape, value: &Value, out: &mut Vec<u8>) {
    match (shape, value) {
        (Shape::Struct(ty), Value::Object(object)) => encode_struct(ty, object, out),
        (
            Shape::SchemaOrBool(ty) | Shape::SchemaOrList(ty) | Shape::SchemaOrStrings(ty),
            Value::Object(object),
        ) => encode_struct(ty, object, out),
        (Shape::SchemaOrList(ty), Value::Array(items)) => {
            list(items, out, |item, out| match item {
                Value::Object(object) => encode_struct(ty, object, out),
                other => untyped(other, out),
            });
        }
        (Shape::List(item) | Shape::WrappedList(item), Value::Array(items)) => {
            list(items, out, |value, out| encode(item, value, out));
        }
        (Shape::Map(shape), Value::Object(members)) => {
            map(members, out, |value, out| encode(shape, value, out));
        }
        (Shape::Float64, Value::Number(n)) => float(n, out),
        (_, value) => untyped(value, out),
    }
}

/// Appends an object of a custom resource: members sorted, numbers as Go writes them.
pub(super) fn unstructured(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Number(n) if n.is_f64() => float(n, out),
        Value::Array(items) => list(items, out, unstructured),
        Value::Object(members) => map(members, out, unstructured),
        scalar => untyped(scalar, out),
    }
}

/// Appends a value that has no type of its own, maps sorted.
pub(crate) fn untyped(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::String(s) => string(s, out),
        Value::Array(items) => list(items, out, untyped),
        Value::Object(members) => map(members, out, untyped),
    }
}

fn list(items: &[Value], out: &mut Vec<u8>, each: impl Fn(&Value, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        each(item, out);
    }
    out.push(b']');
}

fn map(members: &Map<String, Value>, out: &mut Vec<u8>, each: impl Fn(&Value, &mut Vec<u8>)) {
    out.push(b'{');
    let mut first = true;
    let mut member = |(name, value): (&String, &Value)| {
        key(name, &mut first, out);
        each(value, out);
    };
    if members.keys().is_sorted() {
        members.iter().for_each(&mut member);
    } else {
        // Another crate of the build has turned on serde_json's preserve_order.
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted.into_iter().for_each(&mut member);
    }
    out.push(b'}');
}

fn key(name: &str, first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
    string(name, out);
    out.push(b':');
}

/// The same for the name of a field of a Go struct, in which nothing is to be escaped.
fn plain_key(name: &str, first: &mut bool, out: &mut Vec<u8>) {
    let begin: &[u8] = match std::mem::replace(first, false) {
        true => b"\"",
        false => b",\"",
    };
    out.extend_from_slice(begin);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Bytes that may be, or begin, something to be escaped.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < special.len() {
        special[byte] = matches!(
            byte as u8,
            b'"' | b'\\' | b'<' | b'>' | b'&' | 0..0x20 | 0xe2
        );
        byte += 1;
    }
    special
};

/// Appends a string with Go's escapes: besides JSON's own those of HTML and of the two separators
/// that JavaScript stumbles over.
fn string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let (mut start, mut at) = (0, 0);
    while let Some(plain) = bytes[at..]
        .iter()
        .position(|byte| SPECIAL[usize::from(*byte)])
    {
        at += plain;
        let byte = bytes[at];
        at += 1;
        // U+2028 and U+2029.
        if byte == 0xe2 && !matches!(bytes.get(at..at + 2), Some([0x80, 0xa8 | 0xa9])) {
            continue;
        }
        out.extend_from_slice(&bytes[start..at - 1]);
        start = at;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x8 => out.extend_from_slice(b"\\b"),
            0xc => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0xe2 => {
                out.extend_from_slice(b"\\u202");
                out.push(HEX[usize::from(bytes[at + 1] & 0xf)]);
                at += 2;
                start = at;
            }
            byte => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 0xf)]);
            }
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

/// Appends a `float64`: the shortest digits, with an exponent for the very small and large.
pub(super) fn float(n: &Number, out: &mut Vec<u8>) {
    let value = n.as_f64().unwrap_or_default();
    let size = value.abs();
    let text = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        if size >= 1.0 {
            text.replace('e', "e+")
        } else {
            text
        }
    } else {
        value.to_string()
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(shape: &Shape, value: &Value) -> String {
        let mut out = Vec::new();
        encode(shape, value, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn strings_have_gos_escapes() {
        let value = json!("a<b>&\"\\\u{8}\u{c}\n\r\t\u{1}\u{7f}\u{2028}\u{2029}\u{2030}é");
        assert_eq!(
            text(&Shape::String, &value),
            "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\b\\f\\n\\r\\t\\u0001\u{7f}\\u2028\\u2029\u{2030}é\""
        );
    }

    #[test]
    fn floats_are_gos() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (1e-6, "0.000001"),
            (-2.5e300, "-2.5e+300"),
        ] {
            assert_eq!(text(&Shape::Float64, &json!(value)), expected);
        }
    }

    #[test]
    fn maps_are_sorted() {
        let value = json!({"b": 1, "a": {"d": [], "c": null}});
        assert_eq!(
            text(&Shape::Raw, &value),
            r#"{"a":{"c":null,"d":[]},"b":1}"#
        );
    }
}
