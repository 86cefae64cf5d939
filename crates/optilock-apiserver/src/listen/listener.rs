//! A server on a port.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::sync::watch;

use super::{Limits, Port};
use crate::http::{Closing, Crowd, Flow, Guard, Phase};
use crate::server::Server;

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
#[derive(Debug)]
pub struct Listener {
    server: Server,
    port: Port,
    limits: Limits,
}

impl Server {
    /// Binds a port for this server; port 0 takes a free one. A certificate authority and a token are made for it.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn listen(&self, address: SocketAddr) -> Result<Listener, ListenError> {
        let errors = self.metrics().handshake_errors.clone();
        Ok(Listener {
            server: self.clone(),
            port: Port::certified(address, self.authority(), errors).await?,
            limits: Limits::default(),
        })
    }
}

impl Listener {
    /// The address with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.port.local_addr()
    }

    /// A kubeconfig (YAML) with the address, the certificate authority and the token. It is a secret.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.port.kubeconfig()
    }

    /// The same with other limits than the [default](Limits::default).
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Answers requests until `shutdown` is ready. `/readyz` then says so, for as long as
    /// [`Limits::shutdown_delay`] says; after that nobody is let in any more, watches end, and requests under way
    /// get a few seconds to finish.
    pub async fn serve_until(self, shutdown: impl Future<Output = ()>) {
        let Limits {
            reads,
            writes,
            shutdown_delay,
            ..
        } = self.limits;
        let phase = watch::Sender::new(Phase::Serving);
        let crowd = Crowd::default();
        let guard = Guard {
            flow: Flow::new(reads, writes, crowd.clone()),
            closing: Closing::by(phase.subscribe()),
        };
        let service = self.server.guarded_service(self.port.token(), guard);
        let of_peer = |peer| service.with_peer(peer);
        let shutdown = async {
            shutdown.await;
            phase.send_replace(Phase::Leaving);
            tokio::time::sleep(shutdown_delay).await;
        };
        let close = || {
            phase.send_replace(Phase::Closing);
        };
        self.port
            .answer(of_peer, &self.limits, crowd, shutdown, close)
            .await;
    }
}
