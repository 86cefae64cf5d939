//! One object of a history: its operations, and the versions that they tell of.

use std::collections::HashMap;

use crate::history::{Numbered, Operation, Outcome, Record, ResourceVersion, Verb, WatchEvent};

/// Everything that a history says of one uid.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) uid: &'a str,
    /// In the order of the history, each with the index of its record.
    pub(super) operations: Vec<(usize, &'a Operation)>,
    pub(super) events: Vec<(usize, &'a WatchEvent)>,
    /// By version, each once.
    pub(super) versions: Vec<Version<'a>>,
}

/// A version of which a history tells.
#[derive(Debug)]
pub(super) struct Version<'a> {
    pub(super) rv: ResourceVersion,
    /// The acknowledged writes that made it; one, if all is well.
    pub(super) writers: Vec<(usize, &'a Operation)>,
    /// The updates that made it by what a watch says, where it says so.
    pub(super) op_ids: Option<(usize, &'a [std::sync::Arc<str>])>,
    /// The counter, and the record that says so.
    pub(super) value: Option<(usize, i64)>,
    /// Records that tell of another value.
    pub(super) contradictions: Vec<(usize, i64)>,
    /// The first record that tells of it.
    pub(super) seen: usize,
}

impl<'a> Version<'a> {
    pub(super) fn writer(&self) -> Option<(usize, &'a Operation)> {
        self.writers.first().copied()
    }

    /// The record that shows best where it comes from.
    pub(super) fn evidence(&self) -> usize {
        self.writer().map_or(self.seen, |(index, _)| index)
    }

    /// A write that was sent without a base and has changed nothing is answered with the version that is there. It didn't
    /// make it, if somebody else has.
    fn forget_idle_writers(&mut self) {
        if self.writers.len() < 2 {
            return;
        }
        let is_sure = |op: &Operation| op.base.is_some() || op.verb == Verb::Create;
        match self.writers.iter().any(|(_, op)| is_sure(op)) {
            true => self.writers.retain(|(_, op)| is_sure(op)),
            false => self.writers.truncate(1),
        }
    }

    fn tell(&mut self, index: usize, value: Option<i64>) {
        match (self.value, value) {
            (None, Some(value)) => self.value = Some((index, value)),
            (Some((_, known)), Some(value)) if known != value => {
                self.contradictions.push((index, value));
            }
            _ => {}
        }
    }
}

/// What a record says of a version.
#[derive(Debug, Clone, Copy)]
enum Told<'a> {
    Made(&'a Operation),
    Event(&'a WatchEvent),
    Seen(Option<i64>),
}

impl<'a> Object<'a> {
    /// The objects of a history, in the order in which they appear.
    pub(super) fn all(records: &'a [Numbered]) -> Vec<Self> {
        let mut objects: Vec<Self> = Vec::new();
        let mut by_uid: HashMap<&str, usize> = HashMap::new();
        for (index, numbered) in records.iter().enumerate() {
            let uid = match &numbered.record {
                Record::Operation(operation) => operation.uid.as_deref(),
                Record::WatchEvent(event) if event.is_object() => event.uid.as_deref(),
                Record::WatchEvent(_) => None,
            };
            let Some(uid) = uid else { continue };
            let at = *by_uid.entry(uid).or_insert_with(|| {
                objects.push(Self {
                    uid,
                    operations: Vec::new(),
                    events: Vec::new(),
                    versions: Vec::new(),
                });
                objects.len() - 1
            });
            match &numbered.record {
                Record::Operation(operation) => objects[at].operations.push((index, operation)),
                Record::WatchEvent(event) => objects[at].events.push((index, event)),
            }
        }
        for object in &mut objects {
            object.versions = object.find_versions();
        }
        objects
    }

    fn find_versions(&self) -> Vec<Version<'a>> {
        let mut told: Vec<(ResourceVersion, usize, Told<'a>)> = Vec::new();
        for &(index, operation) in &self.operations {
            if operation.outcome != Outcome::Applied {
                continue;
            }
            if let Some(rv) = operation.made() {
                told.push((rv, index, Told::Made(operation)));
                told.extend(operation.base.map(|base| (base, index, Told::Seen(None))));
            } else if let Some(rv) = operation.rv {
                told.push((rv, index, Told::Seen(operation.value)));
            }
        }
        for &(index, event) in &self.events {
            told.push((event.rv, index, Told::Event(event)));
        }
        told.sort_unstable_by_key(|&(rv, index, _)| (rv, index));

        let mut versions: Vec<Version<'a>> = Vec::new();
        for (rv, index, told) in told {
            if versions.last().is_none_or(|last| last.rv != rv) {
                versions.push(Version {
                    rv,
                    writers: Vec::new(),
                    op_ids: None,
                    value: None,
                    contradictions: Vec::new(),
                    seen: index,
                });
            }
            let Some(version) = versions.last_mut() else {
                continue;
            };
            match told {
                Told::Made(operation) => {
                    version.writers.push((index, operation));
                    version.tell(index, operation.value);
                }
                Told::Event(event) => {
                    if let Some(op_ids) = &event.op_ids {
                        version.op_ids.get_or_insert((index, op_ids));
                    }
                    version.tell(index, event.value);
                }
                Told::Seen(value) => version.tell(index, value),
            }
        }
        for version in &mut versions {
            version.forget_idle_writers();
        }
        versions
    }

    /// Where a version is, or would be, among the versions.
    pub(super) fn position(&self, rv: ResourceVersion) -> Result<usize, usize> {
        self.versions
            .binary_search_by_key(&rv, |version| version.rv)
    }

    pub(super) fn version(&self, rv: ResourceVersion) -> Option<&Version<'a>> {
        self.position(rv).ok().map(|at| &self.versions[at])
    }
}
