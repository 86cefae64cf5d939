//! What changed between two versions of an object.

use serde_json::{Map, Value};

use super::atom::{Atom, Indexed, is_empty};
use super::path::PathElement;
use super::set::FieldSet;
use crate::schema::StructType;

/// The fields that differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

impl Comparison {
    /// What the writer of the new version has touched.
    pub(super) fn written(&self) -> FieldSet {
        self.modified.union(&self.added)
    }
}

/// Compares two versions.
pub(super) fn compare(ty: &StructType, old: &Value, new: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    walk(
        Atom::Struct(ty),
        Some(old),
        Some(new),
        &mut Vec::new(),
        &mut comparison,
    );
    comparison
}

fn walk<'v>(
    atom: Atom<'_>,
    old: Option<&'v Value>,
    new: Option<&'v Value>,
    path: &mut Vec<PathElement>,
    found: &mut Comparison,
) {
    let atom = atom.of_values(old, new);
    // Two hollow things are compared as a whole, so that null and empty are told apart.
    if matches!(atom, Atom::Leaf) || (is_empty(old) && is_empty(new)) {
        match (old, new) {
            (None, Some(_)) => found.added.insert(path),
            (Some(_), None) => found.removed.insert(path),
            (Some(old), Some(new)) if old != new => found.modified.insert(path),
            _ => {}
        }
        return;
    }
    match atom {
        Atom::Struct(_) | Atom::Map(_) => {
            let (before, after) = (
                old.and_then(Value::as_object),
                new.and_then(Value::as_object),
            );
            let value_in = |members: Option<&'v Map<String, Value>>, name| members?.get(name);
            // Who owns what is nobody's: it is not compared, and it is large.
            let is_metadata = matches!(&path[..], [PathElement::Field(name)] if name == "metadata");
            let mut member = |name: &String, old, new| {
                // Most is as it was: that needs no path.
                if !(is_metadata && name == "managedFields") && old != new {
                    path.push(PathElement::Field(name.clone()));
                    walk(atom.member(name), old, new, path, found);
                    path.pop();
                }
            };
            for (name, value) in before.into_iter().flatten() {
                member(name, Some(value), value_in(after, name));
            }
            for (name, value) in after.into_iter().flatten() {
                if value_in(before, name).is_none() {
                    member(name, None, Some(value));
                }
            }
        }
        Atom::List(items) => {
            let (before, after) = (items.index(old), items.index(new));
            for known in &before {
                let next = after.iter().find(|next| next.step == known.step);
                path.push(known.step.clone());
                if known.is_repeated() || next.is_some_and(Indexed::is_repeated) {
                    // What is repeated is compared as a whole.
                    match next {
                        None => found.removed.insert(path),
                        Some(next) if next.items != known.items => found.modified.insert(path),
                        Some(_) => {}
                    }
                } else {
                    let next = next.map(Indexed::first);
                    walk(items.atom(), Some(known.first()), next, path, found);
                }
                path.pop();
            }
            for new in &after {
                if before.iter().any(|known| known.step == new.step) {
                    continue;
                }
                path.push(new.step.clone());
                if new.is_repeated() {
                    found.added.insert(path);
                } else {
                    walk(items.atom(), None, Some(new.first()), path, found);
                }
                path.pop();
            }
        }
        Atom::Leaf | Atom::Deduced => {}
    }
    if old.is_none() {
        found.added.insert(path);
    }
    if new.is_none() {
        found.removed.insert(path);
    }
}
