//! The recorded answers of the reference control plane, compared with the embedded server's: every request sequence of
//! the corpus, in process and over TCP. What differs has to be in `conformance/differences.yaml`.
//!
//! `cargo xtask record` records anew. `cargo xtask test --only etcd` plays them where the objects are in an etcd, alone and in
//! turns with a kube-apiserver on the same one.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[cfg(feature = "etcd")]
#[path = "common/etcd.rs"]
mod etcd;

use std::time::Duration;

use optilock_apiserver::{Server, ServerBuilder};
use optilock_conformance::{
    Difference, Ignored, InProcess, KnownDifferences, Player, Recording, Target, Topic,
};

/// The reference has no controllers either.
fn server(topic: &Topic) -> ServerBuilder {
    let server = Server::builder().controllers([]);
    if topic.compacts() {
        server.compact_after(Duration::ZERO)
    } else {
        server
    }
}

async fn differences(topic: &Topic, target: impl Target) -> Vec<Difference> {
    differences_of_run(topic, target, "test").await
}

async fn differences_of_run(topic: &Topic, target: impl Target, run: &str) -> Vec<Difference> {
    let recorded = Recording::read(topic).unwrap();
    let played = Player::new(target, run).play(topic).await.unwrap();
    recorded.differences(&played, Ignored::NOTHING)
}

fn judge(found: Vec<Difference>) {
    let judgement = KnownDifferences::load().unwrap().judge(found);
    for difference in &judgement.undocumented {
        println!("{difference}");
    }
    for place in &judgement.disappeared {
        println!("no difference any more: {place}");
    }
    let (new, gone) = (judgement.undocumented.len(), judgement.disappeared.len());
    assert!(
        new == 0 && gone == 0,
        "{new} differences are not in conformance/differences.yaml, {gone} that are in it are none any more"
    );
}

#[tokio::test]
async fn the_server_answers_as_the_reference_in_process() {
    let mut found = Vec::new();
    for topic in Topic::load_all().unwrap() {
        let server = server(&topic).build();
        found.extend(differences(&topic, InProcess::new(server.service())).await);
    }
    judge(found);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn the_server_answers_as_the_reference_over_tcp() {
    use optilock_conformance::Tcp;
    use tokio::sync::oneshot;

    let mut found = Vec::new();
    for topic in Topic::load_all().unwrap() {
        let server = server(&topic).build();
        let listener = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let target = Tcp::from_kubeconfig(&listener.kubeconfig()).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve_until(async {
            // A sender that is gone stops it too.
            let _ = stopped.await;
        }));
        found.extend(differences(&topic, target).await);
        drop(stop);
        serving.await.unwrap();
    }
    judge(found);
}

