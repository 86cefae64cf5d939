//! Accepting connections.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::credentials::Credentials;
use crate::http::{ApiService, Closing};
use crate::server::Server;

/// More connections than this wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;
/// A connection that has not finished its TLS handshake or the head of a request by then is closed.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests that one HTTP/2 connection may have open. client-go multiplexes all watches of a process.
const MAX_STREAMS: u32 = 1000;
/// Dead HTTP/2 connections are found out by this.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Requests that are under way when the server stops get so long to finish.
const DRAIN: Duration = Duration::from_secs(5);
/// When the process has no file descriptors left, accepting is tried again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a port can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address can't be bound: the port is in use, or the address is not of this machine.
    #[error("can't listen on {address}: {source}")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate could not be made.
    #[error("can't make a certificate: {0}")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The TLS settings were refused.
    #[error("can't set up TLS: {0}")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gave no randomness for a token.
    #[error("can't make a token: {0}")]
    Randomness(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ListenError {
    pub(super) fn certificate(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Certificate(Box::new(error))
    }

    pub(super) fn tls(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Tls(Box::new(error))
    }

    pub(super) fn randomness(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Randomness(Box::new(error))
    }
}

/// A port on which a [`Server`] is about to answer: HTTPS (HTTP/1.1 and HTTP/2) with a bearer token.
///
/// Connections are queued by the system from the moment that this exists; they are answered while
/// [`serve_until`](Self::serve_until) runs.
pub struct Listener {
    server: Server,
    socket: TcpListener,
    address: SocketAddr,
    credentials: Credentials,
}

// Without the credentials.
impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Binds a port for this server; port 0 takes a free one. A certificate authority and a token are made for it.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn listen(&self, address: SocketAddr) -> Result<Listener, ListenError> {
        let bind = |source| ListenError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(bind)?;
        let bound = socket.local_addr().map_err(bind)?;
        Ok(Listener {
            server: self.clone(),
            credentials: Credentials::generate(bound, self.authority())?,
            address: bound,
            socket,
        })
    }
}

impl Listener {
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

    /// Answers requests until `shutdown` is ready. Then watches end, and requests under way get a few seconds to finish.
    pub async fn serve_until(self, shutdown: impl Future<Output = ()>) {
        let closing = watch::Sender::new(false);
        let service = self
            .server
            .service_with_token(&self.credentials.token)
            .closed_by(Closing::by(closing.subscribe()));
        let acceptor = TlsAcceptor::from(Arc::clone(&self.credentials.tls));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                break;
            };
            let stream = tokio::select! {
                () = &mut shutdown => break,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                // Finished connections are collected as they end.
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            let (acceptor, service) = (acceptor.clone(), service.clone());
            let watcher = graceful.watcher();
            connections.spawn(async move {
                let _place = place;
                if let Err(error) = connection(stream, acceptor, service, watcher).await {
                    tracing::debug!(error, "a connection ended early");
                }
            });
        }
        drop(self.socket);
        closing.send_replace(true);
        if tokio::time::timeout(DRAIN, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("requests were still under way when the server stopped");
        }
        connections.shutdown().await;
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    service: ApiService,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Failure> {
    // Small frames (watch events) must not wait for more.
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await??;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING_INTERVAL);
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    watcher.watch(serving.into_owned()).await
}
