//! The service that answers requests, in process and on a port.

#[cfg(feature = "tls")]
use std::any::Any;
use std::borrow::Cow;
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, UPGRADE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tower::Service;

use super::accept::Accept;
use super::asked::Asked;
use super::auth::Authentication;
use super::body::Body;
use super::closing::Closing;
use super::compress::compress;
use super::discovery::sniff_proof;
use super::flow::{Flow, Kind, Seat};
use super::input;
use super::introspection::Introspection;
use super::observer::Observer;
use super::query::Query;
use super::reply::Reply;
use super::resource::ResourceRequest;
use super::route::Route;
use super::shared::Shared;
use crate::audit;
use crate::metrics::{Series, Took};
use crate::registry::User;
use crate::status::Status;

/// The API server as a [`tower::Service`]: an HTTP request in, an HTTP response out.
///
/// It is cheap to clone, always ready, and never fails: what is refused is an answer with a `Status`.
#[derive(Debug, Clone)]
pub struct ApiService {
    way: Arc<Way>,
    /// Where requests come from, on a port.
    peer: Option<IpAddr>,
}

/// A way to reach a server, which all its requests share.
#[derive(Debug)]
struct Way {
    shared: Arc<Shared>,
    authentication: Authentication,
    /// `None` in process, where the caller is the program itself.
    flow: Option<Flow>,
    closing: Closing,
}

/// The id of a request, in its head and in that of its answer, where there is an audit log.
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// kube-apiserver's words.
const PANICKED: &str = "This request caused apiserver to panic. Look in the logs for details.\n";

/// What guards a service on a port, where clients are not this program.
#[derive(Debug)]
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there are no ports"))]
pub(crate) struct Guard {
    pub(crate) flow: Flow,
    pub(crate) closing: Closing,
}

/// What a connection's place hangs on while it is in use, in the extensions of a request to go on as something else: whoever takes the
/// connection over holds it to the end.
#[cfg(feature = "tls")]
#[derive(Debug, Clone)]
pub(crate) struct InUse(
    #[expect(dead_code, reason = "it is held and not looked at")]
    pub(crate)  Arc<dyn Any + Send + Sync>,
);

/// What becomes known of a request while it is answered.
#[derive(Debug, Default)]
struct Course {
    user: Option<Arc<User>>,
    seat: Option<Seat>,
    waited: Duration,
    entry: Option<audit::Entry>,
    audit_id: Option<HeaderValue>,
}

impl ApiService {
    /// For callers in this process.
    pub(crate) fn in_process(shared: Arc<Shared>) -> Self {
        let way = Way {
            shared,
            authentication: Authentication::InProcess,
            flow: None,
            closing: Closing::default(),
        };
        Self {
            way: Arc::new(way),
            peer: None,
        }
    }

    /// For a port, with places that are shared out, and with watches that end when the server stops.
    #[cfg(feature = "tls")]
    pub(crate) fn guarded(
        shared: Arc<Shared>,
        authentication: Authentication,
        guard: Guard,
    ) -> Self {
        let way = Way {
            shared,
            authentication,
            flow: Some(guard.flow),
            closing: guard.closing,
        };
        Self {
            way: Arc::new(way),
            peer: None,
        }
    }

    /// The same, for what comes from there.
    #[cfg(feature = "tls")]
    pub(crate) fn with_peer(&self, peer: IpAddr) -> Self {
        Self {
            way: Arc::clone(&self.way),
            peer: Some(peer),
        }
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
            let (head, body) = request.into_parts();
            Ok(service.respond(head, body).await)
        })
    }
}

