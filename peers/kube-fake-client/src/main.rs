//! Asks kube-fake-client what the load client of crates/optilock-bench asks servers, and prints the same lines of JSON.
//!
//! ```text
//! kube-fake-load first
//! kube-fake-load SECONDS CONNECTIONS...
//! ```
//!
//! The first says how long it took from the start of the program to the first answer, the second how often in a second each thing
//! can be done by so many tasks that do it one after the other.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube_fake_client::ClientBuilder;
use serde_json::{Value, json};
use tokio::runtime::Builder;

const VERBS: [&str; 6] = ["get", "update", "patch", "apply", "create", "delete"];

fn main() -> Result<()> {
    let began = Instant::now();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // As many threads as the load client of servers has.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match args[..] {
        ["first"] => runtime.block_on(async {
            fake()
                .await?
                .create(&PostParams::default(), &deployment("first", 0)?)
                .await?;
            println!(
                "{}",
                json!({"first_us": began.elapsed().as_micros() as u64})
            );
            Ok(())
        }),
        [seconds, ref connections @ ..] if !connections.is_empty() => {
            let time = Duration::from_secs_f64(seconds.parse().context("reading SECONDS")?);
            for connections in connections {
                let connections = connections.parse().context("reading CONNECTIONS")?;
                runtime.block_on(load(connections, time))?;
            }
            Ok(())
        }
        _ => bail!("usage: kube-fake-load first|SECONDS CONNECTIONS..."),
    }
}

async fn fake() -> Result<Api<Deployment>> {
    let client = ClientBuilder::new().build().await?;
    Ok(Api::default_namespaced(client))
}

/// Lets so many do each thing for so long.
async fn load(connections: usize, time: Duration) -> Result<()> {
    let api = fake().await?;
    let mut workers = Vec::new();
    for number in 0..connections {
        let name = format!("load-{number}");
        api.create(&PostParams::default(), &deployment(&name, 0)?)
            .await?;
        let written = 1_000_000 * (number + 1);
        workers.push(Worker {
            api: api.clone(),
            name,
            written,
            made: Vec::new(),
        });
    }
    for verb in VERBS {
        let started = Instant::now();
        let running: Vec<_> = workers
            .into_iter()
            .map(|worker| tokio::spawn(worker.repeat(verb, started + time)))
            .collect();
        let (mut times, mut resting) = (Vec::new(), Vec::new());
        for worker in running {
            let (worker, its) = worker.await??;
            times.extend(its);
            resting.push(worker);
        }
        workers = resting;
        let took = started.elapsed();
        times.sort_unstable();
        let last = times
            .len()
            .checked_sub(1)
            .with_context(|| format!("{verb} was not done once"))?;
        let figures = json!({
            "verb": verb, "connections": connections,
            "per_second": times.len() as f64 / took.as_secs_f64(),
            "p50_us": times[last / 2].as_micros() as u64,
            "p99_us": times[last * 99 / 100].as_micros() as u64,
        });
        println!("{figures}");
    }
    Ok(())
}

/// Somebody who does one thing after the other.
struct Worker {
    api: Api<Deployment>,
    name: String,
    written: usize,
    /// What it has made and not deleted.
    made: Vec<String>,
}

impl Worker {
    async fn repeat(mut self, verb: &str, end: Instant) -> Result<(Self, Vec<Duration>)> {
        let mut times = Vec::new();
        let mut before = Instant::now();
        while before < end && self.step(verb).await? {
            let now = Instant::now();
            times.push(now - before);
            before = now;
        }
        Ok((self, times))
    }

    /// Does it once. False where there is nothing more to do.
    async fn step(&mut self, verb: &str) -> Result<bool> {
        self.written += 1;
        let Self {
            api,
            name,
            written,
            made,
        } = self;
        let count = json!({"metadata": {"annotations": {"count": written.to_string()}}});
        match verb {
            "get" => drop(api.get(name).await?),
            "update" => {
                let mut object = api.get(name).await?;
                object
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert("count".into(), written.to_string());
                api.replace(name, &PostParams::default(), &object).await?;
            }
            "patch" => drop(
                api.patch(name, &PatchParams::default(), &Patch::Merge(&count))
                    .await?,
            ),
            "apply" => {
                let applied = Patch::Apply(manifest(name, *written));
                api.patch(name, &PatchParams::apply("load").force(), &applied)
                    .await?;
            }
            "create" => {
                let name = format!("{name}-{written}");
                api.create(&PostParams::default(), &deployment(&name, *written)?)
                    .await?;
                made.push(name);
            }
            _ => match made.pop() {
                Some(name) => drop(api.delete(&name, &DeleteParams::default()).await?),
                None => return Ok(false),
            },
        }
        Ok(true)
    }
}

fn deployment(name: &str, number: usize) -> Result<Deployment> {
    Ok(serde_json::from_value(manifest(name, number))?)
}

/// The Deployment of the load client.
fn manifest(name: &str, number: usize) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name, "namespace": "default",
            "labels": {"app": name, "app.kubernetes.io/part-of": "bench"},
            "annotations": {"count": number.to_string()},
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "web",
                    "image": "registry.example.com/team/web:1.27.3",
                    "ports": [{"containerPort": 8080}],
                    "env": [{"name": "LOG_LEVEL", "value": "info"}],
                }]},
            },
        },
    })
}
