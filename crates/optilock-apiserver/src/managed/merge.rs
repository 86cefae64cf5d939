//! Merging what is applied into what is there.

use serde_json::{Map, Value};

use super::atom::{Atom, Indexed, Items};
use super::path::PathElement;
use crate::schema::StructType;

/// The live object with everything that the configuration says.
pub(super) fn merge(ty: &StructType, live: &Value, configuration: &Value) -> Value {
    merged(Atom::Struct(ty), Some(live), Some(configuration)).unwrap_or_default()
}

fn merged(atom: Atom<'_>, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    let Some(new) = right else {
        return left.cloned();
    };
    let atom = atom.of_values(left, right);
    match (atom, left, new) {
        (Atom::Struct(_) | Atom::Map(_), Some(Value::Object(old)), Value::Object(new)) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            let members = old.keys().chain(added).filter_map(|name| {
                let value = merged(atom.member(name), old.get(name), new.get(name))?;
                Some((name.clone(), value))
            });
            Some(Value::Object(members.collect::<Map<_, _>>()))
        }
        (Atom::List(items), Some(old @ Value::Array(_)), Value::Array(_)) => {
            Some(merged_lists(items, old, new))
        }
        _ => Some(new.clone()),
    }
}

/// Items that only one side has stay where they are between those that both have; where the orders differ, that of the
/// configuration counts.
fn merged_lists(items: Items<'_>, old: &Value, new: &Value) -> Value {
    let (left, right) = (items.index(Some(old)), items.index(Some(new)));
    let find = |list: &[Indexed<'_>], step: &PathElement| {
        list.iter().position(|known| known.step == *step)
    };
    let mut shared = right
        .iter()
        .map(|item| &item.step)
        .filter(|step| find(&left, step).is_some());
    let mut next_shared = shared.next();
    let mut done: Vec<&PathElement> = Vec::new();
    let mut out = Vec::new();
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if let (Some(old), Some(new)) = (left.get(l), right.get(r)) {
            let (a, b) = (&old.step, &new.step);
            if a == b {
                out.extend(merged(items.atom(), Some(old.first()), Some(new.first())));
                done.push(b);
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            if find(&right, a).is_some() && next_shared.is_some_and(|next| next != a) {
                // It is in both, but its turn comes later.
                l += 1;
                continue;
            }
        }
        if let Some(old) = left.get(l) {
            let a = &old.step;
            if find(&right, a).is_none() {
                out.push(old.first().clone());
                l += 1;
                continue;
            }
            if done.contains(&a) {
                l += 1;
            }
        }
        if let Some(new) = right.get(r) {
            let b = &new.step;
            let old = find(&left, b).map(|at| left[at].first());
            out.extend(merged(items.atom(), old, Some(new.first())));
            done.push(b);
            r += 1;
            if next_shared == Some(b) {
                next_shared = shared.next();
            }
        }
    }
    Value::Array(out)
}
