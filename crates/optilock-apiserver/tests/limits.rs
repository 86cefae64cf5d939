//! What a client can make the server spend: depth, size, time, connections. What is refused in which words is the topic
//! `malformed` of the recordings; here is what takes long bodies, a socket or a clock.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{Api, CONFIGMAPS, DEPLOYMENTS, configmap, deployment};
use futures::{StreamExt, stream};
use http::{Method, Request};
use http_body::Frame;
use http_body_util::StreamBody;
use optilock_apiserver::Server;
use serde_json::json;
use tower::ServiceExt;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// As long as a body may be.
const LIMIT: usize = 3 * 1024 * 1024;

/// `text` again and again, as often as a body may hold it.
fn filled(text: &str) -> String {
    text.repeat(LIMIT / text.len())
}

/// Bodies that are as deep, as wide or as repetitive as their size allows: each gets an answer, and none of it is a
/// stack that overflows or a document that is a thousand times its text.
#[tokio::test]
async fn bodies_of_every_form_are_bounded() {
    let api = Api::new();
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let yaml_bomb: String = (1..12)
        .map(|n| {
            format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 9].join(",")
            )
        })
        .collect();
    let yaml_bomb = format!("a0: &a0 [x]\n{yaml_bomb}");
    let merge_bomb: String = (1..40)
        .map(|n| format!("a{n}: &a{n} {{<<: [*a{0}, *a{0}], k{n}: 1}}\n", n - 1))
        .collect();
    let merge_bomb = format!("a0: &a0 {{k: v}}\n{merge_bomb}");
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        (JSON, filled("[").into()),
        (JSON, filled("{\"a\":").into()),
        (JSON, format!("{{\"a\":{}", filled("1,")).into()),
        (
            JSON,
            format!(
                "{{\"metadata\":{{\"labels\":{{{}}}}}}}",
                vec!["\"a\":\"b\""; 100_000].join(",")
            )
            .into(),
        ),
        (JSON, format!("{{\"a\":{}1}}", "0".repeat(1_000_000)).into()),
        (JSON, format!("{{\"a\":1{}}}", "0".repeat(1_000_000)).into()),
        (
            JSON,
            format!(
                "{{\"metadata\":{{\"generation\":1e{}}}}}",
                "9".repeat(100_000)
            )
            .into(),
        ),
        (YAML, filled("[").into()),
        (YAML, filled("- ").into()),
        (YAML, filled("? ").into()),
        (YAML, filled("{a: ").into()),
        (YAML, filled("&a ").into()),
        (YAML, filled("!!str ").into()),
        (YAML, yaml_bomb.into()),
        (YAML, merge_bomb.into()),
        (PROTOBUF, [b"k8s\0".to_vec(), vec![0x0b; 100_000]].concat()),
        (PROTOBUF, [b"k8s\0".to_vec(), vec![0xff; 100_000]].concat()),
    ];
    for (media_type, body) in bodies {
        let headers = [("content-type", media_type)];
        let start = String::from_utf8_lossy(&body[..20]).into_owned();
        let answer = api
            .call(
                Method::POST,
                &format!("{CONFIGMAPS}?dryRun=All"),
                &headers,
                body,
            )
            .await;
        let code = answer.code.as_u16();
        assert!(
            matches!(code, 400 | 413 | 422),
            "{media_type} {start:?}: {code}"
        );
        assert!(answer.body.len() < 2 * LIMIT);
    }
}

