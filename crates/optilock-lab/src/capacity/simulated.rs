//! A server that takes its time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Uri, request::Parts};
use kube::{Client, client::Body};
use parking_lot::Mutex;
use serde::Deserialize;
use tower::service_fn;

use super::{
    Capacity, Pace,
    desk::{Desk, Process},
    wake::{UnderWay, Wake},
};
use crate::exact::Exact;

/// What each process has to do of a request that goes through it, in hundredths of the request's work: what the processor time of
/// the three processes came to where 100 clients asked kube-apiserver at once.
type Way = [(Process, u32)];

/// What a read goes through until the object is looked at.
const READ_THERE: &Way = &[(Process::Client, 12), (Process::Server, 31)];
/// And with what was seen.
const READ_BACK: &Way = &[
    (Process::Storage, 14),
    (Process::Server, 31),
    (Process::Client, 12),
];
/// What a write goes through until it is compared with what the server knows.
const WRITE_THERE: &Way = &[(Process::Client, 6), (Process::Server, 39)];
/// What it goes through then until it is stored, or compared with what is.
const WRITE_STORED: &Way = &[(Process::Server, 5), (Process::Storage, 10)];
/// And through these with the answer.
const WRITE_BACK: &Way = &[(Process::Server, 34), (Process::Client, 6)];
/// Who is refused by the storage is compared once more by the server, with what was found there.
const AGAIN: &Way = &[(Process::Server, 39)];
/// These pass on what was stored until the server knows it: who tells it, who reads it, and the cache that takes it in.
const TOLD: &Way = &[
    (Process::Storage, 0),
    (Process::Server, 0),
    (Process::Server, 0),
];

/// A server whose requests wait for each other's turn.
pub(super) struct Simulated {
    capacity: Capacity,
    server: Client,
    exact: Exact,
    desk: Desk,
    wake: Wake,
    /// By path, the version that the server takes for the newest until it asks its storage.
    known: Mutex<HashMap<String, String>>,
}

impl Simulated {
    pub(super) fn client(capacity: Capacity, server: &Client, exact: &Exact) -> Client {
        let namespace = server.default_namespace().to_owned();
        let simulated = Arc::new(Self {
            capacity,
            server: server.clone(),
            exact: exact.clone(),
            desk: Desk::new(exact.clone(), capacity.seed, capacity.processors),
            wake: Wake::default(),
            known: Mutex::default(),
        });
        let service = service_fn(move |request: Request<Body>| {
            let simulated = simulated.clone();
            async move {
                match *request.method() {
                    Method::GET => simulated.read(request).await,
                    _ => simulated.write(request).await,
                }
            }
        });
        Client::new(service, namespace)
    }

    async fn read(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let pace = self.capacity.read;
        let turn = turn(pace, &[READ_THERE, READ_BACK]);
        let _under_way = self.arrive(pace).await;
        self.go(READ_THERE, pace.work, turn).await;
        let answer = self.server.send(request).await?;
        self.beside(pace);
        self.go(READ_BACK, pace.work, turn).await;
        self.exact.sleep(pace.latency / 2).await;
        Ok(answer)
    }

    /// A write is compared with what the server knows, or with what is stored where that seems to be in its way. If it may
    /// be stored it is compared again there: whoever is overtaken in between has cost as much as one that is accepted.
    async fn write(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let Capacity { refused, write, .. } = self.capacity;
        let turn = turn(refused, &[WRITE_THERE, WRITE_STORED, WRITE_BACK]);
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let _under_way = self.arrive(refused).await;
        self.go(WRITE_THERE, refused.work, turn).await;
        let mut more = Duration::ZERO;
        let is_new = self.knows(&parts, &body) || self.would_accept(&parts, &body).await?;
        if is_new {
            more = write.work.saturating_sub(refused.work);
            let waits = |pace: Pace| pace.turns + pace.latency;
            let disk = waits(write).saturating_sub(waits(refused));
            self.exact.sleep(disk).await;
        }
        // What an accepted write is more work is the server's and the storage's.
        for &(process, share) in WRITE_STORED {
            let takes = share_of(refused.work, share) + more / 2;
            self.desk.work(process, takes, turn).await;
        }
        let path = parts.uri.path().to_owned();
        let request = Request::from_parts(parts, Body::from(body));
        let (parts, body) = self.server.send(request).await?.into_parts();
        let body = body.collect_bytes().await?;
        self.beside(if is_new { write } else { refused });
        if parts.status.is_success() {
            tokio::spawn(Arc::clone(&self).tell(path, body.clone()));
        } else if is_new {
            self.go(AGAIN, refused.work, turn).await;
        }
        self.go(WRITE_BACK, refused.work, turn).await;
        self.exact.sleep(refused.latency / 2).await;
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    /// The way to the server.
    async fn arrive(&self, pace: Pace) -> UnderWay<'_> {
        let (has_slept, under_way) = self.wake.ask();
        let wake = match has_slept {
            true => pace.wake,
            false => Duration::ZERO,
        };
        self.exact.sleep(wake + pace.latency / 2).await;
        under_way
    }

