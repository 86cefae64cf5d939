//! `optilock serve --store redb:PATH`, killed under load again and again, started on the same file, and backed up.
//!
//! `OPTILOCK_SOAK_UPDATES` says how many rounds, `OPTILOCK_SOAK_SEED` after how many answers the server is killed in
//! each of them.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    collections::HashSet,
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use common::{Serve, run, text};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config, Error, ResourceExt,
    api::{ListParams, ObjectList, PostParams, WatchEvent, WatchParams},
    config::Kubeconfig,
};
use optilock_lab::{
    check::check,
    history::{
        Clock, Header, History, Operation, Outcome, Record, ResourceVersion, Verb,
        WatchEvent as Told, WatchType,
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinSet,
};

const WRITERS: usize = 32;
/// So many of them share one object.
const AT_ONE: usize = 8;
/// A server is killed after at most so many answers.
const ANSWERS: u64 = 300;

/// What the clients do and learn over all rounds: one history, because the objects outlive the servers.
#[derive(Debug)]
struct Book {
    started: Instant,
    records: UnboundedSender<Record>,
    operations: AtomicU64,
    /// How many answers the server of this round may still give.
    answers: AtomicU64,
    enough: Notify,
}

impl Book {
    fn open() -> (Arc<Self>, UnboundedReceiver<Record>) {
        let (records, written) = unbounded_channel();
        let book = Self {
            started: Instant::now(),
            records,
            operations: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            enough: Notify::new(),
        };
        (Arc::new(book), written)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap()
    }

    /// An identity that no other operation has.
    fn op_id(&self) -> Arc<str> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        format!("op-{number}").into()
    }

    fn write(&self, record: Record) {
        self.records.send(record).unwrap();
    }

    /// Notes an operation that has just ended.
    fn note(
        &self,
        op_id: &Arc<str>,
        asked: &Asked<'_>,
        outcome: Outcome,
        answer: Option<&ConfigMap>,
    ) {
        let shown = answer.unwrap_or(asked.object);
        self.write(Record::Operation(Operation {
            op_id: Arc::clone(op_id),
            worker: asked.worker,
            uid: shown.uid().map(Into::into),
            verb: asked.verb,
            kind: "ConfigMap".into(),
            name: shown.name_any().into(),
            base: asked.base,
            invoke_ns: asked.invoke_ns,
            return_ns: Some(self.now()),
            outcome,
            rv: answer.map(version),
            value: Some(count(shown)),
            add: 1,
            cached: false,
            spans: Vec::new(),
        }));
    }

    /// Notes that a watch begins after a version.
    fn opened(&self, after: ResourceVersion) {
        self.write(Record::WatchEvent(Told {
            watch: 0,
            kind: WatchType::Opened,
            rv: after,
            uid: None,
            value: None,
            op_ids: None,
        }));
    }

    /// Notes an event of the watch; the version that it has come to.
    fn watched(&self, event: &WatchEvent<ConfigMap>) -> Option<ResourceVersion> {
        let (kind, object) = match event {
            WatchEvent::Added(object) => (WatchType::Added, object),
            WatchEvent::Modified(object) => (WatchType::Modified, object),
            WatchEvent::Bookmark(_) => return None,
            other => panic!("{other:?}"),
        };
        let by = object.data.as_ref().unwrap()["by"].as_str();
        self.write(Record::WatchEvent(Told {
            watch: 0,
            kind,
            rv: version(object),
            uid: object.uid().map(Into::into),
            value: Some(count(object)),
            op_ids: Some(vec![by.into()]),
        }));
        Some(version(object))
    }
}

/// What a request asks for.
struct Asked<'a> {
    verb: Verb,
    worker: Option<u32>,
    object: &'a ConfigMap,
    base: Option<ResourceVersion>,
    invoke_ns: u64,
}

fn version(object: &ConfigMap) -> ResourceVersion {
    ResourceVersion(object.resource_version().unwrap().parse().unwrap())
}

/// The counter that an object is.
fn count(object: &ConfigMap) -> i64 {
    object.data.as_ref().unwrap()["count"].parse().unwrap()
}

async fn api(kubeconfig: &Path) -> Api<ConfigMap> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await;
    let mut config = config.unwrap();
    // What is sent once is to be written once.
    config.default_retry = false;
    Api::default_namespaced(Client::try_from(config).unwrap())
}

