//! `optilock-bench bare`: as little of a server as hyper and rustls are, which is the limit of what a server on them can do. It has
//! the TLS settings of `optilock serve`, and answers every request with the same bytes.

use std::convert::Infallible;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::objects::deployment;

/// Serve the same answer to everybody, until SIGTERM.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write the kubeconfig, once it listens.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// Bytes of the answer, which is a Deployment at least.
    #[arg(long, default_value_t = 1500)]
    bytes: usize,
}

#[tokio::main]
pub(crate) async fn run(args: &Args) -> Result<()> {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(loopback)
        .await
        .context("binding a port")?;
    let (tls, authority) = credentials()?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bare",
        "clusters": [{"name": "bare", "cluster": {
            "server": format!("https://{}", listener.local_addr()?),
            "certificate-authority-data": authority,
        }}],
        "users": [{"name": "bare", "user": {"token": "everybody"}}],
        "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "bare"}}],
    });
    let mut answer = deployment("bare", 0);
    answer += &" ".repeat(args.bytes.saturating_sub(answer.len()));
    let answer = Bytes::from(answer);
    let mut ended = signal(SignalKind::terminate())?;
    let unfinished = args.kubeconfig.with_extension("new");
    fs::write(&unfinished, kubeconfig.to_string())?;
    fs::rename(&unfinished, &args.kubeconfig)?;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let connection = serve(accepted?.0, acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        eprintln!("a connection ended early: {error:#}");
                    }
                });
            }
            _ = ended.recv() => return Ok(()),
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, answer: Bytes) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(acceptor.accept(stream).await?);
    let service = service_fn(move |_: Request<Incoming>| {
        let mut response = Response::new(Full::new(answer.clone()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = Builder::new(TokioExecutor::new())
        .serve_connection(stream, service)
        .await;
    served.map_err(|error| anyhow::anyhow!(error))
}

/// A certificate, and the authority behind it as a kubeconfig has it.
fn credentials() -> Result<(ServerConfig, String)> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate()?;
    let pem = authority.self_signed(&key)?.pem();
    let issuer = Issuer::new(authority, key);
    let leaf = CertificateParams::new(vec![
        "localhost".to_owned(),
        Ipv4Addr::LOCALHOST.to_string(),
    ])?;
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((tls, STANDARD.encode(pem)))
}