impl ApiService {
    async fn respond<B>(&self, mut head: Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let began = Instant::now();
        let connection = head.extensions.remove::<OnUpgrade>();
        let query = Query::parse(head.uri.query());
        let route = Route::parse(head.uri.path());
        let asked = Asked::new(&head, &route, &query);
        let pretty = wants_indentation(&query, &head.headers);
        let accept = Accept::from_headers(&head.headers);
        let mut course = Course::default();
        let answered = self.answer(
            &head,
            &asked,
            (&accept, pretty),
            connection.is_some(),
            body,
            &mut course,
        );
        // A mistake of ours is to be one request's misfortune, and not that of all requests on its connection.
        let mut reply = match AssertUnwindSafe(answered).catch_unwind().await {
            Ok(reply) => reply.unwrap_or_else(|status| Reply::status(&status, &accept, pretty)),
            Err(_) => {
                tracing::error!(method = %head.method, path = head.uri.path(), "a request made the server panic");
                if let Some(entry) = course.entry.take() {
                    entry.panicked();
                }
                sniff_proof(Reply::text(StatusCode::INTERNAL_SERVER_ERROR, PANICKED))
            }
        };
        let said = reply.take_said();
        let mut response = reply.into_response();
        if let Some(id) = course.audit_id.take() {
            response.headers_mut().insert(AUDIT_ID, id);
        }
        let response = if response.body().is_events() {
            let response = self.observe(&asked, course, began, response);
            into_websocket(&head, connection, response)
        } else {
            compress(head.uri.path(), &head.headers, &mut response);
            self.finish(&asked, course, began, said, response)
        };
        if head.method != Method::HEAD {
            return response;
        }
        // On a port HTTP itself leaves the body out; in process nobody else does.
        response.map(|_| Body::from(Bytes::new()))
    }

    /// Notes what came of a request, and sends the answer on its way.
    fn finish(
        &self,
        asked: &Asked<'_>,
        course: Course,
        began: Instant,
        said: Option<audit::Said>,
        response: Response<Body>,
    ) -> Response<Body> {
        let code = response.status().as_u16();
        let size = response.body().whole().map_or(0, Bytes::len);
        let took = Took {
            all: began.elapsed(),
            waiting: course.waited,
        };
        if let Some(series) = self.series(asked, &course, code) {
            series.observe(took, size);
        }
        tracing::debug!(
            method = %asked.method,
            code,
            user = course.user.as_ref().map(|user| user.name.as_str()),
            took = ?took.all,
            "{asked}"
        );
        if let Some(entry) = course.entry {
            entry.complete(code, said);
        }
        response.map(|body| body.shipped(course.seat))
    }

    /// Lets somebody go along with the events of a watch. Its place is given back.
    fn observe(
        &self,
        asked: &Asked<'_>,
        course: Course,
        began: Instant,
        response: Response<Body>,
    ) -> Response<Body> {
        let code = response.status().as_u16();
        let series = self.series(asked, &course, code);
        let counted = series
            .zip(asked.labels())
            .map(|(series, labels)| (self.way.shared.metrics.watches.begin(&labels), series));
        if let Some(entry) = &course.entry {
            entry.started(code);
        }
        let user = course.user.as_ref().map_or("", |user| &user.name);
        let observer = Observer {
            counted,
            audited: course.entry,
            _listed: self.way.shared.watching(user, asked),
            code,
            began,
            waiting: course.waited,
            bytes: 0,
        };
        response.map(|body| body.observed(observer))
    }

    /// Where a request is counted: not at all where it is nobody's, so that only those who may ask make metrics.
    fn series(&self, asked: &Asked<'_>, course: &Course, code: u16) -> Option<Arc<Series>> {
        course.user.as_ref()?;
        let labels = asked.labels()?;
        let known = || asked.is_known(&self.way.shared.registry);
        self.way.shared.metrics.requests.of(&labels, code, known)
    }

