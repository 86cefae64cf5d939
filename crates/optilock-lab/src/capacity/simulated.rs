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
    desk::Desk,
    wake::{UnderWay, Wake},
};
use crate::exact::Exact;

/// A read goes through so many hands until the object is looked at: the client's and the server's.
const READ_THERE: u32 = 2;
/// And through so many with what was seen: the storage's, the server's and the client's.
const READ_BACK: u32 = 3;
/// A write is compared with what the server knows when it has gone through so many hands: the client's and the server's.
const WRITE_THERE: u32 = 2;
/// If it may be stored, it goes through so many until it is: the server's and the storage's.
const WRITE_STORED: u32 = 2;
/// And through so many with the answer: the server's and the client's.
const WRITE_BACK: u32 = 2;
/// So many pass on what was stored until the server knows it: the storage that tells it, the server that reads it and the
/// cache that takes it in.
const TOLD: u32 = 3;

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
    pub(super) fn client(capacity: Capacity, server: &Client, exact: &Exact, seed: u64) -> Client {
        let namespace = server.default_namespace().to_owned();
        let simulated = Arc::new(Self {
            capacity,
            server: server.clone(),
            exact: exact.clone(),
            desk: Desk::new(exact.clone(), seed, capacity.processors),
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
        let each = pace.work / (READ_THERE + READ_BACK);
        let _under_way = self.arrive(pace).await;
        self.hands(READ_THERE, each).await;
        let answer = self.server.send(request).await?;
        self.hands(READ_BACK, each).await;
        self.exact.sleep(pace.latency / 2).await;
        Ok(answer)
    }

    /// A write is compared with what the server knows, or with what is stored where that seems to be in its way. If it may
    /// be stored it is compared again there: whoever is overtaken in between has cost as much as one that is accepted.
    async fn write(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let Capacity { refused, write, .. } = self.capacity;
        let each = refused.work / (WRITE_THERE + WRITE_STORED + WRITE_BACK);
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let _under_way = self.arrive(refused).await;
        self.hands(WRITE_THERE, each).await;
        let mut stored = each;
        if self.knows(&parts, &body) || self.would_accept(&parts, &body).await? {
            stored += write.work.saturating_sub(refused.work) / WRITE_STORED;
            let disk = write.latency.saturating_sub(refused.latency);
            self.exact.sleep(disk).await;
        }
        self.hands(WRITE_STORED, stored).await;
        let path = parts.uri.path().to_owned();
        let request = Request::from_parts(parts, Body::from(body));
        let (parts, body) = self.server.send(request).await?.into_parts();
        let body = body.collect_bytes().await?;
        if parts.status.is_success() {
            tokio::spawn(Arc::clone(&self).tell(path, body.clone()));
        }
        self.hands(WRITE_BACK, each).await;
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

    /// Goes through so many hands.
    async fn hands(&self, count: u32, each: Duration) {
        for _ in 0..count {
            self.desk.work(each).await;
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
        self.hands(TOLD, Duration::ZERO).await;
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
        let pace = |work, latency, wake| Pace {
            work: Duration::from_micros(work),
            latency: Duration::from_micros(latency),
            wake: Duration::from_micros(wake),
        };
        let capacity = Capacity {
            processors: 1,
            read: pace(100, 1000, 50),
            refused: pace(240, 1000, 70),
            write: pace(540, 2000, 90),
        };
        let exact = Exact::default();
        exact.runtime().unwrap().block_on(async {
            tokio::spawn(exact.clone().drive());
            let server = Server::builder().controllers([]).build();
            let client = Simulated::client(capacity, &server.client(), &exact, 1);
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
            assert_eq!(sent.elapsed().as_micros(), 50 + 100 + 1000);
            let (accepted, refused) = (540 + 2000, 240 + 1000);
            assert_eq!(put(with(&old, "a")).await, (true, accepted));
            assert_eq!(put(with(&old, "b")).await, (false, refused));
            // Two on one base both get as far as the storage, which refuses the second.
            let base = api.get("x").await.unwrap();
            let both = tokio::join!(put(with(&base, "c")), put(with(&base, "d")));
            let ((one, first), (other, second)) = both;
            assert!(one != other, "{both:?}");
            assert!(first.min(second) > accepted, "{both:?}");
            // While one is on the disk, the other can be worked on.
            let at_least = accepted + 540 - 80;
            assert!(first.max(second) >= at_least, "{both:?}");
        });
    }
}
