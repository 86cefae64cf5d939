//! Selectors of labels and of fields.

use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::client::Client;

const TARGETS: [&str; 4] = [
    "/api/v1/namespaces/default/pods",
    "/apis/apps/v1/deployments",
    "/api/v1/configmaps",
    "/apis/a.io/v1/widgets",
];

thread_local! {
    static CLIENT: Client = Client::furnished();
}

/// The first byte chooses what is listed and by what; the rest is the selector. What the server understood it has to
/// answer alike when the selector comes with more room around it.
pub fn selectors(data: &[u8]) {
    let Some((choice, selector)) = data.split_first() else {
        return;
    };
    let choice = usize::from(*choice);
    let parameter = ["labelSelector", "fieldSelector"][choice % 2];
    let target = TARGETS[choice / 2 % TARGETS.len()];
    CLIENT.with(|client| {
        let list = |selector: &[u8]| {
            let selector = percent_encode(selector, NON_ALPHANUMERIC);
            let uri = format!("{target}?{parameter}={selector}");
            client.send(Method::GET, &uri, &[], Bytes::new())
        };
        // Too long for a URI is for the HTTP library to say.
        let Some(answer) = list(selector) else { return };
        let (code, items) = (answer.code, answer.json());
        if parameter == "labelSelector" && code == 200 {
            let wider = list(&[b" ", selector, b" "].concat()).expect("a request");
            assert_eq!((code, items), (wider.code, wider.json()));
        }
    });
}
