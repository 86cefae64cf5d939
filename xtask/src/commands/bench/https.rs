//! As little of a client as can ask a server whether it is there.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::Deserialize;

/// Asks one server, on a new connection each time, as the user of a kubeconfig.
#[derive(Debug)]
pub(super) struct Https {
    tls: Arc<ClientConfig>,
    /// Host and port.
    address: String,
    name: ServerName<'static>,
    token: String,
}

/// What is needed of a kubeconfig with one cluster; the first user is the one to be.
#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: String,
}

#[derive(Deserialize)]
struct NamedUser {
    user: User,
}

#[derive(Deserialize)]
struct User {
    token: String,
}

impl Https {
    /// A client of the server that the file describes.
    pub(super) fn from_kubeconfig(path: &Path) -> Result<Self> {
        let at = || format!("reading {}", path.display());
        let text = fs::read_to_string(path).with_context(at)?;
        let config: Kubeconfig = serde_saphyr::from_str(&text).with_context(at)?;
        let (Some(cluster), Some(user)) = (config.clusters.first(), config.users.first()) else {
            bail!("{}: no cluster or no user", path.display());
        };
        let cluster = &cluster.cluster;
        let address = cluster.server.strip_prefix("https://").with_context(at)?;
        let (host, _) = address.rsplit_once(':').with_context(at)?;
        let name = ServerName::try_from(host.to_owned()).with_context(at)?;
        let pem = STANDARD
            .decode(&cluster.certificate_authority_data)
            .with_context(at)?;
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&pem).with_context(at)?)
            .with_context(at)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("choosing TLS versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: Arc::new(tls),
            address: address.to_owned(),
            name,
            token: user.user.token.clone(),
        })
    }

    /// Asks for `path`; the body of the answer, which is to come in one piece.
    ///
    /// # Errors
    /// Also when the answer isn't 200.
    pub(super) fn get(&self, path: &str) -> Result<String> {
        let ask = || -> Result<String> {
            let tcp = TcpStream::connect(&self.address)?;
            tcp.set_nodelay(true)?;
            let tls = ClientConnection::new(Arc::clone(&self.tls), self.name.clone())?;
            let mut stream = StreamOwned::new(tls, tcp);
            let Self { address, token, .. } = self;
            let request = format!(
                "GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
                 Accept: application/json\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = ask().with_context(|| format!("asking {} for {path}", self.address))?;
        if answer.split_whitespace().nth(1) != Some("200") {
            bail!("{} answered {path} with:\n{answer}", self.address);
        }
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        Ok(body.to_owned())
    }
}
