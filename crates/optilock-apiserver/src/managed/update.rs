//! What a write by create, update or patch does to the managers.

use serde_json::Value;

use super::compare::compare;
use super::entry::{Entry, Manager, Operation};
use super::set::FieldSet;
use super::without_system;
use crate::schema::StructType;

/// More entries of kind Update than this are merged, the oldest first.
const MOST_UPDATERS: usize = 10;
/// Name of the manager of merged entries.
const ANCIENT: &str = "ancient-changes";

/// A write that is about to happen.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    pub(crate) ty: &'a StructType,
    pub(crate) manager: &'a Manager,
    /// Fields that this path does not change, whatever the body says.
    pub(crate) reset: &'a FieldSet,
    /// Time of the write.
    pub(crate) now: &'a str,
}

/// The entries after a write: its manager owns what it changed, and nobody else does.
pub(crate) fn update(
    writing: &Writing<'_>,
    old: &Value,
    new: &Value,
    entries: Vec<Entry>,
) -> Vec<Entry> {
    let comparison = compare(writing.ty, old, new);
    let written = comparison.written().recursive_difference(writing.reset);
    let removed = comparison.removed.recursive_difference(writing.reset);
    let mut left = relinquish(entries, writing.manager, &written, &removed);
    let own = without_system(&written);
    if !own.is_empty() {
        match left
            .iter_mut()
            .find(|entry| entry.manager == *writing.manager)
        {
            Some(entry) => {
                entry.fields = entry.fields.union(&own);
                writing.now.clone_into(&mut entry.time);
            }
            None => left.push(Entry {
                manager: writing.manager.clone(),
                time: writing.now.to_owned(),
                fields: own,
            }),
        }
    }
    capped(left)
}

/// Takes away what others have written or removed. Entries in another version are left alone: their fields have other names.
pub(super) fn relinquish(
    entries: Vec<Entry>,
    manager: &Manager,
    written: &FieldSet,
    removed: &FieldSet,
) -> Vec<Entry> {
    let left = entries.into_iter().map(|mut entry| {
        if entry.manager.api_version == manager.api_version {
            entry.fields = entry.fields.difference(written).difference(removed);
        }
        entry
    });
    left.filter(|entry| !entry.fields.is_empty()).collect()
}

/// At most [`MOST_UPDATERS`] entries of kind Update through the object's own path.
fn capped(mut entries: Vec<Entry>) -> Vec<Entry> {
    let counts = |entry: &Entry| {
        entry.manager.operation == Operation::Update && entry.manager.subresource.is_empty()
    };
    loop {
        let mut updaters: Vec<usize> = (0..entries.len())
            .filter(|at| counts(&entries[*at]))
            .collect();
        if updaters.len() <= MOST_UPDATERS {
            return entries;
        }
        updaters.sort_by(|a, b| entries[*a].time.cmp(&entries[*b].time));
        let is_ancient = |entry: &Entry, version: &str| {
            entry.manager.name == ANCIENT && counts(entry) && entry.manager.api_version == version
        };
        // The oldest one that is not merged yet.
        let Some(&at) = updaters
            .iter()
            .find(|at| entries[**at].manager.name != ANCIENT)
        else {
            return entries;
        };
        let oldest = entries.remove(at);
        let version = oldest.manager.api_version.clone();
        match entries.iter_mut().find(|entry| is_ancient(entry, &version)) {
            Some(ancient) => {
                ancient.fields = ancient.fields.union(&oldest.fields);
                ancient.time = ancient.time.clone().max(oldest.time);
            }
            None => entries.push(Entry {
                manager: Manager {
                    name: ANCIENT.to_owned(),
                    ..oldest.manager
                },
                ..oldest
            }),
        }
    }
}
