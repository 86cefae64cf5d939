//! More than a server can take, on a port: what is turned away, who is served all the same, and how it stops.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::port::Port;
use common::{Api, CONFIGMAPS, configmap};
use http::Method;
use optilock_apiserver::store::{
    CommitError, Cursor, Entry, Expected, MemoryStore, Page, Range, ReadError, Retention, Store,
};
use optilock_apiserver::{Limits, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

/// A store whose reads of one object wait until they are let go, or make whoever reads panic.
#[derive(Debug)]
struct Slow {
    store: MemoryStore,
    go: Semaphore,
    waiting: AtomicUsize,
}

impl Slow {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(Retention::default()),
            go: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Waits until so many reads wait.
    async fn reached(&self, count: usize) {
        while self.waiting.load(Ordering::Relaxed) < count {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Store for Slow {
    async fn get(&self, key: &str) -> Result<Option<Entry>, ReadError> {
        assert!(!key.ends_with("/panic"), "as the test wishes");
        if key.ends_with("/slow") {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.go.acquire().await.unwrap().forget();
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        self.store.get(key).await
    }

    async fn range(&self, range: Range<'_>) -> Result<Page, ReadError> {
        self.store.range(range).await
    }

    async fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError> {
        self.store.commit(key, expected, value).await
    }

    fn revision(&self) -> u64 {
        self.store.revision()
    }

    fn watch(&self, prefix: &str, after: u64) -> Result<Cursor, ReadError> {
        self.store.watch(prefix, after)
    }
}

fn server(store: &Arc<Slow>) -> Server {
    let store: Arc<dyn Store> = Arc::clone(store) as _;
    Server::builder().controllers([]).store(store).build()
}

/// Status line, head and body of an answer on a connection of its own that is closed after it.
async fn ask(port: &Port, request: &str) -> (u16, String, String) {
    let mut stream = port.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 16384];
    loop {
        let read = stream.read(&mut piece).await.unwrap();
        answer.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse().unwrap())
            });
            if read == 0 || length.is_some_and(|length: usize| body.len() >= length) {
                return (
                    head[9..12].parse().unwrap(),
                    head.to_owned(),
                    body.to_owned(),
                );
            }
        }
        assert!(read > 0, "{text}");
    }
}

/// A token of a service account.
async fn token_of(server: &Server, account: &str) -> String {
    let api = Api::of(server.clone());
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let object =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}});
    api.post(accounts, &object).await.expect(201);
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let issued = api
        .post(&format!("{accounts}/{account}/token"), &request)
        .await;
    issued.expect(201)["status"]["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn get(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n")
}

/// One user's requests take all places that one user may have, and all of its line; another user is served at once, and
/// the server can be looked into. What is turned away is told when to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greedy_user_does_not_keep_others_out() {
    let store = Slow::new();
    let server = server(&store);
    let limits = Limits {
        reads: 8,
        writes: 8,
        ..Limits::default()
    };
    let token = token_of(&server, "modest").await;
    let port = Arc::new(Port::of(&server, limits).await);
    let mut greedy = Vec::new();
    // Seven of eight places, and a line of 400.
    for _ in 0..407 {
        let port = Arc::clone(&port);
        greedy.push(tokio::spawn(async move {
            let request = port.get(&format!("{CONFIGMAPS}/slow"));
            ask(&port, &request).await.0
        }));
    }
    store.reached(7).await;
    let metrics = loop {
        let (code, _, metrics) = ask(&port, &port.get("/metrics")).await;
        assert_eq!(code, 200);
        if metrics.contains("apiserver_current_inqueue_requests{request_kind=\"readOnly\"} 400") {
            break metrics;
        }
    };
    assert!(metrics.contains("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 7"));

    let (code, head, body) = ask(&port, &port.get(CONFIGMAPS)).await;
    assert_eq!(
        (code, body.as_str()),
        (429, "Too many requests, please try again later.\n")
    );
    assert!(
        head.to_lowercase().contains("\r\nretry-after: 1\r\n"),
        "{head}"
    );
    // Writes have places of their own, and so has the other user.
    let post = format!(
        "POST {CONFIGMAPS} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{}",
        port.token,
        configmap("a").to_string().len(),
        configmap("a")
    );
    assert_eq!(ask(&port, &post).await.0, 201);
    assert_eq!(ask(&port, &get(CONFIGMAPS, &token)).await.0, 200);
    assert_eq!(ask(&port, &port.get("/readyz")).await.0, 200);

    store.go.add_permits(407);
    for done in greedy {
        assert_eq!(done.await.unwrap(), 404);
    }
    assert_eq!(ask(&port, &port.get(CONFIGMAPS)).await.0, 200);
}

