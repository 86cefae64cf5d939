//! The present of a store and its recent past, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
#[cfg(feature = "etcd")]
use tokio::sync::watch;

use super::census::Census;
use super::log::EventLog;
use super::{
    CommitError, Cursor, Entry, Event, Expected, Page, Previous, Range, ReadError, Retention,
};

/// What is read of a store: all that it holds, and its event log.
///
/// The tree holds the present only. A read of the past undoes the changes that the event log has kept since
/// then, which costs what happened in between: pages of a list are read moments after
/// their first, and a persistent tree would make every write dearer for them.
#[derive(Debug)]
pub(super) struct State {
    tree: RwLock<Tree>,
    log: Arc<EventLog>,
}

#[derive(Debug)]
struct Tree {
    entries: Entries,
    census: Census,
    revision: u64,
}

/// A change that is not this program's own, or is on its way back to it.
#[cfg(feature = "etcd")]
#[derive(Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) key: Arc<str>,
    /// `None` for a deletion.
    pub(super) value: Option<Bytes>,
}

/// All keys with their values, and the revisions of their last changes.
pub(super) type Entries = BTreeMap<Arc<str>, (Bytes, u64)>;

/// The revision of a store in which nothing was ever written, as in etcd.
pub(super) const FIRST_REVISION: u64 = 1;

impl State {
    /// Nothing.
    pub(super) fn empty(retention: Retention) -> Self {
        Self::new(
            Entries::new(),
            FIRST_REVISION,
            EventLog::new(FIRST_REVISION, retention),
        )
    }

