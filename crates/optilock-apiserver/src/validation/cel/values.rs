//! Values as expressions see them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_cel::KubeCelExt;
use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::{Key, Map, OptionalValue};
use kube_cel::cel::{Context, ExecutionError, Program, Value, common::ast::Expr};
use serde_json::Value as Json;

use super::declared::{Declared, escaped};
use super::macros::SORT;
use super::types::Type;

/// Names of the types of values, for `type(…)`.
const TYPES: [&str; 9] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
];

/// The functions, and the names that no object brings.
pub(super) fn context() -> Context<'static> {
    let mut context = Context::default().with_all();
    context.add_function("type", |value: Value| {
        Ok::<_, ExecutionError>(type_named(type_name(&value)))
    });
    context.add_function(
        SORT,
        |This(items): This<Arc<Vec<Value>>>, keys: Arc<Vec<Value>>| sort_by_keys(&items, &keys),
    );
    context.add_function("optional.unwrap", |list: Arc<Vec<Value>>| {
        with_values(&list)
    });
    context.add_function("unwrapOpt", |This(list): This<Arc<Vec<Value>>>| {
        with_values(&list)
    });
    for name in TYPES.into_iter().chain(["type"]) {
        context.add_variable_from_value(name, type_named(name));
    }
    let well_known = ["Duration", "Timestamp"]
        .map(|name| (name, type_named(&format!("google.protobuf.{name}"))));
    let google = map([("protobuf", map(well_known))]);
    context.add_variable_from_value("google", google);
    context
}

fn map<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.map(|(name, value)| (key(name), value));
    Value::Map(Map {
        map: Arc::new(HashMap::from(members)),
    })
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn text(text: impl Into<String>) -> Value {
    Value::String(Arc::new(text.into()))
}

/// A type as a value. The library has none; what is compared is a name that no text of an object is.
fn type_named(name: &str) -> Value {
    text(format!("\u{0}type {name}"))
}

fn type_name(value: &Value) -> &str {
    match value {
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Int(_) => "int",
        Value::UInt(_) => "uint",
        Value::Float(_) => "double",
        Value::String(of) if of.starts_with("\u{0}type ") => "type",
        Value::String(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Bool(_) => "bool",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::Timestamp(_) => "google.protobuf.Timestamp",
        Value::Opaque(of) => of.runtime_type_name(),
        Value::Function(..) => "function",
        Value::Null => "null_type",
    }
}

/// The items of a list in the order of their keys, which are the items of another one.
fn sort_by_keys(items: &[Value], keys: &[Value]) -> Result<Value, ExecutionError> {
    let mut order: Vec<usize> = (0..items.len().min(keys.len())).collect();
    let mut fits = true;
    order.sort_by(|a, b| {
        let compared = compare(&keys[*a], &keys[*b]);
        fits &= compared.is_some();
        compared.unwrap_or(Ordering::Equal)
    });
    if !fits {
        let why = "list elements must have the same type";
        return Err(ExecutionError::function_error(SORT, why));
    }
    let sorted = order.into_iter().map(|at| items[at].clone());
    Ok(Value::List(Arc::new(sorted.collect())))
}

/// The order of two values of one type.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        // What is no number is neither less nor greater.
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).or(Some(Ordering::Equal)),
        _ if type_name(a) == type_name(b) => a.partial_cmp(b),
        _ => None,
    }
}

/// The values of those optionals of a list that have one.
fn with_values(list: &[Value]) -> Result<Value, ExecutionError> {
    let mut values = Vec::new();
    for item in list {
        let optional = match item {
            Value::Opaque(of) => of.downcast_ref::<OptionalValue>(),
            _ => None,
        };
        let Some(optional) = optional else {
            let why = "a value of the list is not optional";
            return Err(ExecutionError::function_error("optional.unwrap", why));
        };
        values.extend(optional.value().cloned());
    }
    Ok(Value::List(Arc::new(values)))
}

/// A value, or none, as an optional.
pub(super) fn optional(value: Option<Value>) -> Value {
    let optional = value.map_or_else(OptionalValue::none, OptionalValue::of);
    Value::Opaque(Arc::new(optional))
}

/// A part of an object as its schema declares it. `functions` are what reads instants and durations.
pub(super) fn of(json: &Json, declared: Option<&Declared>, functions: &Context<'_>) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match declared.map(|declared| &declared.ty) {
            Some(Type::Double) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            _ => match (number.as_i64(), number.as_f64()) {
                (Some(n), _) => Value::Int(n),
                // An integer may be written as 1.0.
                (None, Some(n)) if declared.is_some_and(|of| of.ty == Type::Int) => {
                    Value::Int(n as i64)
                }
                (None, n) => Value::Float(n.unwrap_or(f64::NAN)),
            },
        },
        Json::String(of) => string(of, declared.map(|of| &of.ty), functions),
        Json::Array(items) => {
            let element = declared.and_then(|of| of.element.as_deref());
            let items = items.iter().map(|item| self::of(item, element, functions));
            Value::List(Arc::new(items.collect()))
        }
        Json::Object(members) => {
            let element = declared.and_then(|of| of.element.as_deref());
            let members = members.iter().filter_map(|(name, value)| {
                if element.is_some() {
                    return Some((key(name), self::of(value, element, functions)));
                }
                let name = escaped(name)?;
                let field = declared.and_then(|of| of.fields.get(&name));
                Some((
                    key(&name),
                    self::of(value, field.map(Arc::as_ref), functions),
                ))
            });
            Value::Map(Map {
                map: Arc::new(members.collect()),
            })
        }
    }
}

/// A text, or what its format makes of it. What has not that format stays a text: the schema has complained about it.
fn string(of: &str, ty: Option<&Type>, functions: &Context<'_>) -> Value {
    let read = match ty {
        Some(Type::Timestamp) if !of.contains('T') => {
            call("timestamp(given)", &format!("{of}T00:00:00Z"), functions)
        }
        Some(Type::Timestamp) => call("timestamp(given)", of, functions),
        Some(Type::Duration) => call("duration(given)", of, functions),
        Some(Type::Bytes) => STANDARD
            .decode(of)
            .ok()
            .map(|of| Value::Bytes(Arc::new(of))),
        _ => None,
    };
    read.unwrap_or_else(|| text(of))
}

fn call(expression: &str, given: &str, functions: &Context<'_>) -> Option<Value> {
    let program = Program::compile(expression).ok()?;
    let mut scope = functions.new_inner_scope();
    scope.add_variable_from_value("given", text(given));
    program.execute(&scope).ok()
}

/// Items, members, bytes or characters of a value; one for what has no size.
pub(super) fn size(value: &Value) -> u64 {
    let size = match value {
        Value::List(items) => items.len(),
        Value::Map(members) => members.map.len(),
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Opaque(of) => match of.downcast_ref::<OptionalValue>().and_then(|of| of.value()) {
            Some(value) => return size(value),
            None => 1,
        },
        _ => 1,
    };
    size as u64
}

/// Whether an expression is nothing but a literal.
pub(super) fn is_literal(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(_) => true,
        Expr::List(list) => list
            .elements
            .iter()
            .all(|element| is_literal(&element.expr)),
        _ => false,
    }
}
