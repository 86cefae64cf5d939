//! A network between a client and the embedded server, with latency, that loses, delays, repeats and
//! garbles writes, and an oracle that sees what the server has really carried out.

// Each test uses a part of it.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
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
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::retry::RetryLayer;
use tower::{BoxError, Layer};

/// What becomes of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server never gets it, and the connection breaks.
    RequestDropped,
    /// It is carried out, and the connection breaks.
    AnswerDropped,
    /// It is carried out, and the answer comes when nobody waits for it any more.
    AnswerLate,
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
    /// It is carried out, and then the server is killed: all connections break, it is away for a while,
    /// and when it is back its watches know nothing of what was before, as kube-apiserver's don't.
    ServerKilled,
}

impl Fault {
    pub(crate) const ALL: [Self; 9] = [
        Self::RequestDropped,
        Self::AnswerDropped,
        Self::AnswerLate,
        Self::RequestLate,
        Self::Duplicated,
        Self::TimeoutAfterCommit,
        Self::ErrorBeforeCommit,
        Self::AnswerCut,
        Self::ServerKilled,
    ];
}

/// Where a write says on whose behalf it is: a list with commas, behind the last `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ops {
    /// In the object, at this pointer.
    Object(&'static str),
    /// In the name of the field manager, behind the last dash.
    Manager,
}

/// How late an answer is that is late: longer than an attempt may take.
const LATE: Duration = Duration::from_secs(60);
/// How long a server is away that was killed.
const AWAY: Duration = Duration::from_millis(20);

/// An answer, which may go on for ever.
type Answer = Result<Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;
type Plan = Box<dyn FnMut() -> Option<Fault> + Send>;
type Watching = fn() -> Option<(u16, &'static str)>;

struct State {
    plan: Plan,
    watching: Watching,
    latency: Box<dyn FnMut() -> Duration + Send>,
    requests: BTreeMap<Method, usize>,
    ops: Ops,
    /// The versions that writes have made, and what each says there. A write that removes an object may
    /// make no version of its own.
    commits: BTreeSet<(String, String)>,
    /// The newest version that a write has made.
    newest: u64,
    /// How often the server was killed.
    kills: usize,
    /// Wakes in the order of the requests, so that a seed replays: a `watch` wakes in any.
    killed: Arc<Notify>,
    back_at: Instant,
    /// What watches can tell of comes after this version.
    history_from: u64,
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
            ops: Ops::Object("/data/op"),
            commits: BTreeSet::new(),
            newest: 0,
            kills: 0,
            killed: Arc::default(),
            back_at: Instant::now(),
            history_from: 0,
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

    /// Where a write says on whose behalf it is; in the object's `/data/op` if nobody says otherwise.
    pub(crate) fn ops(&self, ops: Ops) {
        self.state().ops = ops;
    }

    /// How often the server was killed.
    pub(crate) fn kills(&self) -> usize {
        self.state().kills
    }

    /// What was really carried out, and how often.
    pub(crate) fn commits(&self) -> BTreeMap<String, usize> {
        let mut commits = BTreeMap::new();
        let state = self.state();
        let ops = state
            .commits
            .iter()
            .filter_map(|(_, ops)| ops.rsplit('|').next());
        for op in ops.flat_map(|ops| ops.split(',')) {
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

    /// A request goes its way even if nobody waits for the answer any more, until the server is killed.
    async fn send(self, request: Request<Body>) -> Answer {
        let (away, killed) = {
            let state = self.state();
            let killed = Arc::clone(&state.killed).notified_owned();
            (Instant::now() < state.back_at, killed)
        };
        if away {
            return Err(BoxError::from("connection refused"));
        }
        let served = tokio::spawn(async move {
            tokio::select! {
                biased;
                answer = self.serve(request) => answer,
                () = killed => Err(BoxError::from("connection reset by peer")),
            }
        });
        served.await?
    }

    async fn serve(self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let request = || Request::from_parts(parts.clone(), Body::from(body.to_vec()));
        let watched = watched_from(parts.uri.query().unwrap_or_default());
        let fault = {
            let mut state = self.state();
            *state.requests.entry(parts.method.clone()).or_default() += 1;
            if parts.method == Method::GET {
                None
            } else {
                (state.plan)()
            }
        };
        if let Some(from) = watched {
            let state = self.state();
            if let Some((code, reason)) = (state.watching)() {
                return answer(code, reason);
            }
            if from < state.history_from {
                return answer(410, reason::EXPIRED);
            }
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
            Some(Fault::AnswerLate) => {
                let answer = self.carry_out(request()).await;
                tokio::time::sleep(LATE).await;
                answer
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
            Some(Fault::ServerKilled) => {
                self.carry_out(request()).await?;
                self.kill();
                broken()
            }
        };
        self.travel().await;
        result
    }

    fn kill(&self) {
        let mut state = self.state();
        state.back_at = Instant::now() + AWAY;
        state.history_from = state.newest;
        state.kills += 1;
        state.killed.notify_waiters();
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

    /// What has reached the server is carried out, whatever becomes of the connection, and is seen.
    async fn carry_out(&self, request: Request<Body>) -> Answer {
        let network = self.clone();
        tokio::spawn(async move { network.carried_out(request).await }).await?
    }

    async fn carried_out(&self, request: Request<Body>) -> Answer {
        let writes = request.method() != Method::GET;
        let query = request.uri().query().unwrap_or_default().to_owned();
        let answer = self.server.send(request).await?;
        let (parts, body) = answer.into_parts();
        let body = body.map_err(BoxError::from).boxed_unsync();
        if !writes || !parts.status.is_success() {
            return Ok(Response::from_parts(parts, body));
        }
        let body = body.collect().await?.to_bytes();
        let object: Value = serde_json::from_slice(&body)?;
        let text = |pointer| {
            let value = object.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let version = text("/metadata/resourceVersion");
        let mut state = self.state();
        state.newest = state.newest.max(version.parse().unwrap_or(0));
        let ops = match state.ops {
            Ops::Object(pointer) => text(pointer),
            Ops::Manager => {
                let manager = parameter(&query, "fieldManager").unwrap_or_default();
                manager.rsplit('-').next().unwrap_or_default().to_owned()
            }
        };
        if !ops.is_empty() {
            state.commits.insert((version, ops));
        }
        drop(state);
        Ok(Response::from_parts(parts, whole(body)))
    }
}

/// The version that a watch begins at, if that is what a query asks for.
fn watched_from(query: &str) -> Option<u64> {
    (parameter(query, "watch")? == "true")
        .then(|| parameter(query, "resourceVersion")?.parse().ok())?
}

fn parameter<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(k, _)| *k == key).map(|(_, value)| value)
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
