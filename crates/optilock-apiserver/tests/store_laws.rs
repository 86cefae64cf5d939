//! What every store has to do, beside a model that is a map and a list. A store that outlives its process is
//! closed and opened in between.
//!
//! `cargo xtask test --only etcd` runs those that need an etcd.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[path = "common/etcd.rs"]
mod etcd;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use etcd::Etcd;
use futures::future::join_all;
use optilock_apiserver::store::{
    CommitError, Entry, EtcdOptions, EtcdStore, Expected, MemoryStore, Range, ReadError, RedbStore,
    Retention, Store,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use tokio::runtime::Builder;

const ALL: &str = "/registry/";
const KEYS: [&str; 5] = [
    "/registry/p/a",
    "/registry/p/b",
    "/registry/p/b/c",
    "/registry/pq",
    "/registry/q/a",
];
const PREFIXES: [&str; 4] = [ALL, "/registry/p/", "/registry/p/b", "/registry/q/"];

/// Where a store is.
enum Place {
    Memory,
    Redb(TempDir),
    Etcd(Arc<Etcd>),
}

impl Place {
    fn redb() -> Self {
        Self::Redb(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory => Arc::new(MemoryStore::new(Retention::default())),
            Self::Redb(folder) => {
                let path = folder.path().join("store");
                Arc::new(RedbStore::open(path, Retention::default()).unwrap())
            }
            Self::Etcd(etcd) => {
                let options = EtcdOptions::new(&etcd.url).unwrap();
                Arc::new(
                    EtcdStore::connect(&options, Retention::default())
                        .await
                        .unwrap(),
                )
            }
        }
    }
}

/// A store and where it is.
struct Subject {
    store: Arc<dyn Store>,
    place: Place,
}

impl Subject {
    /// A store that holds nothing.
    async fn new(place: Place) -> Self {
        let store = place.open().await;
        let everything = Range::all(ALL);
        for entry in store.range(everything).await.unwrap().entries {
            let expected = Expected::Revision(entry.revision);
            store.commit(&entry.key, expected, None).await.unwrap();
        }
        Self { store, place }
    }

    /// Ends the process, as far as the store is concerned; whether its history is gone with it.
    async fn restart(&mut self) -> bool {
        if !matches!(self.place, Place::Memory) {
            self.store.close().await;
            let late = self.store.commit("/late", Expected::Absent, None).await;
            assert!(matches!(late, Err(CommitError::Refused(_))), "{late:?}");
            self.store = self.place.open().await;
        }
        matches!(self.place, Place::Etcd(_))
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Writes or deletes a key, expecting what it had some changes ago (0: what it has now).
    Commit(usize, usize, Option<u8>),
    /// Reads a range as it was some revisions ago, a page at a time.
    Range(usize, u64, usize),
    /// Reads the changes of a range since some revisions ago.
    Watch(usize, u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => (0..KEYS.len(), prop_oneof![6 => Just(0), 1 => 1..3_usize], prop::option::weighted(0.7, any::<u8>()))
            .prop_map(|(key, ago, value)| Step::Commit(key, ago, value)),
        3 => (0..PREFIXES.len(), 0..8_u64, 0..4_usize).prop_map(|(prefix, ago, limit)| Step::Range(prefix, ago, limit)),
        3 => (0..PREFIXES.len(), 0..8_u64).prop_map(|(prefix, ago)| Step::Watch(prefix, ago)),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

type Held = BTreeMap<&'static str, (Bytes, u64)>;

/// A change: revision, key, value, and what was there before.
type Change = (u64, &'static str, Option<Bytes>, Option<(Bytes, u64)>);

/// The simplest store.
struct Model {
    /// The revision at which it is empty.
    start: u64,
    /// Watches begin here at the earliest.
    oldest: u64,
    held: Held,
    changes: Vec<Change>,
}

impl Model {
    fn new(start: u64) -> Self {
        Self {
            start,
            oldest: start,
            held: Held::new(),
            changes: Vec::new(),
        }
    }

    fn revision(&self) -> u64 {
        self.changes.last().map_or(self.start, |change| change.0)
    }

    /// What a writer expects who has seen a key as it was `ago` changes of it ago.
    fn expected(&self, key: &str, ago: usize) -> Expected {
        let mut of_key = self.changes.iter().rev().filter(|change| change.1 == key);
        match of_key.nth(ago) {
            Some((revision, _, Some(_), _)) => Expected::Revision(*revision),
            _ => Expected::Absent,
        }
    }

    fn at(&self, revision: u64) -> Held {
        let mut held = Held::new();
        for (at, key, value, _) in self.changes.iter().filter(|change| change.0 <= revision) {
            match value {
                Some(value) => held.insert(key, (value.clone(), *at)),
                None => held.remove(key),
            };
        }
        held
    }
}

fn same(entry: Option<&Entry>, held: Option<&(Bytes, u64)>) -> bool {
    entry.map(|entry| (&entry.value, entry.revision)) == held.map(|held| (&held.0, held.1))
}

async fn run(mut subject: Subject, steps: Vec<Step>) {
    let mut model = Model::new(subject.store.revision());
    for step in steps {
        let store = Arc::clone(&subject.store);
        match step {
            Step::Commit(key, ago, value) => {
                let key = KEYS[key];
                let expected = model.expected(key, ago);
                let held = model.held.get(key).cloned();
                let value = value.map(|byte| Bytes::from(vec![byte; 3]));
                // Nothing to delete: that is not for the store to say.
                if held.is_none() && value.is_none() {
                    continue;
                }
                let fits = match expected {
                    Expected::Absent => held.is_none(),
                    Expected::Revision(revision) => {
                        held.as_ref().is_some_and(|held| held.1 == revision)
                    }
                };
                match store.commit(key, expected, value.clone()).await {
                    Ok(revision) => {
                        assert!(fits, "{expected:?} was taken for {held:?}");
                        assert_eq!(revision, model.revision() + 1);
                        match &value {
                            Some(value) => model.held.insert(key, (value.clone(), revision)),
                            None => model.held.remove(key),
                        };
                        model.changes.push((revision, key, value, held));
                    }
                    Err(CommitError::Mismatch(current)) => {
                        assert!(!fits, "{expected:?} was refused for {held:?}");
                        assert!(same(current.as_ref(), held.as_ref()));
                    }
                    Err(error) => panic!("{error}"),
                }
                let read = store.get(key).await.unwrap();
                assert!(same(read.as_ref(), model.held.get(key)));
            }
            Step::Range(prefix, ago, limit) => {
                let prefix = PREFIXES[prefix];
                let at = model.revision().saturating_sub(ago).max(model.start);
                let wanted: Vec<_> = model.at(at).into_iter().collect();
                let wanted: Vec<_> = wanted
                    .into_iter()
                    .filter(|(key, _)| key.starts_with(prefix))
                    .collect();
                let mut start: Option<String> = None;
                let mut read = Vec::new();
                loop {
                    let range = Range {
                        prefix,
                        start: start.as_deref(),
                        limit,
                        at: Some(at),
                    };
                    let page = store.range(range).await.unwrap();
                    assert_eq!(page.revision, at);
                    start = page.entries.last().map(|entry| format!("{}\0", entry.key));
                    read.extend(page.entries);
                    assert_eq!(page.remaining, wanted.len() - read.len());
                    if page.remaining == 0 {
                        break;
                    }
                }
                assert_eq!(read.len(), wanted.len());
                for (read, (key, held)) in read.iter().zip(&wanted) {
                    assert_eq!(&*read.key, *key);
                    assert!(same(Some(read), Some(held)));
                }
            }
            Step::Watch(prefix, ago) => {
                let prefix = PREFIXES[prefix];
                let after = model.revision().saturating_sub(ago).max(model.start);
                if after < model.oldest {
                    let late = store.watch(prefix, after);
                    assert!(matches!(late, Err(ReadError::Compacted { .. })));
                    continue;
                }
                let wanted: Vec<_> = model
                    .changes
                    .iter()
                    .filter(|change| change.0 > after && change.1.starts_with(prefix))
                    .collect();
                let mut cursor = store.watch(prefix, after).unwrap();
                let mut seen = Vec::new();
                while seen.len() < wanted.len() {
                    seen.extend(cursor.next().await.unwrap());
                }
                assert_eq!(seen.len(), wanted.len());
                for (event, (revision, key, value, previous)) in seen.iter().zip(wanted) {
                    assert_eq!((event.revision, &*event.key), (*revision, *key));
                    assert_eq!(&event.value, value);
                    let before = event.previous.as_ref();
                    let before = before.map(|before| (before.value.clone(), before.revision));
                    assert_eq!(&before, previous);
                }
            }
            Step::Restart => {
                if subject.restart().await {
                    model.oldest = model.revision();
                }
            }
        }
        assert_eq!(subject.store.revision(), model.revision());
        let future = subject.store.watch(ALL, model.revision() + 1);
        assert!(matches!(future, Err(ReadError::Future { .. })));
    }
}

fn check(place: Place, steps: Vec<Step>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { run(Subject::new(place).await, steps).await });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_memory_store_does_what_the_model_does(steps in steps()) {
        check(Place::Memory, steps);
    }

    #[test]
    fn the_redb_store_does_what_the_model_does(steps in steps()) {
        check(Place::redb(), steps);
    }
}

/// Writers that count up a few keys, each update from what was read; a reader who follows.
async fn count(place: Place) {
    const WRITERS: u64 = 16;
    const UPDATES: u64 = 20;
    let subject = Subject::new(place).await;
    let store = &subject.store;
    let start = store.revision();
    let mut cursor = store.watch(ALL, start).unwrap();
    let follower = tokio::spawn(async move {
        let mut seen = Vec::new();
        while (seen.len() as u64) < WRITERS * UPDATES {
            for event in cursor.next().await.unwrap() {
                seen.push(event.revision);
            }
        }
        seen
    });
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            // All of them at two keys, most of them at one.
            let key = KEYS[usize::from(writer % 4 == 0)];
            let mut revisions = Vec::new();
            for _ in 0..UPDATES {
                loop {
                    let read = store.get(key).await.unwrap();
                    let count = read.as_ref().map_or(0, |entry| {
                        u64::from_be_bytes(entry.value[..].try_into().unwrap())
                    });
                    let expected = match &read {
                        Some(entry) => Expected::Revision(entry.revision),
                        None => Expected::Absent,
                    };
                    let value = Bytes::copy_from_slice(&(count + 1).to_be_bytes());
                    match store.commit(key, expected, Some(value)).await {
                        Ok(revision) => {
                            // What is acknowledged is visible.
                            assert!(store.revision() >= revision);
                            let now = store.get(key).await.unwrap().unwrap();
                            assert!(now.revision >= revision);
                            revisions.push(revision);
                            break;
                        }
                        Err(CommitError::Mismatch(current)) => {
                            // It is never answered with what is not there yet.
                            let current = current.unwrap();
                            assert!(
                                store.get(key).await.unwrap().unwrap().revision >= current.revision
                            );
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            revisions
        })
    });
    let mut acknowledged: Vec<u64> = Vec::new();
    for revisions in join_all(writers).await {
        acknowledged.extend(revisions.unwrap());
    }
    acknowledged.sort_unstable();
    let all: Vec<u64> = (start + 1..=start + WRITERS * UPDATES).collect();
    assert_eq!(acknowledged, all);
    assert_eq!(follower.await.unwrap(), all);
    let mut total = 0;
    for key in &KEYS[..2] {
        let entry = store.get(key).await.unwrap().unwrap();
        total += u64::from_be_bytes(entry.value[..].try_into().unwrap());
    }
    assert_eq!(total, WRITERS * UPDATES);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_update_of_the_memory_store_is_lost() {
    count(Place::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_update_of_the_redb_store_is_lost() {
    count(Place::redb()).await;
}

#[test]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
fn the_etcd_store_does_what_the_model_does() {
    let etcd = Arc::new(Etcd::start());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let checked = runner.run(&steps(), |steps| {
        check(Place::Etcd(Arc::clone(&etcd)), steps);
        Ok(())
    });
    checked.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn no_update_of_the_etcd_store_is_lost() {
    count(Place::Etcd(Arc::new(Etcd::start()))).await;
}
