//! Bodies in protobuf.

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::client::Client;

const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What a body can be of: path, apiVersion and kind.
const KINDS: [(&str, &str, &str); 14] = [
    (
        "/apis/apps/v1/namespaces/default/deployments",
        "apps/v1",
        "Deployment",
    ),
    (
        "/apis/apps/v1/namespaces/default/statefulsets",
        "apps/v1",
        "StatefulSet",
    ),
    (
        "/apis/apps/v1/namespaces/default/daemonsets",
        "apps/v1",
        "DaemonSet",
    ),
    ("/api/v1/namespaces/default/pods", "v1", "Pod"),
    ("/api/v1/namespaces/default/services", "v1", "Service"),
    ("/api/v1/namespaces/default/configmaps", "v1", "ConfigMap"),
    ("/api/v1/namespaces/default/secrets", "v1", "Secret"),
    ("/api/v1/nodes", "v1", "Node"),
    ("/api/v1/namespaces/default/events", "v1", "Event"),
    (
        "/apis/batch/v1/namespaces/default/cronjobs",
        "batch/v1",
        "CronJob",
    ),
    (
        "/apis/coordination.k8s.io/v1/namespaces/default/leases",
        "coordination.k8s.io/v1",
        "Lease",
    ),
    (
        "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
        "networking.k8s.io/v1",
        "Ingress",
    ),
    (
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
    ),
    (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
    ),
];

thread_local! {
    static CLIENT: Client = Client::bare();
}

/// The first byte chooses a kind and whether the rest is a message of it or the whole body, envelope included. What the
/// server took has to mean the same when it is sent again as it was answered, in either form.
pub fn protobuf(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let (path, api_version, kind) = KINDS[usize::from(choice >> 1) % KINDS.len()];
    let body = if choice & 1 == 0 {
        envelope(api_version, kind, rest)
    } else {
        rest.to_vec()
    };
    CLIENT.with(|client| {
        let post = |content: &str, accept: &str, body: Bytes| {
            let uri = format!("{path}?dryRun=All&fieldManager=f");
            let headers = [("content-type", content), ("accept", accept)];
            client
                .send(Method::POST, &uri, &headers, body)
                .expect("a request")
        };
        let first = post(MEDIA_TYPE, "application/json", body.clone().into());
        if first.code != 201 {
            return;
        }
        let binary = post(MEDIA_TYPE, MEDIA_TYPE, body.into());
        assert_eq!(binary.code, 201, "{}", binary.text());
        let from_binary = post(MEDIA_TYPE, "application/json", binary.body);
        let from_json = post("application/json", "application/json", first.body.clone());
        let first = meaning(first.json());
        assert_eq!(first, meaning(from_binary.json()), "through protobuf");
        assert_eq!(first, meaning(from_json.json()), "through JSON");
    });
}

/// A message as the body of a request.
fn envelope(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let mut meta = Vec::new();
    field(1, api_version.as_bytes(), &mut meta);
    field(2, kind.as_bytes(), &mut meta);
    let mut body = b"k8s\0".to_vec();
    field(1, &meta, &mut body);
    field(2, message, &mut body);
    body
}

/// Writes a field with a length.
fn field(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

/// An object without what is new in each answer.
fn meaning(object: Option<Value>) -> Option<Value> {
    let mut object = object?;
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for name in ["uid", "creationTimestamp", "managedFields", "name"] {
            metadata.remove(name);
        }
    }
    Some(object)
}
