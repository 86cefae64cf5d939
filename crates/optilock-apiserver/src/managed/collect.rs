//! The fields that a document names: what an apply owns.

use serde_json::Value;

use super::atom::{Atom, is_empty};
use super::path::PathElement;
use super::set::FieldSet;
use crate::schema::StructType;

/// The set of all fields of a document.
pub(super) fn fields(ty: &StructType, document: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(Atom::Struct(ty), document, &mut Vec::new(), &mut set);
    set
}

fn collect(atom: Atom<'_>, value: &Value, path: &mut Vec<PathElement>, set: &mut FieldSet) {
    let atom = atom.of_values(None, Some(value));
    match (atom, value) {
        (Atom::Struct(_) | Atom::Map(_), Value::Object(members)) => {
            for (name, value) in members {
                path.push(PathElement::Field(name.clone()));
                collect(atom.member(name), value, path, set);
                let hollow = value.is_null() || (value.is_object() && is_empty(Some(value)));
                if hollow || !atom.declares(name) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        (Atom::List(items), Value::Array(_)) => {
            for item in items.index(Some(value)) {
                let value = item.first();
                path.push(item.step);
                collect(items.atom(), value, path, set);
                set.insert(path);
                path.pop();
            }
        }
        (Atom::Leaf, _) => set.insert(path),
        _ => {}
    }
}
