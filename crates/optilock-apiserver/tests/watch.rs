//! Watches: what is shown, in which order, and when they end.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Api, CONFIGMAPS, configmap, version};
use http::Method;
use serde_json::{Value, json};

fn event(kind: &str, name: &str, version: u64) -> (String, String, u64) {
    (kind.to_owned(), name.to_owned(), version)
}

async fn create(api: &Api, name: &str) -> Value {
    api.post(CONFIGMAPS, &configmap(name)).await.expect(201)
}

async fn label(api: &Api, name: &str, label: Value) -> Value {
    let patch = json!({"metadata": {"labels": {"app": label}}});
    api.patch(&format!("{CONFIGMAPS}/{name}"), "merge", &patch)
        .await
        .expect(200)
}

#[tokio::test]
async fn a_watch_from_a_version_shows_what_came_after_it() {
    let api = Api::new();
    let a = create(&api, "a").await;
    let mut events = api.watch_from(version(&a)).await;
    let changed = label(&api, "a", json!("x")).await;
    let b = create(&api, "b").await;
    api.delete(&format!("{CONFIGMAPS}/a")).await.expect(200);
    assert_eq!(
        events.brief().await,
        event("MODIFIED", "a", version(&changed))
    );
    assert_eq!(events.brief().await, event("ADDED", "b", version(&b)));
    // The object that went carries the version of its deletion.
    assert_eq!(events.brief().await, event("DELETED", "a", version(&b) + 1));
}

#[tokio::test]
async fn without_a_version_the_state_comes_first() {
    let api = Api::new();
    let a = create(&api, "a").await;
    for query in ["watch=true", "watch=1&resourceVersion=0"] {
        let mut events = api.watch(&format!("{CONFIGMAPS}?{query}")).await;
        assert_eq!(events.brief().await, event("ADDED", "a", version(&a)));
    }
    let b = create(&api, "b").await;
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut events = api.watch(&format!("{CONFIGMAPS}?{query}")).await;
    assert_eq!(events.brief().await, event("ADDED", "a", version(&a)));
    assert_eq!(events.brief().await, event("ADDED", "b", version(&b)));
    let bookmark = events.next().await.unwrap();
    assert_eq!(
        bookmark,
        json!({"type": "BOOKMARK", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {
            "resourceVersion": b["metadata"]["resourceVersion"],
            "annotations": {"k8s.io/initial-events-end": "true"},
        }}})
    );
    let c = create(&api, "c").await;
    assert_eq!(events.brief().await, event("ADDED", "c", version(&c)));
}

#[tokio::test]
async fn selectors_turn_changes_into_additions_and_deletions() {
    let api = Api::new();
    let start = create(&api, "a").await;
    let path = format!(
        "{CONFIGMAPS}?watch=1&labelSelector=app%3Dx&resourceVersion={}",
        version(&start)
    );
    let mut events = api.watch(&path).await;
    let into = label(&api, "a", json!("x")).await;
    create(&api, "other").await;
    let out = label(&api, "a", json!("y")).await;
    let added = events.next().await.unwrap();
    assert_eq!(
        (&added["type"], version(&added["object"])),
        (&json!("ADDED"), version(&into))
    );
    let deleted = events.next().await.unwrap();
    assert_eq!(
        (&deleted["type"], version(&deleted["object"])),
        (&json!("DELETED"), version(&out))
    );
    // It is shown as it last matched.
    assert_eq!(deleted["object"]["metadata"]["labels"]["app"], "x");
}

#[tokio::test]
async fn one_object_is_watched_by_its_name() {
    let api = Api::new();
    let mut events = api
        .watch(&format!(
            "{CONFIGMAPS}?watch=1&fieldSelector=metadata.name%3Da"
        ))
        .await;
    create(&api, "ab").await;
    let a = create(&api, "a").await;
    assert_eq!(events.brief().await, event("ADDED", "a", version(&a)));
}

#[tokio::test]
async fn a_version_that_is_gone_is_told_in_the_stream() {
    let api = Api::forgetful();
    let old = create(&api, "a").await;
    create(&api, "b").await;
    create(&api, "c").await;
    let mut events = api.watch_from(version(&old)).await;
    let error = events.next().await.unwrap();
    assert_eq!(error["type"], "ERROR");
    assert_eq!(
        (&error["object"]["code"], &error["object"]["reason"]),
        (&json!(410), &json!("Expired"))
    );
    assert_eq!(
        error["object"]["message"],
        "The resourceVersion for the provided watch is too old."
    );
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_in_time_with_a_bookmark_before() {
    let api = Api::new();
    let a = create(&api, "a").await;
    let query = "watch=1&timeoutSeconds=90&allowWatchBookmarks=true";
    let mut events = api
        .watch(&format!(
            "{CONFIGMAPS}?{query}&resourceVersion={}",
            version(&a)
        ))
        .await;
    let mut bookmarks = 0;
    while let Some(event) = events.next().await {
        assert_eq!(event["type"], "BOOKMARK");
        assert_eq!(version(&event["object"]), version(&a));
        bookmarks += 1;
    }
    assert_eq!(bookmarks, 2, "one after a minute, one before the end");
}

#[tokio::test]
async fn watchers_of_all_namespaces_see_the_same_order() {
    let api = Api::new();
    for name in ["one", "two"] {
        api.post("/api/v1/namespaces", &json!({"metadata": {"name": name}}))
            .await
            .expect(201);
    }
    let mut first = api.watch("/api/v1/configmaps?watch=1").await;
    let mut second = api.watch("/api/v1/configmaps?watch=1").await;
    for at in 0..20 {
        let namespace = if at % 2 == 0 { "one" } else { "two" };
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        api.post(&path, &configmap(&format!("c{at}")))
            .await
            .expect(201);
    }
    for _ in 0..20 {
        assert_eq!(first.brief().await, second.brief().await);
    }
}

#[tokio::test]
async fn a_watch_as_a_websocket_ends_at_once() {
    let api = Api::new();
    let headers = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let path = format!("{CONFIGMAPS}?watch=true");
    let answer = api.call(Method::GET, &path, &headers, "").await;
    assert_eq!((answer.code.as_u16(), answer.body.len()), (200, 0));
}
