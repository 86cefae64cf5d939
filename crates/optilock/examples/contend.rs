//! Many writers of one object, and what an update costs them: a line of JSON with the figures.
//!
//! ```sh
//! KUBECONFIG=… cargo run --release --example contend -- 50 burst private
//! KUBECONFIG=… cargo run --release --example contend -- 500 60 combiner
//! ```
//!
//! The second word is `burst`, one update a writer and all at once, or for how many seconds each writer makes
//! one update after the other: those count that are done by then. The third is how they go about it:
//!
//! - `private`: each with a client and a `Contention` of its own, as so many processes would;
//! - `shared`: as one process, with one of each;
//! - `fed`: each with a client and a watch of its own, and no reads;
//! - `one-feed`: as one process, with one watch for all;
//! - `combiner`: as one process, through a `Combiner`;
//! - a number: each with a client of its own, and client-go's constant backoff of so many milliseconds
//!   with jitter 2.
//!
//! `cargo xtask bench contention` runs it beside client-go.

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Config};
use optilock::{Backoff, BoxError, Combiner, Contention, Feed, update};
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const LABEL: &str = "biz-version";

/// How a writer goes about it.
#[derive(Clone)]
enum Way {
    Update(Contention<Deployment>),
    Fed(Feed<Deployment>),
    Constant(Backoff),
    Combiner(Combiner<Deployment>),
}

#[derive(Default)]
struct Sum {
    /// All updates.
    updates: u64,
    /// Those that were done within the seconds of a loop, or in the burst.
    in_time: u64,
    requests: f64,
}

fn count(object: &mut Deployment) -> Result<(), BoxError> {
    let labels = object.metadata.labels.get_or_insert_default();
    let value: u64 = labels.get(LABEL).map_or(Ok(0), |value| value.parse())?;
    labels.insert(LABEL.to_owned(), (value + 1).to_string());
    Ok(())
}

/// Feeds what a watch tells, from a task of its own; ready when the object is there.
async fn follow(
    api: Api<Deployment>,
    name: String,
    feed: Feed<Deployment>,
) -> Result<(), BoxError> {
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = api.watch(&params, "0").await?.boxed();
    let (ready, first) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    tokio::spawn(async move {
        while let Ok(Some(event)) = events.try_next().await {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                feed.saw(object);
                // Who waits for the first may have gone.
                ready.take().map(|ready| ready.send(()));
            }
        }
    });
    Ok(first.await?)
}

async fn once(api: &Api<Deployment>, name: &str, way: &Way) -> Result<f64, BoxError> {
    let update = update(api, name).timeout(Duration::from_secs(600));
    let updated = match way {
        Way::Combiner(combiner) => {
            let combined = combiner.apply(count).await?;
            // The write was for so many, and its requests are theirs together.
            return Ok(f64::from(combined.effort.requests) / combined.members as f64);
        }
        Way::Constant(backoff) => update.backoff(*backoff).apply(count).await?,
        Way::Update(contention) => update.sharing(contention).apply(count).await?,
        Way::Fed(feed) => update.fed_by(feed).apply(count).await?,
    };
    Ok(f64::from(updated.effort.requests))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let words: Vec<_> = env::args().skip(1).collect();
    let [writers, shape, how] = &words[..] else {
        return Err("say WRITERS, burst or SECONDS, and how".into());
    };
    let writers: usize = writers.parse()?;
    let seconds: Option<u64> = match &**shape {
        "burst" => None,
        seconds => Some(seconds.parse()?),
    };
    let config = Config::infer().await?;
    let stage: Api<Deployment> = Api::default_namespaced(optilock::client(config.clone())?);
    let name = format!("contended-{}", std::process::id());
    let object = deployment(&name)?;
    stage.create(&PostParams::default(), &object).await?;

    let result = contend(&config, &stage, &name, writers, seconds, how).await;
    stage.delete(&name, &DeleteParams::default()).await?;
    println!("{}", result?);
    Ok(())
}

async fn contend(
    config: &Config,
    stage: &Api<Deployment>,
    name: &str,
    writers: usize,
    seconds: Option<u64>,
    how: &str,
) -> Result<serde_json::Value, BoxError> {
    let contention = Contention::default();
    let combiner = Combiner::new(stage.clone(), name);
    let feed = Feed::default();
    if how == "one-feed" {
        follow(stage.clone(), name.to_owned(), feed.clone()).await?;
    }
    let barrier = Arc::new(Barrier::new(writers + 1));
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let own_client = how != "shared" && how != "combiner" && how != "one-feed";
        let api = match own_client {
            true => Api::default_namespaced(optilock::client(config.clone())?),
            false => stage.clone(),
        };
        let way = match how {
            "private" => Way::Update(Contention::default()),
            "shared" => Way::Update(contention.clone()),
            "fed" => {
                let feed = Feed::default();
                follow(api.clone(), name.to_owned(), feed.clone()).await?;
                Way::Fed(feed)
            }
            "one-feed" => Way::Fed(feed.clone()),
            "combiner" => Way::Combiner(combiner.clone()),
            milliseconds => {
                let constant = Duration::from_millis(milliseconds.parse()?);
                Way::Constant(Backoff::new(i64::MAX, constant).with_jitter(2.0))
            }
        };
        let (name, barrier) = (name.to_owned(), Arc::clone(&barrier));
        tasks.spawn(async move {
            // The connection is there before anybody starts.
            api.get(&name).await?;
            barrier.wait().await;
            let begun = Instant::now();
            let mut sum = Sum::default();
            loop {
                sum.requests += once(&api, &name, &way).await?;
                sum.updates += 1;
                // What is under way at the end is awaited, and not counted.
                let over = seconds.is_some_and(|seconds| begun.elapsed().as_secs() >= seconds);
                sum.in_time += u64::from(!over);
                if over || seconds.is_none() {
                    return Ok::<_, BoxError>(sum);
                }
            }
        });
    }
    barrier.wait().await;
    let begun = Instant::now();
    let mut sums = Vec::new();
    while let Some(sum) = tasks.join_next().await {
        sums.push(sum??);
    }
    let took = match seconds {
        Some(seconds) => seconds as f64,
        None => begun.elapsed().as_secs_f64(),
    };

    let updates: u64 = sums.iter().map(|sum| sum.updates).sum();
    let in_time: u64 = sums.iter().map(|sum| sum.in_time).sum();
    let requests: f64 = sums.iter().map(|sum| sum.requests).sum();
    let squares: u64 = sums.iter().map(|sum| sum.in_time.pow(2)).sum();
    let labels = stage.get(name).await?.metadata.labels.unwrap_or_default();
    if labels.get(LABEL) != Some(&updates.to_string()) {
        return Err(format!(
            "{updates} updates, and the label is {:?}",
            labels.get(LABEL)
        )
        .into());
    }
    Ok(json!({
        "updates": updates,
        "rate": in_time as f64 / took,
        "requests": requests / updates as f64,
        "jain": (in_time as f64).powi(2) / (writers as f64 * squares as f64),
        "least": sums.iter().map(|sum| sum.in_time).min(),
    }))
}

fn deployment(name: &str) -> serde_json::Result<Deployment> {
    let labels: BTreeMap<_, _> = [("app", name)].into();
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {LABEL: "0"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]},
            },
        },
    }))
}
