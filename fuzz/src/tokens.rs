//! Continue tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::json;

use crate::client::Client;

const TARGETS: [&str; 4] = [
    "/api/v1/namespaces/default/pods",
    "/apis/apps/v1/deployments",
    "/api/v1/namespaces",
    "/apis/a.io/v1/widgets",
];

thread_local! {
    static CLIENT: Client = Client::furnished();
}

/// The first byte chooses what is listed and how much of the token is given: all, its text, or its two members.
pub fn tokens(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let choice = usize::from(*choice);
    let target = TARGETS[choice % TARGETS.len()];
    let token = match choice / TARGETS.len() % 3 {
        0 => rest.to_vec(),
        1 => URL_SAFE_NO_PAD.encode(rest).into_bytes(),
        _ => {
            let Some((version, start)) = rest.split_first() else {
                return;
            };
            let start = String::from_utf8_lossy(start);
            let text =
                json!({"v": "meta.k8s.io/v1", "rv": i64::from(*version) - 1, "start": start});
            URL_SAFE_NO_PAD.encode(text.to_string()).into_bytes()
        }
    };
    let token = percent_encode(&token, NON_ALPHANUMERIC);
    CLIENT.with(|client| {
        let uri = format!("{target}?limit=2&continue={token}");
        if let Some(answer) = client.send(Method::GET, &uri, &[], Bytes::new()) {
            let list = answer.json();
            assert!(answer.code != 200 || list.is_some_and(|list| list["items"].is_array()));
        }
    });
}
