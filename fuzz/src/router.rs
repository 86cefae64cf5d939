//! Whole requests.

use std::cell::RefCell;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::client::Client;

thread_local! {
    /// A server that is as new, and the version of what is in it. Making one, and then the OpenAPI documents that some
    /// inputs ask for, takes hundreds of times as long as a request; inputs that change nothing leave it to the next one.
    static UNTOUCHED: RefCell<Option<(Client, Value)>> = const { RefCell::new(None) };
}

/// The input is a conversation, written as HTTP/1.1 is: lines of a head, an empty line, a body; a line of three dots ends
/// a request and the next begins. All go to one server to which nothing was written before.
pub fn router(data: &[u8]) {
    let untouched = UNTOUCHED.with_borrow_mut(Option::take);
    let (client, version) = untouched.unwrap_or_else(|| {
        let client = Client::bare();
        let version = version(&client);
        (client, version)
    });
    for request in split(data, b"\n...\n") {
        let (head, body) = match split(request, b"\n\n").next() {
            Some(head) => (head, request.get(head.len() + 2..).unwrap_or_default()),
            None => continue,
        };
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let Some((method, uri)) = lines.next().and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let Ok(method) = Method::from_bytes(method.as_bytes()) else {
            continue;
        };
        let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
        let body = Bytes::copy_from_slice(body);
        // Parts that are no request are for the HTTP library to refuse.
        let Some(answer) = client.send(method.clone(), uri, &headers, body) else {
            continue;
        };
        if method != Method::HEAD && answer.code >= 400 {
            answer.json();
        }
    }
    if self::version(&client) == version {
        UNTOUCHED.set(Some((client, version)));
    }
}

/// The version of all that is in a server, which counts its changes.
fn version(client: &Client) -> Value {
    let uri = "/api/v1/namespaces?limit=1";
    let answer = client.send(Method::GET, uri, &[], Bytes::new());
    let mut list = answer.and_then(|answer| answer.json()).unwrap_or_default();
    list["metadata"]["resourceVersion"].take()
}

/// The parts of `data` between the places where `separator` is.
fn split<'a>(data: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let all = rest?;
        let found = all
            .windows(separator.len())
            .position(|window| window == separator);
        rest = found.map(|at| &all[at + separator.len()..]);
        Some(&all[..found.unwrap_or(all.len())])
    })
}
