//! What one request costs in process, by verb. `cargo bench -p optilock-apiserver`
//!
//! The CPU that a request takes, from its bytes to those of its answer: one thread, no socket, no client.

use bytes::Bytes;
use divan::{Bencher, black_box};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use optilock_apiserver::{ApiService, Server};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/web";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn main() {
    divan::main();
}

/// A server with a Deployment, and a thread to run it on.
struct Bench {
    runtime: Runtime,
    service: ApiService,
}

impl Bench {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build();
        let server = Server::builder().controllers([]).build();
        let bench = Self {
            runtime: runtime.expect("a runtime"),
            service: server.service(),
        };
        bench.send(
            Method::POST,
            DEPLOYMENTS,
            "application/json",
            "",
            &deployment("web", "0"),
        );
        bench
    }

    /// Sends a request and reads its answer.
    fn send(&self, method: Method, uri: &str, content: &str, accept: &str, body: &Bytes) -> Bytes {
        self.runtime.block_on(async {
            let request = Request::builder()
                .method(method)
                .uri(uri)
                .header("content-type", content)
                .header("accept", accept)
                .body(Full::new(body.clone()))
                .expect("a request");
            let Ok(response) = self.service.clone().oneshot(request).await;
            let code = response.status();
            let Ok(body) = response.into_body().collect().await;
            let body = body.to_bytes();
            assert!(
                code.is_success(),
                "{code}: {}",
                String::from_utf8_lossy(&body)
            );
            body
        })
    }

    /// Measures a write of one body and another in turns, so that each changes something.
    fn alternate(
        &self,
        bencher: Bencher<'_, '_>,
        method: &Method,
        uri: &str,
        content: &str,
        bodies: &[Bytes; 2],
    ) {
        let mut turns = bodies.iter().cycle();
        bencher.bench_local(|| {
            let body = turns.next().unwrap_or(&bodies[0]);
            black_box(self.send(method.clone(), uri, content, "", body))
        });
    }
}

/// A Deployment of the size that people have: one container with what is usual in it.
fn deployment(name: &str, label: &str) -> Bytes {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name, "biz-version": label}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "web", "image": "nginx:1.12",
                    "ports": [{"name": "http", "containerPort": 80}],
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
                }]},
            },
        },
    });
    object.to_string().into()
}

#[divan::bench]
fn get(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench_local(|| black_box(bench.send(Method::GET, DEPLOYMENT, "", "", &Bytes::new())));
}

#[divan::bench]
fn get_protobuf(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench_local(|| {
        black_box(bench.send(Method::GET, DEPLOYMENT, "", PROTOBUF, &Bytes::new()))
    });
}

#[divan::bench]
fn list_100(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    for n in 1..100 {
        let body = deployment(&format!("d{n}"), "0");
        bench.send(Method::POST, DEPLOYMENTS, "application/json", "", &body);
    }
    bencher.bench_local(|| black_box(bench.send(Method::GET, DEPLOYMENTS, "", "", &Bytes::new())));
}

#[divan::bench]
fn put(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let live: Value =
        serde_json::from_slice(&bench.send(Method::GET, DEPLOYMENT, "", "", &Bytes::new()))
            .expect("JSON");
    // The whole object as a client read it, managedFields included, without the version that would be stale.
    let body = |label: &str| {
        let mut object = live.clone();
        object["metadata"]["labels"]["biz-version"] = label.into();
        object["metadata"]["resourceVersion"] = "".into();
        Bytes::from(object.to_string())
    };
    bench.alternate(
        bencher,
        &Method::PUT,
        DEPLOYMENT,
        "application/json",
        &[body("1"), body("2")],
    );
}

#[divan::bench]
fn patch_merge(bencher: Bencher<'_, '_>) {
    patch(bencher, "application/merge-patch+json");
}

#[divan::bench]
fn patch_strategic(bencher: Bencher<'_, '_>) {
    patch(bencher, "application/strategic-merge-patch+json");
}

fn patch(bencher: Bencher<'_, '_>, content: &str) {
    let bench = Bench::new();
    let body = |label: &str| {
        json!({"metadata": {"labels": {"biz-version": label}}})
            .to_string()
            .into()
    };
    bench.alternate(
        bencher,
        &Method::PATCH,
        DEPLOYMENT,
        content,
        &[body("1"), body("2")],
    );
}

#[divan::bench]
fn apply(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let uri = format!("{DEPLOYMENT}?fieldManager=bench&force=true");
    let bodies = [deployment("web", "1"), deployment("web", "2")];
    bench.alternate(
        bencher,
        &Method::PATCH,
        &uri,
        "application/apply-patch+yaml",
        &bodies,
    );
}
