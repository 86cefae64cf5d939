//! Whether a document can be applied at all: every member is declared and has the right type.

use serde_json::Value;

use super::atom::{Atom, Items};
use super::path::PathElement;
use crate::schema::{Shape, StructType};

/// What is wrong with a document, in the words of structured-merge-diff; `None` when nothing is.
pub(crate) fn check(ty: &StructType, document: &Value) -> Option<String> {
    let mut problems = Vec::new();
    members(ty, document, "", &mut problems);
    match problems.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => {
            let lines: String = several
                .iter()
                .map(|problem| format!("\n  {problem}"))
                .collect();
            Some(format!("errors:{lines}"))
        }
    }
}

fn members(ty: &StructType, document: &Value, path: &str, problems: &mut Vec<String>) {
    let Some(object) = document.as_object() else {
        problems.push(format!("{path}: expected map, got {}", go_value(document)));
        return;
    };
    for (name, value) in object {
        let path = format!("{path}.{name}");
        let Some(field) = ty.field(name) else {
            if ty.open {
                continue;
            }
            // What is not declared ends the look at a struct.
            problems.push(format!("{path}: field not declared in schema"));
            return;
        };
        match Atom::of_field(field) {
            Atom::List(items) if value.is_array() => keyed(items, value, &path, problems),
            _ => shape(&field.shape, value, &path, problems),
        }
    }
}

/// A list whose items have names of their own, which must not repeat.
fn keyed(items: Items<'_>, list: &Value, path: &str, problems: &mut Vec<String>) {
    let mut seen: Vec<PathElement> = Vec::new();
    for (index, value) in list.as_array().into_iter().flatten().enumerate() {
        let Some(step) = items.step(value) else {
            shape(items.shape(), value, &format!("{path}[{index}]"), problems);
            continue;
        };
        if seen.contains(&step) {
            problems.push(format!("{path}: duplicate entries for key {step}"));
        }
        shape(items.shape(), value, &format!("{path}{step}"), problems);
        seen.push(step);
    }
}

fn shape(shape_of: &Shape, value: &Value, path: &str, problems: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    // Go prints the wrapper of a scalar and of a collection differently.
    let mut expect_scalar = |fits: bool, wanted: &str| {
        if !fits {
            let found = plain(value);
            problems.push(format!(
                "{path}: expected {wanted}, got &value.valueUnstructured{{Value:{found}}}"
            ));
        }
    };
    match shape_of {
        Shape::Bool => expect_scalar(value.is_boolean(), "boolean"),
        Shape::Int32 | Shape::Int64 | Shape::Float64 if value.is_number() => {}
        Shape::Int32 | Shape::Int64 | Shape::Float64 => {
            let found = go_type(value);
            problems.push(format!(
                "{path}: expected numeric (int or float), got {found}"
            ));
        }
        Shape::String | Shape::Bytes | Shape::Time | Shape::MicroTime => {
            expect_scalar(value.is_string(), "string");
        }
        Shape::Struct(ty) => members(ty, value, path, problems),
        Shape::List(item) | Shape::WrappedList(item) => match value.as_array() {
            Some(items) => {
                for (index, value) in items.iter().enumerate() {
                    shape(item, value, &format!("{path}[{index}]"), problems);
                }
            }
            None => problems.push(format!("{path}: expected list, got {}", go_value(value))),
        },
        Shape::Map(item) => match value.as_object() {
            Some(entries) => {
                for (name, value) in entries {
                    shape(item, value, &format!("{path}.{name}"), problems);
                }
            }
            None => problems.push(format!("{path}: expected map, got {}", go_value(value))),
        },
        // Quantities and ports are texts or numbers; what has no type has none here either.
        _ => {}
    }
}

/// Go's name of the type of a decoded value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Go's print of the wrapped value of a collection.
fn go_value(value: &Value) -> String {
    format!("&{{{}}}", plain(value))
}

/// A value as Go's `%v` prints it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items = items.iter().map(plain).collect::<Vec<_>>();
            format!("[{}]", items.join(" "))
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{name}:{}", plain(value)))
                .collect::<Vec<_>>();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
}
