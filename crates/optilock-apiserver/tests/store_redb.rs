//! The store in a file: what it refuses to open, copies, and a server that comes back.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{Api, CONFIGMAPS, configmap, version};
use futures::future::join_all;
use optilock_apiserver::Server;
use optilock_apiserver::store::{
    BackupError, Entry, Expected, OpenError, Range, ReadError, RedbStore, Retention, Store,
    back_up, back_up_file,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

fn open(path: &Path) -> RedbStore {
    RedbStore::open(path, Retention::default()).unwrap()
}

async fn put(store: &RedbStore, key: &str, value: &str) -> u64 {
    let expected = match store.get(key).await.unwrap() {
        Some(entry) => Expected::Revision(entry.revision),
        None => Expected::Absent,
    };
    let value = Bytes::copy_from_slice(value.as_bytes());
    store.commit(key, expected, Some(value)).await.unwrap()
}

#[tokio::test]
async fn a_second_server_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let second = RedbStore::open(&path, Retention::default());
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    let copied = back_up_file(&path, folder.path().join("copy"));
    assert!(
        matches!(copied, Err(BackupError::Open(OpenError::InUse { .. }))),
        "{copied:?}"
    );
    store.close().await;
    drop(open(&path));
}

#[test]
fn other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    for content in [&b"my notes"[..], &[0; 8192], &[7; 100_000]] {
        fs::write(&path, content).unwrap();
        let error = RedbStore::open(&path, Retention::default()).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }

    let other = folder.path().join("other");
    let database = redb::Database::create(&other).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(redb::TableDefinition::<&str, u64>::new("theirs"))
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&other, Retention::default()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
}

#[test]
fn a_folder_that_does_not_exist_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no").join("store");
    let error = RedbStore::open(path, Retention::default()).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
}

/// A file that was cut off or written over is refused, and not touched: that what can be saved of it stays.
#[tokio::test]
async fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    for at in 0..200 {
        put(&store, &format!("/p/{at}"), &"x".repeat(1000)).await;
    }
    store.close().await;
    drop(store);
    let whole = fs::read(&path).unwrap();
    let (middle, end) = (whole.len() / 2, whole.len());
    let mut written_over = whole.clone();
    written_over[8192..middle].fill(0xa5);
    let mut flipped = whole.clone();
    let value = flipped.windows(500).position(|w| w == [b'x'; 500]).unwrap();
    flipped[value + 250] ^= 1;
    for damaged in [
        &whole[..middle],
        &whole[..end - 1],
        &whole[..100],
        &written_over,
        &flipped,
    ] {
        fs::write(&path, damaged).unwrap();
        let opened = RedbStore::open(&path, Retention::default());
        let error = match opened {
            Err(error) => error,
            Ok(_) => panic!("{} bytes of {end} were accepted", damaged.len()),
        };
        assert!(
            matches!(error, OpenError::Damaged { .. } | OpenError::Foreign { .. }),
            "{error:?}"
        );
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(open(&path).revision(), 201);
}

#[tokio::test]
async fn history_ends_where_it_ended_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let short = Retention {
        events: 3,
        ..Retention::default()
    };
    let store = RedbStore::open(&path, short).unwrap();
    for value in ["1", "2", "3", "4", "5"] {
        put(&store, "/a", value).await;
    }
    let newest = store.revision();
    drop(store);

    let store = RedbStore::open(&path, short).unwrap();
    let mut cursor = store.watch("/", newest - 3).unwrap();
    let values: Vec<_> = cursor.next().await.unwrap();
    let values: Vec<_> = values.iter().map(|event| event.value.clone()).collect();
    assert_eq!(
        values,
        ["3", "4", "5"].map(|value| Some(Bytes::from(value)))
    );
    let older = store.watch("/", newest - 4);
    assert!(
        matches!(older, Err(ReadError::Compacted { .. })),
        "{older:?}"
    );
    drop(store);

    // Age counts while nobody has the file open, too.
    let brief = Retention {
        age: Duration::ZERO,
        ..Retention::default()
    };
    let store = RedbStore::open(&path, brief).unwrap();
    put(&store, "/a", "6").await;
    assert!(store.watch("/", newest - 1).is_err());
}

