//! How far the rows of the objects are behind the log, and which of the log is needed still.
//!
//! A commit is durable when the log tells of it. The rows of the objects follow, some at a time, so that an object that
//! changes often is seldom written to its row. The log is in stretches: the first change of a key in
//! each carries what the key held before, so that a stretch explains itself when those before it are gone.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::super::Event;

/// Changes in a stretch, at least.
const STRETCH: usize = 1024;

/// So many rows are brought up to date at a time: together they go cheaper, but writers wait meanwhile.
const PORTION: usize = 64;

/// What the thread that writes knows of the log.
#[derive(Debug)]
pub(super) struct Journal {
    /// Keys that were changed in the current stretch.
    recent: HashSet<Arc<str>>,
    /// Changes in the current stretch.
    length: usize,
    /// Keys that earlier stretches have changed and whose rows may not show it, last first.
    behind: Vec<Arc<str>>,
    /// Changes since rows were brought up to date.
    owed: usize,
    /// Where stretches begin whose predecessors are in the log.
    begins: VecDeque<u64>,
}

/// What is written beside a group of commits.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Of each commit, whether it carries what its key held before.
    pub(super) carries: Vec<bool>,
    /// The rows to bring up to date.
    pub(super) settle: Vec<Arc<str>>,
    /// The log before this revision is of no use any more.
    pub(super) forget_before: Option<u64>,
}

impl Journal {
    /// For a file whose log has changed these keys and goes on at a revision.
    pub(super) fn new(behind: Vec<Arc<str>>, next: u64) -> Self {
        Self {
            recent: HashSet::new(),
            length: 0,
            behind,
            owed: 0,
            begins: VecDeque::from([next]),
        }
    }

    /// The keys whose rows may not show what the log tells of them.
    pub(super) fn into_behind(self) -> Vec<Arc<str>> {
        self.behind
    }

    /// Takes note of a group, which is written next. Readers have forgotten what was changed up to `compacted`.
    pub(super) fn next(&mut self, group: &[Event], compacted: u64) -> Upkeep {
        if let Some(first) = group.first()
            && self.length >= STRETCH
            && self.behind.is_empty()
        {
            self.behind.extend(self.recent.drain());
            self.behind.sort_unstable_by(|one, other| other.cmp(one));
            self.length = 0;
            self.begins.push_back(first.revision);
        }
        let new = |event: &Event| self.recent.insert(Arc::clone(&event.key));
        let carries = group.iter().map(new).collect();
        self.length += group.len();
        self.owed += group.len();
        Upkeep {
            carries,
            settle: self.settle(),
            forget_before: self.forget(compacted),
        }
    }

    /// As many rows as there were changes, so that they don't fall further behind.
    fn settle(&mut self) -> Vec<Arc<str>> {
        if self.owed < PORTION {
            return Vec::new();
        }
        let rest = self.behind.len().saturating_sub(self.owed);
        self.owed = 0;
        let mut due = self.behind.split_off(rest);
        // What the current stretch tells of is due when that is over.
        due.retain(|key| !self.recent.contains(key));
        due
    }

    fn forget(&mut self, compacted: u64) -> Option<u64> {
        if !self.behind.is_empty() {
            return None;
        }
        let forgotten = self.begins.partition_point(|begin| *begin <= compacted + 1);
        self.begins.drain(..forgotten).next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Previous;
    use bytes::Bytes;

    fn change(revision: u64, key: &str, replaced: u64) -> Event {
        Event {
            revision,
            key: key.into(),
            value: Some(Bytes::new()),
            previous: (replaced != 0).then(|| Previous {
                value: Bytes::new(),
                revision: replaced,
            }),
        }
    }

    /// An object that always changes is never written to its row, and the log of it goes all the same.
    #[test]
    fn a_hot_key_costs_no_rows() {
        let mut journal = Journal::new(Vec::new(), 2);
        let mut forgotten = Vec::new();
        for revision in 2..10_000 {
            let upkeep = journal.next(&[change(revision, "/a", revision - 1)], revision - 1);
            assert!(upkeep.settle.is_empty());
            forgotten.extend(upkeep.forget_before.map(|before| (revision, before)));
            // Once a stretch it carries what was before.
            let begins = (revision - 2).is_multiple_of(STRETCH as u64);
            assert_eq!(upkeep.carries, [begins], "{revision}");
        }
        assert!(forgotten.len() > 8, "{forgotten:?}");
        for (now, before) in forgotten {
            assert!(now - before <= PORTION as u64, "{before} at {now}");
        }
    }

    /// What the log forgets was written to its row after it was changed last, or is told of later in the log.
    #[test]
    fn nothing_is_forgotten_that_has_no_row() {
        let mut journal = Journal::new(vec!["/old".into()], 2);
        let mut last = std::collections::HashMap::from([(Arc::<str>::from("/old"), 1)]);
        let mut row = std::collections::HashMap::new();
        let mut revision = 1;
        for round in 0..2000_u64 {
            let group: Vec<_> = (0..=round % 7)
                .map(|at| {
                    revision += 1;
                    let key = (revision * revision * 31 + at) % 3000;
                    change(revision, &format!("/{key}/{at}"), 0)
                })
                .collect();
            let upkeep = journal.next(&group, revision.saturating_sub(500));
            for key in upkeep.settle {
                row.insert(Arc::clone(&key), last[&key]);
            }
            for event in &group {
                last.insert(Arc::clone(&event.key), event.revision);
            }
            if let Some(before) = upkeep.forget_before {
                assert!(before <= revision - 500 + 1);
                for (key, changed) in &last {
                    if *changed < before {
                        assert_eq!(row.get(key), Some(changed), "{key} is lost at {revision}");
                    }
                }
            }
        }
        assert!(row.len() > 1000, "{}", row.len());
    }
}
