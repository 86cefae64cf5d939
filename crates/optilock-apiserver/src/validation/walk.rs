//! The walk over an object that applies the rules of each type where the type occurs.

use serde_json::{Map, Value};

use super::field::{BadValue, Error, ErrorList};
use super::format::Format;
use super::path::Path;
use super::rules;
use crate::schema::{Field, Schema, Shape, StructType};

/// One struct inside an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Its members.
    pub(super) members: &'a Map<String, Value>,
    /// Where it is.
    pub(super) path: &'a Path<'a>,
}

impl<'a> Scope<'a> {
    /// A member that is set.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &'a str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A whole number.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// The items of a list.
    pub(super) fn items(&self, name: &str) -> &'a [Value] {
        let list = self.get(name).and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }

    /// A member of a member of …; null where the path ends early.
    pub(super) fn at(&self, path: &[&str]) -> &'a Value {
        let (first, rest) = match path {
            [first, rest @ ..] => (first, rest),
            [] => return &Value::Null,
        };
        let first = self.members.get(*first).unwrap_or(&Value::Null);
        rest.iter().fold(first, |value, name| &value[*name])
    }
}

/// One rule of a type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// A member is set, and not to an empty text, list or map. With what the complaint adds.
    Required(&'static str, &'static str),
    /// A text, where it is not empty, has this format.
    Format(&'static str, Format),
    /// A text has this format, and may not be empty where the format does not allow it.
    Always(&'static str, Format),
    /// A text, where it is set, is one of these, which the complaint lists in this order.
    OneOf(&'static str, &'static [&'static str]),
    /// A number is not negative.
    NonNegative(&'static str),
    /// A number lies between these, inclusive.
    Between(&'static str, i64, i64),
    /// The texts of this member of the items of a list differ, where they are not empty.
    Unique(&'static str, &'static str),
    /// Labels.
    Labels(&'static str),
    /// The rules of what is inside a member come now and not at the end.
    Into(&'static str),
    /// Whatever the function finds.
    Run(fn(&Scope<'_>, &mut ErrorList)),
}

/// Applies the rules of a struct and of all that is in it, but for what is as in `sound`: the same struct of an object that keeps
/// all rules. A rule knows nothing but the struct that it is of, so it would find nothing there.
pub(super) fn walk(
    ty: &StructType,
    scope: &Scope<'_>,
    sound: Option<&Map<String, Value>>,
    errors: &mut ErrorList,
) {
    let rules = rules::RULES.of(ty);
    for rule in rules {
        match rule {
            Rule::Into(name) => {
                if let Some(field) = ty.field(name) {
                    into(field, scope, sound, errors);
                }
            }
            rule => apply(rule, scope, errors),
        }
    }
    for field in ty.holding_structs() {
        let earlier = |rule: &Rule| matches!(rule, Rule::Into(name) if **name == *field.json);
        if !rules.iter().any(earlier) {
            into(field, scope, sound, errors);
        }
    }
}

fn into(
    field: &Field,
    scope: &Scope<'_>,
    sound: Option<&Map<String, Value>>,
    errors: &mut ErrorList,
) {
    if let Some(value) = scope.get(&field.json) {
        let sound = sound.and_then(|sound| sound.get(&*field.json));
        if sound != Some(value) {
            let path = scope.path.child(&field.json);
            value_of(&field.shape, value, &path, sound, errors);
        }
    } else if let Shape::Struct(inner) = &field.shape
        && !field.pointer
    {
        // A struct that is held by value is there even if nobody mentions it.
        let path = &scope.path.child(&field.json);
        let members = &Map::new();
        walk(inner, &Scope { members, path }, None, errors);
    }
}

fn value_of(
    shape: &Shape,
    value: &Value,
    path: &Path<'_>,
    sound: Option<&Value>,
    errors: &mut ErrorList,
) {
    match (shape, value) {
        (Shape::Struct(ty), Value::Object(members)) => {
            let sound = sound.and_then(Value::as_object);
            walk(ty, &Scope { members, path }, sound, errors);
        }
        (Shape::List(item) | Shape::WrappedList(item), Value::Array(items)) => {
            for (at, value) in items.iter().enumerate() {
                value_of(item, value, &path.index(at), None, errors);
            }
        }
        (Shape::Map(item), Value::Object(members)) => {
            for (key, value) in members {
                value_of(item, value, &path.key(key), None, errors);
            }
        }
        _ => {}
    }
}

fn apply(rule: &Rule, scope: &Scope<'_>, errors: &mut ErrorList) {
    match *rule {
        Rule::Required(name, detail) => {
            let missing = match scope.get(name) {
                None => true,
                Some(Value::String(text)) => text.is_empty(),
                Some(Value::Array(items)) => items.is_empty(),
                Some(Value::Object(members)) => members.is_empty(),
                Some(_) => false,
            };
            if missing {
                errors.push(Error::required(&scope.path.child(name), detail));
            }
        }
        Rule::Format(name, format) => {
            let text = scope.text(name);
            if !text.is_empty() {
                formatted(text, format, &scope.path.child(name), errors);
            }
        }
        Rule::Always(name, format) => {
            formatted(scope.text(name), format, &scope.path.child(name), errors);
        }
        Rule::OneOf(name, supported) => {
            if let Some(text) = scope.get(name).and_then(Value::as_str)
                && !supported.contains(&text)
            {
                let path = scope.path.child(name);
                errors.push(Error::not_supported(&path, text, supported));
            }
        }
        Rule::NonNegative(name) => {
            if let Some(number) = scope.int(name).filter(|number| *number < 0) {
                errors.push(Error::invalid(&scope.path.child(name), number, NEGATIVE));
            }
        }
        Rule::Between(name, low, high) => {
            if let Some(number) = scope.int(name) {
                between(number, low, high, &scope.path.child(name), errors);
            }
        }
        Rule::Unique(list, name) => {
            let path = scope.path.child(list);
            let mut seen = std::collections::HashSet::new();
            for (at, item) in scope.items(list).iter().enumerate() {
                let text = item[name].as_str().unwrap_or_default();
                if !text.is_empty() && !seen.insert(text) {
                    errors.push(Error::duplicate(&path.index(at).child(name), text));
                }
            }
        }
        Rule::Labels(name) => {
            super::metadata::labels(scope.get(name), &scope.path.child(name), errors);
        }
        Rule::Into(_) => {}
        Rule::Run(function) => function(scope, errors),
    }
}

/// Complaint about a negative number.
pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";

/// Complains about a text that has not this format.
pub(super) fn formatted(text: &str, format: Format, path: &Path<'_>, errors: &mut ErrorList) {
    for complaint in format(text) {
        errors.push(Error::invalid(path, text, complaint));
    }
}

/// Complains about a number that is not between these.
pub(super) fn between(number: i64, low: i64, high: i64, path: &Path<'_>, errors: &mut ErrorList) {
    if !(low..=high).contains(&number) {
        let complaint = format!("must be between {low} and {high}, inclusive");
        errors.push(Error::invalid(path, number, complaint));
    }
}

/// A struct as complaints show it: its members in the order of its type.
pub(super) fn canonical(ty: &str, value: &Value) -> BadValue {
    let schema = Schema::builtin();
    match schema.type_named(ty) {
        Some(ty) if value.is_object() => {
            let mut text = Vec::new();
            schema.encode(&ty, value, &mut text);
            BadValue::raw(String::from_utf8_lossy(&text).into_owned())
        }
        _ => BadValue::from(value),
    }
}
