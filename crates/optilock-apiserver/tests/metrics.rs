//! Metrics: those of kube-apiserver by name, type, labels and buckets, and what they count.
//!
//! `metrics.tsv` is what kube-apiserver 1.36.3 has. To record it anew, from a server that has been asked a few things:
//! `kubectl get --raw /metrics >F; OPTILOCK_RECORD=F cargo test -p optilock-apiserver --test metrics -- --ignored`
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use bytes::Bytes;
use common::{Api, CONFIGMAPS, DEPLOYMENTS, configmap, deployment};
use http::Method;

/// What is compared of a family of metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    /// Upper ends of its buckets, as they are written.
    buckets: Vec<String>,
}

/// Name of the family, labels and value of a line.
fn sample(line: &str) -> (&str, Vec<(&str, &str)>, &str) {
    let (name, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = name.split_once('{').unwrap_or((name, ""));
    let labels = labels.trim_end_matches('}').split("\",");
    let labels = labels.filter_map(|label| {
        let (name, value) = label.split_once("=\"")?;
        Some((name, value.trim_end_matches('"')))
    });
    (name, labels.collect(), value)
}

/// The families in a text, those without a sample left out: what they are told apart by is not seen.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# TYPE ") {
            let (name, kind) = said.split_once(' ').unwrap();
            name.clone_into(&mut current);
            families.entry(current.clone()).or_default().kind = kind.to_owned();
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let family = families.get_mut(&current).unwrap();
        for (name, value) in sample(line).1 {
            if name == "le" {
                // Go and Rust write large numbers differently.
                let end = value
                    .replace("+Inf", "inf")
                    .parse::<f64>()
                    .unwrap()
                    .to_string();
                if !family.buckets.contains(&end) {
                    family.buckets.push(end);
                }
            } else {
                family.labels.insert(name.to_owned());
            }
        }
    }
    families
}

fn record() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics.tsv")
}

#[test]
#[ignore = "records what kube-apiserver has"]
fn recorded() {
    let text = std::fs::read_to_string(std::env::var("OPTILOCK_RECORD").unwrap()).unwrap();
    let mut table = String::new();
    for (name, family) in families(&text) {
        // What is there for kube-apiserver's own libraries is no server's.
        if !["apiserver_", "authentication_", "process_"]
            .iter()
            .any(|of| name.starts_with(of))
        {
            continue;
        }
        let labels: Vec<&str> = family.labels.iter().map(String::as_str).collect();
        let (labels, buckets) = (labels.join(","), family.buckets.join(","));
        writeln!(table, "{name}\t{}\t{labels}\t{buckets}", family.kind).unwrap();
    }
    std::fs::write(record(), table).unwrap();
}

/// A server that has been asked a few things, and its metrics.
async fn asked() -> (Api, String) {
    let api = Api::new();
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let mut watch = api
        .watch(&format!("{CONFIGMAPS}?watch=1&resourceVersion=0"))
        .await;
    watch.brief().await;
    api.get(&format!("{CONFIGMAPS}/a")).await.expect(200);
    api.get(&format!("{CONFIGMAPS}/b")).await.expect(404);
    api.get(DEPLOYMENTS).await.expect(200);
    api.call(
        Method::PATCH,
        &format!("{DEPLOYMENTS}/web?fieldManager=m&force=true&dryRun=All"),
        &[("content-type", "application/apply-patch+yaml")],
        Bytes::from_static(b"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}"),
    )
    .await
    .expect(200);
    // What nobody has makes no metric.
    api.get("/api/v1/namespaces/default/nothings").await;
    let answer = api.get("/metrics").await;
    assert_eq!(answer.code, 200);
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    drop(watch);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    (api, text)
}

/// In what a dashboard or an alert asks for the two don't differ.
#[tokio::test]
async fn metrics_are_those_of_kube_apiserver() {
    let recorded = std::fs::read_to_string(record()).unwrap();
    let recorded: BTreeMap<&str, Family> = recorded
        .lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [name, kind, labels, buckets] = columns[..] else {
                panic!("{line}");
            };
            let list = |text: &str| -> Vec<String> {
                let parts = text.split(',').filter(|part| !part.is_empty());
                parts.map(str::to_owned).collect()
            };
            let family = Family {
                kind: kind.to_owned(),
                labels: list(labels).into_iter().collect(),
                buckets: list(buckets),
            };
            (name, family)
        })
        .collect();
    let (_api, text) = asked().await;
    let own = families(&text);
    assert!(own.len() > 12, "{own:#?}");
    for (name, family) in &own {
        // A number that Go does not tell.
        if name == "process_threads" {
            continue;
        }
        let Some(recorded) = recorded.get(&**name) else {
            panic!("kube-apiserver has no {name}");
        };
        assert_eq!(family, recorded, "{name}");
    }
}

#[tokio::test]
async fn what_was_asked_is_counted() {
    let (api, text) = asked().await;
    let value = |text: &str, name: &str, wanted: &[(&str, &str)]| -> Option<f64> {
        let mut found = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let (own, labels, value) = sample(line);
                let fits = own == name && wanted.iter().all(|label| labels.contains(label));
                fits.then(|| value.parse().unwrap())
            });
        found.next()
    };
    let configmaps = ("resource", "configmaps");
    for (verb, code, scope) in [
        ("POST", "201", "resource"),
        ("GET", "200", "resource"),
        ("GET", "404", "resource"),
    ] {
        let wanted = [configmaps, ("verb", verb), ("code", code), ("scope", scope)];
        assert_eq!(
            value(&text, "apiserver_request_total", &wanted),
            Some(1.0),
            "{wanted:?}"
        );
    }
    let deployments = [
        ("group", "apps"),
        ("version", "v1"),
        ("resource", "deployments"),
    ];
    let [group, version, resource] = deployments;
    for wanted in [
        [
            group,
            version,
            resource,
            ("verb", "LIST"),
            ("scope", "namespace"),
            ("dry_run", ""),
        ],
        [
            group,
            version,
            resource,
            ("verb", "APPLY"),
            ("scope", "resource"),
            ("dry_run", "All"),
        ],
    ] {
        assert_eq!(
            value(&text, "apiserver_request_total", &wanted),
            Some(1.0),
            "{wanted:?}"
        );
    }
    assert!(!text.contains("nothings"), "{text}");
    let watches = [configmaps, ("verb", "WATCH"), ("scope", "namespace")];
    assert_eq!(
        value(&text, "apiserver_longrunning_requests", &watches),
        Some(1.0)
    );
    assert_eq!(
        value(&text, "apiserver_watch_events_total", &[configmaps]),
        Some(1.0)
    );
    let ended = |text: &str| value(text, "apiserver_request_total", &watches);
    assert_eq!(ended(&text), Some(0.0));
    let objects = |resource| {
        value(
            &text,
            "apiserver_resource_objects",
            &[("resource", resource)],
        )
    };
    assert_eq!(
        (objects("configmaps"), objects("pods")),
        (Some(1.0), Some(0.0))
    );
    let sizes = [configmaps, ("verb", "GET")];
    assert_eq!(
        value(&text, "apiserver_response_sizes_count", &sizes),
        Some(2.0)
    );

    // The watch is over.
    let text = api.get("/metrics").await.body;
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert_eq!(
        value(&text, "apiserver_longrunning_requests", &watches),
        Some(0.0)
    );
    assert_eq!(ended(&text), Some(1.0));
}
