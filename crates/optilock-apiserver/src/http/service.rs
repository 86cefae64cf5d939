//! The service that answers requests, in process and on a port.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{UPGRADE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;
use tower::Service;

use super::accept::Accept;
use super::auth::Authentication;
use super::body::Body;
use super::compress::compress;
use super::input;
use super::query::Query;
use super::reply::Reply;
use super::resource::ResourceRequest;
use super::route::Route;
use crate::ambient::Ambient;
use crate::controllers::{Controllers, Manager, RootCa};
use crate::registry::Registry;
use crate::status::Status;

/// What all requests of one server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) ambient: Arc<Ambient>,
    controllers: Controllers,
    root_ca: RootCa,
    /// What follows other servers, on a store that is shared.
    restored: OnceCell<JoinSet<()>>,
    manager: OnceCell<Manager>,
}

impl Shared {
    pub(crate) fn new(
        registry: Registry,
        ambient: Arc<Ambient>,
        controllers: Controllers,
        root_ca: RootCa,
    ) -> Self {
        Self {
            registry: Arc::new(registry),
            ambient,
            controllers,
            root_ca,
            restored: OnceCell::new(),
            manager: OnceCell::new(),
        }
    }

    /// Takes up what the store has from an earlier server, before the first request: discovery shows it, too.
    async fn restored(&self) -> Result<(), Status> {
        let restore = || async {
            self.registry.restore().await?;
            let mut following = JoinSet::new();
            if self.registry.is_shared() {
                following.spawn(Arc::clone(&self.registry).follow_others());
            }
            Ok::<_, Status>(following)
        };
        self.restored.get_or_try_init(restore).await?;
        Ok(())
    }

    /// Creates what every cluster has and starts the controllers, before the first request on a resource is served. A
    /// failure is the answer to that request; the next one tries again.
    async fn ready(&self) -> Result<(), Status> {
        let start = || async {
            self.registry.bootstrap().await?;
            let registry = Arc::clone(&self.registry);
            Manager::start(registry, &self.controllers, &self.root_ca).await
        };
        self.manager.get_or_try_init(start).await?;
        Ok(())
    }
}

/// The API server as a [`tower::Service`]: an HTTP request in, an HTTP response out.
///
/// It is cheap to clone, always ready, and never fails: what is refused is an answer with a `Status`.
#[derive(Debug, Clone)]
pub struct ApiService {
    shared: Arc<Shared>,
    authentication: Authentication,
    closing: Closing,
}

/// When a service is about to stop, so that watches can end; in process they end with their readers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closing(Option<watch::Receiver<bool>>);

impl Closing {
    /// Stops when the channel says true, or is dropped.
    #[cfg(feature = "tls")]
    pub(crate) fn by(channel: watch::Receiver<bool>) -> Self {
        Self(Some(channel))
    }

    /// Waits until the service is about to stop.
    pub(super) async fn closed(self) {
        match self.0 {
            Some(mut channel) => {
                // An error says that the sender is gone, which says the same.
                let _gone = channel.wait_for(|closing| *closing).await;
            }
            None => std::future::pending().await,
        }
    }
}

impl ApiService {
    pub(crate) fn new(shared: Arc<Shared>, authentication: Authentication) -> Self {
        Self {
            shared,
            authentication,
            closing: Closing::default(),
        }
    }

    /// The same, with watches that end when the server stops.
    #[cfg(feature = "tls")]
    pub(crate) fn closed_by(self, closing: Closing) -> Self {
        Self { closing, ..self }
    }
}

impl<B> Service<Request<B>> for ApiService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            #[cfg_attr(not(feature = "tls"), expect(unused_mut))]
            let (mut head, body) = request.into_parts();
            let query = Query::parse(head.uri.query());
            let pretty = wants_indentation(&query, &head.headers);
            let accept = Accept::from_headers(&head.headers);
            let reply = service.answer(&head, query, &accept, pretty, body).await;
            let reply = reply.unwrap_or_else(|status| Reply::status(&status, &accept, pretty));
            let mut response = reply.into_response();
            #[cfg(feature = "tls")]
            if let Some(connection) = head.extensions.remove::<OnUpgrade>()
                && response.body().is_events()
                && wants_websocket(&head.headers)
            {
                response = super::websocket::switch(&head.headers, connection, response);
            }
            compress(head.uri.path(), &head.headers, &mut response);
            if head.method == Method::HEAD {
                // On a port HTTP itself leaves the body out; in process nobody else does.
                *response.body_mut() = Body::from(Bytes::new());
            }
            Ok(response)
        })
    }
}

impl ApiService {
    async fn answer<B>(
        &self,
        head: &Parts,
        query: Query,
        accept: &Accept,
        pretty: bool,
        body: B,
    ) -> Result<Reply, Status>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.shared.restored().await?;
        let registry = &self.shared.registry;
        let user = self.authentication.user(&head.headers, registry).await?;
        match Route::parse(head.uri.path()) {
            Route::Malformed => Ok(Reply::text(StatusCode::BAD_REQUEST, "400 Bad Request")),
            Route::Other(segments) => Ok(super::discovery::answer(
                &self.shared.registry,
                &head.method,
                &segments,
                &query,
                &head.headers,
                accept,
            )),
            Route::Resource(_)
                if wants_websocket(&head.headers)
                    && head.extensions.get::<OnUpgrade>().is_none()
                    && query.flag("watch") == Some(true) =>
            {
                Ok(no_websocket())
            }
            Route::Resource(path) => {
                self.shared.ready().await?;
                let body = if head.method == Method::GET {
                    Bytes::new()
                } else {
                    input::read(body).await?
                };
                let request = ResourceRequest {
                    shared: &self.shared,
                    closing: &self.closing,
                    authentication: &self.authentication,
                    user: &user,
                    method: &head.method,
                    path,
                    query,
                    headers: &head.headers,
                    accept,
                    pretty,
                    body,
                };
                request.serve().await
            }
        }
    }
}

/// Whether a client wants to go on as a WebSocket.
fn wants_websocket(headers: &HeaderMap) -> bool {
    headers
        .get(UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Refuses a WebSocket where there is no connection to make one of, in process, with an answer that has an end: a client that may do without one waits for it, and then watches
/// by an ordinary request. An error would make it try again first.
fn no_websocket() -> Reply {
    Reply::text(StatusCode::OK, "")
}

/// Whether a person reads the answer: `?pretty`, or a client that people type.
pub(super) fn wants_indentation(query: &Query, headers: &HeaderMap) -> bool {
    if let Some(asked) = query.flag("pretty") {
        return asked;
    }
    headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|agent| {
            ["curl/", "Wget/", "Mozilla/5.0"]
                .iter()
                .any(|typed| agent.starts_with(typed))
        })
}
