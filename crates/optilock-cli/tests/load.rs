//! `optilock serve` under load, from another process: many watchers, more requests than it can take, connections that
//! say nothing.
//!
//! `OPTILOCK_SOAK_UPDATES` makes them as large as one likes; each test says what it counts. Times are printed and not judged.
#![cfg(target_os = "linux")]
// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use common::Serve;
use futures::future::join_all;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

/// Requests that are under way all the time in an overload, 1,000 on a connection: ten times as many as there are places.
const GREEDY: u64 = 6000;

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

/// What a client needs.
#[derive(Clone)]
struct Access {
    address: String,
    tls: Arc<ClientConfig>,
    token: String,
}

impl Access {
    fn to(serve: &Serve) -> Self {
        let authority = STANDARD
            .decode(serve.value("certificate-authority-data"))
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&authority).unwrap())
            .unwrap();
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut tls = tls.with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            address: serve.value("server").replace("https://", ""),
            tls: Arc::new(tls),
            token: serve.value("token"),
        }
    }

    /// A connection of HTTP/2, on which any number of requests go.
    async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector
            .connect("localhost".try_into().unwrap(), stream)
            .await;
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream.unwrap()))
            .await
            .unwrap();
        tokio::spawn(connection);
        Connection {
            sender,
            token: self.token.clone(),
        }
    }
}

#[derive(Clone)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    token: String,
}

impl Connection {
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> hyper::Result<http::Response<hyper::body::Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(body.into()))
            .unwrap();
        self.sender.clone().send_request(request).await
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> (StatusCode, Bytes) {
        let answer = self.send(method, path, body).await.unwrap();
        let code = answer.status();
        (code, answer.into_body().collect().await.unwrap().to_bytes())
    }
}

/// Resident memory of a process, in megabytes.
fn resident(serve: &Serve) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serve.child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn percentile(sorted: &[u64], of: usize) -> u64 {
    sorted[(sorted.len() - 1) * of / 100]
}

fn configmap(name: &str, data: &str) -> String {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"at": data}});
    object.to_string()
}

/// Every watcher gets every event once and in order. The size is the number of events; 100 a second are written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_watcher_gets_every_event() {
    let size = number("OPTILOCK_SOAK_UPDATES");
    let events = size.unwrap_or(100);
    let watchers = if size.is_some() { 1000 } else { 50 };
    let serve = Serve::start_with(&["--controllers", "none"]);
    let access = Access::to(&serve);
    let began = Instant::now();
    let mut all = JoinSet::new();
    // As informers do, the watchers of a process share connections.
    let connections = join_all((0..4).map(|_| access.connect())).await;
    let (_, list) = connections[0]
        .ask(Method::GET, CONFIGMAPS, String::new())
        .await;
    let list: Value = serde_json::from_slice(&list).unwrap();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!("{CONFIGMAPS}?watch=1&resourceVersion={version}");
    for watcher in 0..watchers {
        let connection = connections[watcher % 4].clone();
        let answer = connection.send(Method::GET, &path, "").await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        all.spawn(async move {
            let mut delays = Vec::new();
            let mut line = Vec::new();
            while delays.len() < usize::try_from(events).unwrap() {
                let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
                for piece in frame.split_inclusive(|byte| *byte == b'\n') {
                    line.extend_from_slice(piece);
                    if !piece.ends_with(b"\n") {
                        continue;
                    }
                    let now = u64::try_from(began.elapsed().as_micros()).unwrap();
                    let event: Value = serde_json::from_slice(&line).unwrap();
                    line.clear();
                    assert_eq!(event["type"], "ADDED");
                    let name = event["object"]["metadata"]["name"].as_str().unwrap();
                    assert_eq!(name, format!("object-{}", delays.len()));
                    let written = event["object"]["data"]["at"].as_str().unwrap();
                    delays.push(now - written.parse::<u64>().unwrap());
                }
            }
            delays
        });
    }
    let before = resident(&serve);
    let writer = access.connect().await;
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for event in 0..events {
        ticks.tick().await;
        let now = began.elapsed().as_micros().to_string();
        let object = configmap(&format!("object-{event}"), &now);
        let (code, answer) = writer.ask(Method::POST, CONFIGMAPS, object).await;
        assert_eq!(code, 201, "{answer:?}");
    }
    let mut delays: Vec<u64> = all.join_all().await.concat();
    delays.sort_unstable();
    println!(
        "{watchers} watchers got {events} events each: delay p50 {} ms, p99 {} ms, max {} ms; memory {before} MB, then {} MB",
        percentile(&delays, 50) / 1000,
        percentile(&delays, 99) / 1000,
        percentile(&delays, 100) / 1000,
        resident(&serve)
    );
}

