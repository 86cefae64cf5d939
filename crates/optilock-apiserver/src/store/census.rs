//! How many keys there are between two, without a look at each of them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::state::Entries;

/// Stretches are halved when they have more keys than this. To count takes a look at the keys of two of them, and at as many stretches
/// as there are between: with a million keys, each a few microseconds.
const MOST: usize = 1024;

/// Keys in their order, cut into stretches whose numbers of keys are known. A write to a key that there is changes nothing.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// How many keys there are from each of these on to the next. The first is before all keys.
    stretches: BTreeMap<Arc<str>, usize>,
}

impl Census {
    /// Of all these.
    pub(super) fn of(entries: &Entries) -> Self {
        let mut stretches = BTreeMap::new();
        let mut keys = entries.keys().peekable();
        while let Some(&first) = keys.peek() {
            let bound = match stretches.is_empty() {
                true => Arc::from(""),
                false => Arc::clone(first),
            };
            stretches.insert(bound, keys.by_ref().take(MOST / 2).count());
        }
        Self { stretches }
    }

    /// Notes that a key has come, which is among the entries already.
    pub(super) fn add(&mut self, key: &str, entries: &Entries) {
        let Some((bound, count)) = self.stretch_of(key) else {
            self.stretches.insert(Arc::from(""), 1);
            return;
        };
        *count += 1;
        if *count <= MOST {
            return;
        }
        let upper = *count / 2;
        let lower = *count - upper;
        let mut keys = entries.range::<str, _>((Bound::Included(&*bound), Bound::Unbounded));
        if let Some((middle, _)) = keys.nth(lower) {
            *count = lower;
            self.stretches.insert(Arc::clone(middle), upper);
        }
    }

    /// Notes that a key has gone.
    pub(super) fn remove(&mut self, key: &str) {
        let Some((bound, count)) = self.stretch_of(key) else {
            return;
        };
        *count -= 1;
        // The first stays, so that every key has a stretch.
        if *count == 0 && !bound.is_empty() {
            self.stretches.remove(&bound);
        }
    }

    fn stretch_of(&mut self, key: &str) -> Option<(Arc<str>, &mut usize)> {
        let until = (Bound::Unbounded, Bound::Included(key));
        let (bound, count) = self.stretches.range_mut::<str, _>(until).next_back()?;
        Some((Arc::clone(bound), count))
    }

    /// How many keys there are from `start` to before `end`, or to the last one.
    pub(super) fn count(&self, entries: &Entries, start: &str, end: Option<&str>) -> usize {
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        if matches!(end, Bound::Excluded(end) if end <= start) {
            return 0;
        }
        let look = |from: &str, to: Bound<&str>| {
            let range = entries.range::<str, _>((Bound::Included(from), to));
            range.count()
        };
        let mut within = self
            .stretches
            .range::<str, _>((Bound::Included(start), end))
            .peekable();
        let Some(&(first, _)) = within.peek() else {
            return look(start, end);
        };
        let mut all = look(start, Bound::Excluded(first));
        while let Some((bound, count)) = within.next() {
            all += match within.peek() {
                Some(_) => *count,
                None => look(bound, end),
            };
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn key(number: u32) -> Arc<str> {
        format!("/k/{number:05}").into()
    }

    fn counted(entries: &Entries, start: &str, end: Option<&str>) -> usize {
        entries
            .keys()
            .filter(|key| &***key >= start && end.is_none_or(|end| &***key < end))
            .count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// What is counted is what is there, however it came: all at once, in order, in disorder, and after much has gone again.
        #[test]
        fn a_count_is_what_looking_at_each_finds(
            at_once in 0u32..4000,
            changes in prop::collection::vec((any::<bool>(), 0u32..9000, 1u32..3000), 0..12),
            looks in prop::collection::vec((0u32..10_000, prop::option::of(0u32..10_000)), 1..20),
        ) {
            let value = || (Bytes::new(), 1);
            let mut entries: Entries = (0..at_once).map(|n| (key(n * 2), value())).collect();
            let mut census = Census::of(&entries);
            for (comes, first, length) in changes {
                for number in first..first + length {
                    let key = key(number.wrapping_mul(7919) % 10_000);
                    if comes {
                        if entries.insert(Arc::clone(&key), value()).is_none() {
                            census.add(&key, &entries);
                        }
                    } else if entries.remove(&key).is_some() {
                        census.remove(&key);
                    }
                }
            }
            prop_assert!(census.stretches.values().all(|count| *count <= MOST));
            prop_assert_eq!(census.stretches.values().sum::<usize>(), entries.len());
            for (start, end) in looks {
                let (start, end) = (key(start), end.map(key));
                let found = census.count(&entries, &start, end.as_deref());
                prop_assert_eq!(found, counted(&entries, &start, end.as_deref()));
            }
            prop_assert_eq!(census.count(&entries, "", None), entries.len());
        }
    }
}
