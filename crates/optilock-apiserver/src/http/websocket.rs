//! A watch as a WebSocket: a message for each event, and a close when there are no more.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};

use super::body::Body;
use super::reply::Reply;
use super::service::InUse;

/// The length before an event in protobuf, which a message does not need.
const PREFIX: usize = 4;

/// Turns a watch into a WebSocket on the connection that it was asked for on. What is wrong with the handshake is told
/// after what is wrong with the watch.
pub(super) fn switch(
    asked: &Parts,
    connection: OnUpgrade,
    watch: Response<Body>,
) -> Response<Body> {
    let value = |name: HeaderName| {
        asked
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if value(SEC_WEBSOCKET_VERSION) != Some("13") {
        let why = "missing or bad WebSocket Version";
        let reply = Reply::text(StatusCode::BAD_REQUEST, why);
        return reply.header(SEC_WEBSOCKET_VERSION, "13").into_response();
    }
    let (Some(key), protocol) = (value(SEC_WEBSOCKET_KEY), value(SEC_WEBSOCKET_PROTOCOL)) else {
        return Reply::empty(StatusCode::BAD_REQUEST).into_response();
    };
    if protocol.is_some_and(|protocols| protocols.contains(',')) {
        return Reply::empty(StatusCode::BAD_REQUEST).into_response();
    }
    // Browsers say where they come from, and so has everybody to.
    if value(ORIGIN).is_none() {
        return Reply::empty(StatusCode::FORBIDDEN).into_response();
    }
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = derive_accept_key(key.as_bytes()).parse() {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = asked.headers.get(SEC_WEBSOCKET_PROTOCOL) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
    }
    let in_use = asked.extensions.get::<InUse>().cloned();
    tokio::spawn(async move {
        serve(connection, watch).await;
        drop(in_use);
    });
    response
}

/// Sends the events of a watch until they end or the client goes away.
async fn serve(connection: OnUpgrade, watch: Response<Body>) {
    let connection = match connection.await {
        Ok(connection) => TokioIo::new(connection),
        Err(error) => {
            tracing::debug!(%error, "a connection ended before it was a WebSocket");
            return;
        }
    };
    let media_type = watch.headers().get(CONTENT_TYPE);
    let is_text = media_type.is_some_and(|of| of.as_bytes().starts_with(b"application/json"));
    let mut events = watch.into_body();
    let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, None).await;
    loop {
        let sent = tokio::select! {
            event = events.frame() => match event {
                Some(Ok(event)) => {
                    let event = event.into_data().unwrap_or_default();
                    socket.send(message(&event, is_text)).await
                }
                None => {
                    let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                    socket.close(Some(normal)).await
                }
            },
            // Nothing is expected of a client but that it goes.
            received = socket.next() => match received {
                Some(Ok(_)) => continue,
                Some(Err(error)) => Err(error),
                None => return,
            },
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a watch as a WebSocket is over");
            return;
        }
    }
}

fn message(event: &Bytes, is_text: bool) -> Message {
    match std::str::from_utf8(event) {
        Ok(text) if is_text => Message::text(text),
        _ => Message::binary(event.slice(PREFIX.min(event.len())..)),
    }
}