#[cfg(feature = "etcd")]
mod shared {
    use std::sync::Arc;

    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Full};
    use serde_json::{Value, json};

    use optilock_apiserver::store::{EtcdOptions, EtcdStore, Retention};
    use optilock_conformance::{Pair, Tcp};

    use super::etcd::Etcd;
    use super::*;

    /// A server on an etcd. Its controllers would look after what other servers on it are asked for.
    async fn server(url: &str, retention: Retention) -> Server {
        let options = EtcdOptions::new(url).unwrap();
        let store = EtcdStore::connect(&options, retention).await.unwrap();
        Server::builder()
            .controllers([])
            .store(Arc::new(store))
            .build()
    }

    #[tokio::test]
    #[ignore = "needs an etcd: cargo xtask test --only etcd"]
    async fn the_server_answers_as_the_reference_on_an_etcd() {
        let etcd = Etcd::start();
        let mut found = Vec::new();
        for topic in Topic::load_all().unwrap() {
            let mut retention = Retention::default();
            if topic.compacts() {
                retention.age = Duration::ZERO;
            }
            let server = server(&etcd.url, retention).await;
            let target = InProcess::new(server.service()).with_etcd(&etcd.url);
            found.extend(differences_of_run(&topic, target, &topic.name).await);
        }
        judge(found);
    }

    /// URL of the etcd of a kube-apiserver, and its kubeconfig.
    fn kube_apiserver() -> (String, String) {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} has to be set, as xtask does"))
        };
        let kubeconfig = std::fs::read_to_string(variable("OPTILOCK_TEST_KUBECONFIG"));
        (variable("OPTILOCK_TEST_ETCD_URL"), kubeconfig.unwrap())
    }

    async fn ask(target: &dyn Target, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let media_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = match body {
            Value::Null => Bytes::new(),
            body => body.to_string().into(),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media_type)
            .body(Full::new(body));
        let response = target.send(request.unwrap()).await.unwrap();
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        // Not all refusals are JSON.
        (code, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Asks until the server has heard of what it is asked about.
    async fn ask_until(
        code: u16,
        target: &dyn Target,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Value {
        loop {
            let (answered, answer) = ask(target, method, path, body).await;
            if answered == code {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    #[ignore = "needs a kube-apiserver: cargo xtask test --only etcd"]
    async fn definitions_that_one_is_sent_are_served_by_the_other() {
        const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let (url, kubeconfig) = kube_apiserver();
        let server = server(&url, Retention::default()).await;
        let ours: &dyn Target = &InProcess::new(server.service());
        let theirs: &dyn Target = &Tcp::from_kubeconfig(&kubeconfig).unwrap();
        for (group, one, other) in [
            ("a.example.com", ours, theirs),
            ("b.example.com", theirs, ours),
        ] {
            let definition = json!({"metadata": {"name": format!("cogs.{group}")}, "spec": {"group": group,
                "scope": "Namespaced", "names": {"plural": "cogs", "singular": "cog", "kind": "Cog"},
                "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                    "additionalPrinterColumns": [{"name": "Teeth", "type": "integer", "jsonPath": ".spec.teeth"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {"teeth": {"type": "integer", "default": 12}}},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}});
            let (code, made) = ask(one, "POST", DEFINITIONS, &definition).await;
            assert_eq!(code, 201, "{made}");
            let folder = format!("/apis/{group}/v1/namespaces/default/cogs");
            let path = format!("{folder}/a");
            let cog = json!({"apiVersion": format!("{group}/v1"), "kind": "Cog", "metadata": {"name": "a"}, "spec": {}});
            let made = ask_until(201, other, "POST", &folder, &cog).await;
            assert_eq!(made["spec"]["teeth"], 12);
            assert_eq!(ask_until(200, one, "GET", &path, &Value::Null).await, made);
            let change = json!({"spec": {"teeth": 13}});
            let (_, changed) = ask(one, "PATCH", &path, &change).await;
            assert_eq!(changed["metadata"]["generation"], 2, "{changed}");
            assert_eq!(ask(other, "GET", &path, &Value::Null).await, (200, changed));
            // A second time nothing changes, in the eyes of the other one too.
            let (_, same) = ask(other, "PATCH", &path, &change).await;
            assert_eq!(ask(one, "GET", &path, &Value::Null).await, (200, same));

            let definition = format!("{DEFINITIONS}/cogs.{group}");
            let (_, shown) = ask(one, "GET", &definition, &Value::Null).await;
            let (_, also) = ask(other, "GET", &definition, &Value::Null).await;
            assert_eq!(shown, also);
            let (code, gone) = ask(other, "DELETE", &definition, &Value::Null).await;
            assert_eq!(code, 200, "{gone}");
            ask_until(404, one, "GET", &folder, &Value::Null).await;
            ask_until(404, other, "GET", &folder, &Value::Null).await;
        }
    }

    /// What one of the two has not heard of yet that the other was told.
    const BEHIND: [&str; 4] = ["apply", "definitions", "rules", "versions"];

    #[tokio::test]
    #[ignore = "needs a kube-apiserver: cargo xtask test --only etcd"]
    async fn a_kube_apiserver_and_the_server_read_and_change_each_other_s_objects() {
        let (url, kubeconfig) = kube_apiserver();
        let mut found = Vec::new();
        for topic in Topic::load_all().unwrap() {
            if topic.compacts() || BEHIND.contains(&&*topic.name) {
                continue;
            }
            let server = server(&url, Retention::default()).await;
            for first in ["ours", "theirs"] {
                let ours = InProcess::new(server.service());
                let theirs = Tcp::from_kubeconfig(&kubeconfig).unwrap();
                let run = format!("{}-{first}", topic.name);
                found.extend(match first {
                    "ours" => differences_of_run(&topic, Pair::new(ours, theirs), &run).await,
                    _ => differences_of_run(&topic, Pair::new(theirs, ours), &run).await,
                });
            }
        }
        // Some of what this server does differently was asked of the other one.
        let judgement = KnownDifferences::load().unwrap().judge(found);
        for difference in &judgement.undocumented {
            println!("{difference}");
        }
        let new = judgement.undocumented.len();
        assert_eq!(
            new, 0,
            "{new} differences are not in conformance/differences.yaml"
        );
    }
}
