//! Patches of every kind.

use bytes::Bytes;
use http::Method;

use crate::client::Client;

const KINDS: [&str; 5] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/json-patch+json; charset=utf-8",
];

const TARGETS: [&str; 8] = [
    "/apis/apps/v1/namespaces/default/deployments/a",
    "/apis/apps/v1/namespaces/default/deployments/a/status",
    "/apis/apps/v1/namespaces/default/deployments/a/scale",
    "/api/v1/namespaces/default/configmaps/a",
    "/api/v1/namespaces/default/pods/a",
    "/api/v1/namespaces/default/services/a",
    "/apis/a.io/v1/namespaces/default/widgets/a",
    "/apis/a.io/v1/namespaces/default/widgets/a/status",
];

thread_local! {
    static CLIENT: Client = Client::furnished();
}

/// The first byte chooses the kind of patch, what is patched, and how strict the server is; the rest is the patch.
pub fn patches(data: &[u8]) {
    let Some((choice, patch)) = data.split_first() else {
        return;
    };
    let choice = usize::from(*choice);
    let kind = KINDS[choice % KINDS.len()];
    let target = TARGETS[choice / KINDS.len() % TARGETS.len()];
    let strictness = ["Warn", "Strict"][choice / KINDS.len() / TARGETS.len() % 2];
    let force = if kind.contains("apply") {
        "&force=true"
    } else {
        ""
    };
    let uri = format!("{target}?dryRun=All&fieldManager=f&fieldValidation={strictness}{force}");
    CLIENT.with(|client| {
        let body = Bytes::copy_from_slice(patch);
        let answer = client.send(Method::PATCH, &uri, &[("content-type", kind)], body);
        answer.expect("a request").json();
    });
}