    async fn answer<B>(
        &self,
        head: &Parts,
        asked: &Asked<'_>,
        (accept, pretty): (&Accept, bool),
        upgrades: bool,
        body: B,
        course: &mut Course,
    ) -> Result<Reply, Status>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.way.shared.restored().await?;
        let user = self.authenticate(head, asked, course).await?;
        if let Some(flow) = &self.way.flow
            && !asked.is_about_the_server()
        {
            let came = Instant::now();
            let entered = flow.enter(Kind::of(&head.method), &user.name).await;
            course.waited = came.elapsed();
            match entered {
                Ok(seat) => course.seat = seat,
                Err(too_many) => return Ok(too_many.reply()),
            }
        }
        match asked.route {
            Route::Malformed => Ok(Reply::text(StatusCode::BAD_REQUEST, "400 Bad Request")),
            Route::Other(segments) => match Box::pin(self.introspect(segments)).await {
                Some(reply) => reply,
                None => Ok(super::discovery::answer(
                    &self.way.shared.registry,
                    asked,
                    segments,
                    accept,
                    self.way.closing.is_leaving(),
                )),
            },
            Route::Resource(_)
                if wants_websocket(&head.headers)
                    && !upgrades
                    && asked.query.flag("watch") == Some(true) =>
            {
                Ok(no_websocket())
            }
            Route::Resource(path) => {
                self.way.shared.ready().await?;
                let body = if head.method == Method::GET {
                    Bytes::new()
                } else {
                    input::read(body).await?
                };
                let request = ResourceRequest {
                    shared: &self.way.shared,
                    closing: &self.way.closing,
                    authentication: &self.way.authentication,
                    user: &user,
                    method: &head.method,
                    path,
                    query: asked.query,
                    headers: &head.headers,
                    accept,
                    pretty,
                    audited: course.entry.as_ref(),
                    body,
                };
                request.serve().await
            }
        }
    }

    /// Who sends a request, which is noted. Whether the server is well is told to everybody.
    async fn authenticate(
        &self,
        head: &Parts,
        asked: &Asked<'_>,
        course: &mut Course,
    ) -> Result<Arc<User>, Status> {
        let shared = &self.way.shared;
        let known = self
            .way
            .authentication
            .user(&head.headers, &shared.registry);
        let known = known.await;
        let bears = head.headers.contains_key(AUTHORIZATION);
        let user = match known {
            Err(_) if !bears && asked.health().is_some() => Ok(Arc::new(User::anonymous())),
            known => {
                shared.metrics.authenticated(known.is_ok());
                known
            }
        };
        if let Some(log) = &shared.audit {
            let id = head.headers.get(AUDIT_ID).cloned();
            let id = id.or_else(|| HeaderValue::try_from(shared.ambient.uid()).ok());
            let text = id.as_ref().map(|id| String::from_utf8_lossy(id.as_bytes()));
            let received = asked.received(head, self.peer, text.unwrap_or_default().into_owned());
            let entry = audit::Entry::begin(log, &shared.ambient, received, user.as_deref().ok());
            course.audit_id = id;
            match &user {
                Ok(_) => course.entry = Some(entry),
                Err(status) => entry.refused(status),
            }
        }
        let user = user?;
        course.user = Some(Arc::clone(&user));
        Ok(user)
    }

    /// What is on `/metrics` and `/debug`; `None` for other paths.
    async fn introspect(&self, segments: &[Cow<'_, str>]) -> Option<Result<Reply, Status>> {
        let words: Vec<&str> = segments.iter().map(|word| &**word).collect();
        let introspection = Introspection {
            shared: &self.way.shared,
            flow: self.way.flow.as_ref(),
        };
        introspection.answer(&words).await
    }
}

/// Makes a WebSocket of a watch, where the client wants one.
fn into_websocket(
    head: &Parts,
    connection: Option<OnUpgrade>,
    response: Response<Body>,
) -> Response<Body> {
    #[cfg(feature = "tls")]
    if let Some(connection) = connection
        && wants_websocket(&head.headers)
    {
        return super::websocket::switch(head, connection, response);
    }
    #[cfg(not(feature = "tls"))]
    let _ = (head, connection);
    response
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
