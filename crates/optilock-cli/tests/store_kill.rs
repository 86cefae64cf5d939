//! `optilock serve --store redb:PATH`, killed under load again and again, started on the same file, and backed up.
//!
//! `OPTILOCK_SOAK_UPDATES` says how many rounds, `OPTILOCK_SOAK_SEED` after how many answers the server is killed in
//! each of them.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    env,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use common::{Serve, run, text};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config, Error, ResourceExt,
    api::{ListParams, PostParams, WatchEvent, WatchParams},
    config::Kubeconfig,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{sync::Notify, task::JoinSet};

const WRITERS: usize = 32;
/// So many of them share one object.
const AT_ONE: usize = 8;
/// A server is killed after at most so many answers.
const ANSWERS: u64 = 300;

/// What the clients know, over all rounds.
#[derive(Debug, Default)]
struct Known {
    /// Version to object and value: what was acknowledged, or seen by the watcher.
    certain: Mutex<BTreeMap<u64, (String, String)>>,
    /// What the watcher has seen.
    watched: Mutex<HashSet<u64>>,
    /// Values of writes without an answer.
    unknown: Mutex<HashSet<String>>,
    values: AtomicU64,
    answers: AtomicU64,
    enough: Notify,
}

impl Known {
    fn learn(&self, object: &ConfigMap) {
        let entry = (object.name_any(), value(object));
        let mut certain = self.certain.lock().unwrap();
        if let Some(before) = certain.insert(version(object), entry.clone()) {
            assert_eq!(before, entry, "version {} was used twice", version(object));
        }
    }

    fn newest(&self) -> u64 {
        let certain = self.certain.lock().unwrap();
        certain.last_key_value().map_or(0, |(version, _)| *version)
    }

    /// Compares what a server has with what is known.
    fn compare(&self, objects: &[ConfigMap], list_version: u64) {
        let newest = self.newest();
        assert!(list_version >= newest, "{list_version} after {newest}");
        let certain = self.certain.lock().unwrap();
        let mut last: HashMap<&str, (u64, &str)> = HashMap::new();
        for (version, (name, value)) in certain.iter() {
            last.insert(name, (*version, value));
        }
        let live: HashMap<String, &ConfigMap> = objects
            .iter()
            .map(|object| (object.name_any(), object))
            .collect();
        for (name, (known, expected)) in last {
            let object = live.get(name).unwrap_or_else(|| panic!("{name} is lost"));
            if version(object) == known {
                assert_eq!(value(object), expected);
                continue;
            }
            assert!(version(object) > known, "{name} was {known}: {object:?}");
            let unknown = self.unknown.lock().unwrap();
            assert!(unknown.contains(&value(object)), "nobody wrote {object:?}");
        }
    }
}

fn version(object: &ConfigMap) -> u64 {
    object.resource_version().unwrap().parse().unwrap()
}

fn value(object: &ConfigMap) -> String {
    object.data.clone().unwrap_or_default()["value"].clone()
}

async fn api(kubeconfig: &Path) -> Api<ConfigMap> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await;
    let mut config = config.unwrap();
    // What is sent once is to be written once.
    config.default_retry = false;
    Api::default_namespaced(Client::try_from(config).unwrap())
}

/// Writes one object until the server is gone.
async fn write(api: Api<ConfigMap>, name: String, known: Arc<Known>) {
    let mut latest: Option<ConfigMap> = None;
    loop {
        let value = known.values.fetch_add(1, Ordering::Relaxed).to_string();
        let mut object = latest.take().unwrap_or_else(|| ConfigMap {
            metadata: kube::api::ObjectMeta {
                name: Some(name.clone()),
                ..Default::default()
            },
            ..ConfigMap::default()
        });
        object.data = Some([("value".to_owned(), value.clone())].into());
        let params = PostParams::default();
        let written = match object.resource_version() {
            Some(_) => api.replace(&name, &params, &object).await,
            None => api.create(&params, &object).await,
        };
        match written {
            Ok(object) => {
                known.learn(&object);
                latest = Some(object);
                if known.answers.fetch_sub(1, Ordering::Relaxed) == 1 {
                    known.enough.notify_one();
                }
            }
            Err(Error::Api(status)) if status.code == 409 => match api.get(&name).await {
                Ok(object) => latest = Some(object),
                Err(_) => return,
            },
            Err(Error::Api(status)) => panic!("{status:?}"),
            Err(_) => {
                known.unknown.lock().unwrap().insert(value);
                return;
            }
        }
    }
}