/// Rows of forgotten changes leave the file.
#[tokio::test]
async fn the_file_does_not_grow_with_history() {
    const ROUNDS: u64 = 2400;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let short = Retention {
        events: 10,
        ..Retention::default()
    };
    let store = RedbStore::open(&path, short).unwrap();
    let value = "x".repeat(2000);
    for round in 0..ROUNDS {
        let expected = match round {
            0 => Expected::Absent,
            _ => Expected::Revision(store.revision()),
        };
        let value = Bytes::copy_from_slice(value.as_bytes());
        store.commit("/a", expected, Some(value)).await.unwrap();
    }
    store.close().await;
    let length = fs::metadata(&path).unwrap().len();
    assert!(length < ROUNDS * 2000, "{length} bytes");
}

/// Objects are written to their rows later than to the log, and the log is cut off behind them: whenever the file is
/// opened again it has the same objects and the same history.
#[tokio::test]
async fn a_long_log_is_cut_off_and_nothing_is_lost() {
    const KEPT: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let short = Retention {
        events: KEPT as usize,
        ..Retention::default()
    };
    let mut random = StdRng::seed_from_u64(7);
    let mut model: BTreeMap<String, (u64, Bytes)> = BTreeMap::new();
    let mut changes: BTreeMap<u64, (String, Option<Bytes>, Option<u64>)> = BTreeMap::new();
    let mut lengths = Vec::new();
    for life in 0..8 {
        let store = RedbStore::open(&path, short).unwrap();
        let newest = changes.keys().next_back().copied().unwrap_or(1);
        assert_eq!(store.revision(), newest, "life {life}");
        let all = Range::all("/");
        let page = store.range(all).await.unwrap();
        let held: BTreeMap<_, _> = page
            .entries
            .into_iter()
            .map(|entry| (entry.key.to_string(), (entry.revision, entry.value)))
            .collect();
        assert!(held == model, "life {life}");
        if life > 0 {
            let mut seen = newest - KEPT;
            let mut cursor = store.watch("/", seen).unwrap();
            while seen < newest {
                for event in cursor.next().await.unwrap() {
                    seen += 1;
                    let replaced = event.previous.as_ref().map(|previous| previous.revision);
                    let found = (event.key.to_string(), event.value.clone(), replaced);
                    assert_eq!((event.revision, &found), (seen, &changes[&seen]));
                }
            }
        }
        for round in 0..60 {
            // Some keys change all the time, most rarely; some lives are of a few keys alone.
            let among = if life % 3 == 2 { 40 } else { 1500 };
            let mut writes: BTreeMap<String, Option<Bytes>> = BTreeMap::new();
            for _ in 0..30 {
                let key = format!("/{:04}", random.random_range(0..among));
                let deletes = model.contains_key(&key) && random.random_bool(0.2);
                writes.insert(key, (!deletes).then(|| format!("{life} {round}").into()));
            }
            let commits = writes.iter().map(|(key, value)| {
                let expected = match model.get(key) {
                    Some((revision, _)) => Expected::Revision(*revision),
                    None => Expected::Absent,
                };
                store.commit(key, expected, value.clone())
            });
            let written = join_all(commits).await;
            for ((key, value), revision) in writes.into_iter().zip(written) {
                let revision = revision.unwrap();
                let before = match value.clone() {
                    Some(value) => model.insert(key.clone(), (revision, value)),
                    None => model.remove(&key),
                };
                changes.insert(revision, (key, value, before.map(|(revision, _)| revision)));
            }
        }
        if life % 2 == 0 {
            store.close().await;
        }
        drop(store);
        lengths.push(fs::metadata(&path).unwrap().len());
    }
    assert!(lengths[7] < 2 * lengths[2], "it grows: {lengths:?}");
}

/// What a store holds, and the changes after a revision, each with what the key held before.
#[derive(Debug, PartialEq)]
struct Held {
    revision: u64,
    objects: Vec<(String, u64, Bytes)>,
    changes: Vec<(u64, String, Option<Bytes>, Before)>,
}

