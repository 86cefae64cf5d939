//! What changed between two versions of an object.

use std::collections::BTreeSet;

use serde_json::Value;

use super::atom::{Atom, is_empty};
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

fn walk(
    atom: Atom<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
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
            let names: BTreeSet<&String> = before
                .into_iter()
                .chain(after)
                .flat_map(serde_json::Map::keys)
                .collect();
            for name in names {
                let (before, after) = (
                    before.and_then(|m| m.get(name)),
                    after.and_then(|m| m.get(name)),
                );
                path.push(PathElement::Field(name.clone()));
                walk(atom.member(name), before, after, path, found);
                path.pop();
            }
        }
        Atom::List(items) => {
            let (before, after) = (items.index(old), items.index(new));
            let lookup = |list: &[(PathElement, &Value)], step: &PathElement| {
                list.iter().position(|(known, _)| known == step)
            };
            for (step, item) in &before {
                let next = lookup(&after, step).map(|at| after[at].1);
                path.push(step.clone());
                let (were, are) = (items.at(old, step), items.at(new, step));
                if were.len() > 1 || are.len() > 1 {
                    // What is repeated is compared as a whole.
                    match next {
                        None => found.removed.insert(path),
                        Some(_) if were != are => found.modified.insert(path),
                        Some(_) => {}
                    }
                } else {
                    walk(items.atom(), Some(item), next, path, found);
                }
                path.pop();
            }
            for (step, item) in after
                .iter()
                .filter(|(step, _)| lookup(&before, step).is_none())
            {
                path.push(step.clone());
                if items.at(new, step).len() > 1 {
                    found.added.insert(path);
                } else {
                    walk(items.atom(), None, Some(item), path, found);
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
