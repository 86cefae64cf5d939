//! The fields that a document names: what an apply owns.

use serde_json::Value;

use super::atom::{Atom, is_empty};
use super::path::PathElement;
use super::set::FieldSet;
use crate::schema::StructType;

/// The set of all fields of a document.
pub(super) fn fields(ty: &StructType, document: &Value) -> FieldSet {
    below(Atom::Struct(ty), document)
}

/// The fields that are in a value, which is itself none of them.
fn below(atom: Atom<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    match (atom, value) {
        (Atom::Struct(_) | Atom::Map(_), Value::Object(members)) => {
            for (name, value) in members {
                let inner = atom.member(name).of_values(None, Some(value));
                let hollow = value.is_null() || (value.is_object() && is_empty(Some(value)));
                let is_member = hollow || !atom.declares(name) || matches!(inner, Atom::Leaf);
                let step = PathElement::Field(name.clone());
                set.put(step, is_member, below(inner, value));
            }
        }
        (Atom::List(items), Value::Array(_)) => {
            for item in items.index(Some(value)) {
                let value = item.first();
                let inner = items.atom().of_values(None, Some(value));
                set.put(item.step, true, below(inner, value));
            }
        }
        _ => {}
    }
    set
}
