//! What is written: a Deployment of one container, which is 1.5 kB as a server stores it.

use anyhow::{Context, Result};
use memchr::memmem;
use serde_json::{Value, json};

/// Where the Deployments of a namespace are.
pub(crate) fn deployments(namespace: &str) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/deployments")
}

/// The annotation that changes with every update, always of the same length.
pub(crate) const COUNT: &str = "count";
/// Digits of its value.
const DIGITS: usize = 12;

/// The value of the annotation.
pub(crate) fn count(number: u64) -> String {
    format!("{number:0DIGITS$}")
}

/// A Deployment.
pub(crate) fn deployment(name: &str, number: u64) -> String {
    let labels = json!({"app": name, "app.kubernetes.io/part-of": "bench"});
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels, "annotations": {COUNT: count(number)}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "web",
                    "image": "registry.example.com/team/web:1.27.3",
                    "ports": [{"containerPort": 8080}],
                    "env": [{"name": "LOG_LEVEL", "value": "info"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                }]},
            },
        },
    });
    object.to_string()
}

/// A merge patch that changes the annotation.
pub(crate) fn merge_patch(number: u64) -> String {
    json!({"metadata": {"annotations": {COUNT: count(number)}}}).to_string()
}

/// Changes the annotation of an object in the form in which a server has sent it, so that all else, its version too, goes back as it came.
pub(crate) fn recount(object: &mut [u8], number: u64) -> Result<()> {
    let marker = format!("\"{COUNT}\":\"");
    let found = memmem::find(object, marker.as_bytes());
    let start = found.context("the object has no count")? + marker.len();
    let digits = object.get_mut(start..start + DIGITS);
    digits
        .context("the object ends within its count")?
        .copy_from_slice(count(number).as_bytes());
    Ok(())
}

/// The token with which a list goes on, from the beginning of a page.
pub(crate) fn continuation(page: &[u8]) -> Option<&str> {
    let text = text_after(page, b"\"continue\":\"")?;
    (!text.is_empty()).then_some(text)
}

/// The text that follows a marker, up to a quotation mark.
pub(crate) fn text_after<'a>(document: &'a [u8], marker: &[u8]) -> Option<&'a str> {
    let start = memmem::find(document, marker)? + marker.len();
    let length = memchr::memchr(b'"', document.get(start..)?)?;
    std::str::from_utf8(&document[start..start + length]).ok()
}

/// The version of an object or a list.
pub(crate) fn version(document: &[u8]) -> Result<&str> {
    text_after(document, b"\"resourceVersion\":\"").context("an answer without a resourceVersion")
}

/// A ConfigMap whose data say when it was written.
pub(crate) fn event(number: u64, now: u64) -> String {
    let object: Value = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": event_name(number)},
        "data": {"at": format!("{now}")},
    });
    object.to_string()
}

/// The name of the ConfigMap of an event.
pub(crate) fn event_name(number: u64) -> String {
    format!("event-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_changed_in_place() {
        let mut object = deployment("a", 1).into_bytes();
        recount(&mut object, 2).unwrap();
        assert_eq!(String::from_utf8(object).unwrap(), deployment("a", 2));
        assert!(recount(&mut b"{}".to_vec(), 2).is_err());
    }

    #[test]
    fn a_page_says_whether_there_are_more() {
        let page = br#"{"metadata":{"resourceVersion":"7","continue":"abc"},"items":["#;
        assert_eq!(continuation(page), Some("abc"));
        assert_eq!(version(page).unwrap(), "7");
        assert_eq!(
            continuation(br#"{"metadata":{"resourceVersion":"7"}"#),
            None
        );
    }
}
