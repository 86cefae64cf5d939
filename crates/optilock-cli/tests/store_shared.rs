//! Two `optilock serve --store etcd:URL` on one etcd, with writers at both. In mid-run one of them is killed and started
//! again, then etcd.
//!
//! `OPTILOCK_SOAK_UPDATES` says how many updates, `OPTILOCK_SOAK_SEED` after how many of them something is killed.
//! `OPTILOCK_TEST_ETCD` names the etcd: `cargo xtask test --only etcd` builds one.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../optilock-apiserver/tests/common/etcd.rs"]
mod etcd;

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::Serve;
use etcd::Etcd;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Config, ResourceExt,
    api::{PostParams, WatchEvent, WatchParams},
    config::Kubeconfig,
};
use optilock::{OpId, Outcome, Pending, PendingSlot};
use optilock_lab::{
    check::check,
    history::{Clock, Header, Recorder},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

const WRITERS: u64 = 64;
const OBJECTS: u64 = 8;
/// The label that the checker counts by, and where it begins.
const COUNTER: &str = "biz-version";
const FIRST: u64 = 100;
/// How long one update may take, both restarts included.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a writer was told of an update.
#[derive(Debug, Clone)]
enum Told {
    /// With the version that it made.
    Applied(u64),
    Refused,
    Unknown(Option<Pending>),
}

/// How far it is.
#[derive(Debug, Default)]
struct Progress {
    done: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

impl Progress {
    fn count(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done >= self.wanted.load(Ordering::Relaxed) {
            self.reached.notify_one();
        }
    }

    async fn reach(&self, wanted: u64) {
        self.wanted.store(wanted, Ordering::Relaxed);
        while self.done.load(Ordering::Relaxed) < wanted {
            self.reached.notified().await;
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

async fn client(kubeconfig: &Path, recorder: &Recorder) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await;
    recorder.record(&optilock::client(config.unwrap()).unwrap())
}

fn version(object: &Deployment) -> u64 {
    object.resource_version().unwrap().parse().unwrap()
}

fn name(object: u64) -> String {
    format!("object-{object}")
}

/// Counts an object up, and leaves a mark of the update in it.
fn count_up(object: &mut Deployment, mark: &str) {
    let labels = object.labels_mut();
    let count: u64 = labels[COUNTER].parse().unwrap();
    labels.insert(COUNTER.to_owned(), (count + 1).to_string());
    let marks = object.annotations_mut();
    let before = marks.insert(mark.to_owned(), String::new());
    assert_eq!(before, None, "{mark} was carried out before");
}

/// The updates of one writer, at the server that its side has at the time.
async fn write(
    writer: u64,
    updates: u64,
    clients: watch::Receiver<Client>,
    progress: Arc<Progress>,
) -> Vec<(u64, String, Told)> {
    let object = writer / 2 % OBJECTS;
    let mut told = Vec::new();
    for round in 0..updates {
        let mark = format!("w{writer}-{round}");
        let api: Api<Deployment> = Api::default_namespaced(clients.borrow().clone());
        let slot = PendingSlot::default();
        let update = optilock::update(&api, name(object))
            .pending(&slot)
            .op_id(OpId::new(&mark).unwrap())
            .timeout(PATIENCE)
            .apply(|object| {
                count_up(object, &mark);
                Ok(())
            });
        // A server that is gone does not come back under its address: the other one's client is for the next update.
        let mut next = clients.clone();
        next.mark_unchanged();
        let ended = tokio::select! {
            biased;
            ended = update => Some(ended),
            _ = next.changed() => None,
        };
        let outcome = match ended {
            Some(Ok(updated)) => Told::Applied(version(&updated.object)),
            Some(Err(error)) => match error.outcome() {
                Outcome::Applied => panic!("an error, and applied: {error}"),
                Outcome::Refused => Told::Refused,
                Outcome::Unknown => Told::Unknown(error.pending().cloned()),
            },
            // Dropped in the middle: the library has left what is to be found out, if there is anything.
            None => match slot.take() {
                Some(pending) => Told::Unknown(Some(pending)),
                None => Told::Refused,
            },
        };
        told.push((object, mark, outcome));
        progress.count();
    }
    told
}

/// Follows all objects from a version; all versions that were told, in their order, up to `last`.
async fn follow(api: Api<Deployment>, mut from: u64, mut last: watch::Receiver<u64>) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let stream = api.watch(&WatchParams::default(), &from.to_string()).await;
        let mut stream = std::pin::pin!(stream.unwrap());
        // A watch ends after some minutes, and goes on as another one.
        loop {
            let wanted = *last.borrow_and_update();
            if wanted != 0 && from >= wanted {
                return seen;
            }
            let event = tokio::select! {
                event = stream.next() => event,
                _ = last.changed() => continue,
            };
            match event.transpose().unwrap() {
                Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    assert!(version(&object) > from, "{from}, then {object:?}");
                    from = version(&object);
                    seen.push(from);
                }
                Some(WatchEvent::Bookmark(_)) => {}
                Some(other) => panic!("{other:?}"),
                None => break,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an etcd: cargo xtask test --only etcd"]
async fn two_servers_on_one_etcd_lose_nothing() {
    let updates = number("OPTILOCK_SOAK_UPDATES").unwrap_or(1_280);
    let each = updates.div_ceil(WRITERS);
    let all = each * WRITERS;
    let seed = number("OPTILOCK_SOAK_SEED").unwrap_or(1);
    let mut random = StdRng::seed_from_u64(seed);
    let recorder = Recorder::new();
    let mut etcd = Etcd::start();
    let place = format!("etcd:{}", etcd.url);
    let options = ["--store", &place, "--controllers", "none"];

    let first = Serve::start_with(&options);
    let second = Serve::start_with(&options);
    let (swap, first_client) = watch::channel(client(&first.kubeconfig, &recorder).await);
    let (_steady, second_client) = watch::channel(client(&second.kubeconfig, &recorder).await);
    let api: Api<Deployment> = Api::default_namespaced(second_client.borrow().clone());
    let mut begun = 0;
    for object in 0..OBJECTS {
        let object = serde_json::from_value(serde_json::json!({
            "metadata": {"name": name(object), "labels": {COUNTER: FIRST.to_string()}},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}},
        }));
        begun = version(
            &api.create(&PostParams::default(), &object.unwrap())
                .await
                .unwrap(),
        );
    }

    let (end, ended) = watch::channel(0);
    let watcher = tokio::spawn(follow(api.clone(), begun, ended));
    let progress = Arc::new(Progress::default());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let clients = if writer % 2 == 0 {
            &first_client
        } else {
            &second_client
        };
        writers.spawn(write(writer, each, clients.clone(), Arc::clone(&progress)));
    }

    progress.reach(random.random_range(all / 8..all / 4)).await;
    drop(first);
    let first = Serve::start_with(&options);
    swap.send_replace(client(&first.kubeconfig, &recorder).await);
    progress
        .reach(random.random_range(all / 2..all * 3 / 4))
        .await;
    etcd.kill();
    etcd.start_again();

    let mut told = Vec::new();
    while let Some(done) = writers.join_next().await {
        told.extend(done.unwrap());
    }

    // Both show the same, and it is what was told.
    let other: Api<Deployment> = Api::default_namespaced(first_client.borrow().clone());
    let mut last = 0;
    let mut objects = BTreeMap::new();
    for object in 0..OBJECTS {
        let read = api.get(&name(object)).await.unwrap();
        assert_eq!(read, other.get(&name(object)).await.unwrap());
        last = last.max(version(&read));
        objects.insert(object, read);
    }
    end.send_replace(last);
    let seen = watcher.await.unwrap();
    let (mut applied, mut unknown, mut resolved) = (0, 0, 0);
    for (object, mark, told) in &told {
        let there = objects[object].annotations().contains_key(mark);
        match told {
            Told::Applied(version) => {
                assert!(there, "{mark} is lost");
                assert!(
                    seen.binary_search(version).is_ok(),
                    "the watch missed {version}"
                );
                applied += 1;
            }
            Told::Refused => assert!(!there, "{mark} was refused and carried out"),
            Told::Unknown(pending) => {
                unknown += 1;
                if let Some(pending) = pending {
                    match optilock::resolve(&api, pending).await.unwrap() {
                        Outcome::Applied => assert!(there, "{mark} is said to be there"),
                        Outcome::Refused => assert!(!there, "{mark} is said not to be there"),
                        Outcome::Unknown => continue,
                    }
                    resolved += 1;
                }
            }
        }
    }
    for object in objects.values() {
        // The library's own annotation is none of them.
        let marks = object
            .annotations()
            .keys()
            .filter(|key| key.starts_with('w'));
        let count = FIRST + marks.count() as u64;
        assert_eq!(object.labels()[COUNTER], count.to_string());
    }
    let verdict = check(&recorder.history(Header::new(&place, seed, Clock::Monotonic)));
    for violation in &verdict.violations {
        println!("{:?}: {}", violation.rule, violation.message);
    }
    assert!(
        verdict.is_ok(),
        "{} rules are broken",
        verdict.violations.len()
    );
    assert!(applied > all / 2, "only {applied} of {all} were applied");
    println!(
        "{all} updates at two servers: {applied} applied, {unknown} unknown, of which {resolved} were found out; the checker \
         has judged {} operations",
        verdict.totals.operations
    );
}