type Before = Option<(u64, Bytes)>;

impl Held {
    async fn by(store: &RedbStore, after: u64) -> Self {
        let everything = Range::all("/");
        let page = store.range(everything).await.unwrap();
        let entry = |entry: Entry| (entry.key.to_string(), entry.revision, entry.value);
        let mut changes = Vec::new();
        let mut cursor = store.watch("/", after).unwrap();
        while after + (changes.len() as u64) < page.revision {
            for event in cursor.next().await.unwrap() {
                let previous = event.previous.as_ref();
                let previous = previous.map(|before| (before.revision, before.value.clone()));
                let key = event.key.to_string();
                changes.push((event.revision, key, event.value.clone(), previous));
            }
        }
        Self {
            revision: page.revision,
            objects: page.entries.into_iter().map(entry).collect(),
            changes,
        }
    }
}

/// Some keys of a store, written together.
struct Crowd(Vec<String>);

impl Crowd {
    fn of(count: usize) -> Self {
        Self((0..count).map(|number| format!("/{number:05}")).collect())
    }

    /// Makes them, or writes something else to them, or deletes them.
    async fn write(&self, store: &RedbStore, value: impl Fn(&str) -> Option<Bytes>) {
        let writes = self.0.iter().map(|key| {
            let value = value(key);
            async move {
                let held = store.get(key).await.unwrap();
                let expected = held.map_or(Expected::Absent, |e| Expected::Revision(e.revision));
                store.commit(key, expected, value).await.unwrap()
            }
        });
        join_all(writes).await;
    }
}

/// A value of 1.5 kB.
fn large(key: &str) -> Option<Bytes> {
    Some(key.repeat(250).into())
}

/// After most objects were deleted, here and there, the next start makes the file small; objects, versions, and what a watch
/// can go on from, stay.
#[tokio::test]
async fn a_start_makes_a_file_small_that_is_mostly_free() {
    const KEPT: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let length = || fs::metadata(&path).unwrap().len();
    let short = Retention {
        events: KEPT as usize,
        ..Retention::default()
    };
    let all = Crowd::of(8000);
    let most = all.0.iter().filter(|key| !key.ends_with('7'));
    let most = Crowd(most.cloned().collect());

    let store = RedbStore::open(&path, short).unwrap();
    all.write(&store, large).await;
    store.close().await;
    drop(store);
    let full = length();
    let store = RedbStore::open(&path, short).unwrap();
    assert_eq!(length(), full, "all of it is in use");
    most.write(&store, |_| None).await;
    let after = store.revision() - KEPT;
    let held = Held::by(&store, after).await;
    store.close().await;
    drop(store);

    let closed = length();
    let store = RedbStore::open(&path, short).unwrap();
    let small = length();
    println!("{full} bytes, {closed} with a tenth of the objects, {small} after a start");
    assert!(small * 4 < full, "{small} of {full} bytes");
    assert!(Held::by(&store, after).await == held);
    let forgotten = store.watch("/", after - 1);
    assert!(
        matches!(forgotten, Err(ReadError::Compacted { .. })),
        "{forgotten:?}"
    );
    assert_eq!(put(&store, "/new", "1").await, held.revision + 1);

    // So much that the log is cut off again.
    for round in 0..5 {
        let round = round.to_string();
        let few = Crowd::of(500);
        few.write(&store, |_| Some(round.clone().into())).await;
    }
    let after = store.revision() - KEPT;
    let held = Held::by(&store, after).await;
    drop(store);
    let store = RedbStore::open(&path, short).unwrap();
    assert!(Held::by(&store, after).await == held);
}

/// Where nothing is left, neither objects nor history, no version is used twice all the same.
#[tokio::test]
async fn a_file_that_is_made_small_goes_on_at_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let none = Retention {
        events: 0,
        ..Retention::default()
    };
    let all = Crowd::of(4000);
    let store = RedbStore::open(&path, none).unwrap();
    all.write(&store, large).await;
    all.write(&store, |_| None).await;
    let revision = store.revision();
    assert_eq!(revision, 8001);
    drop(store);
    let before = fs::metadata(&path).unwrap().len();
    for _ in 0..2 {
        let store = RedbStore::open(&path, none).unwrap();
        let held = Held::by(&store, revision).await;
        assert_eq!((held.revision, held.objects.len()), (revision, 0));
    }
    let after = fs::metadata(&path).unwrap().len();
    assert!(after * 4 < before, "{after} of {before} bytes");
}

