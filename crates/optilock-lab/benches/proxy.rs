//! What `optilock proxy` adds to a request. `cargo xtask bench proxy` runs it in front of a control plane,
//! `cargo bench -p optilock-lab --bench proxy` in front of a server of this process on a port, or of the cluster that
//! `KUBECONFIG` names.
//!
//! Clients that keep their connections ask a server directly and through the proxy, in turn and first the one and then the
//! other, so that what else the machine does meets both alike. What the proxy adds is the median of the differences
//! between the two requests of a pair.

use std::{
    env, error, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process,
    time::Instant,
};

use bytes::Bytes;
use http::{Method, Request, Version, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Config,
    client::ConfigExt,
    config::{KubeConfigOptions, Kubeconfig},
};
use optilock_apiserver::{Port, Server};
use optilock_lab::{Leg, Network, Target, relay};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
/// How many pairs of requests are measured, after a tenth as many that are not.
const PAIRS: usize = 2000;

/// A client with a connection of its own.
struct Side {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    token: String,
}

impl Side {
    async fn new(kubeconfig: &Path, version: Version) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let users = serde_json::to_value(&kubeconfig.auth_infos)?;
        let token = users[0]["user"]["token"]
            .as_str()
            .ok_or("the kubeconfig's user needs a token")?
            .to_owned();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(config.rustls_client_config()?)
            .https_only();
        let tls = match version {
            Version::HTTP_2 => tls.enable_http2().wrap_connector(tcp),
            _ => tls.enable_http1().wrap_connector(tcp),
        };
        Ok(Self {
            http: HttpClient::builder(TokioExecutor::new())
                .http2_only(version == Version::HTTP_2)
                .build(tls),
            server: config
                .cluster_url
                .to_string()
                .trim_end_matches('/')
                .to_owned(),
            token,
        })
    }

    /// Asks, and waits for the whole answer.
    async fn ask(&self, method: &Method, path: &str, body: Bytes) -> Result<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = self.http.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let said = String::from_utf8_lossy(&body);
            return Err(format!("{method} {path} was answered {status}: {said}").into());
        }
        Ok(body)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let direct: PathBuf = match env::var_os("KUBECONFIG") {
        Some(path) => path.into(),
        None => {
            let listener = Server::builder()
                .controllers([])
                .build()
                .listen(LOOPBACK)
                .await?;
            let file = folder.path().join("direct");
            fs::write(&file, listener.kubeconfig())?;
            tokio::spawn(listener.serve_until(std::future::pending()));
            file
        }
    };
    let target = Target::from_kubeconfig(&direct).await?;
    let network = Network::new(target.client(), Leg::default(), [], 1);
    let port = Port::bind(LOOPBACK).await?;
    let proxied = folder.path().join("proxied");
    fs::write(&proxied, port.kubeconfig())?;
    let service = tower::service_fn(move |request| relay(network.clone(), request));
    tokio::spawn(port.serve_until(service, std::future::pending()));

    println!(
        "{:10}{:5}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}",
        "µs", "", "direct p50", "p99", "proxy p50", "p99", "more p50", "p99"
    );
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let sides = [
            Side::new(&direct, version).await?,
            Side::new(&proxied, version).await?,
        ];
        for method in [Method::GET, Method::PUT] {
            let times = measure(&sides, &method).await?;
            print!("{:10}{method:5}", format!("{version:?}"));
            let [direct, proxied] = [0, 1].map(|side| times.iter().map(move |pair| pair[side]));
            for side in [Ranks::of(direct), Ranks::of(proxied)] {
                print!("{:>11.0}{:>11.0}", side.median, side.p99);
            }
            let more = Ranks::of(times.iter().map(|[direct, proxied]| proxied - direct));
            println!("{:>11.0}{:>11.0}", more.median, more.p99);
        }
    }
    Ok(())
}

/// Where some times are, in microseconds.
struct Ranks {
    median: f64,
    p99: f64,
}

impl Ranks {
    fn of(times: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = times.collect();
        sorted.sort_by(f64::total_cmp);
        Self {
            median: sorted[sorted.len() / 2],
            p99: sorted[sorted.len() * 99 / 100],
        }
    }
}

/// The time of each pair of requests on each side, in microseconds.
async fn measure(sides: &[Side; 2], method: &Method) -> Result<Vec<[f64; 2]>> {
    let name = format!("proxy-bench-{}", process::id());
    let path = format!("{DEPLOYMENTS}/{name}");
    let deployment = |count: usize| {
        let labels = json!({"app": "web"});
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "labels": {"count": count.to_string()}},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "web", "image": "web"}]},
                },
            },
        });
        Bytes::from(object.to_string())
    };
    sides[0]
        .ask(&Method::POST, DEPLOYMENTS, deployment(0))
        .await?;
    let mut times = Vec::new();
    let mut failed = None;
    'all: for pair in 0..PAIRS + PAIRS / 10 {
        let mut took = [0.0; 2];
        for index in [pair % 2, 1 - pair % 2] {
            let body = match *method {
                // Another one each time, so that each is a write.
                Method::PUT => deployment(1 + 2 * pair + index),
                _ => Bytes::new(),
            };
            let asked = Instant::now();
            if let Err(error) = sides[index].ask(method, &path, body).await {
                failed = Some(error);
                break 'all;
            }
            took[index] = asked.elapsed().as_secs_f64() * 1e6;
        }
        if pair >= PAIRS / 10 {
            times.push(took);
        }
    }
    sides[0].ask(&Method::DELETE, &path, Bytes::new()).await?;
    match failed {
        Some(error) => Err(error),
        None => Ok(times),
    }
}