    /// What is there at a revision, and how it came to be.
    pub(super) fn new(entries: Entries, revision: u64, log: EventLog) -> Self {
        Self {
            tree: RwLock::new(Tree::new(entries, revision)),
            log: Arc::new(log),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Entry> {
        self.tree.read().entry(key)
    }

    pub(super) fn revision(&self) -> u64 {
        self.tree.read().revision
    }

    pub(super) fn watch(&self, prefix: &str, after: u64) -> Result<Cursor, ReadError> {
        Cursor::new(Arc::clone(&self.log), prefix, after)
    }

    /// Writes a key if it is in the expected state, at the next revision.
    pub(super) fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError> {
        let mut tree = self.tree.write();
        let revision = tree.revision + 1;
        let event = tree.change(key, expected, value, revision)?;
        tree.apply(&event);
        // Published under the lock: the log has the order of the revisions.
        self.log.publish([event]);
        Ok(revision)
    }

    /// The change that a commit would be at a revision, if the key is in the expected state. Nothing is changed.
    #[cfg(feature = "redb")]
    pub(super) fn plan(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
        revision: u64,
    ) -> Result<Event, CommitError> {
        self.tree.read().change(key, expected, value, revision)
    }

    /// Makes planned changes visible, all at once. Callers do so in order of revision.
    #[cfg(feature = "redb")]
    pub(super) fn apply(&self, events: Vec<Event>) {
        let mut tree = self.tree.write();
        for event in &events {
            tree.apply(event);
        }
        self.log.publish(events);
    }

    /// Makes changes visible that were made elsewhere, in order of revision, and everything up to `revision`: there are no
    /// others before it. What is known already is passed over.
    #[cfg(feature = "etcd")]
    pub(super) fn learn(&self, changes: impl IntoIterator<Item = Change>, revision: u64) {
        let mut tree = self.tree.write();
        let known = tree.revision;
        let mut events = Vec::new();
        for change in changes {
            if change.revision <= known {
                continue;
            }
            let Change {
                revision,
                key,
                value,
            } = change;
            let current = tree.entry(&key);
            let event = event(current, || key, value, revision);
            if event.value.is_some() || event.previous.is_some() {
                tree.apply(&event);
                events.push(event);
            }
        }
        tree.revision = known.max(revision);
        self.log.publish_up_to(events, tree.revision);
    }

    /// Takes the last changes back, if this is what they have made. Nobody may have read it.
    #[cfg(feature = "redb")]
    pub(super) fn undo(&self, changes: &[Event]) -> bool {
        let mut tree = self.tree.write();
        changes.iter().rev().all(|event| {
            let held = tree.entries.get(&event.key);
            let made = event.value.as_ref().map(|value| (value, event.revision));
            let is_it = held.map(|(value, revision)| (value, *revision)) == made;
            let before = event.previous.as_ref();
            let before = before.map(|before| (before.value.clone(), before.revision));
            tree.set(&event.key, before);
            tree.revision = event.revision - 1;
            is_it
        })
    }

    /// Whether both hold the same, at the same revision.
    #[cfg(feature = "redb")]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let (one, other) = (self.tree.read(), other.tree.read());
        one.revision == other.revision && one.entries == other.entries
    }

    /// The changes that readers can still ask for, newest last.
    #[cfg(feature = "redb")]
    pub(super) fn history(&self) -> Vec<Arc<Event>> {
        self.log.all()
    }

    /// How much all of it is: keys and values, those of the changes that readers can still ask for too.
    #[cfg(feature = "redb")]
    pub(super) fn bytes(&self) -> u64 {
        let tree = self.tree.read();
        let entries = tree.entries.iter();
        let present: usize = entries
            .map(|(key, (value, _))| key.len() + value.len())
            .sum();
        let change = |event: &Arc<Event>| {
            let value = event.value.as_ref().map_or(0, Bytes::len);
            let previous = event.previous.as_ref();
            event.key.len() + value + previous.map_or(0, |previous| previous.value.len())
        };
        let past: usize = self.log.all().iter().map(change).sum();
        (present + past) as u64
    }

    /// Puts another state in the place of this one. What happened in between is not known: cursors from before are of no
    /// use any more.
    #[cfg(feature = "etcd")]
    pub(super) fn replace(&self, entries: Entries, revision: u64) {
        let mut tree = self.tree.write();
        *tree = Tree::new(entries, revision);
        self.log.restart(revision);
    }

    /// The newest revision, as it grows.
    #[cfg(feature = "etcd")]
    pub(super) fn heads(&self) -> watch::Receiver<u64> {
        self.log.heads()
    }

    /// Changes up to and including this revision are forgotten.
    #[cfg(any(feature = "redb", feature = "etcd"))]
    pub(super) fn compacted(&self) -> u64 {
        self.log.compacted()
    }

    pub(super) fn range(&self, range: &Range<'_>) -> Result<Page, ReadError> {
        let tree = self.tree.read();
        let at = range.at.unwrap_or(tree.revision);
        if at > tree.revision {
            return Err(ReadError::Future {
                asked: at,
                current: tree.revision,
            });
        }
        let start = range.start.unwrap_or(range.prefix).max(range.prefix);
        let limit = match range.limit {
            0 => usize::MAX,
            limit => limit,
        };

        let undone = if at < tree.revision {
            self.log.since(at)?
        } else {
            Vec::new()
        };
        // What keys held then that were changed since: the last one to say so is the oldest change.
        let mut past: BTreeMap<&Arc<str>, Option<&Previous>> = BTreeMap::new();
        for event in undone.iter().rev() {
            if event.key.starts_with(range.prefix) && &*event.key >= start {
                past.insert(&event.key, event.previous.as_ref());
            }
        }

        let mut entries = Vec::new();
        let end = end_of(range.prefix);
        let mut present = tree.scan(start, end.as_deref()).peekable();
        let mut past = past.into_iter().peekable();
        while entries.len() < limit {
            let from_past = match (present.peek(), past.peek()) {
                (None, None) => break,
                (Some((present, _)), Some((past, _))) => past <= present,
                (None, Some(_)) => true,
                (Some(_), None) => false,
            };
            let found = match from_past {
                true => past.next().and_then(|(key, held)| {
                    present.next_if(|(present, _)| *present == key);
                    held.map(|held| (key, &held.value, held.revision))
                }),
                false => present
                    .next()
                    .map(|(key, (value, revision))| (key, value, *revision)),
            };
            if let Some((key, value, revision)) = found {
                entries.push(Entry {
                    key: Arc::clone(key),
                    value: value.clone(),
                    revision,
                });
            }
        }
        // The rest is not looked at: there may be a million, and a page is to be quick.
        let mut remaining = present.next().map_or(0, |(next, _)| {
            tree.census.count(&tree.entries, next, end.as_deref())
        });
        for (key, held) in past {
            match (held.is_some(), tree.entries.contains_key(key)) {
                (true, false) => remaining += 1,
                (false, true) => remaining -= 1,
                _ => {}
            }
        }
        Ok(Page {
            entries,
            revision: at,
            remaining,
        })
    }
}

impl Tree {
    fn new(entries: Entries, revision: u64) -> Self {
        let census = Census::of(&entries);
        Self {
            entries,
            census,
            revision,
        }
    }

