//! The store that lives and dies with the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::RwLock;

use super::log::EventLog;
use super::{
    CommitError, Cursor, Entry, Event, Expected, Page, Previous, Range, ReadError, Retention, Store,
};

/// A store in memory.
///
/// The tree holds the present only. A read of the past undoes the changes that the event log has kept since
/// then, which costs what happened in between: pages of a list are read moments after
/// their first, and a persistent tree would make every write dearer for them.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    tree: RwLock<Tree>,
    log: Arc<EventLog>,
}

#[derive(Debug)]
struct Tree {
    entries: BTreeMap<Arc<str>, (Bytes, u64)>,
    revision: u64,
}

impl MemoryStore {
    /// An empty store at revision 1, as etcd begins.
    pub(crate) fn new(retention: Retention) -> Self {
        Self {
            tree: RwLock::new(Tree {
                entries: BTreeMap::new(),
                revision: 1,
            }),
            log: Arc::new(EventLog::new(1, retention)),
        }
    }
}

impl Tree {
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
        prefix: &'a str,
        start: &str,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a (Bytes, u64))> {
        self.entries
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, ReadError> {
        Ok(self.tree.read().entry(key))
    }

    async fn range(&self, range: Range<'_>) -> Result<Page, ReadError> {
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

        let mut entries = Vec::new();
        let mut remaining = 0;
        let mut take = |key: &Arc<str>, value: &Bytes, revision: u64| {
            if entries.len() < limit {
                entries.push(Entry {
                    key: Arc::clone(key),
                    value: value.clone(),
                    revision,
                });
            } else {
                remaining += 1;
            }
        };

        let undone = if at < tree.revision {
            self.log.since(at)?
        } else {
            Vec::new()
        };
        if undone.is_empty() {
            for (key, (value, revision)) in tree.scan(range.prefix, start) {
                take(key, value, *revision);
            }
        } else {
            let mut past: BTreeMap<&Arc<str>, (&Bytes, u64)> = tree
                .scan(range.prefix, start)
                .map(|(key, (value, revision))| (key, (value, *revision)))
                .collect();
            let in_range =
                |event: &&Arc<Event>| event.key.starts_with(range.prefix) && &*event.key >= start;
            for event in undone.iter().rev().filter(in_range) {
                match &event.previous {
                    Some(previous) => {
                        past.insert(&event.key, (&previous.value, previous.revision));
                    }
                    None => {
                        past.remove(&event.key);
                    }
                }
            }
            for (key, (value, revision)) in past {
                take(key, value, revision);
            }
        }
        Ok(Page {
            entries,
            revision: at,
            remaining,
        })
    }

    async fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError> {
        let mut tree = self.tree.write();
        let current = tree.entry(key);
        let matches = match (&current, expected) {
            (None, Expected::Absent) => true,
            (Some(entry), Expected::Revision(revision)) => entry.revision == revision,
            _ => false,
        };
        if !matches {
            return Err(CommitError::Mismatch(current));
        }
        let revision = tree.revision + 1;
        tree.revision = revision;
        let (key, previous) = match current {
            Some(entry) => (
                entry.key,
                Some(Previous {
                    value: entry.value,
                    revision: entry.revision,
                }),
            ),
            None => (Arc::from(key), None),
        };
        match &value {
            Some(value) => {
                tree.entries
                    .insert(Arc::clone(&key), (value.clone(), revision));
            }
            None => {
                tree.entries.remove(&key);
            }
        }
        // Published under the lock: the log has the order of the revisions.
        self.log.publish(Event {
            revision,
            key,
            value,
            previous,
        });
        Ok(revision)
    }

    fn revision(&self) -> u64 {
        self.tree.read().revision
    }

    fn watch(&self, prefix: &str, after: u64) -> Result<Cursor, ReadError> {
        Cursor::new(Arc::clone(&self.log), prefix, after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn store() -> MemoryStore {
        MemoryStore::new(Retention::default())
    }

    async fn put(store: &MemoryStore, key: &str, value: &'static str) -> u64 {
        let expected = match store.get(key).await.unwrap() {
            Some(entry) => Expected::Revision(entry.revision),
            None => Expected::Absent,
        };
        store
            .commit(key, expected, Some(Bytes::from_static(value.as_bytes())))
            .await
            .unwrap()
    }

    fn pairs(page: &Page) -> Vec<(&str, &[u8])> {
        page.entries
            .iter()
            .map(|e| (&*e.key, &e.value[..]))
            .collect()
    }

    #[tokio::test]
    async fn a_stale_commit_is_refused_and_shows_what_is_there() {
        let store = store();
        let first = put(&store, "/a", "1").await;
        let second = put(&store, "/a", "2").await;
        assert!(second > first);
        let refused = store
            .commit(
                "/a",
                Expected::Revision(first),
                Some(Bytes::from_static(b"x")),
            )
            .await;
        let Err(CommitError::Mismatch(Some(current))) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((current.revision, &current.value[..]), (second, &b"2"[..]));
        assert!(store.commit("/a", Expected::Absent, None).await.is_err());
        assert_eq!(store.revision(), second);
    }

    #[tokio::test]
    async fn the_past_is_read_by_undoing() {
        let store = store();
        put(&store, "/p/a", "a1").await;
        let then = put(&store, "/p/b", "b1").await;
        put(&store, "/p/a", "a2").await;
        put(&store, "/p/c", "c1").await;
        let b = store.get("/p/b").await.unwrap().unwrap();
        store
            .commit("/p/b", Expected::Revision(b.revision), None)
            .await
            .unwrap();
        put(&store, "/q/z", "z1").await;

        let range = |at| Range {
            prefix: "/p/",
            start: None,
            limit: 0,
            at,
        };
        let past = store.range(range(Some(then))).await.unwrap();
        assert_eq!(pairs(&past), [("/p/a", &b"a1"[..]), ("/p/b", b"b1")]);
        let present = store.range(range(None)).await.unwrap();
        assert_eq!(pairs(&present), [("/p/a", &b"a2"[..]), ("/p/c", b"c1")]);
        let future = store.range(range(Some(1000))).await;
        assert!(matches!(future, Err(ReadError::Future { asked: 1000, .. })));
    }

    #[tokio::test]
    async fn pages_continue_where_the_last_one_ended() {
        let store = store();
        for key in ["/p/a", "/p/b", "/p/c", "/pa"] {
            put(&store, key, "x").await;
        }
        let mut range = Range {
            prefix: "/p/",
            start: None,
            limit: 2,
            at: None,
        };
        let first = store.range(range.clone()).await.unwrap();
        assert_eq!((first.entries.len(), first.remaining), (2, 1));
        range.start = Some("/p/b\0");
        range.at = Some(first.revision);
        let second = store.range(range).await.unwrap();
        assert_eq!(pairs(&second), [("/p/c", &b"x"[..])]);
        assert_eq!(second.remaining, 0);
    }

    #[tokio::test]
    async fn a_cursor_sees_its_keys_in_order_and_wakes_up() {
        let store = Arc::new(store());
        let start = put(&store, "/p/a", "1").await;
        put(&store, "/q/a", "1").await;
        put(&store, "/p/a", "2").await;
        let mut cursor = store.watch("/p/", start).unwrap();
        let events = cursor.next().await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].value.as_deref(), Some(&b"2"[..]));
        assert_eq!(events[0].previous.as_ref().unwrap().revision, start);

        let waiting = tokio::spawn(async move { cursor.next().await.unwrap()[0].revision });
        put(&store, "/q/a", "2").await;
        let wanted = put(&store, "/p/b", "1").await;
        assert_eq!(waiting.await.unwrap(), wanted);
    }

    #[tokio::test]
    async fn a_cursor_that_fell_behind_is_told() {
        let store = MemoryStore::new(Retention {
            age: Duration::from_secs(300),
            events: 2,
        });
        let start = put(&store, "/p/a", "0").await;
        let mut cursor = store.watch("/p/", start).unwrap();
        for value in ["1", "2", "3"] {
            put(&store, "/p/a", value).await;
        }
        assert!(matches!(
            cursor.next().await,
            Err(ReadError::Compacted { .. })
        ));
        assert!(matches!(
            store.watch("/p/", start),
            Err(ReadError::Compacted { .. })
        ));
        assert!(store.watch("/p/", store.revision()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn old_history_is_dropped() {
        let store = store();
        let start = put(&store, "/p/a", "0").await;
        put(&store, "/p/a", "1").await;
        tokio::time::advance(Duration::from_secs(301)).await;
        put(&store, "/p/a", "2").await;
        assert!(matches!(
            store.watch("/p/", start),
            Err(ReadError::Compacted { .. })
        ));
    }
}
