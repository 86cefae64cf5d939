//! How a request gets to the server and its answer back.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_io::Timer;
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{
    Client,
    client::Body,
    core::{Status, response::reason},
};
use parking_lot::Mutex;
use tower::{BoxError, Service};

use super::{Fault, FaultKind, Leg, draw::Draw};
use crate::{
    exact::Exact,
    route::{Asks, Route},
};

/// An answer whose body may go on, as a watch does.
pub type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// A way to an API server with latency and [`Fault`]s; clones are the same way.
///
/// It is a `tower::Service`, so that it can stand behind a [`kube::Client`] or behind a port, and knows the verbs of
/// the Kubernetes API. Which request meets which fault is decided by the seed and by the order in which the requests
/// come.
///
/// ```
/// use k8s_openapi::api::core::v1::Namespace;
/// use kube::Api;
/// use optilock_lab::{Fault, Leg, Network, Target};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Target::embedded();
/// let lossy: Fault = "drop-answer:verb=get:nth=2".parse()?;
/// let network = Network::new(server.client(), Leg::default(), [lossy], 1);
/// let namespaces: Api<Namespace> = Api::all(network.client());
/// assert!(namespaces.get("default").await.is_ok());
/// assert!(namespaces.get("default").await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Network {
    server: Client,
    leg: Leg,
    draw: Arc<Draw>,
    /// The clock, where it is a simulated one.
    exact: Option<Exact>,
    /// By path, what GETs and writes were answered last, and before that.
    versions: Option<Arc<Mutex<HashMap<String, Versions>>>>,
}

#[derive(Debug)]
struct Versions {
    newest: Bytes,
    older: Option<Bytes>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("leg", &self.leg)
            .field("draw", &self.draw)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// A way to the server that this client talks to.
    pub fn new(
        server: &Client,
        leg: Leg,
        faults: impl IntoIterator<Item = Fault>,
        seed: u64,
    ) -> Self {
        let faults: Vec<_> = faults.into_iter().collect();
        let is_stale = |fault: &Fault| fault.kind == FaultKind::StaleRead;
        Self {
            server: server.clone(),
            leg,
            exact: None,
            versions: faults.iter().any(is_stale).then(Arc::default),
            draw: Arc::new(Draw::new(faults, seed)),
        }
    }

    /// The same way in a simulated world.
    pub(crate) fn timed_by(self, exact: Option<&Exact>) -> Self {
        Self {
            exact: exact.cloned(),
            ..self
        }
    }

    /// A client on this side of the way.
    pub fn client(&self) -> Client {
        Client::new(self.clone(), self.server.default_namespace())
    }

    /// Takes a request to the server, and the answer back.
    ///
    /// # Errors
    /// Where the connection breaks, by a fault or in truth.
    pub async fn pass(&self, request: Request<Bytes>) -> Result<Answer, BoxError> {
        let route = Route::of(request.method(), request.uri());
        let fault = route.as_ref().and_then(|route| self.draw.fault(route));
        self.travel().await;
        let answer = match (fault, route) {
            (Some(fault), Some(route)) => self.strike(fault, &route, request).await,
            (_, route) => self.carry(route.as_ref(), request).await,
        };
        self.travel().await;
        answer
    }

    async fn travel(&self) {
        self.sleep(self.draw.travel(self.leg)).await;
    }

    async fn sleep(&self, time: Duration) {
        match &self.exact {
            Some(exact) => exact.sleep(time).await,
            None if time.is_zero() => {}
            // Tokio's timers have milliseconds: a way of 2 ms would take 3.
            None => drop(Timer::after(time).await),
        }
    }