#[tokio::test]
async fn a_copy_is_as_of_one_revision_and_never_mistaken_for_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("store"), folder.path().join("copy"));
    let store = open(&path);
    let first = put(&store, "/a", "1").await;
    let copied = put(&store, "/b", "2").await;
    assert_eq!(back_up(&store, &copy).await.unwrap(), copied);
    let later = put(&store, "/a", "3").await;

    // No file is overwritten.
    let again = back_up(&store, &copy).await;
    assert!(matches!(again, Err(BackupError::Write { .. })), "{again:?}");

    let restored = open(&copy);
    let entry = restored.get("/a").await.unwrap().unwrap();
    assert_eq!((entry.revision, &entry.value[..]), (first, &b"1"[..]));
    assert!(restored.revision() > later);
    assert!(put(&restored, "/a", "4").await > later);
    // A watch of the original can't go on in the copy as if nothing had happened.
    let resumed = restored.watch("/", later);
    assert!(matches!(resumed, Err(ReadError::Compacted { .. })));
    let revision = restored.revision();
    restored.close().await;
    drop(restored);
    assert_eq!(open(&copy).revision(), revision, "it moves once");

    store.close().await;
    drop(store);
    let offline = folder.path().join("offline");
    assert_eq!(back_up_file(&path, &offline).unwrap(), later);
    assert_eq!(open(&offline).get("/b").await.unwrap().unwrap().value, "2");
}

fn serve(path: &Path) -> (Arc<RedbStore>, Api) {
    let store = Arc::new(open(path));
    let server = Server::builder().store(store.clone()).controllers([]);
    (store, Api::of(server.build()))
}

/// A server that comes back has its objects, its custom resources, and the same versions.
#[tokio::test]
async fn a_server_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let definition = json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    });
    let things = "/apis/example.com/v1/namespaces/default/things";
    let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}});
    let service = json!({
        "metadata": {"name": "a"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30_080}]},
    });
    let services = "/api/v1/namespaces/default/services";

    let (store, api) = serve(&path);
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    api.post(definitions, &definition).await.expect(201);
    api.post(things, &thing).await.expect(201);
    api.post(services, &service).await.expect(201);
    let before = api.get(&format!("{CONFIGMAPS}/a")).await.expect(200);
    let listed = version(&api.get("/api/v1/configmaps").await.expect(200));
    api.post(CONFIGMAPS, &configmap("b")).await.expect(201);
    store.close().await;
    // Reads go on, and a write says why it doesn't.
    api.get(&format!("{CONFIGMAPS}/a")).await.expect(200);
    let refused = api.post(CONFIGMAPS, &configmap("c")).await.refusal();
    assert_eq!((refused.0, &*refused.1), (503, "ServiceUnavailable"));
    drop((store, api));

    let (_store, api) = serve(&path);
    // Discovery is what clients ask for first.
    let groups = api.get("/apis").await.expect(200);
    assert!(groups.to_string().contains("example.com"));
    assert_eq!(
        api.get(&format!("{CONFIGMAPS}/a")).await.expect(200),
        before
    );
    api.get(&format!("{things}/a")).await.expect(200);
    let mut other = service.clone();
    other["metadata"]["name"] = "b".into();
    api.post(services, &other).await.expect(422);
    // A watch goes on where it was.
    let path = format!("/api/v1/configmaps?watch=1&resourceVersion={listed}");
    let mut watch = api.watch(&path).await;
    assert_eq!(watch.brief().await.1, "b");
    // From the copy that was read before, an update is no conflict.
    let mut changed = before.clone();
    changed["data"]["k"] = "new".into();
    let written = api
        .put(&format!("{CONFIGMAPS}/a"), &changed)
        .await
        .expect(200);
    assert!(version(&written) > version(&before));
}