#[tokio::test]
async fn patches_of_every_form_are_bounded() {
    let api = Api::new();
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let path = format!("{DEPLOYMENTS}/web");
    let operations = vec![r#"{"op":"test","path":"/kind","value":"Deployment"}"#; 10_001].join(",");
    // Each copy doubles what is there.
    let mut copies = vec![
        json!({"op": "add", "path": "/metadata/annotations", "value": {"a": "x".repeat(1000)}}),
    ];
    for n in 0..64 {
        copies.push(json!({"op": "copy", "from": "/metadata/annotations", "path": format!("/metadata/annotations/c{n}")}));
    }
    for (kind, body) in [
        ("json", format!("[{operations}]")),
        ("json", serde_json::Value::from(copies).to_string()),
        ("json", filled("[")),
        ("merge", filled("{\"a\":")),
        ("strategic-merge", filled("{\"spec\":")),
        (
            "strategic-merge",
            format!(
                "{{\"spec\":{{\"$retainKeys\":[{}]}}}}",
                vec!["\"a\""; 100_000].join(",")
            ),
        ),
    ] {
        let media_type = format!("application/{kind}-patch+json");
        let answer = api
            .call(Method::PATCH, &path, &[("content-type", &media_type)], body)
            .await;
        let code = answer.code.as_u16();
        assert!(
            matches!(code, 400 | 413 | 422),
            "{kind}: {code} {}",
            answer.refusal().2
        );
    }
}

#[tokio::test]
async fn selectors_and_tokens_of_every_length_are_bounded() {
    let api = Api::new();
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    // What a URI holds.
    let words = |text: &str| text.repeat(60_000 / text.len());
    for (parameter, value) in [
        ("labelSelector", words("a%3Db,") + "a%3Db"),
        ("labelSelector", format!("a%20in%20({}a)", words("a,"))),
        ("labelSelector", words("(")),
        ("labelSelector", words("!")),
        ("fieldSelector", words("metadata.name%3Da,")),
        ("fieldSelector", words("%5C")),
        ("continue", words("a")),
        ("continue", words("%3D")),
        ("limit", words("9")),
        ("resourceVersion", words("9")),
    ] {
        let answer = api.get(&format!("{CONFIGMAPS}?{parameter}={value}")).await;
        let code = answer.code.as_u16();
        assert!(
            matches!(code, 200 | 400),
            "{parameter}={}…: {code}",
            &value[..20]
        );
    }
}

/// A schema that nests as deep as it is let, and a rule that costs more than a rule may.
#[tokio::test]
async fn schemas_are_bounded() {
    let api = Api::new();
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = |schema: &str| {
        format!(
            r#"{{"metadata":{{"name":"ts.example.com"}},"spec":{{"group":"example.com","scope":"Namespaced",
            "names":{{"plural":"ts","kind":"T"}},"versions":[{{"name":"v1","served":true,"storage":true,
            "schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#
        )
    };
    let deep = |levels: usize| {
        let open = r#"{"type":"object","properties":{"a":"#.repeat(levels);
        format!("{open}{{\"type\":\"object\"}}{}", "}}".repeat(levels))
    };
    let answer = api
        .call(
            Method::POST,
            &format!("{definitions}?dryRun=All"),
            &[],
            definition(&deep(20)),
        )
        .await;
    assert_eq!(
        answer.code,
        201,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    let answer = api
        .call(Method::POST, definitions, &[], definition(&deep(5000)))
        .await;
    assert_eq!(answer.code, 400);
}

/// A body that never ends gives its place back after a minute.
#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let server = Server::builder().controllers([]).build();
    let begun = Bytes::from_static(b"{\"metadata\":");
    let frames = stream::iter([Ok::<_, std::io::Error>(Frame::data(begun))]);
    let body = StreamBody::new(frames.chain(stream::pending()));
    let request = Request::post(CONFIGMAPS).body(body).unwrap();
    let started = tokio::time::Instant::now();
    let response = server.service().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 504);
    assert!(started.elapsed() >= Duration::from_secs(60));
}

/// Many watches and requests at once are served, each by what it asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_at_once_are_served() {
    let api = Arc::new(Api::new());
    let mut watches = Vec::new();
    for _ in 0..500 {
        watches.push(api.watch(&format!("{CONFIGMAPS}?watch=1")).await);
    }
    let writers = (0..50).map(|n| {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            api.post(CONFIGMAPS, &configmap(&format!("c{n}")))
                .await
                .expect(201)
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for watch in &mut watches {
        for _ in 0..50 {
            assert_eq!(watch.brief().await.0, "ADDED");
        }
    }
}
