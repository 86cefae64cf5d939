//! A server on a port.

use std::net::SocketAddr;
use std::sync::Arc;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use optilock_apiserver::{Limits, Server};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// A server on a port of its own, stopped when it is dropped.
pub struct Port {
    pub kubeconfig: Kubeconfig,
    pub token: String,
    pub address: SocketAddr,
    pub stop: Option<oneshot::Sender<()>>,
    pub serving: JoinHandle<()>,
}

impl Port {
    pub async fn open() -> Self {
        let server = Server::builder().controllers([]).build();
        Self::of(&server, Limits::default()).await
    }

    pub async fn of(server: &Server, limits: Limits) -> Self {
        let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let listener = listener.limits(limits);
        let text = listener.kubeconfig();
        let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
        let token = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("token: "));
        let token = token.unwrap().to_owned();
        let address = listener.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve_until(async {
            // A sender that is gone stops it too.
            let _ = stopped.await;
        }));
        Self {
            kubeconfig,
            token,
            address,
            stop: Some(stop),
            serving,
        }
    }

    pub async fn config(&self) -> Config {
        let options = KubeConfigOptions::default();
        Config::from_custom_kubeconfig(self.kubeconfig.clone(), &options)
            .await
            .unwrap()
    }

    /// A connection as any program could make it, with HTTP/1.1.
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        for certificate in self.config().await.root_cert.unwrap() {
            roots.add(certificate.into()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    }

    /// A request without a body, as text.
    pub fn get(&self, path: &str) -> String {
        let token = &self.token;
        format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n")
    }

    pub async fn client(&self) -> Client {
        Client::try_from(self.config().await).unwrap()
    }
}
