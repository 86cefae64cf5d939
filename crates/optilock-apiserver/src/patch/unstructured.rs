//! What does not fit a type, in the words of the converter from maps to structs that a strategic merge patch goes through.
//! It speaks of kinds of Go values, where the JSON decoder speaks of JSON.

use serde_json::{Map, Value};

use crate::schema::{Shape, StructType};

/// The first value that the converter refuses. What it leaves to other decoders (times, quantities, bytes) passes.
pub(super) fn misfit(ty: &StructType, document: &Value) -> Option<String> {
    match document {
        Value::Object(members) => of_struct(ty, members),
        _ => None,
    }
}

fn of_struct(ty: &StructType, members: &Map<String, Value>) -> Option<String> {
    let known = ty.fields.iter();
    known
        .filter_map(|field| Some((field, members.get(&*field.json)?)))
        .find_map(|(field, value)| of_value(&field.shape, value))
}

fn of_value(shape: &Shape, value: &Value) -> Option<String> {
    let found = go_kind(value)?;
    let unrecognized = |wanted: &str| Some(format!("unrecognized type: {wanted}"));
    match (shape, value) {
        (Shape::Struct(ty), Value::Object(members)) => of_struct(ty, members),
        (Shape::Struct(_), _) => Some(format!("cannot restore struct from: {found}")),
        (Shape::List(item), Value::Array(items)) => {
            items.iter().find_map(|value| of_value(item, value))
        }
        (Shape::Bytes, Value::String(_)) => None,
        (Shape::List(_) | Shape::Bytes, _) => Some(format!("cannot restore slice from {found}")),
        (Shape::Map(item), Value::Object(members)) => {
            members.values().find_map(|value| of_value(item, value))
        }
        (Shape::Map(_), _) => Some(format!("cannot restore map from {found}")),
        (Shape::String, Value::String(_)) | (Shape::Bool, Value::Bool(_)) => None,
        (Shape::Int32 | Shape::Int64 | Shape::Float64, Value::Number(_)) => None,
        // Go would make a character of it, which the converter prevents.
        (Shape::String, Value::Number(number)) if !number.is_f64() => {
            Some("cannot convert int64 to string".to_owned())
        }
        (Shape::String, _) => unrecognized("string"),
        (Shape::Bool, _) => unrecognized("bool"),
        (Shape::Int32, _) => unrecognized("int32"),
        (Shape::Int64, _) => unrecognized("int64"),
        (Shape::Float64, _) => unrecognized("float64"),
        _ => None,
    }
}

/// The kind of Go value that a document holds there; nothing for null, which fits everything.
fn go_kind(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Schema;

    /// As kube-apiserver 1.36 answered.
    #[test]
    fn the_converter_has_words_of_its_own() {
        let Some(ty) = Schema::builtin().kind("", "v1", "ConfigMap") else {
            panic!("a built-in type")
        };
        for (document, text) in [
            (json!({"data": 5}), "cannot restore map from int64"),
            (json!({"data": ["a"]}), "cannot restore map from slice"),
            (json!({"data": {"a": 5}}), "cannot convert int64 to string"),
            (
                json!({"metadata": {"generation": "x"}}),
                "unrecognized type: int64",
            ),
            (json!({"immutable": "x"}), "unrecognized type: bool"),
            (
                json!({"binaryData": {"a": 5}}),
                "cannot restore slice from int64",
            ),
            (
                json!({"metadata": "x"}),
                "cannot restore struct from: string",
            ),
            (
                json!({"metadata": {"labels": {"a": 1.5}}}),
                "unrecognized type: string",
            ),
            (
                json!({"metadata": {"finalizers": {"a": "b"}}}),
                "cannot restore slice from map",
            ),
        ] {
            assert_eq!(misfit(&ty, &document).as_deref(), Some(text), "{document}");
        }
        let fits =
            json!({"data": {"a": "b"}, "immutable": null, "metadata": {"creationTimestamp": 5}});
        assert_eq!(misfit(&ty, &fits), None);
    }
}