    async fn strike(
        &self,
        fault: Fault,
        route: &Route,
        request: Request<Bytes>,
    ) -> Result<Answer, BoxError> {
        let broken = || Err(BoxError::from("the connection broke, as a fault had it"));
        match fault.kind {
            FaultKind::DropRequest => broken(),
            FaultKind::DropAnswer => {
                self.carry(Some(route), request).await?;
                broken()
            }
            FaultKind::Hang => {
                self.carry(Some(route), request).await?;
                std::future::pending().await
            }
            FaultKind::Late => {
                self.later(fault.time, request);
                broken()
            }
            FaultKind::Duplicate => {
                let answer = self.carry(Some(route), request.clone()).await;
                self.later(fault.time, request);
                answer
            }
            FaultKind::TimeoutAfterCommit => {
                self.carry(Some(route), request).await?;
                status(StatusCode::GATEWAY_TIMEOUT, reason::TIMEOUT)
            }
            FaultKind::ErrorBeforeCommit => {
                status(StatusCode::INTERNAL_SERVER_ERROR, reason::INTERNAL_ERROR)
            }
            FaultKind::CutAnswer => {
                let (mut parts, body) = self.carry(Some(route), request).await?.into_parts();
                let body = body.collect().await?.to_bytes();
                let half = body.slice(..body.len() / 2);
                // It would be known at once by its length.
                parts.headers.remove(header::CONTENT_LENGTH);
                Ok(Response::from_parts(parts, then_broken(vec![half])))
            }
            FaultKind::Delay => {
                self.sleep(fault.time).await;
                self.carry(Some(route), request).await
            }
            FaultKind::StaleRead => {
                let answer = self.carry(Some(route), request).await?;
                let known = self.versions.as_ref().and_then(|versions| {
                    let versions = versions.lock();
                    versions.get(&route.path)?.older.clone()
                });
                Ok(match known {
                    Some(older) if answer.status().is_success() => {
                        let (mut parts, _) = answer.into_parts();
                        parts.headers.remove(header::CONTENT_LENGTH);
                        Response::from_parts(parts, whole(older))
                    }
                    _ => answer,
                })
            }
            FaultKind::BreakWatch => {
                let (parts, body) = self.carry(Some(route), request).await?.into_parts();
                let first = BodyStream::new(body).take(1);
                let end = stream::once(async { Err(BoxError::from("the watch broke")) });
                let body = StreamBody::new(first.chain(end)).boxed_unsync();
                Ok(Response::from_parts(parts, body))
            }
        }
    }

    /// The request gets there after all, when nobody waits for it any more.
    fn later(&self, time: Duration, request: Request<Bytes>) {
        let network = self.clone();
        tokio::spawn(async move {
            network.sleep(time).await;
            if let Err(error) = network.carry(None, request).await {
                // Whoever sent it will never know.
                drop(error);
            }
        });
    }

    async fn carry(
        &self,
        route: Option<&Route>,
        request: Request<Bytes>,
    ) -> Result<Answer, BoxError> {
        let answer = self.server.send(request.map(Body::from)).await?;
        let (parts, body) = answer.into_parts();
        let tells_version = |route: &&Route| {
            let one = matches!(route.asks, Asks::Get | Asks::Update | Asks::Patch);
            one && !route.is_subresource && parts.status.is_success()
        };
        let Some((versions, route)) = self.versions.as_ref().zip(route.filter(tells_version))
        else {
            let body = body.map_err(BoxError::from).boxed_unsync();
            return Ok(Response::from_parts(parts, body));
        };
        let body = body.collect().await?.to_bytes();
        let mut versions = versions.lock();
        match versions.get_mut(&route.path) {
            Some(known) if known.newest != body => {
                known.older = Some(std::mem::replace(&mut known.newest, body.clone()));
            }
            Some(_) => {}
            None => {
                let newest = body.clone();
                versions.insert(
                    route.path.clone(),
                    Versions {
                        newest,
                        older: None,
                    },
                );
            }
        }
        Ok(Response::from_parts(parts, whole(body)))
    }
}

impl<A> Service<Request<A>> for Network
where
    A: http_body::Body<Data = Bytes> + Send + 'static,
    A::Error: Into<BoxError>,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let network = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(Into::into)?.to_bytes();
            network.pass(Request::from_parts(parts, body)).await
        })
    }
}

fn status(code: StatusCode, reason: &str) -> Result<Answer, BoxError> {
    let status = Status::failure("said by a fault, not by the server", reason);
    let body = serde_json::to_vec(&status.with_code(code.as_u16()))?;
    let answer = Response::builder()
        .status(code)
        .header(header::CONTENT_TYPE, "application/json");
    Ok(answer.body(whole(body.into()))?)
}

fn whole(body: Bytes) -> UnsyncBoxBody<Bytes, BoxError> {
    Full::new(body).map_err(BoxError::from).boxed_unsync()
}

/// A body that breaks after these pieces.
fn then_broken(pieces: Vec<Bytes>) -> UnsyncBoxBody<Bytes, BoxError> {
    let pieces = pieces
        .into_iter()
        .map(|piece| Ok(http_body::Frame::data(piece)));
    let end = [Err(BoxError::from(
        "the connection broke in the middle of the answer",
    ))];
    StreamBody::new(stream::iter(pieces.chain(end))).boxed_unsync()
}
