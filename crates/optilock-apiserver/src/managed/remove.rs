//! Taking fields out of an object.

use serde_json::{Map, Value};

use super::atom::Atom;
use super::path::PathElement;
use super::set::FieldSet;
use crate::schema::StructType;

/// The object without the fields of a set. What is left hollow by it is null.
pub(super) fn remove(ty: &StructType, object: &Value, fields: &FieldSet) -> Value {
    removed(Atom::Struct(ty), object, fields)
}

fn removed(atom: Atom<'_>, value: &Value, fields: &FieldSet) -> Value {
    let atom = atom.of_values(None, Some(value));
    match (atom, value) {
        (Atom::Struct(_) | Atom::Map(_), Value::Object(members)) => {
            let mut left = Map::new();
            for (name, value) in members {
                let step = PathElement::Field(name.clone());
                if !fields.has(&step) {
                    left.insert(name.clone(), below(atom.member(name), value, fields, &step));
                }
            }
            if left.is_empty() {
                Value::Null
            } else {
                Value::Object(left)
            }
        }
        (Atom::List(items), Value::Array(list)) => {
            let mut left = Vec::new();
            for item in list {
                match items.step(item) {
                    Some(step) if fields.has(&step) => {}
                    Some(step) => left.push(below(items.atom(), item, fields, &step)),
                    None => left.push(item.clone()),
                }
            }
            if left.is_empty() {
                Value::Null
            } else {
                Value::Array(left)
            }
        }
        _ => value.clone(),
    }
}

fn below(atom: Atom<'_>, value: &Value, fields: &FieldSet, step: &PathElement) -> Value {
    match fields.below(step) {
        Some(fields) => removed(atom, value, fields),
        None => value.clone(),
    }
}