/// Counts in one object until the server is gone.
async fn write(api: Api<ConfigMap>, worker: u32, name: String, book: Arc<Book>) {
    let mut latest: Option<ConfigMap> = None;
    loop {
        let op_id = book.op_id();
        let base = latest.as_ref().map(version);
        let counted = latest.as_ref().map_or(0, |object| count(object) + 1);
        let mut object = latest.take().unwrap_or_else(|| ConfigMap {
            metadata: kube::api::ObjectMeta {
                name: Some(name.clone()),
                ..Default::default()
            },
            ..ConfigMap::default()
        });
        let data = [("count", counted.to_string()), ("by", op_id.to_string())];
        object.data = Some(data.map(|(key, value)| (key.to_owned(), value)).into());
        let params = PostParams::default();
        let mut asked = Asked {
            verb: if base.is_some() {
                Verb::Update
            } else {
                Verb::Create
            },
            worker: Some(worker),
            object: &object,
            base,
            invoke_ns: book.now(),
        };
        let written = match base {
            Some(_) => api.replace(&name, &params, &object).await,
            None => api.create(&params, &object).await,
        };
        match written {
            Ok(written) => {
                book.note(&op_id, &asked, Outcome::Applied, Some(&written));
                latest = Some(written);
                if book.answers.fetch_sub(1, Ordering::Relaxed) == 1 {
                    book.enough.notify_one();
                }
            }
            Err(Error::Api(status)) if status.code == 409 => {
                let outcome = match base {
                    Some(_) => Outcome::Conflict,
                    None => Outcome::Refused,
                };
                book.note(&op_id, &asked, outcome, None);
                asked.verb = Verb::Get;
                asked.base = None;
                asked.invoke_ns = book.now();
                // A server that was killed answers no reads either.
                let Ok(read) = api.get(&name).await else {
                    return;
                };
                book.note(&book.op_id(), &asked, Outcome::Applied, Some(&read));
                latest = Some(read);
            }
            Err(Error::Api(status)) => panic!("{status:?}"),
            Err(_) => {
                book.note(&op_id, &asked, Outcome::Unknown, None);
                return;
            }
        }
    }
}

/// Follows all objects from a version, until the server is gone; where it has come.
async fn watch(api: Api<ConfigMap>, mut from: ResourceVersion, book: Arc<Book>) -> ResourceVersion {
    let stream = api.watch(&WatchParams::default(), &from.to_string()).await;
    let Ok(stream) = stream else {
        return from;
    };
    book.opened(from);
    let mut stream = std::pin::pin!(stream);
    while let Some(Ok(event)) = stream.next().await {
        from = book.watched(&event).unwrap_or(from);
    }
    from
}

/// Reads all objects; the version of the list. Every one that was ever seen has to be there.
async fn read_all(
    api: &Api<ConfigMap>,
    seen: &mut HashSet<String>,
    book: &Book,
) -> ResourceVersion {
    let invoke_ns = book.now();
    let list = api.list(&ListParams::default()).await.unwrap();
    for object in &list.items {
        let asked = Asked {
            verb: Verb::Get,
            worker: None,
            object,
            base: None,
            invoke_ns,
        };
        book.note(&book.op_id(), &asked, Outcome::Applied, Some(object));
    }
    let names: HashSet<String> = list.items.iter().map(ResourceExt::name_any).collect();
    assert!(names.is_superset(seen), "{names:?} of {seen:?}");
    *seen = names;
    ResourceVersion(list.metadata.resource_version.unwrap().parse().unwrap())
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

/// One history of all rounds, judged as a whole: what a server has acknowledged or shown, the next ones have.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing() {
    let rounds = number("OPTILOCK_SOAK_UPDATES").unwrap_or(6);
    let seed = number("OPTILOCK_SOAK_SEED").unwrap_or(1);
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let store = format!("redb:{}", text(&folder.path().join("store")));
    // Rounds may be stopped for as long as one likes.
    let kept = ["--compact-after", "24h"];
    let options = [["--store", &store], ["--controllers", "none"], kept].concat();
    let (book, mut written) = Book::open();
    let mut seen = HashSet::new();
    let mut newest = ResourceVersion(0);
    let mut watched = None;
    for _ in 0..rounds {
        let mut serve = Serve::start_with(&options);
        let api = api(&serve.kubeconfig).await;
        let now = read_all(&api, &mut seen, &book).await;
        assert!(now >= newest, "{now} after {newest}");
        newest = now;
        book.answers
            .store(random.random_range(1..=ANSWERS), Ordering::Relaxed);
        let from = watched.unwrap_or(now);
        let watcher = tokio::spawn(watch(api.clone(), from, Arc::clone(&book)));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let name = format!("object-{}", writer.saturating_sub(AT_ONE - 1));
            let worker = u32::try_from(writer).unwrap();
            writers.spawn(write(api.clone(), worker, name, Arc::clone(&book)));
        }
        book.enough.notified().await;
        serve.child.kill().unwrap();
        serve.child.wait().unwrap();
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        watched = Some(watcher.await.unwrap());
    }

    // The last server is let live, and the watch catches up.
    let serve = Serve::start_with(&options);
    let api = api(&serve.kubeconfig).await;
    read_all(&api, &mut seen, &book).await;
    let list = api.list(&ListParams::default()).await.unwrap();
    let last = list.items.iter().map(version).max().unwrap();
    let mut watched = watched.unwrap();
    if watched < last {
        let params = WatchParams::default();
        let stream = api.watch(&params, &watched.to_string()).await.unwrap();
        book.opened(watched);
        let mut stream = std::pin::pin!(stream);
        while watched < last {
            let event = stream.next().await.unwrap().unwrap();
            watched = book.watched(&event).unwrap_or(watched);
        }
    }
    drop(book);
    let mut records = Vec::new();
    while let Some(record) = written.recv().await {
        records.push(record);
    }
    let header = Header::new("optilock serve, killed", seed, Clock::Monotonic);
    let verdict = check(&History::new(header, records));
    println!("{rounds} rounds, {:?}", verdict.totals);
    assert!(verdict.is_ok(), "{:#?}", verdict.violations);
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
    let both = run(&[
        "backup",
        "--kubeconfig",
        "k",
        "--store",
        &place,
        "--to",
        "to",
    ]);
    assert_eq!(both.code, Some(2), "{both:?}");
    drop(Serve::start_with(&[
        "--store",
        &format!("redb:{}", text(&copy)),
    ]));
}

