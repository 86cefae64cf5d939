//! A port with TLS and a token, for any service.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use prometheus::IntCounter;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::{BoxError, Service, ServiceExt};

use super::connections::{Busy, Connections, Last, Open};
use super::credentials::Credentials;
use super::gather::Gathered;
use super::{Authority, Limits, ListenError};
use crate::http::{Authentication, Crowd, InUse};
use crate::status::{Reason, Status};

/// A connection that has not finished its TLS handshake by then, or sent the head of a first request, is closed.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// So long a connection may be silent between requests, as with kube-apiserver.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Requests that one HTTP/2 connection may have open. client-go multiplexes all watches of a process.
const MAX_STREAMS: u32 = 1000;
/// Bytes that the head of a request may have, and, in HTTP/1.1, fields in it: Go's HTTP server counts the former alone. hyper clears
/// room for all the fields that there may be with every request.
const MAX_HEAD: usize = 1 << 20;
const MAX_FIELDS: usize = 256;
/// Dead HTTP/2 connections are found out by this.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A peer that says nothing is asked whether it is there, as Go's server does: one that has vanished is found out so.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Requests that are under way when the server stops get so long to finish.
const DRAIN: Duration = Duration::from_secs(5);
/// When the process has no file descriptors left, accepting is tried again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A port on which a service is about to answer: HTTPS (HTTP/1.1 and HTTP/2) with a bearer token.
///
/// Connections are queued by the system from the moment that this exists; they are answered while
/// [`serve_until`](Self::serve_until) runs. For a [`Server`](crate::Server) there is
/// [`Server::listen`](crate::Server::listen); this is for what stands before an API server.
pub struct Port {
    socket: TcpListener,
    address: SocketAddr,
    credentials: Credentials,
    handshake_errors: IntCounter,
}

// Without the credentials.
impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

impl Port {
    /// Binds a port; port 0 takes a free one. A certificate authority and a token are made for it.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let errors = IntCounter::new("handshake_errors", "TLS handshakes that failed");
        let errors = errors.map_err(ListenError::tls)?;
        Self::certified(address, &Authority::default(), errors).await
    }

    /// A port whose certificate is of this authority, and which counts handshakes that fail.
    pub(super) async fn certified(
        address: SocketAddr,
        authority: &Authority,
        handshake_errors: IntCounter,
    ) -> Result<Self, ListenError> {
        let bind = |source| ListenError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(bind)?;
        let bound = socket.local_addr().map_err(bind)?;
        Ok(Self {
            credentials: Credentials::generate(bound, authority)?,
            address: bound,
            socket,
            handshake_errors,
        })
    }

    /// The address with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig (YAML) with the address, the certificate authority and the token. It is a secret.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.credentials.kubeconfig(self.address)
    }

    pub(super) fn token(&self) -> &str {
        &self.credentials.token
    }

    /// Lets a service answer requests that bear the token, until `shutdown` is ready; the others are answered 401. Requests
    /// that are under way then get a few seconds to finish.
    ///
    /// Where the service fails, the connection breaks, or the stream of HTTP/2.
    pub async fn serve_until<S>(self, service: S, shutdown: impl Future<Output = ()>)
    where
        S: Service<Request<Incoming>, Response = Answer, Error = BoxError>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
    {
        let authentication = Authentication::token(self.token());
        let guarded = tower::service_fn(move |request: Request<Incoming>| {
            let (authentication, service) = (authentication.clone(), service.clone());
            async move {
                match authentication.admits(request.headers()) {
                    true => service.oneshot(request).await,
                    false => Ok(unauthorized()),
                }
            }
        });
        let limits = Limits::default();
        let crowd = Crowd::default();
        let of_peer = |_| guarded.clone();
        self.answer(of_peer, &limits, crowd, shutdown, || {}).await;
    }

    /// Lets the service of each peer answer its requests until `shutdown` is ready, which `closing` is then told before connections are
    /// drained.
    pub(super) async fn answer<S, B>(
        self,
        of_peer: impl Fn(IpAddr) -> S,
        limits: &Limits,
        crowd: Crowd,
        shutdown: impl Future<Output = ()>,
        closing: impl FnOnce(),
    ) where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.credentials.tls));
        let places = Arc::new(Semaphore::new(limits.connections));
        let all = Arc::new(Connections::counted(crowd));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (stream, peer) = tokio::select! {
                () = &mut shutdown => break,
                accepted = self.socket.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                // Finished connections are collected as they end.
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            if places.available_permits() == 0 {
                all.make_room();
            }
            let place = tokio::select! {
                () = &mut shutdown => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            // The semaphore is never closed.
            let Ok(place) = place else { break };
            let open = all.open(place);
            let connection = Accepted {
                stream,
                acceptor: acceptor.clone(),
                handshake_errors: self.handshake_errors.clone(),
                open: Arc::clone(&open),
                stalled: limits.stalled,
            };
            let (service, watcher) = (of_peer(peer.ip()), graceful.watcher());
            connections.spawn(async move {
                let ended = tokio::select! {
                    ended = connection.serve(service, watcher) => ended,
                    () = open.asked_to_leave() => Err("it was idle, and another one came".into()),
                };
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection ended early");
                }
            });
        }
        drop(self.socket);
        closing();
        let all_ended = async {
            graceful.shutdown().await;
            // What connections have become has their places.
            let count = u32::try_from(limits.connections).unwrap_or(u32::MAX);
            // The semaphore is never closed.
            let _all = places.acquire_many(count).await;
        };
        if tokio::time::timeout(DRAIN, all_ended).await.is_err() {
            tracing::warn!("requests were still under way when the server stopped");
        }
        connections.shutdown().await;
    }
}

