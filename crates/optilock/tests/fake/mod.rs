//! A server of one object, in process: it really enforces uid and resourceVersion, and can be told to
//! misbehave.

// Each test uses a part of it.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use kube::core::Status;
use kube::core::response::{StatusDetails, reason};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::retry::RetryLayer;
use tower::{BoxError, Layer};

/// What the server does with one request, instead of just answering it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Somebody else writes the object first.
    Foreign,
    /// The object is replaced by a namesake first.
    Recreate,
    /// The answer is this one. The request is carried out before if `applied`.
    Answer { applied: bool, status: Box<Status> },
    /// The answer says success and makes no sense.
    Garbled { applied: bool },
    /// The connection breaks.
    Broken { applied: bool },
    /// There is no answer.
    Silent { applied: bool },
}

#[derive(Debug)]
struct State {
    object: Value,
    version: u64,
    recreated: u64,
    on_get: VecDeque<Fault>,
    on_put: VecDeque<Fault>,
    always: Option<fn() -> Fault>,
    gets: usize,
    /// The query and the body of every PUT.
    puts: Vec<(String, Value)>,
    writes: usize,
    latency: VecDeque<Duration>,
    work: Option<Work>,
}

/// What requests cost a server that has one processor.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) get: Duration,
    /// A write that is refused, because it is outdated as it comes in.
    pub(crate) refused: Duration,
    pub(crate) put: Duration,
    /// What the store takes on top, without the processor.
    pub(crate) store: Duration,
    processor: Arc<Semaphore>,
}

impl Work {
    /// Like kube-apiserver and etcd on a machine with two processors, which writers share with them: what
    /// requests cost there was found by what bursts with constant backoffs take.
    pub(crate) fn of_a_small_machine() -> Self {
        Self {
            get: Duration::from_micros(500),
            refused: Duration::from_micros(1_100),
            put: Duration::from_micros(1_300),
            store: Duration::from_millis(1),
            processor: Arc::new(Semaphore::new(1)),
        }
    }

    async fn take(&self, time: Duration) {
        let _processor = self.processor.acquire().await.unwrap();
        tokio::time::sleep(time).await;
    }
}

/// The server; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Fake(Arc<Mutex<State>>);

