//! Answers in protobuf. That the messages themselves are Go's is tested beside the encoder, with every kind.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Answer, Api, CONFIGMAPS, DEPLOYMENTS, configmap, deployment};
use futures::StreamExt;
use http::{Method, Request};
use http_body_util::{BodyStream, Full};
use serde_json::json;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const METADATA: &str =
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

async fn get(api: &Api, path: &str, accept: &str) -> Answer {
    api.call(Method::GET, path, &[("accept", accept)], "").await
}

fn content_type(answer: &Answer) -> &str {
    answer.headers["content-type"].to_str().unwrap()
}

/// What is in an envelope: the head that says what it is, and that the message ends with the envelope.
#[track_caller]
fn assert_envelope(body: &[u8], api_version: &str, kind: &str) {
    let sizes = [
        api_version.len() + kind.len() + 4,
        api_version.len(),
        kind.len(),
    ];
    let [meta, version, name] = sizes.map(|size| u8::try_from(size).unwrap());
    let head = [
        &b"k8s\0\x0a"[..],
        &[meta, 0x0a, version],
        api_version.as_bytes(),
        &[0x12, name],
        kind.as_bytes(),
        &[0x12],
    ]
    .concat();
    assert!(body.starts_with(&head), "{}", body.escape_ascii());
    assert!(body.ends_with(b"\x1a\0\"\0"), "{}", body.escape_ascii());
}

#[tokio::test]
async fn what_is_read_can_be_written_back() {
    let api = Api::new();
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    for (collection, name, api_version, kind) in [
        (CONFIGMAPS, "a", "v1", "ConfigMap"),
        (DEPLOYMENTS, "web", "apps/v1", "Deployment"),
    ] {
        let path = format!("{collection}/{name}");
        let read = get(&api, &path, PROTOBUF).await;
        assert_eq!((read.code.as_u16(), content_type(&read)), (200, PROTOBUF));
        assert_envelope(&read.body, api_version, kind);
        let before = api.get(&path).await.expect(200);
        let headers = [("content-type", PROTOBUF), ("accept", PROTOBUF)];
        let written = api
            .call(Method::PUT, &path, &headers, read.body.clone())
            .await;
        assert_eq!(
            (written.code.as_u16(), written.body),
            (200, read.body),
            "{path}"
        );
        assert_eq!(api.get(&path).await.expect(200), before);

        let list = get(&api, collection, PROTOBUF).await;
        assert_eq!(content_type(&list), PROTOBUF);
        assert_envelope(&list.body, api_version, &format!("{kind}List"));
    }
}

#[tokio::test]
async fn refusals_and_discovery_are_messages_too() {
    let api = Api::new();
    let refused = get(&api, "/api/v1/namespaces/nope", PROTOBUF).await;
    assert_eq!(
        (refused.code.as_u16(), content_type(&refused)),
        (404, PROTOBUF)
    );
    // As kube-apiserver 1.36 writes it.
    let status = b"k8s\0\n\x0c\n\x02v1\x12\x06Status\x12U\n\x06\n\0\x12\0\x1a\0\x12\x07Failure\x1a\x1bnamespaces \
        \"nope\" not found\"\x08NotFound*\x18\n\x04nope\x12\0\x1a\nnamespaces(\x002\x000\x94\x03\x1a\0\"\0";
    assert_eq!(
        refused.body.escape_ascii().to_string(),
        status.escape_ascii().to_string()
    );

    let group = get(&api, "/apis/apps", PROTOBUF).await;
    assert_eq!(
        group.body.escape_ascii().to_string(),
        b"k8s\0\n\x0e\n\x02v1\x12\x08APIGroup\x12$\n\x04apps\x12\r\n\x07apps/v1\x12\x02v1\x1a\r\n\x07apps/v1\x12\x02v1\x1a\0\"\0"
            .escape_ascii()
            .to_string()
    );
    assert_envelope(
        &get(&api, "/apis", PROTOBUF).await.body,
        "v1",
        "APIGroupList",
    );
    assert_envelope(&get(&api, "/api", PROTOBUF).await.body, "", "APIVersions");
}

#[tokio::test]
async fn events_have_their_length_in_front() {
    let api = Api::new();
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    for (accept, kind) in [(PROTOBUF, "ConfigMap"), (METADATA, "PartialObjectMetadata")] {
        let request = Request::get(format!("{CONFIGMAPS}?watch=true&resourceVersion=0"))
            .header("accept", accept)
            .body(Full::default())
            .unwrap();
        let response = api.send(request).await;
        assert_eq!(
            response.headers()["content-type"],
            "application/vnd.kubernetes.protobuf;stream=watch"
        );
        let frame = BodyStream::new(response.into_body()).next().await.unwrap();
        let frame = frame.unwrap().into_data().unwrap();
        let (length, event) = frame.split_first_chunk().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, event.len());
        assert!(event.starts_with(b"\n\x05ADDED\x12"));
        let body = event.windows(4).position(|four| four == b"k8s\0").unwrap();
        let api_version = if kind == "ConfigMap" {
            "v1"
        } else {
            "meta.k8s.io/v1"
        };
        assert_envelope(&event[body..], api_version, kind);
    }
}

#[tokio::test]
async fn what_has_no_message_is_refused() {
    let api = Api::new();
    let table = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io";
    let refused = get(&api, CONFIGMAPS, table).await;
    assert_eq!(content_type(&refused), "application/json");
    let (code, reason, message) = refused.refusal();
    let accepted = "only the following media types are accepted: application/json, application/yaml, \
                    application/vnd.kubernetes.protobuf";
    assert_eq!(
        (code, &*reason, &*message),
        (406, "NotAcceptable", accepted)
    );
    let fallback = get(&api, CONFIGMAPS, &format!("{table},application/json")).await;
    assert_eq!(fallback.expect(200)["kind"], "ConfigMapList");

    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    api.post(definitions, &definition).await.expect(201);
    let gadgets = "/apis/example.com/v1/namespaces/default/gadgets";
    let gadget =
        json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}});
    api.post(gadgets, &gadget).await.expect(201);
    let refused = get(&api, gadgets, PROTOBUF).await;
    assert_eq!(
        (refused.code.as_u16(), content_type(&refused)),
        (406, PROTOBUF)
    );
    let metadata = get(&api, &format!("{gadgets}/g"), METADATA).await;
    assert_envelope(&metadata.body, "meta.k8s.io/v1", "PartialObjectMetadata");
}
