//! The port: TLS, the token, limits, and how it stops.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::port::Port;
use common::{CONFIGMAPS, configmap};
use futures::{StreamExt, TryStreamExt};
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use optilock_apiserver::{ListenError, Server};

fn status_of(error: &kube::Error) -> (u16, &str) {
    match error {
        kube::Error::Api(status) => (status.code, &status.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_with_the_kubeconfig_is_served() {
    let port = Port::open().await;
    let api: Api<ConfigMap> = Api::default_namespaced(port.client().await);
    let object: ConfigMap = serde_json::from_value(configmap("a")).unwrap();
    let created = api.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(api.get("a").await.unwrap(), created);
    let error = api
        .create(&PostParams::default(), &object)
        .await
        .unwrap_err();
    assert_eq!(status_of(&error), (409, "configmaps \"a\" already exists"));
}

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let port = Port::open().await;
    for token in [None, Some("wrong"), Some("")] {
        let mut config = port.config().await;
        config.auth_info.token = token.map(|token| token.to_owned().into());
        let client = Client::try_from(config).unwrap();
        for path in [CONFIGMAPS, "/api/v1/namespaces"] {
            let request = Request::get(path).body(Vec::new()).unwrap();
            let error = client.request_text(request).await.unwrap_err();
            assert_eq!(status_of(&error), (401, "Unauthorized"), "{token:?} {path}");
        }
    }
}

#[tokio::test]
async fn a_client_with_another_authority_does_not_talk_to_the_server() {
    let (port, other) = (Port::open().await, Port::open().await);
    let mut config = port.config().await;
    config.root_cert = other.config().await.root_cert;
    let api: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).unwrap());
    assert!(matches!(
        api.get("a").await.unwrap_err(),
        kube::Error::Service(_)
    ));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_stores_nothing() {
    let port = Port::open().await;
    let api: Api<ConfigMap> = Api::default_namespaced(port.client().await);
    let mut object: ConfigMap = serde_json::from_value(configmap("big")).unwrap();
    object
        .data
        .as_mut()
        .unwrap()
        .insert("k".into(), "x".repeat(3 * 1024 * 1024));
    let error = api
        .create(&PostParams::default(), &object)
        .await
        .unwrap_err();
    assert_eq!(
        status_of(&error),
        (413, "Request entity too large: limit is 3145728")
    );
    assert!(api.get_opt("big").await.unwrap().is_none());
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let port = Port::open().await;
    let error = Server::new().listen(port.address).await.unwrap_err();
    assert!(matches!(&error, ListenError::Bind { address, .. } if *address == port.address));
    assert!(
        error.to_string().contains(&port.address.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn watches_end_when_the_server_stops() {
    let mut port = Port::open().await;
    let api: Api<ConfigMap> = Api::default_namespaced(port.client().await);
    let object: ConfigMap = serde_json::from_value(configmap("a")).unwrap();
    let mut events = api
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    api.create(&PostParams::default(), &object).await.unwrap();
    // The end of the state comes first: there was none.
    let Some(WatchEvent::Bookmark(_)) = events.try_next().await.unwrap() else {
        panic!("the state has an end");
    };
    let Some(WatchEvent::Added(seen)) = events.try_next().await.unwrap() else {
        panic!("the creation is the first change");
    };
    assert_eq!(seen.name_any(), "a");
    port.stop.take().unwrap().send(()).unwrap();
    assert!(events.try_next().await.unwrap().is_none());
    (&mut port.serving).await.unwrap();
    assert!(tokio::net::TcpStream::connect(port.address).await.is_err());
}

#[tokio::test]
async fn what_is_no_tls_is_hung_up_on() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let port = Port::open().await;
    let mut stream = tokio::net::TcpStream::connect(port.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // A reset is a way to hang up.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}
