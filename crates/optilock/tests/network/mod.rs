//! A network between a client and the embedded server, with latency, that loses, delays, repeats and
//! garbles writes, and an oracle that sees what the server has really carried out.

// Each test uses a part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kube::Client;
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use kube::core::Status;
use kube::core::response::reason;
use optilock_apiserver::Server;
use serde_json::Value;
use tower::retry::RetryLayer;
use tower::{BoxError, Layer};

/// What becomes of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server never gets it, and the connection breaks.
    RequestDropped,
    /// It is carried out, and the connection breaks.
    AnswerDropped,
    /// It is carried out, and there never is an answer.
    AnswerMissing,
    /// The connection breaks at once, and the server gets the request a while later.
    RequestLate,
    /// It is carried out and answered, and the server gets it again a while later.
    Duplicated,
    /// It is carried out, and the answer is 504.
    TimeoutAfterCommit,
    /// It is not carried out, and the answer is 500.
    ErrorBeforeCommit,
    /// It is carried out, and the answer of success ends in the middle.
    AnswerCut,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::RequestDropped,
        Self::AnswerDropped,
        Self::AnswerMissing,
        Self::RequestLate,
        Self::Duplicated,
        Self::TimeoutAfterCommit,
        Self::ErrorBeforeCommit,
        Self::AnswerCut,
    ];
}

/// An answer, which may go on for ever.
type Answer = Result<Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;
type Plan = Box<dyn FnMut() -> Option<Fault> + Send>;
type Watching = fn() -> Option<(u16, &'static str)>;

struct State {
    plan: Plan,
    watching: Watching,
    latency: Box<dyn FnMut() -> Duration + Send>,
    requests: BTreeMap<Method, usize>,
    /// What each version that a PUT has made says in its entry `op`: a list with commas.
    commits: BTreeMap<String, String>,
}

/// The network with its server; clones are the same.
#[derive(Clone)]
pub(crate) struct Network {
    server: Client,
    state: Arc<Mutex<State>>,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self::to(Server::builder().controllers([]).build().client())
    }

    /// The network before the server that this client talks to.
    pub(crate) fn to(server: Client) -> Self {
        let state = State {
            plan: Box::new(|| None),
            watching: || None,
            latency: Box::new(|| Duration::ZERO),
            requests: BTreeMap::new(),
            commits: BTreeMap::new(),
        };
        Self {
            server,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Asks for the fate of every write from now on.
    pub(crate) fn plan(&self, plan: impl FnMut() -> Option<Fault> + Send + 'static) {
        self.state().plan = Box::new(plan);
    }

    /// The next writes go wrong like this.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        let mut faults = faults.into_iter().collect::<Vec<_>>().into_iter();
        self.plan(move || faults.next());
    }

    /// Watches are answered with this code and reason.
    pub(crate) fn watches_end(&self, watching: Watching) {
        self.state().watching = watching;
    }

    /// Every way, to the server and back, takes one of these times.
    pub(crate) fn latency(&self, latency: impl FnMut() -> Duration + Send + 'static) {
        self.state().latency = Box::new(latency);
    }

    /// How many requests were sent by this method.
    pub(crate) fn requests(&self, method: &Method) -> usize {
        self.state().requests.get(method).copied().unwrap_or(0)
    }

    /// What was really carried out, by the entry `op`: how often each was.
    pub(crate) fn commits(&self) -> BTreeMap<String, usize> {
        let mut commits = BTreeMap::new();
        for op in self.state().commits.values().flat_map(|ops| ops.split(',')) {
            *commits.entry(op.to_owned()).or_default() += 1;
        }
        commits
    }

    /// A client on the server's side of the network.
    pub(crate) fn direct(&self) -> Client {
        self.server.clone()
    }

    /// A client without any layer.
    pub(crate) fn client(&self) -> Client {
        let network = self.clone();
        Client::new(
            tower::service_fn(move |request| network.clone().send(request)),
            "default",
        )
    }

    /// A client with the layer that kube's default client has.
    pub(crate) fn client_that_retries(&self) -> Client {
        let network = self.clone();
        let service = tower::service_fn(move |request| network.clone().send(request));
        let layer = RetryLayer::new(RetryPolicy::server_retry());
        Client::new(layer.layer(service), "default")
    }

    async fn travel(&self) {
        let time = (self.state().latency)();
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    async fn send(self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let request = || Request::from_parts(parts.clone(), Body::from(body.to_vec()));
        let is_watch = parts
            .uri
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        let fault = {
            let mut state = self.state();
            *state.requests.entry(parts.method.clone()).or_default() += 1;
            if parts.method == Method::GET {
                None
            } else {
                (state.plan)()
            }
        };
        if is_watch && let Some((code, reason)) = (self.state().watching)() {
            return answer(code, reason);
        }
        self.travel().await;
        let broken = || Err(BoxError::from("connection reset by peer"));
        let result = match fault {
            None => self.carry_out(request()).await,
            Some(Fault::RequestDropped) => broken(),
            Some(Fault::AnswerDropped) => {
                self.carry_out(request()).await?;
                broken()
            }
            Some(Fault::AnswerMissing) => {
                self.carry_out(request()).await?;
                std::future::pending().await
            }
            Some(Fault::RequestLate) => {
                self.later(request());
                broken()
            }
            Some(Fault::Duplicated) => {
                let answer = self.carry_out(request()).await;
                self.later(request());
                answer
            }
            Some(Fault::TimeoutAfterCommit) => {
                self.carry_out(request()).await?;
                answer(504, reason::TIMEOUT)
            }
            Some(Fault::ErrorBeforeCommit) => answer(500, reason::INTERNAL_ERROR),
            Some(Fault::AnswerCut) => {
                let answer = self.carry_out(request()).await?;
                let (parts, body) = answer.into_parts();
                let body = body.collect().await?.to_bytes();
                Ok(Response::from_parts(
                    parts,
                    whole(body.slice(..body.len() / 2)),
                ))
            }
        };
        self.travel().await;
        result
    }

    /// The request gets there after all, when nobody waits for it any more.
    fn later(&self, request: Request<Body>) {
        let network = self.clone();
        let delay = Duration::from_millis(3) + (self.state().latency)() * 7;
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            network.carry_out(request).await.unwrap();
        });
    }

    async fn carry_out(&self, request: Request<Body>) -> Answer {
        let is_put = request.method() == Method::PUT;
        let answer = self.server.send(request).await?;
        let (parts, body) = answer.into_parts();
        let body = body.map_err(BoxError::from).boxed_unsync();
        if !is_put || !parts.status.is_success() {
            return Ok(Response::from_parts(parts, body));
        }
        let body = body.collect().await?.to_bytes();
        let object: Value = serde_json::from_slice(&body)?;
        let text = |pointer| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        self.state().commits.insert(
            text("/metadata/resourceVersion").to_owned(),
            text("/data/op").to_owned(),
        );
        Ok(Response::from_parts(parts, whole(body)))
    }
}

fn answer(code: u16, reason: &str) -> Answer {
    let status = Status::failure("the network's own words", reason).with_code(code);
    let mut body = serde_json::to_vec(&status)?;
    body.push(b'\n');
    Ok(Response::builder().status(code).body(whole(body.into()))?)
}

fn whole(body: Bytes) -> UnsyncBoxBody<Bytes, BoxError> {
    Full::new(body).map_err(BoxError::from).boxed_unsync()
}
