//! How a server is reached.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use http::HeaderValue;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::config::{KubeConfigOptions, Kubeconfig};
use optilock_apiserver::ApiService;
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::connection::{Connection, Transport};
use crate::http1::Http1;

/// What is spoken over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

/// A server.
#[derive(Clone)]
pub(crate) enum Access {
    /// On a port.
    Port(Arc<PortAccess>),
    /// In this process.
    InProcess(ApiService),
}

/// What a client needs of a server on a port.
pub(crate) struct PortAccess {
    /// Host and port.
    address: String,
    name: ServerName<'static>,
    roots: RootCertStore,
    bearer: HeaderValue,
}

impl Access {
    /// The cluster and the user of a kubeconfig's context.
    pub(crate) async fn from_kubeconfig(path: &Path) -> Result<Self> {
        let at = || format!("reading {}", path.display());
        let kubeconfig = Kubeconfig::read_from(path).with_context(at)?;
        let token = kubeconfig
            .auth_infos
            .first()
            .and_then(|named| named.auth_info.as_ref()?.token.clone())
            .with_context(|| format!("{} has no user with a token", path.display()))?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .with_context(at)?;
        let host = config.cluster_url.host().with_context(at)?.to_owned();
        let port = config.cluster_url.port_u16().with_context(at)?;
        let mut roots = RootCertStore::empty();
        for der in config.root_cert.iter().flatten() {
            roots.add(CertificateDer::from(der.clone()))?;
        }
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
        bearer.set_sensitive(true);
        Ok(Self::Port(Arc::new(PortAccess {
            address: format!("{host}:{port}"),
            name: ServerName::try_from(host)?,
            roots,
            bearer,
        })))
    }

    /// A new connection.
    pub(crate) async fn connect(&self, protocol: Protocol) -> Result<Connection> {
        let port = match self {
            Self::InProcess(service) => return Ok(Connection::in_process(service.clone())),
            Self::Port(port) => port,
        };
        let stream = port.stream(protocol).await?;
        let transport = match protocol {
            Protocol::H1 => {
                let connection = Http1::new(stream, &port.address, &port.bearer);
                Transport::Http1(Box::new(connection))
            }
            Protocol::H2 => {
                let stream = TokioIo::new(stream);
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(connection);
                Transport::Http2(sender)
            }
        };
        Connection::new(transport, &port.address, &port.bearer)
    }
}

impl PortAccess {
    async fn stream(&self, protocol: Protocol) -> Result<TlsStream<TcpStream>> {
        let provider = Arc::new(ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        tls.alpn_protocols = match protocol {
            Protocol::H1 => vec![b"http/1.1".to_vec()],
            Protocol::H2 => vec![b"h2".to_vec()],
        };
        let connecting = || format!("connecting to {}", self.address);
        let stream = TcpStream::connect(&self.address)
            .await
            .with_context(connecting)?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(tls))
            .connect(self.name.clone(), stream)
            .await
            .with_context(connecting)
    }
}
