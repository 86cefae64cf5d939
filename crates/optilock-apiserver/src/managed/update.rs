//! What a write by create, update or patch does to the managers.

use serde_json::Value;

use super::compare::compare;
use super::entry::{Entry, Manager, Operation, is_doubled, set_time, sort};
use super::set::FieldSet;
use super::typecheck::check;
use super::without_system;
use crate::schema::{StructType, TypeRef};

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
    /// The types of all versions of a custom resource, by their `apiVersion`: in each of them a field has the same name.
    /// Without these, entries in another version are left alone.
    pub(crate) versions: Option<&'a [(String, TypeRef)]>,
}

/// What a write changes, as far as its path may change it.
#[derive(Debug)]
pub(crate) struct Changes {
    written: FieldSet,
    removed: FieldSet,
    /// What was written and belongs to no one but its writer.
    own: FieldSet,
    /// The same for those who own something in another version.
    others: Vec<(String, Self)>,
}

impl Changes {
    /// What a write makes of `old`.
    pub(crate) fn between(writing: &Writing<'_>, old: &Value, new: &Value) -> Self {
        Self::in_type(writing.ty, writing.reset, old, new)
    }

    /// Adds what changed for managers that own something in another version. Entries in one that there is not any more go.
    ///
    /// # Errors
    /// What of the objects can't be said in such a version.
    pub(crate) fn add_versions(
        &mut self,
        writing: &Writing<'_>,
        entries: &mut Vec<Entry>,
        old: &Value,
        new: &Value,
    ) -> Result<(), String> {
        let Some(versions) = writing.versions else {
            return Ok(());
        };
        let type_of = |version: &str| {
            let mut versions = versions.iter();
            let found = versions.find(|(known, _)| known == version);
            found.map(|(_, ty)| ty)
        };
        entries.retain(|entry| type_of(&entry.manager.api_version).is_some());
        for entry in entries.iter() {
            let version = &entry.manager.api_version;
            let is_known = *version == writing.manager.api_version || self.of(version).is_some();
            let Some(ty) = type_of(version).filter(|_| !is_known) else {
                continue;
            };
            for (which, object) in [("old", old), ("new", new)] {
                if let Some(problem) = check(ty, object) {
                    return Err(format!("failed to convert {which} object: {problem}"));
                }
            }
            let changes = Self::in_type(ty, writing.reset, old, new);
            self.others.push((version.clone(), changes));
        }
        Ok(())
    }

    fn in_type(ty: &StructType, reset: &FieldSet, old: &Value, new: &Value) -> Self {
        let comparison = compare(ty, old, new);
        let written = comparison.written().recursive_difference(reset);
        Self {
            own: without_system(&written),
            written,
            removed: comparison.removed.recursive_difference(reset),
            others: Vec::new(),
        }
    }

    /// In another version, where that is known.
    fn of(&self, version: &str) -> Option<&Self> {
        let mut others = self.others.iter();
        let found = others.find(|(known, _)| known == version);
        found.map(|(_, changes)| changes)
    }

    /// For the owner of something, where it can be said in the version in which that is owned.
    fn for_owner(&self, owner: &Manager, writer: &Manager) -> Option<&Self> {
        if owner.api_version == writer.api_version {
            return Some(self);
        }
        self.of(&owner.api_version)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }

    /// What was written of what an entry owns.
    pub(super) fn written_of(&self, entry: &Entry, writer: &Manager) -> FieldSet {
        match self.for_owner(&entry.manager, writer) {
            Some(changes) => entry.fields.intersection(&changes.written),
            None => FieldSet::default(),
        }
    }
}

/// The entries after a write: its manager owns what it changed, and nobody else does.
pub(crate) fn update(writing: &Writing<'_>, changes: &Changes, entries: Vec<Entry>) -> Vec<Entry> {
    let own = &changes.own;
    let mut left = relinquish(entries, writing.manager, changes);
    if !own.is_empty() {
        match left
            .iter_mut()
            .find(|entry| entry.manager == *writing.manager)
        {
            Some(entry) => {
                entry.fields.extend(own);
                writing.now.clone_into(&mut entry.time);
            }
            None => left.push(Entry {
                manager: writing.manager.clone(),
                time: writing.now.to_owned(),
                fields: own.clone(),
            }),
        }
    }
    capped(left)
}

/// Brings `managedFields` up to date after a write that leaves every field with its managers: mostly a writer changes what it
/// owns already. False, and nothing is done, for any other write. `list` is what [`super::encode`] has made.
pub(crate) fn keep(list: &mut Value, writing: &Writing<'_>, changes: &Changes) -> bool {
    let manager = writing.manager;
    #[cfg(debug_assertions)]
    let expected = super::decode(Some(list)).map(|entries| {
        let entries = update(writing, changes, entries);
        super::encode(&entries)
    });
    let Some(entries) = list.as_array_mut() else {
        return false;
    };
    if is_doubled(entries) {
        return false;
    }
    let system = changes.written.difference(&changes.own);
    let mut of_manager = None;
    for (at, entry) in entries.iter().enumerate() {
        if entry["apiVersion"] != *manager.api_version {
            if writing.versions.is_some() {
                return false;
            }
            continue;
        }
        let Some(fields) = entry["fieldsV1"].as_object() else {
            return false;
        };
        let (written, is_kept) = if manager.wrote(entry) {
            of_manager = Some(at);
            (&system, changes.own.is_within_v1(fields))
        } else {
            (&changes.written, true)
        };
        if !is_kept || written.overlaps_v1(fields) || changes.removed.overlaps_v1(fields) {
            return false;
        }
    }
    if !changes.own.is_empty() {
        let Some(at) = of_manager.filter(|_| entries.len() <= MOST_UPDATERS) else {
            return false;
        };
        set_time(&mut entries[at], writing.now);
        sort(entries);
    }
    #[cfg(debug_assertions)]
    debug_assert_eq!(Some(Some(&*list)), expected.as_ref().map(Option::as_ref));
    true
}

/// Takes away what others have written or removed. Entries in another version are left alone where fields have other names
/// there.
pub(super) fn relinquish(
    mut entries: Vec<Entry>,
    writer: &Manager,
    changes: &Changes,
) -> Vec<Entry> {
    for entry in &mut entries {
        let Some(changes) = changes.for_owner(&entry.manager, writer) else {
            continue;
        };
        for taken in [&changes.written, &changes.removed] {
            if entry.fields.overlaps(taken) {
                entry.fields = entry.fields.difference(taken);
            }
        }
    }
    entries.retain(|entry| !entry.fields.is_empty());
    entries
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
                ancient.fields.extend(&oldest.fields);
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