/// Ten times as many requests as there are places, all the time, while a client asks a little now and then: that client is always
/// served. The size is the number of seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_little_is_served_under_overload() {
    let seconds = number("OPTILOCK_SOAK_UPDATES").unwrap_or(2);
    let serve = Serve::start_with(&["--controllers", "none"]);
    let access = Access::to(&serve);
    let admin = access.connect().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let account = json!({"metadata": {"name": "modest"}}).to_string();
    assert_eq!(admin.ask(Method::POST, accounts, account).await.0, 201);
    let path = format!("{accounts}/modest/token");
    let (code, issued) = admin
        .ask(Method::POST, &path, json!({"spec": {}}).to_string())
        .await;
    assert_eq!(code, 201, "{issued:?}");
    let issued: Value = serde_json::from_slice(&issued).unwrap();
    let modest = Access {
        token: issued["status"]["token"].as_str().unwrap().to_owned(),
        ..access.clone()
    };
    let object = configmap("mine", "0");
    assert_eq!(admin.ask(Method::POST, CONFIGMAPS, object).await.0, 201);
    for n in 0..200 {
        let object = configmap(&format!("other-{n}"), &"x".repeat(1000));
        assert_eq!(admin.ask(Method::POST, CONFIGMAPS, object).await.0, 201);
    }

    let over = Arc::new(AtomicBool::new(false));
    let (served, turned_away) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut greedy = JoinSet::new();
    for _ in 0..GREEDY / 1000 {
        let connection = access.connect().await;
        for n in 0..1000 {
            let connection = connection.clone();
            let (over, served, turned_away) = (
                Arc::clone(&over),
                Arc::clone(&served),
                Arc::clone(&turned_away),
            );
            greedy.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let (code, _) = match n % 3 {
                        0 => {
                            let object = configmap("other-0", "y");
                            let path = format!("{CONFIGMAPS}/other-0");
                            connection.ask(Method::PUT, &path, object).await
                        }
                        _ => {
                            let path = format!("{CONFIGMAPS}?limit=50");
                            connection.ask(Method::GET, &path, String::new()).await
                        }
                    };
                    match code.as_u16() {
                        429 => turned_away.fetch_add(1, Ordering::Relaxed),
                        200 => served.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other}"),
                    };
                }
            });
        }
    }
    let connection = modest.connect().await;
    let mut delays = Vec::new();
    let mut most = 0;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        for (method, body) in [
            (Method::GET, String::new()),
            (Method::PUT, configmap("mine", &delays.len().to_string())),
        ] {
            let asked = Instant::now();
            let path = format!("{CONFIGMAPS}/mine");
            let (code, answer) = connection.ask(method, &path, body).await;
            assert_eq!(code, 200, "{answer:?}");
            delays.push(u64::try_from(asked.elapsed().as_millis()).unwrap());
        }
        most = most.max(resident(&serve));
    }
    over.store(true, Ordering::Relaxed);
    // Those that have nothing more to ask are answered to the last.
    greedy.join_all().await;
    let asked = Instant::now();
    let (code, _) = connection
        .ask(Method::GET, &format!("{CONFIGMAPS}/mine"), String::new())
        .await;
    assert_eq!(code, 200);
    let after = asked.elapsed();
    delays.sort_unstable();
    let (served, turned_away) = (
        served.load(Ordering::Relaxed),
        turned_away.load(Ordering::Relaxed),
    );
    println!(
        "{seconds} s: {served} served, {turned_away} turned away; the modest client was served {} times of {}, p50 {} ms, p99 {} ms, \
         max {} ms, afterwards {after:?}; memory at most {most} MB",
        delays.len(),
        delays.len(),
        percentile(&delays, 50),
        percentile(&delays, 99),
        percentile(&delays, 100)
    );
    // How many are turned away is a matter of how the requests meet in the server; that they wait is not, and whoever asks
    // little waits less than they do.
    let greedy = served / GREEDY;
    assert!(
        delays.len() as u64 > greedy,
        "no more than {greedy} times, as often as each of the greedy"
    );
    assert!(most < 1024, "{most} MB");
}

/// Connections that say nothing take bounded memory, and whoever asks something is served between them. The size is the number of
/// connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_bounded() {
    let connections = number("OPTILOCK_SOAK_UPDATES").unwrap_or(500);
    let allowed = (connections / 4).to_string();
    let serve = Serve::start_with(&["--controllers", "none", "--max-connections", &allowed]);
    let access = Access::to(&serve);
    let before = resident(&serve);
    let mut idle = Vec::new();
    for n in 0..connections {
        // Half of them don't even begin with TLS; some have asked before.
        match n % 4 {
            0 => {
                let connection = access.connect().await;
                let (code, _) = connection.ask(Method::GET, CONFIGMAPS, String::new()).await;
                assert_eq!(code, 200);
                idle.push((Some(connection), None));
            }
            1 => idle.push((Some(access.connect().await), None)),
            _ => {
                let stream = TcpStream::connect(&access.address).await.unwrap();
                idle.push((None, Some(stream)));
            }
        }
    }
    let asked = Instant::now();
    let (code, _) = access
        .connect()
        .await
        .ask(Method::GET, CONFIGMAPS, String::new())
        .await;
    assert_eq!(code, 200);
    let after = resident(&serve);
    println!(
        "{connections} connections, {allowed} allowed: served after {:?}; memory {before} MB, then {after} MB",
        asked.elapsed()
    );
    assert!(after < before + 512, "{after} MB");
}