    fn entry(&self, key: &str) -> Option<Entry> {
        self.entries
            .get_key_value(key)
            .map(|(key, (value, revision))| Entry {
                key: Arc::clone(key),
                value: value.clone(),
                revision: *revision,
            })
    }

    fn scan<'a>(
        &'a self,
        start: &str,
        end: Option<&str>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a (Bytes, u64))> {
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        // A page may begin behind everything.
        let empty = matches!(end, Bound::Excluded(end) if end <= start);
        let range = (!empty).then(|| self.entries.range::<str, _>((Bound::Included(start), end)));
        range.into_iter().flatten()
    }

    fn change(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
        revision: u64,
    ) -> Result<Event, CommitError> {
        let current = self.entry(key);
        let matches = match (&current, expected) {
            (None, Expected::Absent) => true,
            (Some(entry), Expected::Revision(revision)) => entry.revision == revision,
            _ => false,
        };
        if !matches {
            return Err(CommitError::Mismatch(current));
        }
        Ok(event(current, || Arc::from(key), value, revision))
    }

    fn apply(&mut self, event: &Event) {
        self.revision = event.revision;
        let held = event.value.clone().map(|value| (value, event.revision));
        self.set(&event.key, held);
    }

    /// Lets a key have this value and revision, or nothing.
    fn set(&mut self, key: &Arc<str>, held: Option<(Bytes, u64)>) {
        match held {
            Some(held) => {
                if self.entries.insert(Arc::clone(key), held).is_none() {
                    self.census.add(key, &self.entries);
                }
            }
            None => {
                if self.entries.remove(key).is_some() {
                    self.census.remove(key);
                }
            }
        }
    }
}

/// The first text behind all that begin with a prefix; `None` where there is none.
fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The range passes over what is no character.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// A change of a key that holds `current`, whose name is then shared with it.
fn event(
    current: Option<Entry>,
    name: impl FnOnce() -> Arc<str>,
    value: Option<Bytes>,
    revision: u64,
) -> Event {
    let (key, previous) = match current {
        Some(entry) => {
            let previous = Previous {
                value: entry.value,
                revision: entry.revision,
            };
            (entry.key, Some(previous))
        }
        None => (name(), None),
    };
    Event {
        revision,
        key,
        value,
        previous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many keys that they are counted by stretches: what comes and goes is seen in how many are behind a page.
    #[test]
    fn what_is_behind_a_page_is_counted() {
        const MANY: usize = 3000;
        let state = State::empty(Retention::default());
        let key = |number: usize| format!("/{number:05}");
        let value = || Some(Bytes::from_static(b"1"));
        let mut revisions = Vec::new();
        for number in 0..MANY {
            let made = state.commit(&key(number), Expected::Absent, value());
            revisions.push(made.unwrap());
        }
        let behind_the_first = || {
            let range = Range {
                limit: 1,
                ..Range::all("/")
            };
            state.range(&range).unwrap().remaining
        };
        assert_eq!(behind_the_first(), MANY - 1);
        for number in (0..MANY).filter(|number| number % 3 != 0) {
            let expected = Expected::Revision(revisions[number]);
            state.commit(&key(number), expected, None).unwrap();
        }
        assert_eq!(behind_the_first(), MANY / 3 - 1);
    }
}
