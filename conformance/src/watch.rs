//! Reading a watch event by event.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::symbols::{INITIAL_EVENTS_END, Symbols};
use crate::target::BoxBody;

/// Events that are not there by then are not waited for. Servers send them within milliseconds; a watch whose time is
/// up takes as many seconds as it asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The stream of a watch.
#[derive(Debug)]
pub(crate) struct Events {
    body: BoxBody,
    /// Bytes that came after the last whole event.
    rest: Vec<u8>,
}

/// How reading ended, when it was not with the last of the wanted events.
#[derive(Debug, Clone, Copy)]
enum End {
    Closed,
    Silent,
}

impl Events {
    pub(crate) fn new(body: BoxBody) -> Self {
        Self {
            body,
            rest: Vec::new(),
        }
    }

    /// Up to so many events as they are recorded, and whether there were fewer and why. Bookmarks that a server sends
    /// whenever it likes are passed over.
    pub(crate) async fn read(&mut self, count: u64, symbols: &mut Symbols) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut events = Vec::new();
        let mut end = None;
        while (events.len() as u64) < count && end.is_none() {
            match self.next(deadline).await {
                Ok(event) if is_extra(&event) => {}
                Ok(event) => events.push(symbols.document(&event)),
                Err(reason) => end = Some(reason),
            }
        }
        let end = match end {
            None => "more",
            Some(End::Closed) => "closed",
            Some(End::Silent) => "silent",
        };
        serde_json::json!({"events": events, "then": end})
    }

    async fn next(&mut self, deadline: Instant) -> Result<Value, End> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let text = || Value::String(String::from_utf8_lossy(&line).into_owned());
                return Ok(serde_json::from_slice(&line).unwrap_or_else(|_| text()));
            }
            let frame = timeout_at(deadline, self.body.frame()).await;
            let frame: Option<Result<_, _>> = frame.map_err(|_| End::Silent)?;
            // A connection that breaks off ends a watch like one that is closed.
            let Some(Ok(frame)) = frame else {
                return Err(End::Closed);
            };
            let data: Bytes = frame.into_data().unwrap_or_default();
            self.rest.extend_from_slice(&data);
        }
    }
}

/// Whether this is a bookmark that says nothing but how far the server is.
fn is_extra(event: &Value) -> bool {
    event["type"] == "BOOKMARK" && !event.to_string().contains(INITIAL_EVENTS_END)
}
