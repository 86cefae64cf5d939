//! The store that lives and dies with the process.

use async_trait::async_trait;
use bytes::Bytes;

use super::state::State;
use super::{CommitError, Cursor, Entry, Expected, Page, Range, ReadError, Retention, Store};

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore(State);

impl MemoryStore {
    /// An empty store at revision 1, as etcd begins.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        Self(State::empty(retention))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, ReadError> {
        Ok(self.0.get(key))
    }

    async fn range(&self, range: Range<'_>) -> Result<Page, ReadError> {
        self.0.range(&range)
    }

    async fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError> {
        self.0.commit(key, expected, value)
    }

    fn revision(&self) -> u64 {
        self.0.revision()
    }

    fn watch(&self, prefix: &str, after: u64) -> Result<Cursor, ReadError> {
        self.0.watch(prefix, after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
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
            at,
            ..Range::all("/p/")
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
            limit: 2,
            ..Range::all("/p/")
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

    /// Who reads a change the moment that it is there has not come too far.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cursor_that_keeps_up_is_not_refused() {
        const CHANGES: u64 = 100_000;
        let store = Arc::new(store());
        let mut cursor = store.watch("/p/", store.revision()).unwrap();
        let last = store.revision() + CHANGES;
        let writer = tokio::spawn(async move {
            for _ in 0..CHANGES {
                put(&store, "/p/a", "1").await;
                tokio::task::yield_now().await;
            }
        });
        while cursor.position() < last {
            cursor.next().await.unwrap();
        }
        writer.await.unwrap();
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
