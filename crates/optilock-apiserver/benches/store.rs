//! Compare-and-swaps per second of the stores, and updates per second through the API over them.
//!
//! `cargo bench -p optilock-apiserver --features redb --bench store [-- SECONDS]`. Each line has the store, what is written
//! (`keys`: every writer has a key of its own; `key`: all have one; `api`: every writer has a ConfigMap of its own), how
//! many writers, and the rate. `peers/control-plane/cmd/etcd-load` puts the same load on an etcd.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use optilock_apiserver::store::{CommitError, Expected, MemoryStore, RedbStore, Retention, Store};
use optilock_apiserver::{ApiService, Server};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tower::ServiceExt;

const WRITERS: [usize; 4] = [1, 8, 32, 128];
/// The size of a Deployment, roughly.
const VALUE_BYTES: usize = 1500;
const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

fn main() {
    let seconds = env::args().skip(1).find_map(|text| text.parse().ok());
    let time = Duration::from_secs_f64(seconds.unwrap_or(1.0));
    let runtime = Runtime::new().expect("a runtime");
    // On the disk that the build is on: a temporary folder may be in memory.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(target).expect("a folder");
    for kind in ["memory", "redb"] {
        for load in ["keys", "key", "api"] {
            for writers in WRITERS {
                let store: Arc<dyn Store> = match kind {
                    "memory" => Arc::new(MemoryStore::new(Retention::default())),
                    _ => {
                        let path = folder.path().join(format!("{load}-{writers}"));
                        let opened = RedbStore::open(path, Retention::default());
                        Arc::new(opened.expect("a store"))
                    }
                };
                let rate = match load {
                    "api" => runtime.block_on(through_the_api(store, writers, time)),
                    _ => runtime.block_on(swaps(store, writers, load == "key", time)),
                };
                println!("{kind} {load} {writers} {rate:.0}");
            }
        }
    }
}

/// Successful swaps per second.
async fn swaps(store: Arc<dyn Store>, writers: usize, one_key: bool, time: Duration) -> f64 {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let key = format!("/k/{}", if one_key { 0 } else { writer });
            let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
            let (mut expected, mut done) = (Expected::Absent, 0_u32);
            while started.elapsed() < time {
                match store.commit(&key, expected, Some(value.clone())).await {
                    Ok(revision) => {
                        expected = Expected::Revision(revision);
                        done += 1;
                    }
                    Err(CommitError::Mismatch(Some(current))) => {
                        expected = Expected::Revision(current.revision);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            done
        });
    }
    let done: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// Successful updates per second, each with the version of the last one.
async fn through_the_api(store: Arc<dyn Store>, writers: usize, time: Duration) -> f64 {
    let server = Server::builder().store(store).controllers([]).build();
    let mut objects = Vec::new();
    for writer in 0..writers {
        let object = json!({
            "metadata": {"name": format!("c{writer}")},
            "data": {"value": "x".repeat(VALUE_BYTES - 300)},
        });
        objects.push(send(server.service(), Method::POST, CONFIGMAPS, &object).await);
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for mut object in objects {
        let service = server.service();
        tasks.spawn(async move {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let path = format!("{CONFIGMAPS}/{name}");
            let mut done = 0_u32;
            while started.elapsed() < time {
                done += 1;
                object["data"]["count"] = done.to_string().into();
                object = send(service.clone(), Method::PUT, &path, &object).await;
            }
            done
        });
    }
    let done: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(done) / started.elapsed().as_secs_f64()
}

async fn send(service: ApiService, method: Method, path: &str, body: &Value) -> Value {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Full::new(Bytes::from(body.to_string())));
    let response = service.oneshot(request.expect("a request")).await;
    let response = response.unwrap_or_else(|never| match never {});
    let code = response.status();
    let body = response.into_body().collect().await.expect("a body");
    let body = body.to_bytes();
    assert!(code.is_success(), "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).expect("an object")
}
