//! What one request costs in process, by verb. `cargo bench -p optilock-apiserver`
//!
//! The CPU that a request takes, from its bytes to those of its answer: one thread, no socket. The client has no part in
//! it, but in `kube_client`, which is there to tell the two apart. What a client prepares is not measured.

use std::cell::Cell;

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
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn main() {
    divan::main();
}

/// A server with a Deployment that two managers have written, and a thread to run it on.
struct Bench {
    runtime: Runtime,
    service: ApiService,
    /// How many writes there were so far.
    writes: Cell<u64>,
}

impl Bench {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build();
        let server = Server::builder().controllers([]).build();
        let bench = Self {
            runtime: runtime.expect("a runtime"),
            service: server.service(),
            writes: Cell::new(0),
        };
        let uri = format!("{DEPLOYMENTS}?fieldManager=kubectl-client-side-apply");
        bench.send(&Method::POST, &uri, JSON, "", &deployment("web", "0"));
        let uri = format!("{DEPLOYMENT}/status?fieldManager=kube-controller-manager");
        let status = json!({"status": {
            "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "conditions": [
                condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
                condition("Progressing", "NewReplicaSetAvailable", "ReplicaSet \"web-5d4f8c7b9\" has successfully progressed."),
            ],
        }});
        let status = Bytes::from(status.to_string());
        bench.send(
            &Method::PATCH,
            &uri,
            "application/merge-patch+json",
            "",
            &status,
        );
        bench
    }

    /// Sends a request and reads its answer.
    fn send(&self, method: &Method, uri: &str, content: &str, accept: &str, body: &Bytes) -> Bytes {
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

    fn live(&self) -> Value {
        let live = self.send(&Method::GET, DEPLOYMENT, "", "", &Bytes::new());
        serde_json::from_slice(&live).expect("JSON")
    }

    /// Measures writes, each with a body of its own: `body` is given a number that counts them.
    fn write(
        &self,
        bencher: Bencher<'_, '_>,
        method: &Method,
        uri: &str,
        content: &str,
        body: impl Fn(u64) -> Bytes,
    ) {
        bencher
            .with_inputs(|| {
                self.writes.set(self.writes.get() + 1);
                body(self.writes.get())
            })
            .bench_local_refs(|body| black_box(self.send(method, uri, content, "", body)));
    }
}

fn condition(kind: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": reason, "message": message,
        "lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
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
    bencher.bench_local(|| black_box(bench.send(&Method::GET, DEPLOYMENT, "", "", &Bytes::new())));
}

#[divan::bench]
fn get_protobuf(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher.bench_local(|| {
        black_box(bench.send(&Method::GET, DEPLOYMENT, "", PROTOBUF, &Bytes::new()))
    });
}

#[divan::bench]
fn list_500(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    for n in 1..500 {
        let body = deployment(&format!("d{n}"), "0");
        bench.send(&Method::POST, DEPLOYMENTS, JSON, "", &body);
    }
    bencher.bench_local(|| black_box(bench.send(&Method::GET, DEPLOYMENTS, "", "", &Bytes::new())));
}

/// The whole object as a client has just read it, managedFields and version included, with another label.
#[divan::bench(sample_size = 1, sample_count = 2000)]
fn put(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bench.write(bencher, &Method::PUT, DEPLOYMENT, JSON, |n| {
        let mut object = bench.live();
        object["metadata"]["labels"]["biz-version"] = n.to_string().into();
        object.to_string().into()
    });
}

/// The same with 500 Deployments in turn: what was written last is another one.
#[divan::bench(sample_size = 1, sample_count = 2000)]
fn put_in_turn(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    for n in 0..500 {
        let body = deployment(&format!("d{n}"), "0");
        bench.send(&Method::POST, DEPLOYMENTS, JSON, "", &body);
    }
    bencher
        .with_inputs(|| {
            bench.writes.set(bench.writes.get() + 1);
            let uri = format!("{DEPLOYMENTS}/d{}", bench.writes.get() % 500);
            let live = bench.send(&Method::GET, &uri, "", "", &Bytes::new());
            let mut object: Value = serde_json::from_slice(&live).expect("JSON");
            object["metadata"]["labels"]["biz-version"] = bench.writes.get().to_string().into();
            (uri, Bytes::from(object.to_string()))
        })
        .bench_local_refs(|(uri, body)| black_box(bench.send(&Method::PUT, uri, JSON, "", body)));
}

