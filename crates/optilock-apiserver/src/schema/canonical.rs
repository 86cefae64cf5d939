//! Canonical form: what Go writes for a field, and what it leaves out.

use serde_json::{Map, Number, Value};

use super::model::{Field, Omit, Shape, StructType};

/// The zero of a shape: what Go writes for a value that nobody set.
pub(super) fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Bool | Shape::SchemaOrBool(_) => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::Float64 | Shape::IntOrString => Value::from(0),
        Shape::String => Value::String(String::new()),
        Shape::Quantity => Value::from("0"),
        Shape::Struct(ty) => {
            let mut object = Map::new();
            complete(ty, &mut object);
            Value::Object(object)
        }
        Shape::Bytes
        | Shape::Time
        | Shape::MicroTime
        | Shape::Raw
        | Shape::Any
        | Shape::List(_)
        | Shape::WrappedList(_)
        | Shape::Map(_)
        | Shape::SchemaOrList(_)
        | Shape::SchemaOrStrings(_) => Value::Null,
    }
}

/// Writes what Go writes for the fields that are not there.
pub(super) fn complete(ty: &StructType, object: &mut Map<String, Value>) {
    for field in ty.always_written() {
        if !object.contains_key(&*field.json)
            && let Some(value) = absent(field)
        {
            object.insert(String::from(&*field.json), value);
        }
    }
}

/// Brings an object that was put together from canonical parts into canonical form.
pub(super) fn settle(ty: &StructType, object: &mut Map<String, Value>) {
    object.retain(|name, value| {
        ty.field(name).is_some_and(|field| {
            settle_value(&field.shape, value);
            !value.is_null() && !is_left_out(field, value)
        })
    });
    complete(ty, object);
}

fn settle_value(shape: &Shape, value: &mut Value) {
    let or_zero = |shape: &Shape, value: &mut Value| {
        settle_value(shape, value);
        if value.is_null() {
            *value = zero(shape);
        }
    };
    match (shape, value) {
        (
            Shape::Struct(ty)
            | Shape::SchemaOrBool(ty)
            | Shape::SchemaOrList(ty)
            | Shape::SchemaOrStrings(ty),
            Value::Object(object),
        ) => settle(ty, object),
        // What is read from storage does not tell 1 and 1.0 apart.
        (Shape::Float64, Value::Number(number)) => {
            if let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        (Shape::List(item) | Shape::WrappedList(item), Value::Array(items)) => {
            items.iter_mut().for_each(|value| or_zero(item, value));
        }
        (Shape::Map(item), Value::Object(members)) => {
            members.values_mut().for_each(|value| or_zero(item, value));
        }
        (Shape::SchemaOrList(ty), Value::Array(items)) => {
            for object in items.iter_mut().filter_map(Value::as_object_mut) {
                settle(ty, object);
            }
        }
        _ => {}
    }
}

/// Sets a field of an object that is being built, or leaves it out as Go does.
pub(super) fn store(field: &Field, value: Value, object: &mut Map<String, Value>) {
    if is_left_out(field, &value) {
        object.remove(&*field.json);
    } else {
        object.insert(String::from(&*field.json), value);
    }
}

/// What Go writes for a field without a value.
fn absent(field: &Field) -> Option<Value> {
    is_always_written(field).then(|| {
        if field.pointer {
            Value::Null
        } else {
            zero(&field.shape)
        }
    })
}

/// Whether Go writes something for a field without a value.
pub(super) fn is_always_written(field: &Field) -> bool {
    match (field.pointer, field.omit) {
        (_, Omit::Never) => true,
        (false, Omit::Empty) => is_go_struct(&field.shape),
        _ => false,
    }
}

/// Whether Go leaves out a field of that value.
fn is_left_out(field: &Field, value: &Value) -> bool {
    if field.pointer {
        // A pointer to a time of zero: null in Go, which reads back as no value.
        return value.is_null();
    }
    match field.omit {
        Omit::Never => false,
        Omit::Empty => !is_go_struct(&field.shape) && is_empty(value),
        Omit::Zero => is_empty(value) || *value == zero(&field.shape),
    }
}

/// Held by value such a field is never empty to Go.
fn is_go_struct(shape: &Shape) -> bool {
    match shape {
        Shape::Struct(_)
        | Shape::Time
        | Shape::MicroTime
        | Shape::Quantity
        | Shape::IntOrString
        | Shape::Raw
        | Shape::Any
        | Shape::SchemaOrBool(_)
        | Shape::SchemaOrList(_)
        | Shape::SchemaOrStrings(_) => true,
        Shape::Bool
        | Shape::Int32
        | Shape::Int64
        | Shape::Float64
        | Shape::String
        | Shape::Bytes
        | Shape::List(_)
        | Shape::WrappedList(_)
        | Shape::Map(_) => false,
    }
}

/// Go's notion of empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}
