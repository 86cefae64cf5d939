//! A server on a port.

use std::net::SocketAddr;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use optilock_apiserver::Server;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

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
        let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
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

    pub async fn client(&self) -> Client {
        Client::try_from(self.config().await).unwrap()
    }
}
