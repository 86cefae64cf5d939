//! The port: TLS, the token, limits, and how it stops.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::port::Port;
use common::{Api as InProcess, CONFIGMAPS, configmap};
use futures::{StreamExt, TryStreamExt};
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use optilock_apiserver::{Limits, ListenError, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

/// The request that makes a WebSocket of a watch.
fn handshake(port: &Port, path: &str) -> http::request::Builder {
    Request::get(format!("wss://localhost{path}"))
        .header("host", "localhost")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("authorization", format!("Bearer {}", port.token))
}

/// Events are messages of text, or of bytes where the client takes protobuf; the end of the watch closes the socket.
#[tokio::test]
async fn a_watch_can_be_a_websocket() {
    let port = Port::open().await;
    let api: Api<ConfigMap> = Api::default_namespaced(port.client().await);
    let object: ConfigMap = serde_json::from_value(configmap("a")).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    let path = format!("{CONFIGMAPS}?watch=1");
    for (accept, first) in [
        ("application/json", "{\"type\":\"ADDED\""),
        ("application/vnd.kubernetes.protobuf", "\n\u{5}ADDED"),
    ] {
        let request = handshake(&port, &path);
        let request = request
            .header("origin", "https://localhost")
            .header("accept", accept);
        let stream = port.connect().await;
        let (mut socket, answer) = client_async(request.body(()).unwrap(), stream)
            .await
            .unwrap();
        assert_eq!(answer.status(), 101);
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message.is_text(), accept == "application/json");
        assert!(message.into_data().starts_with(first.as_bytes()));
    }
    // A watch that ends.
    let request = handshake(&port, &format!("{path}&timeoutSeconds=1"));
    let request = request.header("origin", "https://localhost");
    let stream = port.connect().await;
    let (mut socket, _) = client_async(request.body(()).unwrap(), stream)
        .await
        .unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_text());
    let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else {
        panic!("the watch goes on");
    };
    assert_eq!(u16::from(frame.code), 1000);
}

/// Refused as kube-apiserver does it: what is wrong with the watch first.
#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let port = Port::open().await;
    let path = format!("{CONFIGMAPS}?watch=1");
    for (path, header, value, expected) in [
        (
            format!("{path}&resourceVersion=x"),
            "origin",
            "https://localhost",
            500,
        ),
        (path.clone(), "x-other", "", 403),
        (path.clone(), "sec-websocket-protocol", "a, b", 400),
        (path, "sec-websocket-version", "12", 400),
    ] {
        let request = handshake(&port, &path);
        let mut request = request.header("origin", "https://localhost");
        let headers = request.headers_mut().unwrap();
        if header == "x-other" {
            headers.remove("origin");
        }
        headers.insert(header, value.parse().unwrap());
        let mut text = format!("GET {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        assert_eq!(
            answer_to(&port, &(text + "\r\n")).await,
            expected,
            "{header}: {value}"
        );
    }
}

/// The code of the answer to a request as text.
async fn answer_to(port: &Port, request: &str) -> u16 {
    let mut stream = port.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    let head = std::str::from_utf8(&head).unwrap();
    head.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
}

/// Long heads are taken, as Go's server takes them; more fields than anybody sends are not.
#[tokio::test]
async fn heads_of_requests_are_bounded() {
    let port = Port::open().await;
    let token = &port.token;
    for (fields, bytes, expected) in [(200, 100, 200), (3, 100_000, 200), (300, 1, 431)] {
        let mut text =
            format!("GET /version HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n");
        for n in 0..fields {
            text += &format!("x-{n}: {}\r\n", "a".repeat(bytes));
        }
        text += "\r\n";
        assert_eq!(
            answer_to(&port, &text).await,
            expected,
            "{fields} fields of {bytes} bytes"
        );
    }
}