/// In process the caller is the program itself: it may have as many requests under way as it likes.
#[tokio::test]
async fn in_process_there_are_no_places() {
    let store = Slow::new();
    let api = Arc::new(Api::of(server(&store)));
    let mut asked = Vec::new();
    for _ in 0..1000 {
        let api = Arc::clone(&api);
        asked.push(tokio::spawn(async move {
            api.get(&format!("{CONFIGMAPS}/slow")).await.code
        }));
    }
    store.reached(1000).await;
    store.go.add_permits(1000);
    for done in asked {
        assert_eq!(done.await.unwrap(), 404);
    }
}

/// A mistake in the server is one request's misfortune: the others on its connection don't hear of it.
#[tokio::test]
async fn a_panic_is_the_answer_to_one_request() {
    let store = Slow::new();
    let server = server(&store);
    let api = Api::of(server.clone());
    let answer = api.get(&format!("{CONFIGMAPS}/panic")).await;
    assert_eq!(answer.code, 500);
    assert_eq!(
        answer.body,
        "This request caused apiserver to panic. Look in the logs for details.\n"
    );
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201);

    let port = Port::of(&server, Limits::default()).await;
    let mut stream = port.connect().await;
    for (path, expected) in [("panic", "500"), ("a", "200")] {
        let request = port.get(&format!("{CONFIGMAPS}/{path}"));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 16384];
        let read = stream.read(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..read]);
        assert_eq!(&text[9..12], expected, "{text}");
    }
}

/// Whether the server is well is told to everybody, and nothing else is.
#[tokio::test]
async fn without_a_token_health_is_all_that_is_told() {
    let port = Port::open().await;
    let anonymous = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    for (path, expected) in [
        ("/healthz", 200),
        ("/livez?verbose", 200),
        ("/readyz", 200),
        ("/readyz/ping", 401),
        ("/version", 401),
        ("/metrics", 401),
        ("/debug/store", 401),
        ("/", 401),
        (CONFIGMAPS, 401),
        ("/nothing", 401),
    ] {
        assert_eq!(ask(&port, &anonymous(path)).await.0, expected, "{path}");
    }
    assert_eq!(ask(&port, &get("/healthz", "wrong")).await.0, 401);
    // Nobody is counted by what they ask for.
    let metrics = ask(&port, &port.get("/metrics")).await.2;
    assert!(
        !metrics.contains("resource=\"configmaps\",scope"),
        "{metrics}"
    );
    assert!(
        metrics.contains("authentication_attempts{result=\"failure\"} 8"),
        "{metrics}"
    );
}

/// First it says that it is not ready, then nobody is let in, then watches end, and what was begun is answered.
#[tokio::test]
async fn it_stops_step_by_step() {
    let store = Slow::new();
    let server = server(&store);
    let limits = Limits {
        shutdown_delay: Duration::from_millis(300),
        ..Limits::default()
    };
    let mut port = Port::of(&server, limits).await;
    let mut watch = port.connect().await;
    let request = port.get(&format!("{CONFIGMAPS}?watch=1&resourceVersion=0"));
    watch.write_all(request.as_bytes()).await.unwrap();
    let mut begun = port.connect().await;
    let request = port.get(&format!("{CONFIGMAPS}/slow"));
    begun.write_all(request.as_bytes()).await.unwrap();
    store.reached(1).await;

    port.stop.take().unwrap().send(()).unwrap();
    loop {
        let (code, _, body) = ask(&port, &port.get("/readyz")).await;
        if code == 500 {
            assert!(
                body.contains("[-]shutdown failed: reason withheld\n"),
                "{body}"
            );
            break;
        }
    }
    assert_eq!(ask(&port, &port.get("/livez")).await.0, 200);
    assert_eq!(ask(&port, &port.get(CONFIGMAPS)).await.0, 200);
    // The watch ends as one that is over.
    let mut text = String::new();
    watch.read_to_string(&mut text).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n0\r\n\r\n"),
        "{text}"
    );
    assert!(tokio::net::TcpStream::connect(port.address).await.is_err());
    store.go.add_permits(1);
    let mut text = String::new();
    begun.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 404"), "{text}");
    (&mut port.serving).await.unwrap();
}

