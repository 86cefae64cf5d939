//! What is in the tables of a file, read into memory.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use redb::{
    AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, StorageError,
};

use super::super::state::Entries;
use super::super::{Event, Previous};
use super::error::FileError;
use super::file::{LOG, META, OBJECTS, is_copy, now, revision};

type Objects = ReadOnlyTable<&'static str, (u64, &'static [u8])>;
type Row<'a> = (
    AccessGuard<'a, &'static str>,
    AccessGuard<'a, (u64, &'static [u8])>,
);
type Held = (Arc<str>, (Bytes, u64));

/// All that a file holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) entries: Entries,
    pub(super) revision: u64,
    /// What the log tells, oldest first, and how long ago it was.
    pub(super) history: Vec<(Event, Duration)>,
    /// Keys that the log tells of.
    pub(super) logged: Vec<Arc<str>>,
    /// The file is a copy that no server has used.
    pub(super) copy: bool,
}

/// Why contents are not there.
#[derive(Debug)]
pub(super) enum Unread {
    /// The file can't be read.
    File(FileError),
    /// What was read makes no sense.
    Damaged(&'static str),
}

impl<E: Into<FileError>> From<E> for Unread {
    fn from(error: E) -> Self {
        Self::File(error.into())
    }
}

impl Contents {
    /// Reads everything. Two threads `together` take the objects from both ends, so that neither waits for the other.
    pub(super) fn read(transaction: &ReadTransaction, together: bool) -> Result<Self, Unread> {
        let (mut revision, copy) = {
            let meta = transaction.open_table(META)?;
            (revision(&meta)?, is_copy(&meta)?)
        };
        let objects = transaction.open_table(OBJECTS)?;
        let mut entries = match together {
            true => from_both_ends(&objects)?,
            false => objects
                .iter()?
                .map(|row| row.map(held))
                .collect::<Result<_, _>>()?,
        };

        let now = now();
        let mut newest: HashMap<Arc<str>, Option<Bytes>> = HashMap::new();
        let mut history = Vec::new();
        for row in transaction.open_table(LOG)?.iter()? {
            let (first, group) = row?;
            let (time, changes) = group.value();
            let age = Duration::from_millis(now.saturating_sub(time));
            for (at, (key, value, replaced, carried)) in (first.value()..).zip(changes) {
                let (key, present) = match entries.get_key_value(key) {
                    Some((key, held)) => (Arc::clone(key), Some(held)),
                    None => (Arc::from(key), None),
                };
                let behind = present.is_none_or(|(_, held)| *held < at);
                let value = match present {
                    // The object is what this change made of it.
                    Some((held, revision)) if *revision == at => Some(held.clone()),
                    _ => value.map(Bytes::copy_from_slice),
                };
                let before = newest.insert(Arc::clone(&key), value.clone()).flatten();
                let previous = match (replaced, carried.map(Bytes::copy_from_slice).or(before)) {
                    (0, _) => None,
                    (revision, Some(value)) => Some(Previous { value, revision }),
                    (_, None) => return Err(Unread::Damaged("its log has a gap")),
                };
                match value.clone() {
                    Some(value) if behind => {
                        entries.insert(Arc::clone(&key), (value, at));
                    }
                    None if behind => {
                        entries.remove(&key);
                    }
                    _ => {}
                }
                let event = Event {
                    revision: at,
                    key,
                    value,
                    previous,
                };
                history.push((event, age));
                revision = at;
            }
        }
        Ok(Self {
            entries,
            revision,
            history,
            logged: newest.into_keys().collect(),
            copy,
        })
    }
}

/// All objects, read by two threads that meet somewhere.
fn from_both_ends(objects: &Objects) -> Result<Entries, Unread> {
    let left = AtomicU64::new(objects.len()?);
    let taken = || {
        let less = |left: u64| left.checked_sub(1);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    };
    thread::scope(|scope| {
        let last = thread::Builder::new()
            .name("optilock-load".to_owned())
            .spawn_scoped(scope, || -> Result<Vec<Held>, StorageError> {
                let rows = objects.iter()?.rev();
                rows.take_while(|_| taken())
                    .map(|row| row.map(held))
                    .collect()
            });
        let mut first = Vec::new();
        // Where the other one has stopped.
        let mut meeting = None;
        for row in objects.iter()? {
            let row = held(row?);
            if !taken() {
                meeting = Some(row.0);
                break;
            }
            first.push(row);
        }
        // Without a thread all were left to this one.
        let last = last.map_or_else(|_| Ok(Ok(Vec::new())), |last| last.join());
        let last = last.unwrap_or_else(|panic| resume_unwind(panic))?;
        if meeting.as_ref() != last.last().map(|(key, _)| key) {
            return Err(Unread::Damaged("it has not as many objects as it says"));
        }
        // From a sorted list, the map is built in one go.
        Ok(first.into_iter().chain(last.into_iter().rev()).collect())
    })
}

/// An object as it is in memory.
fn held((key, held): Row<'_>) -> Held {
    let (revision, value) = held.value();
    let value = Bytes::copy_from_slice(value);
    (Arc::from(key.value()), (value, revision))
}