/// The same in HTTP/2, where nothing but the bytes is counted.
#[tokio::test]
async fn heads_of_requests_in_http2_are_bounded() {
    let port = Port::open().await;
    for (fields, bytes, expected) in [(300, 1, 200), (3, 100_000, 200), (12, 100_000, 431)] {
        let stream = TokioIo::new(port.connect().await);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::get("https://localhost/version")
            .header("authorization", format!("Bearer {}", port.token));
        for n in 0..fields {
            request = request.header(format!("x-{n}"), "a".repeat(bytes));
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(
            answer.status(),
            expected,
            "{fields} fields of {bytes} bytes"
        );
    }
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, 0], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A head in HTTP/2 that says again and again that there is more of it is not listened to for ever, however little or much
/// comes at a time, and others are served.
#[tokio::test]
async fn a_head_without_an_end_is_cut_off() {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const CONTINUATION: u8 = 9;
    const ENOUGH: usize = 256 << 20;
    let port = Port::open().await;
    // A field that stands for itself (RFC 7541, section 6.2.2): the name `a` and so many bytes, 127 and what follows.
    let large = [&[0, 1, b'a', 127, 0x81, 0x7d][..], &[b'b'; 16_128]].concat();
    for more in [&[][..], &[0, 1, b'a', 1, b'b'], &large] {
        let mut stream = port.connect().await;
        let begin = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(SETTINGS, 0, &[]),
            // `:method: GET`.
            frame(HEADERS, 1, &[0x82]),
        ];
        stream.write_all(&begin.concat()).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        // What the server says is taken, so that it isn't that on which it waits.
        let reading = tokio::spawn(async move {
            let mut said = Vec::new();
            // A reset is a way to hang up.
            let _ = reader.read_to_end(&mut said).await;
        });
        let more = frame(CONTINUATION, 1, more);
        let mut sent = 0;
        while sent < ENOUGH && writer.write_all(&more).await.is_ok() {
            sent += more.len();
        }
        assert!(sent < ENOUGH, "{} bytes at a time are taken", more.len());
        reading.await.unwrap();
        assert_eq!(answer_to(&port, &port.get("/version")).await, 200);
    }
}

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

/// Connections on which so much was sent, and no more, come to an end within this time.
async fn assert_closed<S: AsyncRead + Unpin>(
    port: &Port,
    silent: Vec<(&[u8], S)>,
    within: Duration,
) {
    // Whoever has asked something is served after them all: they have been seen.
    assert_eq!(
        answer_to(port, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await,
        200
    );
    tokio::time::pause();
    for (begun, mut stream) in silent {
        let mut rest = Vec::new();
        // Nothing, an error, or that the head is none: but an end.
        let _ = tokio::time::timeout(within, stream.read_to_end(&mut rest))
            .await
            .unwrap_or_else(|_| panic!("{:?} is waited for", begun.escape_ascii().to_string()));
    }
}

/// A connection on which no request comes is closed: without a byte, in the middle of the words that HTTP/2 begins with, and in
/// the middle of a head.
#[tokio::test]
async fn connections_without_a_request_are_closed() {
    let port = Port::open().await;
    let mut silent = Vec::new();
    for begun in [&b""[..], b"PRI * HT", b"GET /version HT"] {
        let mut stream = port.connect().await;
        stream.write_all(begun).await.unwrap();
        silent.push((begun, stream));
    }
    assert_closed(&port, silent, Duration::from_secs(300)).await;
}

/// Handshakes that are not begun, or not ended, are given up.
#[tokio::test]
async fn handshakes_are_not_waited_for_for_ever() {
    let port = Port::open().await;
    let mut silent = Vec::new();
    // The second says that 512 bytes of a ClientHello come.
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        silent.push((begun, stream));
    }
    assert_closed(&port, silent, Duration::from_secs(60)).await;
}

/// A client of HTTP/2 that has vanished while it watches is found out: it doesn't say that it is there.
#[tokio::test]
async fn a_watcher_that_has_vanished_is_found_out() {
    let server = Server::builder().controllers([]).build();
    let port = Port::of(&server, Limits::default()).await;
    let (mut sender, mut connection) = http2::Builder::new(TokioExecutor::new())
        .handshake::<_, Empty<Bytes>>(TokioIo::new(port.connect().await))
        .await
        .unwrap();
    let request = Request::get(format!("https://localhost{CONFIGMAPS}?watch=1"))
        .header("authorization", format!("Bearer {}", port.token))
        .body(Empty::new())
        .unwrap();
    let answer = tokio::select! {
        answer = sender.send_request(request) => answer.unwrap(),
        _ = &mut connection => panic!("the connection has ended"),
    };
    assert_eq!(answer.status(), 200);
    // From here on nobody drives the connection.
    let api = InProcess::of(server);
    tokio::time::pause();
    loop {
        let metrics = api.get("/metrics").await.body;
        let metrics = String::from_utf8(metrics.to_vec()).unwrap();
        let mut watches = metrics
            .lines()
            .filter(|line| line.starts_with("apiserver_longrunning_requests"));
        if watches.all(|line| line.ends_with(" 0")) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    drop((connection, answer));
}
