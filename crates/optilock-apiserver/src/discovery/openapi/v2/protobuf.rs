//! The document as a protobuf message: `openapi.v2.Document` of github.com/google/gnostic-models, in which old clients of
//! Kubernetes ask for it. Numbers of fields are those of its `OpenAPIv2.proto`.

use serde_json::Value;

use crate::schema::{put_bytes, put_delimited, put_fixed64, put_varint};

/// Encodes the document that is made beside.
pub(in crate::discovery) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 20);
    let out = &mut out;
    put_text(1, &document["swagger"], out);
    put_delimited(2, out, |out| {
        put_text(1, &document["info"]["title"], out);
        put_text(2, &document["info"]["version"], out);
    });
    put_delimited(8, out, |out| {
        put_named(2, &document["paths"], out, path_item);
    });
    put_delimited(9, out, |out| {
        put_named(1, &document["definitions"], out, schema);
    });
    for requirement in list(&document["security"]) {
        put_delimited(12, out, |out| {
            put_named(1, requirement, out, |scopes, out| put_texts(1, scopes, out));
        });
    }
    put_delimited(13, out, |out| {
        put_named(1, &document["securityDefinitions"], out, |key, out| {
            // An API key.
            put_delimited(2, out, |out| {
                put_text(1, &key["type"], out);
                put_text(2, &key["name"], out);
                put_text(3, &key["in"], out);
            });
        });
    });
    std::mem::take(out)
}

fn path_item(item: &Value, out: &mut Vec<u8>) {
    for (number, method) in [
        (2, "get"),
        (3, "put"),
        (4, "post"),
        (5, "delete"),
        (8, "patch"),
    ] {
        if let Some(operation) = item.get(method) {
            put_delimited(number, out, |out| self::operation(operation, out));
        }
    }
    put_parameters(9, &item["parameters"], out);
}

fn operation(operation: &Value, out: &mut Vec<u8>) {
    put_texts(1, &operation["tags"], out);
    put_text(5, &operation["operationId"], out);
    put_texts(6, &operation["produces"], out);
    put_texts(7, &operation["consumes"], out);
    put_parameters(8, &operation["parameters"], out);
    put_delimited(9, out, |out| {
        put_named(1, &operation["responses"], out, |response, out| {
            // Not a reference to a response.
            put_delimited(1, out, |out| {
                put_text(1, &response["description"], out);
                if let Some(of) = response.get("schema") {
                    // Not a file.
                    put_delimited(2, out, |out| put_delimited(1, out, |out| schema(of, out)));
                }
            });
        });
    });
    put_texts(10, &operation["schemes"], out);
    put_extensions(13, operation, out);
}

fn put_parameters(number: u32, parameters: &Value, out: &mut Vec<u8>) {
    for parameter in list(parameters) {
        // Not a reference to a parameter.
        put_delimited(number, out, |out| {
            put_delimited(1, out, |out| self::parameter(parameter, out));
        });
    }
}

fn parameter(parameter: &Value, out: &mut Vec<u8>) {
    let place = parameter["in"].as_str().unwrap_or_default();
    if place == "body" {
        put_delimited(1, out, |out| {
            put_text(2, &parameter["name"], out);
            put_text(3, &parameter["in"], out);
            put_flag(4, &parameter["required"], out);
            put_delimited(5, out, |out| schema(&parameter["schema"], out));
        });
        return;
    }
    // Both have the same fields, with other numbers.
    let (message, kind, unique) = if place == "query" {
        (3, 6, 20)
    } else {
        (4, 5, 19)
    };
    put_delimited(2, out, |out| {
        put_delimited(message, out, |out| {
            put_flag(1, &parameter["required"], out);
            put_text(2, &parameter["in"], out);
            put_text(4, &parameter["name"], out);
            put_text(kind, &parameter["type"], out);
            put_flag(unique, &parameter["uniqueItems"], out);
        });
    });
}

fn schema(of: &Value, out: &mut Vec<u8>) {
    for (number, member) in [(1, "$ref"), (2, "format"), (3, "title"), (4, "description")] {
        put_text(number, &of[member], out);
    }
    put_number(6, &of["multipleOf"], out);
    put_number(7, &of["maximum"], out);
    put_flag(8, &of["exclusiveMaximum"], out);
    put_number(9, &of["minimum"], out);
    put_flag(10, &of["exclusiveMinimum"], out);
    put_count(11, &of["maxLength"], out);
    put_count(12, &of["minLength"], out);
    put_text(13, &of["pattern"], out);
    put_count(14, &of["maxItems"], out);
    put_count(15, &of["minItems"], out);
    put_flag(16, &of["uniqueItems"], out);
    put_count(17, &of["maxProperties"], out);
    put_count(18, &of["minProperties"], out);
    put_texts(19, &of["required"], out);
    for allowed in list(&of["enum"]) {
        put_delimited(20, out, |out| any(allowed, out));
    }
    match of.get("additionalProperties") {
        None => {}
        Some(Value::Bool(allowed)) => put_delimited(21, out, |out| {
            put_varint(2, u64::from(*allowed), out);
        }),
        Some(values) => put_delimited(21, out, |out| {
            put_delimited(1, out, |out| schema(values, out));
        }),
    }
    if of.get("type").is_some() {
        put_delimited(22, out, |out| put_text(1, &of["type"], out));
    }
    if let Some(items) = of.get("items") {
        put_delimited(23, out, |out| {
            put_delimited(1, out, |out| schema(items, out));
        });
    }
    if let Some(properties) = of.get("properties") {
        put_delimited(25, out, |out| put_named(1, properties, out, schema));
    }
    if let Some(example) = of.get("example") {
        put_delimited(30, out, |out| any(example, out));
    }
    put_extensions(31, of, out);
}

/// Members that the format does not know, which all begin with `x-`.
fn put_extensions(number: u32, holder: &Value, out: &mut Vec<u8>) {
    for (name, value) in holder.as_object().into_iter().flatten() {
        if name.starts_with("x-") {
            put_delimited(number, out, |out| {
                put_bytes(1, name.as_bytes(), out);
                put_delimited(2, out, |out| any(value, out));
            });
        }
    }
}

/// Any value, as YAML; JSON is YAML.
fn any(value: &Value, out: &mut Vec<u8>) {
    put_bytes(2, format!("{value}\n").as_bytes(), out);
}

/// The members of an object as messages of name and value.
fn put_named(
    number: u32,
    members: &Value,
    out: &mut Vec<u8>,
    write: impl Fn(&Value, &mut Vec<u8>),
) {
    for (name, value) in members.as_object().into_iter().flatten() {
        put_delimited(number, out, |out| {
            put_bytes(1, name.as_bytes(), out);
            put_delimited(2, out, |out| write(value, out));
        });
    }
}

fn put_text(number: u32, value: &Value, out: &mut Vec<u8>) {
    if let Some(text) = value.as_str() {
        put_bytes(number, text.as_bytes(), out);
    }
}

fn put_texts(number: u32, values: &Value, out: &mut Vec<u8>) {
    for value in list(values) {
        put_text(number, value, out);
    }
}

fn put_flag(number: u32, value: &Value, out: &mut Vec<u8>) {
    if *value == Value::Bool(true) {
        put_varint(number, 1, out);
    }
}

fn put_count(number: u32, value: &Value, out: &mut Vec<u8>) {
    if let Some(count) = value.as_i64() {
        put_varint(number, count.cast_unsigned(), out);
    }
}

fn put_number(number: u32, value: &Value, out: &mut Vec<u8>) {
    if let Some(value) = value.as_f64() {
        put_fixed64(number, value.to_bits(), out);
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
