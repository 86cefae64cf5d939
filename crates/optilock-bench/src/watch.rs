//! `optilock-bench watch`: many who watch what one writes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use memchr::memchr;
use serde_json::json;
use tokio::task::JoinSet;

use crate::connection::{Call, Keep};
use crate::load::ServerArgs;
use crate::objects::{event, event_name, text_after, version};
use crate::process::{processor_time, resident};
use crate::times::Times;

/// As many watches as kube-apiserver lets one connection have.
const PER_CONNECTION: usize = 100;

/// Watch `ConfigMaps` many times over while some are made, and say how late each watch has seen each.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// How many watches are open, 100 on each connection of HTTP/2.
    #[arg(long)]
    watchers: usize,
    /// How many `ConfigMaps` are made.
    #[arg(long)]
    events: u64,
    /// How many a second; 0 is as many as the server takes from one writer.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// The namespace in which they are made, where there are none before.
    #[arg(long, default_value = "default")]
    namespace: String,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn run(args: &Args) -> Result<()> {
    let access = args.server.access().await?;
    let protocol = args.server.protocol;
    let maps = format!("/api/v1/namespaces/{}/configmaps", args.namespace);
    let mut writer = access.connect(protocol).await?;
    let namespace = json!({"metadata": {"name": args.namespace}}).to_string();
    let call = Call::new(Method::POST, "/api/v1/namespaces", namespace);
    writer.ask(&call, Keep::Head).await?;
    let call = Call::new(Method::GET, maps.clone(), "");
    let list = writer.ask(&call, Keep::Head).await?.success()?;
    let began = Instant::now();
    // A selector, so that what a server puts into every namespace is not seen.
    let path = format!(
        "{maps}?watch=1&resourceVersion={}&fieldSelector=metadata.name!=kube-root-ca.crt",
        version(&list.body)?
    );
    let mut watching = JoinSet::new();
    let mut connection = access.connect(protocol).await?;
    for watcher in 0..args.watchers {
        if watcher % PER_CONNECTION == 0 {
            connection = access.connect(protocol).await?;
        }
        let response = connection
            .open(&Call::new(Method::GET, path.clone(), ""))
            .await?;
        ensure!(
            response.status().is_success(),
            "a watch was answered {}",
            response.status()
        );
        watching.spawn(follow(response.into_body(), args.events, began));
    }
    let pids = &args.server.pids;
    let open_mb = resident(pids)?;
    let before = processor_time(pids)?;
    let started = Instant::now();
    let mut ticks =
        (args.rate > 0).then(|| tokio::time::interval(Duration::from_secs(1) / args.rate));
    for number in 0..args.events {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let now = u64::try_from(began.elapsed().as_micros())?;
        let call = Call::new(Method::POST, maps.clone(), event(number, now));
        writer.ask(&call, Keep::Head).await?.success()?;
    }
    let wrote = started.elapsed();
    let mut times = Times::default();
    while let Some(watched) = watching.join_next().await {
        times.append(watched??);
    }
    let took = started.elapsed();
    let seen = times.len();
    let processor = processor_time(pids)? - before;
    let [p50, p99, max] = times.percentiles([50, 99, 100]);
    let figures = json!({
        "watchers": args.watchers, "seen": seen,
        "writes_per_second": args.events as f64 / wrote.as_secs_f64(),
        "events_per_second": seen as f64 / took.as_secs_f64(),
        "p50_us": p50, "p99_us": p99, "max_us": max,
        "open_mb": open_mb, "end_mb": resident(pids)?,
        "processor_us": processor.as_secs_f64() * 1e6 / seen as f64,
    });
    println!("{figures}");
    for number in 0..args.events {
        let call = Call::new(Method::DELETE, format!("{maps}/{}", event_name(number)), "");
        writer.ask(&call, Keep::Head).await?.success()?;
    }
    Ok(())
}

/// Reads a watch to its last event; how late each came. All have to come, once and in order.
async fn follow(mut body: Incoming, events: u64, began: Instant) -> Result<Times> {
    let mut times = Times::default();
    let mut pending = Vec::new();
    let mut next = 0;
    while next < events {
        let frame = body
            .frame()
            .await
            .context("a watch ended before its time")??;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let now = began.elapsed();
        let mut rest = &data[..];
        while let Some(end) = memchr(b'\n', rest) {
            let written = if pending.is_empty() {
                look(&rest[..end], next)?
            } else {
                pending.extend_from_slice(&rest[..end]);
                let written = look(&pending, next)?;
                pending.clear();
                written
            };
            times.add(now.saturating_sub(written));
            next += 1;
            rest = &rest[end + 1..];
        }
        pending.extend_from_slice(rest);
    }
    Ok(times)
}

/// When the object of an event was written, which is to be this one.
fn look(line: &[u8], number: u64) -> Result<Duration> {
    let name = text_after(line, b"\"name\":\"").unwrap_or_default();
    if !line.starts_with(b"{\"type\":\"ADDED\"") || name != event_name(number) {
        bail!(
            "{} was to come, but there came {}",
            event_name(number),
            String::from_utf8_lossy(line)
        );
    }
    let at = text_after(line, b"\"at\":\"").context("an event without a time")?;
    Ok(Duration::from_micros(at.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_the_one_that_was_to_come() {
        let line =
            br#"{"type":"ADDED","object":{"metadata":{"name":"event-3"},"data":{"at":"250"}}}"#;
        assert_eq!(look(line, 3).unwrap(), Duration::from_micros(250));
        assert!(look(line, 4).is_err());
    }
}
