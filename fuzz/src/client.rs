//! A server with something in it, and requests to it.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use optilock_apiserver::{ApiService, Server};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::answer::Answer;

/// So many frames of an answer are read; a watch has no end of its own.
const FRAMES: usize = 16;

/// A client of a server of its own. Its time stands still, and jumps when everybody waits.
pub(crate) struct Client {
    runtime: Runtime,
    service: ApiService,
}

impl Client {
    /// A server that is empty but for what every server has.
    pub(crate) fn bare() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let server = Server::builder().seed(1).controllers([]).build();
        Self {
            runtime: runtime.expect("a runtime"),
            service: server.service(),
        }
    }

    /// A server with one object of several kinds.
    pub(crate) fn furnished() -> Self {
        let client = Self::bare();
        for (path, object) in furniture() {
            let answer = client.send(Method::POST, path, &[], object.to_string().into());
            let answer = answer.expect("a request");
            assert_eq!(answer.code, 201, "{}", answer.text());
        }
        client
    }

    /// Sends a request; `None` where these are not the parts of one.
    pub(crate) fn send(
        &self,
        method: Method,
        uri: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).ok()?;
        let answer = self.runtime.block_on(self.answer(request));
        answer.check();
        Some(answer)
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Answer {
        let Ok(response) = self.service.clone().oneshot(request).await;
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        for _ in 0..FRAMES {
            let Some(frame) = body.frame().await else {
                break;
            };
            let Ok(frame) = frame;
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Answer {
            code: head.status.as_u16(),
            headers: HeaderMap::clone(&head.headers),
            body: bytes.into(),
        }
    }
}

fn pod_template() -> Value {
    json!({
        "metadata": {"labels": {"app": "a"}},
        "spec": {
            "containers": [
                {
                    "name": "a", "image": "a:1", "args": ["a", "b"],
                    "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                },
                {"name": "b", "image": "b"},
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    })
}

/// What is in a furnished server, and where.
fn furniture() -> [(&'static str, Value); 6] {
    let metadata = |finalizers: Value| json!({"name": "a", "labels": {"app": "a", "tier": "1"}, "annotations": {"n": "1"}, "finalizers": finalizers});
    let template = pod_template();
    [
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({
                "metadata": metadata(json!([])),
                "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": &template},
            }),
        ),
        (
            "/api/v1/namespaces/default/configmaps",
            json!({"metadata": metadata(json!(["a.io/a", "a.io/b"])), "data": {"a": "1", "b": "2"}, "binaryData": {"c": "AAAA"}}),
        ),
        (
            "/api/v1/namespaces/default/pods",
            json!({"metadata": metadata(json!([])), "spec": &template["spec"]}),
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({
                "metadata": metadata(json!([])),
                "spec": {
                    "selector": {"app": "a"},
                    "ports": [{"name": "x", "port": 80}, {"name": "y", "port": 80, "protocol": "UDP"}],
                },
            }),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            json!({
                "metadata": {"name": "widgets.a.io"},
                "spec": {
                    "group": "a.io",
                    "scope": "Namespaced",
                    "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                    "versions": [{
                        "name": "v1", "served": true, "storage": true,
                        "subresources": {"status": {}},
                        "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
                                "size": {"type": "integer", "minimum": 0, "default": 1},
                                "name": {"type": "string", "maxLength": 10, "pattern": "^[a-z]*$"},
                                "parts": {
                                    "type": "array", "x-kubernetes-list-type": "map",
                                    "x-kubernetes-list-map-keys": ["name"],
                                    "items": {"type": "object", "required": ["name"], "properties": {
                                        "name": {"type": "string"}, "count": {"type": "integer"},
                                    }},
                                },
                                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                            }},
                            "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
                        }}},
                    }],
                },
            }),
        ),
        (
            "/apis/a.io/v1/namespaces/default/widgets",
            json!({
                "apiVersion": "a.io/v1", "kind": "Widget", "metadata": metadata(json!([])),
                "spec": {"size": 2, "parts": [{"name": "a", "count": 1}], "tags": ["a", "b"], "more": {"a": [1, 2]}},
            }),
        ),
    ]
}
