//! A watch tells every version once, in order, and keeps what its bookmarks promise.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use super::{Rule, findings::Findings, object::Object};
use crate::history::{Numbered, Record, ResourceVersion, WatchEvent, WatchType};

/// One watch from where it was opened to where it ended or was opened again.
#[derive(Debug)]
struct Opening<'a> {
    /// Which one of its watch, from 0.
    number: usize,
    /// The version after which it begins, and the record that says so.
    after: ResourceVersion,
    opened: usize,
    /// The only object that it watches, where there is but one.
    uid: Option<&'a str>,
    /// The highest version of an event so far.
    last: Option<(ResourceVersion, usize)>,
    bookmark: Option<(ResourceVersion, usize)>,
    /// Of which object which versions, and the first event of each.
    told: HashMap<(&'a str, ResourceVersion), usize>,
}

pub(super) fn check(records: &[Numbered], objects: &[Object<'_>], findings: &mut Findings<'_>) {
    let watches = openings(records, findings);
    if watches.is_empty() {
        return;
    }
    // Every version that a watch has to tell, of which object it is, and the record that tells of it.
    let mut versions: Vec<(ResourceVersion, &str, usize)> = Vec::new();
    for object in objects {
        let all = object.versions.iter();
        versions.extend(all.map(|version| (version.rv, object.uid, version.evidence())));
    }
    versions.sort_unstable();
    let by_uid: HashMap<_, _> = objects.iter().map(|object| (object.uid, object)).collect();
    for opening in &watches {
        opening.complete(&versions, &by_uid, findings);
    }
}

/// Splits the events into openings and judges their order on the way.
fn openings<'a>(records: &'a [Numbered], findings: &mut Findings<'_>) -> Vec<Opening<'a>> {
    let mut open: BTreeMap<u32, Opening<'a>> = BTreeMap::new();
    let mut done = Vec::new();
    for (index, numbered) in records.iter().enumerate() {
        let Record::WatchEvent(event) = &numbered.record else {
            continue;
        };
        if event.kind == WatchType::Opened {
            let before = open.remove(&event.watch);
            let number = before.as_ref().map_or(0, |before| before.number + 1);
            done.extend(before);
            open.insert(event.watch, Opening::new(number, index, event, event.rv));
            continue;
        }
        // A watch that doesn't tell where it began promises nothing before its first event.
        let just_before = ResourceVersion(event.rv.0.saturating_sub(1));
        open.entry(event.watch)
            .or_insert_with(|| Opening::new(0, index, event, just_before))
            .tell(index, event, findings);
    }
    done.extend(open.into_values());
    done
}

impl<'a> Opening<'a> {
    fn new(number: usize, opened: usize, event: &'a WatchEvent, after: ResourceVersion) -> Self {
        let only = event.kind == WatchType::Opened;
        Self {
            number,
            after,
            opened,
            uid: event.uid.as_deref().filter(|_| only),
            last: None,
            bookmark: None,
            told: HashMap::new(),
        }
    }

    /// Judges the next event and remembers it.
    fn tell(&mut self, index: usize, event: &'a WatchEvent, findings: &mut Findings<'_>) {
        let rv = event.rv;
        let uid = event.uid.as_deref().or(self.uid).unwrap_or_default();
        findings.checked(Rule::WatchOrdered);
        if event.kind == WatchType::Bookmark {
            if let Some((last, before)) = self.last.max(self.bookmark)
                && rv < last
            {
                findings.violated(Rule::WatchOrdered, uid, [before, index], || {
                    format!("a bookmark of version {rv} came after version {last}")
                });
            }
            self.bookmark = self.bookmark.max(Some((rv, index)));
            return;
        }
        findings.checked(Rule::WatchUnique);
        let first = match self.told.entry((uid, rv)) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(new) => {
                new.insert(index);
                None
            }
        };
        let last = self.last;
        self.last = last.max(Some((rv, index)));
        let (rule, before, message) = if let Some(first) = first {
            (Rule::WatchUnique, first, "told again".to_owned())
        } else if let Some((bookmark, before)) = self.bookmark.filter(|(mark, _)| rv <= *mark) {
            let message = format!("told after a bookmark of version {bookmark}");
            (Rule::WatchBookmarkable, before, message)
        } else if let Some((last, before)) = last.filter(|(last, _)| rv < *last) {
            (
                Rule::WatchOrdered,
                before,
                format!("told after version {last}"),
            )
        } else if rv <= self.after {
            let rule = match self.number {
                0 => Rule::WatchOrdered,
                _ => Rule::WatchResumable,
            };
            let message = format!(
                "told by a watch that was opened after version {}",
                self.after
            );
            (rule, self.opened, message)
        } else {
            return;
        };
        findings.violated(rule, uid, [before, index], || {
            format!("version {rv} was {message}")
        });
    }

    /// Judges whether anything was left out, from where the watch was opened to the last that it has told.
    fn complete(
        &self,
        versions: &[(ResourceVersion, &str, usize)],
        objects: &HashMap<&str, &Object<'_>>,
        findings: &mut Findings<'_>,
    ) {
        findings.checked(match self.number {
            0 => Rule::WatchReliable,
            _ => Rule::WatchResumable,
        });
        if self.bookmark.is_some() {
            findings.checked(Rule::WatchBookmarkable);
        }
        let Some((end, by)) = self.last.max(self.bookmark) else {
            return;
        };
        let missing = match self.uid {
            None => {
                let from = versions.partition_point(|&(rv, ..)| rv <= self.after);
                let range = versions[from..].iter().copied();
                self.missing(range.take_while(|&(rv, ..)| rv <= end))
            }
            Some(uid) => objects.get(uid).and_then(|object| {
                let from = object
                    .versions
                    .partition_point(|version| version.rv <= self.after);
                let range = object.versions[from..].iter();
                let range = range.map(|version| (version.rv, object.uid, version.evidence()));
                self.missing(range.take_while(|&(rv, ..)| rv <= end))
            }),
        };
        let Some((rv, uid, evidence)) = missing else {
            return;
        };
        let first = self.told.keys().map(|&(_, rv)| rv).min();
        let (rule, shown) = if self.last.is_none_or(|(last, _)| last < rv) {
            (Rule::WatchBookmarkable, by)
        } else if self.number > 0 && first.is_some_and(|first| rv < first) {
            (Rule::WatchResumable, self.opened)
        } else {
            (Rule::WatchReliable, by)
        };
        // From where the watch was to tell, what it was to tell, and what it told instead.
        findings.violated(rule, uid, [self.opened, evidence, shown], || {
            format!(
                "a watch that was opened after version {} has told everything up to {end}, but not \
                 version {rv}",
                self.after
            )
        });
    }

    fn missing<'o>(
        &self,
        mut versions: impl Iterator<Item = (ResourceVersion, &'o str, usize)>,
    ) -> Option<(ResourceVersion, &'o str, usize)> {
        versions.find(|&(rv, uid, _)| !self.told.contains_key(&(uid, rv)))
    }
}
