//! What is known of a write that failed: by the answer, and by real connections that fail.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::core::Status;
use kube::core::response::reason;
use kube::{Api, Client, Config};
use optilock::{Outcome, Reason, update};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn outcome(code: u16, reason: &str) -> Outcome {
    Outcome::of_error(&kube::Error::Api(
        Status::failure("", reason).with_code(code).boxed(),
    ))
}

#[test]
fn success_is_applied() {
    assert_eq!(Outcome::of(&Ok(())), Outcome::Applied);
    assert_eq!(
        Outcome::of::<()>(&Err(kube::Error::TlsRequired)),
        Outcome::Refused
    );
}

#[test]
fn what_the_server_turns_down_is_refused() {
    for (code, reason) in [
        (400, reason::BAD_REQUEST),
        (401, reason::UNAUTHORIZED),
        (403, reason::FORBIDDEN),
        (404, reason::NOT_FOUND),
        (405, reason::METHOD_NOT_ALLOWED),
        (406, reason::NOT_ACCEPTABLE),
        (409, reason::CONFLICT),
        (409, reason::ALREADY_EXISTS),
        (413, reason::REQUEST_ENTITY_TOO_LARGE),
        (415, reason::UNSUPPORTED_MEDIA_TYPE),
        (422, reason::INVALID),
        (429, reason::TOO_MANY_REQUESTS),
    ] {
        assert_eq!(outcome(code, reason), Outcome::Refused, "{code}");
    }
}

#[test]
fn what_may_have_been_done_is_unknown() {
    for (code, reason) in [
        // No code at all, a redirection, a timeout that some proxy saw.
        (0, reason::UNKNOWN),
        (302, reason::UNKNOWN),
        (408, reason::UNKNOWN),
        (499, reason::UNKNOWN),
        (500, reason::UNKNOWN),
        (500, reason::INTERNAL_ERROR),
        (500, reason::SERVER_TIMEOUT),
        (502, reason::UNKNOWN),
        (503, reason::SERVICE_UNAVAILABLE),
        (504, reason::TIMEOUT),
    ] {
        assert_eq!(outcome(code, reason), Outcome::Unknown, "{code}");
    }
    let undecodable = serde_json::from_str::<()>("<html>").unwrap_err();
    let undecodable = kube::Error::SerdeError(undecodable);
    assert_eq!(Outcome::of_error(&undecodable), Outcome::Unknown);
    let some_layer = kube::Error::Service("something broke".into());
    assert_eq!(Outcome::of_error(&some_layer), Outcome::Unknown);
}

/// A server that reads one request of each connection and answers with these bytes, then closes.
async fn server(answer: &'static str) -> (Config, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = Vec::new();
            // The JSON body is the last thing of a request, and ends with its only double brace.
            while !request.ends_with(b"}}") {
                if connection.read_buf(&mut request).await.unwrap() == 0 {
                    break;
                }
            }
            count.fetch_add(1, Ordering::Relaxed);
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let config = Config::new(format!("http://{address}").parse().unwrap());
    (config, requests)
}

fn config_map() -> ConfigMap {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "1"},
        "data": {"n": "0"},
    }))
    .unwrap()
}

async fn put(client: Client) -> kube::Error {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    api.replace("a", &PostParams::default(), &config_map())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_connection_that_is_never_made_is_refused() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = Config::new(format!("http://{address}").parse().unwrap());
    let error = put(optilock::client(config.clone()).unwrap()).await;
    assert_eq!(Outcome::of_error(&error), Outcome::Refused, "{error:?}");

    // So nothing is in doubt when an update ends there.
    let api: Api<ConfigMap> = Api::default_namespaced(optilock::client(config).unwrap());
    let error = update(&api, "a")
        .from(config_map())
        .apply(|object| {
            object.data = None;
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(matches!(error.reason(), Reason::Refused(_)), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_unknown() {
    let (config, _) = server("").await;
    let error = put(optilock::client(config).unwrap()).await;
    assert_eq!(Outcome::of_error(&error), Outcome::Unknown, "{error:?}");
}

#[tokio::test]
async fn a_connection_that_ends_in_the_answer_is_unknown() {
    let (config, _) = server("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"kind\":").await;
    let error = put(optilock::client(config).unwrap()).await;
    assert_eq!(Outcome::of_error(&error), Outcome::Unknown, "{error:?}");
}

#[tokio::test]
async fn the_client_sends_a_write_once() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (config, requests) = server(busy).await;
    let error = put(optilock::client(config).unwrap()).await;
    assert_eq!(Outcome::of_error(&error), Outcome::Unknown, "{error:?}");
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}