/// For one connection too many the idle one goes; those that ask or watch stay.
#[tokio::test]
async fn idle_connections_make_room() {
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let server = Server::builder().controllers([]).build();
    let port = Port::of(&server, limits).await;
    let mut watch = port.connect().await;
    let request = port.get(&format!("{CONFIGMAPS}?watch=1&resourceVersion=0"));
    watch.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    watch.read_exact(&mut head).await.unwrap();
    for _ in 0..200 {
        // Held open by nobody who asks for anything.
        std::mem::forget(port.connect().await);
        assert_eq!(ask(&port, &port.get("/readyz")).await.0, 200);
    }
    let created = Api::of(server).post(CONFIGMAPS, &configmap("a")).await;
    created.expect(201);
    let mut seen = String::new();
    while !seen.contains("\"ADDED\"") {
        let mut piece = [0; 4096];
        let read = watch.read(&mut piece).await.unwrap();
        assert!(read > 0, "the watch was closed: {seen}");
        seen += &String::from_utf8_lossy(&piece[..read]);
    }
}

/// A request that makes a WebSocket of a watch.
fn websocket(path: &str, token: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\norigin: https://a\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A watch that has become a WebSocket has the place of its connection until it is over.
#[tokio::test]
async fn a_websocket_has_a_place() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = Server::builder().controllers([]).build();
    let port = Port::of(&server, limits).await;
    let mut watch = port.connect().await;
    let path = format!("{CONFIGMAPS}?watch=1&timeoutSeconds=1");
    let request = websocket(&path, &port.token);
    watch.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    watch.read_exact(&mut head).await.unwrap();
    assert_eq!(&head[9..], b"101");
    // It waits for the place.
    let metrics = ask(&port, &port.get("/metrics")).await.2;
    let mut watches = metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_longrunning_requests"));
    assert!(
        watches.all(|line| line.ends_with(" 0")),
        "the watch goes on"
    );
}

/// A client that does not read what it has asked for holds one connection's memory, and that not for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_read_is_cut_off() {
    let limits = Limits {
        stalled: Duration::from_millis(200),
        reads: 8,
        ..Limits::default()
    };
    let server = Server::builder().controllers([]).build();
    let api = Api::of(server.clone());
    for n in 0..16 {
        let mut object = configmap(&format!("big-{n}"));
        object["data"]["k"] = Value::from("x".repeat(1_000_000));
        api.post(CONFIGMAPS, &object).await.expect(201);
    }
    let port = Port::of(&server, limits).await;
    let mut stalled = Vec::new();
    let watch = format!("{CONFIGMAPS}?watch=1");
    for request in [
        port.get(CONFIGMAPS),
        port.get(&watch),
        websocket(&watch, &port.token),
    ] {
        let mut stream = port.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    for mut stream in stalled {
        // What the system has taken for it is read, and then there is an end before all is told.
        let mut read = Vec::new();
        loop {
            let metrics = ask(&port, &port.get("/metrics")).await.2;
            let ended = |name: &str| {
                let mut lines = metrics.lines().filter(|line| line.starts_with(name));
                lines.all(|line| line.ends_with(" 0"))
            };
            if ended("apiserver_current_inflight_requests")
                && ended("apiserver_longrunning_requests")
            {
                break;
            }
        }
        let _ = stream.read_to_end(&mut read).await;
        assert!(read.len() < 16_000_000, "{}", read.len());
    }
}

/// A body that is larger than any may be is refused while it is sent.
#[tokio::test]
async fn a_body_without_an_end_is_refused() {
    let port = Port::open().await;
    let mut stream = port.connect().await;
    let head = format!(
        "POST {CONFIGMAPS} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        port.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = tokio::spawn(async move {
        // It ends when the server hangs up.
        while writer.write_all(chunk.as_bytes()).await.is_ok() {}
    });
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer[9..], b"413");
    drop(reader);
    sending.await.unwrap();
    assert_eq!(
        Api::new().call(Method::GET, "/livez", &[], "").await.code,
        200
    );
}
