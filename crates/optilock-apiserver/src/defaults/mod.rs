//! What the API server fills in where a client says nothing.
//!
//! [`apply`] walks an object by its type. At each struct it fills the fields that have a default
//! in the OpenAPI data of the type, then those that [`rows`] has for the type, then goes into the
//! fields. What depends on other values is a small function that a row names. Values that
//! allocators, admission or the system fields make (`clusterIP`, tolerations, `uid`) are no
//! defaults.

mod functions;
mod image;
mod rows;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::schema::{Field, Shape, StructType, TypeRef, fill_defaults};

/// Fills in the defaults of an object of type `ty`, in place. Doing it twice changes nothing
/// more.
///
/// The object should be in canonical form, and then stays in it.
pub(crate) fn apply(ty: &TypeRef, object: &mut Value) {
    if let Some(custom) = &ty.custom {
        fill_defaults(&custom.schema, object);
    } else if let Value::Object(members) = object {
        fill(ty, members);
    }
}

fn fill(ty: &StructType, members: &mut Map<String, Value>) {
    for field in ty.with_default() {
        if let Some(default) = &field.default
            && is_unset(field, members.get(&*field.json))
            && let Ok(value) = serde_json::from_str(default)
        {
            members.insert(String::from(&*field.json), value);
        }
    }
    for rule in rows::DEFAULTS.of(ty) {
        rule.apply(ty, members);
    }
    for field in ty.holding_structs() {
        if let Some(value) = members.get_mut(&*field.json)
            && !value.is_null()
        {
            fill_value(&field.shape, value);
        } else if let Shape::Struct(inner) = &field.shape
            && !field.pointer
        {
            // A struct that is held by value is there even if nobody mentions it.
            let mut value = Map::new();
            fill(inner, &mut value);
            if !value.is_empty() {
                members.insert(String::from(&*field.json), value.into());
            }
        }
    }
}

fn fill_value(shape: &Shape, value: &mut Value) {
    match (shape, value) {
        (Shape::Struct(ty), Value::Object(members)) => fill(ty, members),
        (Shape::List(item) | Shape::WrappedList(item), Value::Array(items)) => {
            for value in items {
                fill_value(item, value);
            }
        }
        (Shape::Map(item), Value::Object(members)) => {
            for value in members.values_mut() {
                fill_value(item, value);
            }
        }
        _ => {}
    }
}

/// Whether nothing is said: no value, or the zero of a field that is held by value.
fn is_unset(field: &Field, value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(_) if field.pointer => false,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}
