//! A server on a port.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::kubeconfig::Access;
use super::{BoxBody, Target};
use crate::error::{Error, Result};
use crate::etcd;

/// A server behind TLS and a token, asked on a new connection each time.
pub struct Tcp {
    tls: TlsConnector,
    address: String,
    name: ServerName<'static>,
    authorization: HeaderValue,
    etcd: Option<String>,
}

// Without the token.
impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tcp")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Tcp {
    /// The server that a kubeconfig's first cluster describes, asked as its first user.
    ///
    /// # Errors
    /// When the kubeconfig has no such cluster and user, with an authority and a token.
    pub fn from_kubeconfig(text: &str) -> Result<Self> {
        let access = Access::parse(text)?;
        let malformed = |error: &dyn fmt::Display| Error::malformed("kubeconfig", error);
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&access.ca) {
            let certificate = certificate.map_err(|error| malformed(&error))?;
            roots.add(certificate).map_err(|error| malformed(&error))?;
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| malformed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = access
            .address
            .rsplit_once(':')
            .map_or(&*access.address, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| malformed(&error))?;
        let authorization = HeaderValue::try_from(format!("Bearer {}", access.token));
        Ok(Self {
            tls: TlsConnector::from(Arc::new(tls)),
            address: access.address,
            name,
            authorization: authorization.map_err(|error| malformed(&error))?,
            etcd: None,
        })
    }

    /// The same, whose storage is the etcd at this URL.
    #[must_use]
    pub fn with_etcd(self, url: impl Into<String>) -> Self {
        Self {
            etcd: Some(url.into()),
            ..self
        }
    }

    async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<BoxBody>, Box<dyn std::error::Error + Send + Sync>> {
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(&self.address)?);
        headers
            .entry(AUTHORIZATION)
            .or_insert_with(|| self.authorization.clone());
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(self.name.clone(), stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer's body; an error that matters is seen there.
        tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    }
}

impl Target for Tcp {
    fn send(&self, request: Request<Full<Bytes>>) -> BoxFuture<'_, Result<Response<BoxBody>>> {
        async move {
            let answered = self.exchange(request).await;
            answered.map_err(|error| Error::connection(&self.address, error))
        }
        .boxed()
    }

    fn compact(&self) -> BoxFuture<'_, Result<()>> {
        match &self.etcd {
            Some(url) => etcd::compact(url).boxed(),
            None => super::forget(self).boxed(),
        }
    }
}