impl Fake {
    /// A ConfigMap `counter` with the entry `n: "0"`.
    pub(crate) fn new() -> Self {
        Self::of(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "counter", "namespace": "default"},
            "data": {"n": "0"},
        }))
    }

    pub(crate) fn of(mut object: Value) -> Self {
        object["metadata"]["uid"] = "uid-0".into();
        object["metadata"]["resourceVersion"] = "100".into();
        Self(Arc::new(Mutex::new(State {
            object,
            version: 100,
            recreated: 0,
            on_get: VecDeque::new(),
            on_put: VecDeque::new(),
            always: None,
            gets: 0,
            puts: Vec::new(),
            writes: 0,
            latency: VecDeque::new(),
            work: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The next PUTs that are not faulty yet go wrong like this.
    pub(crate) fn on_put(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.state().on_put.extend(faults);
        self
    }

    /// The next GETs that are not faulty yet go wrong like this.
    pub(crate) fn on_get(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.state().on_get.extend(faults);
        self
    }

    /// Every PUT goes wrong like this.
    pub(crate) fn on_every_put(self, fault: fn() -> Fault) -> Self {
        self.state().always = Some(fault);
        self
    }

    /// Every request takes one of these times, in turn, to get here and another to get back.
    pub(crate) fn latency(self, times: impl IntoIterator<Item = Duration>) -> Self {
        self.state().latency.extend(times);
        self
    }

    /// Requests take their time, one after the other.
    pub(crate) fn work(self, work: Work) -> Self {
        self.state().work = Some(work);
        self
    }

    /// Somebody else writes the object.
    pub(crate) fn write(&self) {
        self.state().foreign();
    }

    pub(crate) fn set(&self, pointer: &str, value: Value) {
        *self.state().object.pointer_mut(pointer).unwrap() = value;
    }

    pub(crate) fn object(&self) -> Value {
        self.state().object.clone()
    }

    pub(crate) fn n(&self) -> String {
        self.object()["data"]["n"].as_str().unwrap().to_owned()
    }

    pub(crate) fn gets(&self) -> usize {
        self.state().gets
    }

    pub(crate) fn puts(&self) -> Vec<(String, Value)> {
        self.state().puts.clone()
    }

    /// How often the object was written, by clients that follow the protocol.
    pub(crate) fn writes(&self) -> usize {
        self.state().writes
    }

    /// A client without any layer.
    pub(crate) fn client(&self) -> Client {
        let fake = self.clone();
        Client::new(
            tower::service_fn(move |request| fake.clone().answer(request)),
            "default",
        )
    }

    /// A client with the layer that kube's default client has.
    pub(crate) fn client_that_retries(&self) -> Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request| fake.clone().answer(request));
        Client::new(
            RetryLayer::new(RetryPolicy::server_retry()).layer(service),
            "default",
        )
    }

    async fn travel(&self) {
        let time = {
            let mut state = self.state();
            let time = state.latency.pop_front();
            state.latency.extend(time);
            time
        };
        if let Some(time) = time {
            tokio::time::sleep(time).await;
        }
    }

    /// Lets the time pass that the request takes.
    async fn toil(&self, method: &Method, body: &[u8]) -> Result<(), BoxError> {
        let Some(work) = self.state().work.clone() else {
            return Ok(());
        };
        if method == Method::GET {
            work.take(work.get).await;
            return Ok(());
        }
        let body: Value = serde_json::from_slice(body)?;
        let base = &body["metadata"]["resourceVersion"];
        let outdated = || self.object()["metadata"]["resourceVersion"] != *base;
        if outdated() {
            work.take(work.refused).await;
        } else {
            work.take(work.put).await;
            if !outdated() {
                tokio::time::sleep(work.store).await;
            }
        }
        Ok(())
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        self.travel().await;
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        self.toil(&parts.method, &body).await?;
        let fault = {
            let mut state = self.state();
            if parts.method == Method::GET {
                state.gets += 1;
                state.on_get.pop_front()
            } else {
                assert_eq!(parts.method, Method::PUT);
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let body = serde_json::from_slice(&body)?;
                state.puts.push((query, body));
                let always = state.always;
                state.on_put.pop_front().or(always.map(|fault| fault()))
            }
        };
        let carry_out = || {
            let mut state = self.state();
            match parts.method {
                Method::PUT => state.put(parts.uri.query().unwrap_or_default()),
                _ => Ok(state.object.clone()),
            }
        };
        let apply_if = |applied| {
            if applied {
                carry_out().unwrap();
            }
        };
        let result = match fault {
            None => carry_out(),
            Some(Fault::Foreign) => {
                self.state().foreign();
                carry_out()
            }
            Some(Fault::Recreate) => {
                self.state().recreate();
                carry_out()
            }
            Some(Fault::Answer { applied, status }) => {
                apply_if(applied);
                Err(status)
            }
            Some(Fault::Garbled { applied }) => {
                apply_if(applied);
                return Ok(Response::new(b"<html>".to_vec().into()));
            }
            Some(Fault::Broken { applied }) => {
                apply_if(applied);
                return Err("connection reset by peer".into());
            }
            Some(Fault::Silent { applied }) => {
                apply_if(applied);
                std::future::pending().await
            }
        };
        self.travel().await;
        let (code, body) = match result {
            Ok(object) => (200, serde_json::to_vec(&object)?),
            Err(status) => (status.code, serde_json::to_vec(&status)?),
        };
        Ok(Response::builder().status(code).body(body.into())?)
    }
}

impl State {
    /// Writes the last body that came in, unless it was computed from something else.
    fn put(&mut self, query: &str) -> Result<Value, Box<Status>> {
        let (_, body) = self.puts.last().unwrap().clone();
        let (sent, live) = (&body["metadata"], &self.object["metadata"]);
        if sent["uid"] != live["uid"] {
            return Err(conflict(
                "StorageError: invalid object, Precondition failed",
            ));
        }
        if sent["resourceVersion"] != live["resourceVersion"] {
            return Err(conflict(
                "the object has been modified; please apply your changes to the latest version and try again",
            ));
        }
        if query.contains("dryRun=All") {
            return Ok(body);
        }
        self.object = body;
        self.writes += 1;
        self.next_version();
        Ok(self.object.clone())
    }

    fn next_version(&mut self) {
        self.version += 1;
        self.object["metadata"]["resourceVersion"] = self.version.to_string().into();
    }

    fn foreign(&mut self) {
        self.next_version();
        let seconds = self.version % 60;
        self.object["metadata"]["managedFields"] = json!([
            {"manager": "kubectl", "operation": "Apply", "time": "2001-01-01T00:00:00Z"},
            {
                "manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
                "time": format!("2026-11-22T12:00:{seconds:02}Z"),
            },
            {"manager": "nobody", "operation": "Update"},
        ]);
    }

    fn recreate(&mut self) {
        self.recreated += 1;
        self.object["metadata"]["uid"] = format!("uid-{}", self.recreated).into();
        self.next_version();
    }
}

fn conflict(why: &str) -> Box<Status> {
    let message = format!("Operation cannot be fulfilled on configmaps \"counter\": {why}");
    Status::failure(&message, reason::CONFLICT)
        .with_code(409)
        .boxed()
}

/// A fault that answers with this code and reason.
pub(crate) fn answer(applied: bool, code: u16, reason: &str) -> Fault {
    let status = Status::failure("the server's own words", reason)
        .with_code(code)
        .boxed();
    Fault::Answer { applied, status }
}

/// The same with a time after which to try again.
pub(crate) fn answer_after(code: u16, reason: &str, retry_after_seconds: u32) -> Fault {
    let details = StatusDetails {
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes: Vec::new(),
        retry_after_seconds,
    };
    let status = Status::failure("slow down", reason)
        .with_code(code)
        .with_details(details)
        .boxed();
    Fault::Answer {
        applied: false,
        status,
    }
}