/// A server is copied while clients write: the copy is as of one version, is what a server can be started on, and only its
/// owner can read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_copied_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (store, copy) = (folder.path().join("store"), folder.path().join("copy"));
    let serve = Serve::start_with(&["--store", &format!("redb:{}", text(&store))]);
    let original = api(&serve.kubeconfig).await;
    let (book, written) = Book::open();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let worker = u32::try_from(writer).unwrap();
        let name = format!("object-{writer}");
        writers.spawn(write(original.clone(), worker, name, Arc::clone(&book)));
    }
    book.answers.store(200, Ordering::Relaxed);
    book.enough.notified().await;
    let kubeconfig = text(&serve.kubeconfig).to_owned();
    let to = text(&copy).to_owned();
    let back_up = move || run(&["backup", "--kubeconfig", &kubeconfig, "--to", &to]);
    let (again, backed_up) = (back_up.clone(), tokio::task::spawn_blocking(back_up));
    let copied = backed_up.await.unwrap();
    assert_eq!(copied.code, Some(0), "{copied:?}");
    book.answers.store(50, Ordering::Relaxed);
    book.enough.notified().await;
    writers.shutdown().await;
    drop(written);

    let exists = tokio::task::spawn_blocking(again).await.unwrap();
    assert_eq!(exists.code, Some(1), "{exists:?}");
    assert!(exists.stderr.contains("--to"), "{}", exists.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = copy.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    // The last of what the copy has of each object is what the original had at one version.
    let restored = Serve::start_with(&["--store", &format!("redb:{}", text(&copy))]);
    let copied = api(&restored.kubeconfig).await;
    // There is a ConfigMap of the server itself, too.
    let written = |list: &ObjectList<ConfigMap>| -> Vec<ConfigMap> {
        let ours = |object: &&ConfigMap| object.name_any().starts_with("object-");
        list.items.iter().filter(ours).cloned().collect()
    };
    let list = copied.list(&ListParams::default()).await.unwrap();
    let newest = written(&list).iter().map(version).max().unwrap();
    let params = ListParams {
        version_match: Some(kube::api::VersionMatch::Exact),
        resource_version: Some(newest.to_string()),
        ..ListParams::default()
    };
    let then = original.list(&params).await.unwrap();
    assert_eq!(written(&list), written(&then));
    let now = ResourceVersion(list.metadata.resource_version.unwrap().parse().unwrap());
    let latest = original.list(&ListParams::default()).await.unwrap();
    assert!(now > ResourceVersion(latest.metadata.resource_version.unwrap().parse().unwrap()));
}