    /// Has the server do what no answer waits for.
    fn beside(&self, pace: Pace) {
        if pace.beside.is_zero() {
            return;
        }
        let desk = self.desk.clone();
        let (work, turn) = (pace.beside, Duration::ZERO);
        tokio::spawn(async move { desk.work(Process::Server, work, turn).await });
    }

    /// Goes through these processes one after the other, with a request that is so much work, and so much more in each of them that
    /// takes it up with no other.
    async fn go(&self, way: &Way, work: Duration, turn: Duration) {
        for &(process, share) in way {
            self.desk.work(process, share_of(work, share), turn).await;
        }
    }

    /// Whether the server takes the base of a write for the newest version.
    fn knows(&self, parts: &Parts, body: &Bytes) -> bool {
        let known = self.known.lock();
        let version = known.get(parts.uri.path());
        version.is_some_and(|known| version_in(body).as_ref() == Some(known))
    }

    /// Whether a write would be accepted if it were carried out now.
    async fn would_accept(&self, parts: &Parts, body: &Bytes) -> Result<bool, kube::Error> {
        let mut parts = parts.clone();
        parts.uri = dry(&parts.uri)?;
        let rehearsal = Request::from_parts(parts, Body::from(body.clone()));
        let answer = self.server.send(rehearsal).await?;
        Ok(answer.status().is_success())
    }

    /// Lets the server know what was stored. What that costs is part of what was measured of the write.
    async fn tell(self: Arc<Self>, path: String, stored: Bytes) {
        self.go(TOLD, Duration::ZERO, Duration::ZERO).await;
        let Some(version) = version_in(&stored) else {
            return;
        };
        let order = |version: &String| version.parse().unwrap_or(0_u64);
        let mut known = self.known.lock();
        // The news of two writes may overtake each other.
        if known
            .get(&path)
            .is_none_or(|known| order(known) < order(&version))
        {
            known.insert(path, version);
        }
    }
}

/// What it takes each process on these ways to take up a request.
fn turn(pace: Pace, ways: &[&Way]) -> Duration {
    let processes: usize = ways.iter().map(|way| way.len()).sum();
    pace.turns / u32::try_from(processes).unwrap_or(u32::MAX)
}

/// So many hundredths of the work.
fn share_of(work: Duration, share: u32) -> Duration {
    work * share / 100
}

/// The version of an object, or the one that a change is based on.
fn version_in(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        resource_version: Option<String>,
    }
    let object: Option<Object> = serde_json::from_slice(body).ok();
    object?.metadata.resource_version
}

/// The address of a request that is only rehearsed.
fn dry(uri: &Uri) -> Result<Uri, kube::Error> {
    let sign = match uri.query() {
        Some(_) => '&',
        None => '?',
    };
    let dry = format!("{uri}{sign}dryRun=All").parse();
    dry.map_err(|error| kube::Error::HttpError(http::Error::from(error)))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use optilock_apiserver::Server;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn each_kind_of_request_takes_its_time() {
        let pace = |work, turns, latency, wake| Pace {
            work: Duration::from_micros(work),
            beside: Duration::ZERO,
            turns: Duration::from_micros(turns),
            latency: Duration::from_micros(latency),
            wake: Duration::from_micros(wake),
        };
        let capacity = Capacity {
            processors: 1,
            read: pace(100, 20, 1000, 50),
            refused: pace(240, 60, 1000, 70),
            write: pace(540, 100, 2000, 90),
            seed: 1,
        };
        let exact = Exact::default();
        exact.runtime().unwrap().block_on(async {
            tokio::spawn(exact.clone().drive());
            let server = Server::builder().controllers([]).build();
            let client = Simulated::client(capacity, &server.client(), &exact);
            let api: Api<ConfigMap> = Api::namespaced(client, "default");
            let object: ConfigMap =
                serde_json::from_value(json!({"metadata": {"name": "x"}})).unwrap();
            let old = api.create(&Default::default(), &object).await.unwrap();
            let with = |base: &ConfigMap, value: &str| {
                let mut new = base.clone();
                new.data = Some([("v".to_owned(), value.to_owned())].into());
                new
            };
            let put = async |new: ConfigMap| {
                let sent = Instant::now();
                let is_accepted = api.replace("x", &Default::default(), &new).await.is_ok();
                (is_accepted, sent.elapsed().as_micros())
            };
            tokio::time::sleep(Duration::from_millis(5)).await;
            let sent = Instant::now();
            api.get("x").await.unwrap();
            assert_eq!(sent.elapsed().as_micros(), 50 + 100 + 20 + 1000);
            let (accepted, refused) = (540 + 100 + 2000, 240 + 60 + 1000);
            assert_eq!(put(with(&old, "a")).await, (true, accepted));
            assert_eq!(put(with(&old, "b")).await, (false, refused));
            // Two on one base both get as far as the storage, which refuses the second, and the server compares that once more.
            let base = api.get("x").await.unwrap();
            let both = tokio::join!(put(with(&base, "c")), put(with(&base, "d")));
            let ((one, first), (other, second)) = both;
            assert!(one != other, "{both:?}");
            assert!(first.min(second) >= accepted, "{both:?}");
            let again = 240 * 39 / 100;
            assert!(first.max(second) >= accepted + again, "{both:?}");
        });
    }
}
