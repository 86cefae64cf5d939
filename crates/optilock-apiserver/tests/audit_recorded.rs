//! The events of the audit log beside those that kube-apiserver 1.36.3 has written of the same requests.
//!
//! `data/audit/requests.jsonl` are the requests, `data/audit/events.jsonl` the events. The latter are written anew by
//! `OPTILOCK_AUDIT_LOG=$PWD/target/audit.log cargo xtask control-plane run --audit-log target/audit.log -- cargo test
//! -p optilock-apiserver --test audit_recorded -- --ignored`.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use bytes::Bytes;
use common::Api;
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use optilock_apiserver::{AuditLevel, AuditLog, Server};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;

/// What is sent.
#[derive(Debug, Deserialize)]
struct Sent {
    method: String,
    path: String,
    /// The media type of the body, where it is not JSON.
    r#type: Option<String>,
    /// A text is sent as it is.
    body: Option<Value>,
    /// Another token than a good one.
    token: Option<String>,
    /// kube-apiserver fails to write what came of it, because what was sent is no JSON.
    #[serde(default)]
    lost: bool,
}

impl Sent {
    fn headers(&self, at: usize) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("audit-id", id(at)),
            ("user-agent", "recorder".to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        if self.body.is_some() {
            let media_type = self.r#type.as_deref().unwrap_or("application/json");
            headers.push(("content-type", media_type.to_owned()));
        }
        headers.extend(
            self.token
                .iter()
                .map(|token| ("authorization", format!("Bearer {token}"))),
        );
        headers
    }

    fn body(&self) -> Bytes {
        match &self.body {
            None => Bytes::new(),
            Some(Value::String(text)) => text.clone().into(),
            Some(json) => json.to_string().into(),
        }
    }
}

fn id(at: usize) -> String {
    format!("request-{at}")
}

fn data(name: &str) -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("data").join("audit").join(name)
}

fn requests() -> Vec<Sent> {
    let text = fs::read_to_string(data("requests.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Events by request, in their order.
fn by_request(log: &str) -> BTreeMap<String, Vec<Value>> {
    let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let id = event["auditID"].as_str().unwrap().to_owned();
        events.entry(id).or_default().push(event);
    }
    events
}

/// An event without what differs with each run, and without what `docs/observability.md` says that only kube-apiserver writes.
fn plain(mut event: Value) -> Value {
    if let Some(annotations) = event["annotations"].as_object_mut() {
        annotations.remove("pod-security.kubernetes.io/enforce-policy");
        annotations.remove("authentication.kubernetes.io/issued-credential-id");
    }
    if event["requestObject"]["kind"] == "DeleteOptions" {
        event.as_object_mut().unwrap().remove("requestObject");
    }
    if let Some(message) = event.pointer_mut("/responseStatus/message") {
        *message = without_uids(message.as_str().unwrap()).into();
    }
    let fields = event.as_object_mut().unwrap();
    for of_run in [
        "user",
        "sourceIPs",
        "requestReceivedTimestamp",
        "stageTimestamp",
    ] {
        fields.remove(of_run);
    }
    for pointer in [
        "/objectRef/resourceVersion",
        "/objectRef/uid",
        "/responseStatus/details/uid",
    ] {
        if let Some(value) = event.pointer_mut(pointer) {
            *value = "*".into();
        }
    }
    event
}

/// A text with a star for each uid of 36 characters.
fn without_uids(text: &str) -> String {
    let words = text.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != '-');
    let plain = words.map(|word| match word.get(..36) {
        Some(uid) if uid.matches('-').count() == 4 => word.replacen(uid, "*", 1),
        _ => word.to_owned(),
    });
    plain.collect()
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn events_are_those_that_kube_apiserver_has_written() {
    let written = Log::default();
    let log = AuditLog::new(written.clone(), AuditLevel::Request).unwrap();
    let api = Api::of(Server::builder().audit(log.clone()).build());
    let requests = requests();
    for (at, sent) in requests.iter().enumerate() {
        let headers = sent.headers(at);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let method = Method::from_bytes(sent.method.as_bytes()).unwrap();
        api.call(method, &sent.path, &headers, sent.body()).await;
    }
    log.flush();
    let text = String::from_utf8(written.0.lock().clone()).unwrap();
    let (ours, theirs) = (
        by_request(&text),
        fs::read_to_string(data("events.jsonl")).unwrap(),
    );
    let theirs = by_request(&theirs);
    let mut differ = 0;
    for (at, sent) in requests.iter().enumerate() {
        let events = |of: &BTreeMap<String, Vec<Value>>| -> Vec<Value> {
            let events = of.get(&id(at)).cloned().unwrap_or_default();
            events.into_iter().map(plain).collect()
        };
        let (mut ours, theirs) = (events(&ours), events(&theirs));
        if sent.lost {
            assert_eq!(ours.pop().unwrap()["stage"], "ResponseComplete");
        }
        if ours != theirs {
            differ += 1;
            println!("{} {}", sent.method, sent.path);
            for event in theirs.iter().filter(|event| !ours.contains(event)) {
                println!("  theirs {event}");
            }
            for event in ours.iter().filter(|event| !theirs.contains(event)) {
                println!("  ours   {event}");
            }
        }
    }
    assert_eq!(differ, 0, "of {}", requests.len());
}

/// Sends the requests to the server of `KUBECONFIG`, and takes over what it writes to `OPTILOCK_AUDIT_LOG`.
#[tokio::test]
#[ignore = "it writes the recording"]
async fn record() {
    let kubeconfig = Kubeconfig::read_from(env::var("KUBECONFIG").unwrap()).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options);
    let config = config.await.unwrap();
    let mut stranger = config.clone();
    stranger.auth_info.token = None;
    let (client, stranger) = (
        Client::try_from(config).unwrap(),
        Client::try_from(stranger).unwrap(),
    );
    let requests = requests();
    for (at, sent) in requests.iter().enumerate() {
        let mut request = Request::builder()
            .method(sent.method.as_str())
            .uri(&sent.path);
        for (name, value) in sent.headers(at) {
            request = request.header(name, value);
        }
        let request = request
            .body(kube::client::Body::from(sent.body().to_vec()))
            .unwrap();
        let client = match sent.token {
            Some(_) => &stranger,
            None => &client,
        };
        let answer = client.send(request).await.unwrap();
        // To the end: only then the last event is written.
        answer.into_body().collect().await.unwrap();
    }
    let log = env::var("OPTILOCK_AUDIT_LOG").unwrap();
    let last = id(requests.len() - 1);
    let written = async {
        loop {
            let events = by_request(&fs::read_to_string(&log).unwrap());
            if events.get(&last).map_or(0, Vec::len) == 2 {
                break events;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let events = tokio::time::timeout(Duration::from_secs(60), written).await;
    let events = events.expect("the last event is written");
    let mut recording = String::new();
    for at in 0..requests.len() {
        for event in events.get(&id(at)).into_iter().flatten() {
            recording += &format!("{event}\n");
        }
    }
    fs::write(data("events.jsonl"), recording).unwrap();
}