/// Follows all objects from a version, until the server is gone; where it has come.
async fn watch(api: Api<ConfigMap>, mut from: u64, known: Arc<Known>) -> u64 {
    let stream = api.watch(&WatchParams::default(), &from.to_string()).await;
    let Ok(stream) = stream else {
        return from;
    };
    let mut stream = std::pin::pin!(stream);
    while let Some(Ok(event)) = stream.next().await {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                assert!(version(&object) > from, "{from}, then {object:?}");
                from = version(&object);
                known.learn(&object);
                known.watched.lock().unwrap().insert(from);
            }
            WatchEvent::Bookmark(_) => {}
            other => panic!("{other:?}"),
        }
    }
    from
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing() {
    let rounds = number("OPTILOCK_SOAK_UPDATES").unwrap_or(6);
    let mut random = StdRng::seed_from_u64(number("OPTILOCK_SOAK_SEED").unwrap_or(1));
    let folder = tempfile::tempdir().unwrap();
    let store = format!("redb:{}", text(&folder.path().join("store")));
    let options = ["--store", &store, "--controllers", "none"];
    let known = Arc::new(Known::default());
    let mut watched = 0;
    for _ in 0..rounds {
        let mut serve = Serve::start_with(&options);
        let api = api(&serve.kubeconfig).await;
        let list = api.list(&ListParams::default()).await.unwrap();
        let list_version = list.metadata.resource_version.unwrap().parse().unwrap();
        known.compare(&list.items, list_version);
        if watched == 0 {
            watched = list_version;
        }
        known
            .answers
            .store(random.random_range(1..=ANSWERS), Ordering::Relaxed);
        let watcher = tokio::spawn(watch(api.clone(), watched, Arc::clone(&known)));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let name = format!("object-{}", writer.saturating_sub(AT_ONE - 1));
            writers.spawn(write(api.clone(), name, Arc::clone(&known)));
        }
        known.enough.notified().await;
        serve.child.kill().unwrap();
        serve.child.wait().unwrap();
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        watched = watcher.await.unwrap();
    }

    // The last server is let live, and the watch catches up.
    let serve = Serve::start_with(&options);
    let api = api(&serve.kubeconfig).await;
    let list = api.list(&ListParams::default()).await.unwrap();
    let list_version: u64 = list.metadata.resource_version.unwrap().parse().unwrap();
    known.compare(&list.items, list_version);
    let last = list.items.iter().map(version).max().unwrap();
    let caught_up = async {
        while watched < last {
            let params = WatchParams::default();
            let stream = api.watch(&params, &watched.to_string()).await.unwrap();
            let mut stream = std::pin::pin!(stream);
            while watched < last {
                match stream.next().await.unwrap().unwrap() {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        watched = version(&object);
                        known.learn(&object);
                        known.watched.lock().unwrap().insert(watched);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    };
    caught_up.await;
    let watched = known.watched.lock().unwrap();
    let certain = known.certain.lock().unwrap();
    let missed: Vec<_> = certain.keys().filter(|at| !watched.contains(at)).collect();
    assert!(missed.is_empty(), "the watch has missed {missed:?}");
    println!(
        "{rounds} rounds, {} versions known, {} writes without an answer: nothing is lost",
        certain.len(),
        known.unknown.lock().unwrap().len()
    );
}

#[test]
fn a_store_is_copied_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let (store, copy) = (folder.path().join("store"), folder.path().join("copy"));
    let place = format!("redb:{}", text(&store));
    let backup = ["backup", "--store", &place, "--to", text(&copy)];

    let missing = run(&backup);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stderr.contains(text(&store)), "{}", missing.stderr);

    let serve = Serve::start_with(&["--store", &place]);
    let in_use = run(&backup);
    assert_eq!(in_use.code, Some(1), "{in_use:?}");
    assert!(in_use.stderr.contains("in use"), "{}", in_use.stderr);
    let second = run(&["serve", "--store", &place]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    drop(serve);

    let copied = run(&backup);
    assert_eq!(copied.code, Some(0), "{copied:?}");
    let again = run(&backup);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("--to"), "{}", again.stderr);
    drop(Serve::start_with(&[
        "--store",
        &format!("redb:{}", text(&copy)),
    ]));
}