#[divan::bench(sample_size = 1, sample_count = 2000)]
fn put_status(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let uri = format!("{DEPLOYMENT}/status?fieldManager=kube-controller-manager");
    bench.write(bencher, &Method::PUT, &uri, JSON, |n| {
        let mut object = bench.live();
        object["status"]["observedGeneration"] = n.into();
        object.to_string().into()
    });
}

#[divan::bench]
fn post(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bench.write(bencher, &Method::POST, DEPLOYMENTS, JSON, |n| {
        deployment(&format!("d{n}"), "0")
    });
}

#[divan::bench]
fn delete(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    bencher
        .with_inputs(|| {
            bench.writes.set(bench.writes.get() + 1);
            let name = format!("d{}", bench.writes.get());
            bench.send(
                &Method::POST,
                DEPLOYMENTS,
                JSON,
                "",
                &deployment(&name, "0"),
            );
            format!("{DEPLOYMENTS}/{name}")
        })
        .bench_local_refs(|uri| black_box(bench.send(&Method::DELETE, uri, "", "", &Bytes::new())));
}

#[divan::bench(args = ["json-patch", "merge-patch", "strategic-merge-patch"])]
fn patch(bencher: Bencher<'_, '_>, kind: &str) {
    let bench = Bench::new();
    let content = format!("application/{kind}+json");
    bench.write(bencher, &Method::PATCH, DEPLOYMENT, &content, |n| {
        let label = n.to_string();
        let patch = match kind {
            "json-patch" => {
                json!([{"op": "replace", "path": "/metadata/labels/biz-version", "value": label}])
            }
            _ => json!({"metadata": {"labels": {"biz-version": label}}}),
        };
        patch.to_string().into()
    });
}

#[divan::bench]
fn apply(bencher: Bencher<'_, '_>) {
    let bench = Bench::new();
    let uri = format!("{DEPLOYMENT}?fieldManager=bench&force=true");
    let content = "application/apply-patch+yaml";
    bench.write(bencher, &Method::PATCH, &uri, content, |n| {
        deployment("web", &n.to_string())
    });
}

/// The same through a typed client in the same process: what is more than above is the client's.
mod kube_client {
    use super::{Bench, Bencher, black_box};
    use k8s_openapi::api::apps::v1::Deployment;
    use kube::api::{Api, PostParams};

    fn deployments(bench: &Bench) -> Api<Deployment> {
        let _on = bench.runtime.enter();
        Api::namespaced(
            kube::Client::new(bench.service.clone(), "default"),
            "default",
        )
    }

    #[divan::bench]
    fn get(bencher: Bencher<'_, '_>) {
        let bench = Bench::new();
        let api = deployments(&bench);
        bencher.bench_local(|| {
            let got = bench.runtime.block_on(api.get("web"));
            black_box(got.expect("the Deployment"))
        });
    }

    #[divan::bench(sample_size = 1, sample_count = 2000)]
    fn replace(bencher: Bencher<'_, '_>) {
        let bench = Bench::new();
        let api = deployments(&bench);
        bencher
            .with_inputs(|| {
                bench.writes.set(bench.writes.get() + 1);
                let live = bench.runtime.block_on(api.get("web"));
                let mut object = live.expect("the Deployment");
                let labels = object.metadata.labels.get_or_insert_default();
                labels.insert("biz-version".into(), bench.writes.get().to_string());
                object
            })
            .bench_local_refs(|object| {
                let params = PostParams::default();
                let replaced = api.replace("web", &params, object);
                black_box(bench.runtime.block_on(replaced).expect("replaced"))
            });
    }
}