/// A connection that was accepted.
struct Accepted {
    stream: TcpStream,
    acceptor: TlsAcceptor,
    handshake_errors: IntCounter,
    open: Arc<Open>,
    stalled: Duration,
}

impl Accepted {
    /// Serves it until it ends.
    async fn serve<S, B>(self, service: S, watcher: Watcher) -> Result<(), BoxError>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // Small frames (watch events) must not wait for more.
        self.stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE);
        SockRef::from(&self.stream).set_tcp_keepalive(&keepalive)?;
        let mut stream = TimeoutStream::new(self.stream);
        stream.set_write_timeout(Some(self.stalled));
        let handshake = self.acceptor.accept(Box::pin(stream));
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake);
        let handshake = handshake.await.map_err(io::Error::from).flatten();
        let stream = handshake.inspect_err(|_| self.handshake_errors.inc())?;
        // On HTTP/1.1 an answer is written at once anyway.
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let gathered = Gathered::new(stream, is_h2);
        let builder = http_server();
        // Until the first bytes have told the protocol hyper has no time limit at all.
        let begun = Arc::new(Notify::new());
        let begins = Arc::clone(&begun);
        let open = self.open;
        let in_use = Arc::clone(&open);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            begins.notify_one();
            let (busy, service) = (Arc::new(open.busy()), service.clone());
            if request.headers().contains_key(UPGRADE) {
                let in_use = InUse(Arc::<Busy>::clone(&busy));
                request.extensions_mut().insert(in_use);
            }
            async move {
                let answer = service.oneshot(request).await?;
                Ok::<_, S::Error>(answer.map(|body| Last { body, busy }))
            }
        });
        let stream = TokioIo::new(gathered.clone());
        let serving = builder.serve_connection_with_upgrades(stream, service);
        let serving = watcher.watch(serving.into_owned());
        let serving = gathered.drive(serving, move || in_use.is_shared());
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended,
            () = begun.notified() => {}
            () = tokio::time::sleep(FIRST_REQUEST_TIMEOUT) => {
                return Err("no request came in time".into());
            }
        }
        serving.await
    }
}

/// HTTP/1.1 and HTTP/2 within limits.
fn http_server() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_headers(MAX_FIELDS)
        .max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(PING_INTERVAL);
    builder
}

fn unauthorized() -> Answer {
    let status = Status::new(401, Reason::Unauthorized, "Unauthorized");
    let body = Full::new(Bytes::from(status.to_json()));
    let mut answer = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}
