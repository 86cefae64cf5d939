//! A client for tests that shows everything: codes, headers, bodies.
// Every test file uses its own part, and a panic is how a test fails.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

#[cfg(feature = "tls")]
pub mod port;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, BodyStream, Full};
use optilock_apiserver::{ApiService, Body, Server};
use serde_json::{Value, json};
use tower::ServiceExt;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub code: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    #[track_caller]
    pub fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Code, reason and message of a refusal.
    #[track_caller]
    pub fn refusal(&self) -> (u16, String, String) {
        let status = self.json();
        assert_eq!(status["kind"], "Status", "{status}");
        assert_eq!(status["code"], self.code.as_u16(), "{status}");
        let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
        (self.code.as_u16(), text("reason"), text("message"))
    }

    pub fn warnings(&self) -> Vec<&str> {
        self.headers
            .get_all("warning")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect()
    }
}

/// A server in this process.
pub struct Api {
    pub server: Server,
    service: ApiService,
}

impl Api {
    pub fn new() -> Self {
        // No controllers: nothing happens but what the test does.
        Self::of(Server::builder().seed(7).controllers([]).build())
    }

    /// A server that forgets its history at once.
    pub fn forgetful() -> Self {
        let server = Server::builder().seed(7).controllers([]);
        Self::of(server.compact_after(Duration::ZERO).build())
    }

    pub fn of(server: Server) -> Self {
        let service = server.service();
        Self { server, service }
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> http::Response<Body> {
        self.service.clone().oneshot(request).await.unwrap()
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self
            .send(request.body(Full::new(body.into())).unwrap())
            .await;
        let (head, body) = response.into_parts();
        Answer {
            code: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, &[], body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, &[], body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, &[], Bytes::new()).await
    }

    /// `kind` is json, merge or strategic-merge.
    pub async fn patch(&self, path: &str, kind: &str, body: &Value) -> Answer {
        let media_type = format!("application/{kind}-patch+json");
        self.call(
            Method::PATCH,
            path,
            &[("content-type", &media_type)],
            body.to_string(),
        )
        .await
    }

    /// Opens a watch of the `ConfigMaps` of the namespace `default`, of what comes after a version.
    pub async fn watch_from(&self, version: u64) -> Events {
        self.watch(&format!("{CONFIGMAPS}?watch=1&resourceVersion={version}"))
            .await
    }

    /// Opens a watch.
    pub async fn watch(&self, path: &str) -> Events {
        let request = Request::get(path).body(Full::new(Bytes::new())).unwrap();
        let response = self.send(request).await;
        assert_eq!(response.status(), 200);
        Events {
            body: BodyStream::new(response.into_body()),
            rest: Vec::new(),
        }
    }
}

/// The events of a watch.
pub struct Events {
    body: BodyStream<Body>,
    rest: Vec<u8>,
}

impl Events {
    /// The next event; `None` when the watch is over.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.body.next().await?.unwrap();
            self.rest.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// Type, name and version of the next event.
    pub async fn brief(&mut self) -> (String, String, u64) {
        let event = self.next().await.expect("an event");
        let metadata = &event["object"]["metadata"];
        (
            event["type"].as_str().unwrap().to_owned(),
            metadata["name"].as_str().unwrap_or_default().to_owned(),
            version(&event["object"]),
        )
    }
}

pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_else(|| panic!("no version: {object}"))
        .parse()
        .unwrap()
}

pub const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

pub fn configmap(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

/// The Deployment of the tutorial.
pub fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"biz-version": "100"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "demo"}},
            "template": {
                "metadata": {"labels": {"app": "demo"}},
                "spec": {"containers": [{
                    "name": "web", "image": "nginx:1.12", "ports": [{"name": "http", "containerPort": 80}],
                }]},
            },
        },
    })
}
