//! What a combiner costs besides its requests: processor time for an update, and memory for objects that
//! nobody updates. Needs Linux, and no cluster.
//!
//! ```sh
//! cargo run --release -p optilock --example price
//! ```

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use kube::{Api, Client};
use optilock::{BoxError, Combiners, update};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Updates of one object at the same time, and how often.
const UPDATES: usize = 1_000;
const ROUNDS: usize = 50;
/// Objects that nobody updates any more.
const IDLE: usize = 10_000;

/// A server that answers a PUT with what was put.
fn server() -> Client {
    let object = json!({
        "metadata": {"name": "counter", "namespace": "default", "uid": "u", "resourceVersion": "1"},
        "data": {"n": "0"},
    });
    let state = Arc::new(Mutex::new((object, 1_u64)));
    let answer = move |request: Request<Body>| {
        let state = Arc::clone(&state);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let mut state = state.lock().map_err(|error| error.to_string())?;
            if parts.method == Method::PUT {
                let mut object: Value = serde_json::from_slice(&body)?;
                state.1 += 1;
                object["metadata"]["resourceVersion"] = state.1.to_string().into();
                state.0 = object;
            } else {
                let name = parts.uri.path().rsplit('/').next().unwrap_or_default();
                state.0["metadata"]["name"] = name.into();
            }
            let body = serde_json::to_vec(&state.0)?;
            Ok::<_, BoxError>(Response::new(Body::from(body)))
        }
    };
    Client::new(tower::service_fn(answer), "default")
}

fn count(object: &mut ConfigMap) -> Result<(), BoxError> {
    let n = object.data.get_or_insert_default().entry("n".to_owned());
    let n = n.or_default();
    *n = (n.parse::<u64>()? + 1).to_string();
    Ok(())
}

/// The processor time of this thread.
fn cpu() -> Result<Duration, BoxError> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split_whitespace().next().unwrap_or_default();
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// The resident memory of this process, in bytes.
fn resident() -> Result<u64, BoxError> {
    let text = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find(|line| line.starts_with("Rss:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kilobytes.unwrap_or_default().parse::<u64>()? * 1024)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let api: Api<ConfigMap> = Api::default_namespaced(server());

    let before = cpu()?;
    for _ in 0..ROUNDS {
        update(&api, "counter").idempotent().apply(count).await?;
    }
    let write = (cpu()? - before) / ROUNDS as u32;

    let combiners = Combiners::new(api.clone()).linger(Duration::from_millis(10));
    let combiner = combiners.object("counter");
    let before = cpu()?;
    let mut writes = 0.0;
    for _ in 0..ROUNDS {
        let mut tasks = JoinSet::new();
        for _ in 0..UPDATES {
            let combiner = combiner.clone();
            tasks.spawn(async move { combiner.apply(count).await });
        }
        for combined in tasks.join_all().await {
            writes += 1.0 / combined?.members as f64;
        }
    }
    let updates = (UPDATES * ROUNDS) as f64;
    let whole = (cpu()? - before).as_secs_f64();
    let besides = (whole - writes * write.as_secs_f64()) / updates;

    // The task of each ends at once, so that no more than one takes memory at a time: those that linger are
    // not idle.
    let combiners = combiners.linger(Duration::ZERO);
    let before = resident()?;
    let mut idle = Vec::new();
    for n in 0..IDLE {
        let combiner = combiners.object(&format!("counter-{n}"));
        combiner.apply(count).await?;
        idle.push(combiner);
    }
    // Their tasks end.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let memory = resident()?.saturating_sub(before);

    println!(
        "{}",
        json!({
            "updates": updates,
            "writes": writes,
            "cpu_microseconds": besides * 1e6,
            "write_cpu_microseconds": write.as_secs_f64() * 1e6,
            "idle": idle.len(),
            "idle_megabytes": memory as f64 / 1e6,
        })
    );
    Ok(())
}
