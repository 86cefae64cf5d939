//! The behaviours of kube-apiserver's own storage tests that are about watches. Each test has the name of the upstream one
//! (`RunWatchSemantics` is `watch_semantics`); docs/behaviours.md lists them.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Api, CONFIGMAPS, Events, configmap, version};
use serde_json::{Value, json};

const ALL: &str = "/api/v1/configmaps";

async fn create(api: &Api, name: &str) -> u64 {
    version(&api.post(CONFIGMAPS, &configmap(name)).await.expect(201))
}

async fn label(api: &Api, name: &str, label: &str) -> u64 {
    let patch = json!({"metadata": {"labels": {"l": label}}});
    let path = format!("{CONFIGMAPS}/{name}");
    version(&api.patch(&path, "merge", &patch).await.expect(200))
}

async fn delete(api: &Api, name: &str) {
    api.delete(&format!("{CONFIGMAPS}/{name}"))
        .await
        .expect(200);
}

async fn namespace(api: &Api, name: &str) {
    let object = json!({"metadata": {"name": name}});
    api.post("/api/v1/namespaces", &object).await.expect(201);
}

/// Type, name and version, and how many events there are: the watch is at its end when the marker comes.
async fn until(events: &mut Events, marker: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    loop {
        let (kind, name, _) = events.brief().await;
        if name == marker {
            return seen;
        }
        seen.push((kind, name));
    }
}

fn seen(events: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(kind, name): &(&str, &str)| ((*kind).to_owned(), (*name).to_owned());
    events.iter().map(owned).collect()
}

/// Into the selector is ADDED, within it MODIFIED, out of it DELETED as it last matched; other namespaces are silent. A
/// watch of one name sees the same.
#[tokio::test]
async fn watch() {
    for scope in ["", "&fieldSelector=metadata.name%3Da"] {
        let api = Api::new();
        namespace(&api, "other").await;
        let from = create(&api, "a").await;
        let path =
            format!("{CONFIGMAPS}?watch=1&labelSelector=l%3Dx&resourceVersion={from}{scope}");
        let mut events = api.watch(&path).await;
        let other = "/api/v1/namespaces/other/configmaps";
        let mut noise = configmap("a");
        noise["metadata"]["labels"] = json!({"l": "x"});
        api.post(other, &noise).await.expect(201);
        let into = label(&api, "a", "x").await;
        let within = json!({"data": {"k": "w"}});
        let within = api
            .patch(&format!("{CONFIGMAPS}/a"), "merge", &within)
            .await
            .expect(200);
        let out = label(&api, "a", "y").await;
        label(&api, "a", "z").await;
        label(&api, "a", "x").await;
        delete(&api, "a").await;
        assert_eq!(events.brief().await, ("ADDED".into(), "a".into(), into));
        assert_eq!(
            events.brief().await,
            ("MODIFIED".into(), "a".into(), version(&within))
        );
        let deleted = events.next().await.unwrap();
        assert_eq!(
            (&deleted["type"], version(&deleted["object"])),
            (&json!("DELETED"), out)
        );
        assert_eq!(deleted["object"]["metadata"]["labels"]["l"], "x");
        assert_eq!(deleted["object"]["data"]["k"], "w");
        assert_eq!(events.brief().await.0, "ADDED");
        assert_eq!(events.brief().await.0, "DELETED");
    }
}

#[tokio::test]
async fn watch_from_zero() {
    let api = Api::forgetful();
    let first = create(&api, "a").await;
    let last = label(&api, "a", "x").await;
    // The present state comes as ADDED, whatever of history is gone.
    let mut events = api
        .watch(&format!("{CONFIGMAPS}?watch=1&resourceVersion=0"))
        .await;
    assert_eq!(events.brief().await, ("ADDED".into(), "a".into(), last));
    label(&api, "a", "y").await;
    assert_eq!(events.brief().await.0, "MODIFIED");
    let mut events = api.watch_from(first).await;
    let error = events.next().await.unwrap();
    assert_eq!(
        (&error["type"], &error["object"]["reason"]),
        (&json!("ERROR"), &json!("Expired"))
    );
}

#[tokio::test]
async fn watch_from_non_zero() {
    let api = Api::new();
    let from = create(&api, "a").await;
    let mut events = api.watch_from(from).await;
    let next = label(&api, "a", "x").await;
    assert_eq!(events.brief().await, ("MODIFIED".into(), "a".into(), next));
}

#[tokio::test]
async fn delete_trigger_watch() {
    let api = Api::new();
    let from = create(&api, "a").await;
    let mut events = api.watch_from(from).await;
    delete(&api, "a").await;
    assert_eq!(events.brief().await.0, "DELETED");
}

/// Events wait for their reader, in order and complete.
#[tokio::test]
async fn delayed_watch_delivery() {
    let api = Api::new();
    let mut from = create(&api, "a").await;
    let mut events = api.watch_from(from).await;
    for n in 0..500 {
        label(&api, "a", &n.to_string()).await;
    }
    for n in 0..500 {
        let event = events.next().await.unwrap();
        assert_eq!(event["object"]["metadata"]["labels"]["l"], n.to_string());
        assert!(version(&event["object"]) > from);
        from = version(&event["object"]);
    }
}

/// Nothing comes after an error.
#[tokio::test]
async fn watch_error_is_blocking_further_events() {
    let api = Api::forgetful();
    let from = create(&api, "a").await;
    for n in 0..3 {
        label(&api, "a", &n.to_string()).await;
    }
    let mut events = api.watch_from(from).await;
    label(&api, "a", "later").await;
    assert_eq!(events.next().await.unwrap()["type"], "ERROR");
    assert_eq!(events.next().await, None);
}

/// A client that goes away takes its watch along, and nobody else's.
#[tokio::test]
async fn watch_context_cancel() {
    let api = Api::new();
    let from = create(&api, "a").await;
    let leaving = api.watch_from(from).await;
    let mut staying = api.watch_from(from).await;
    drop(leaving);
    label(&api, "a", "x").await;
    assert_eq!(staying.brief().await.0, "MODIFIED");
}

/// Fifty watchers that don't read hold up neither writers nor the one that does.
#[tokio::test]
async fn watcher_timeout() {
    let api = Api::new();
    let from = create(&api, "a").await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(api.watch_from(from).await);
    }
    let mut reading = api.watch_from(from).await;
    for n in 0..200 {
        let version = label(&api, "a", &n.to_string()).await;
        assert_eq!(reading.brief().await.2, version);
    }
    // They are behind and not lost.
    assert_eq!(
        idle[0].next().await.unwrap()["object"]["metadata"]["labels"]["l"],
        "0"
    );
}

#[tokio::test]
async fn watch_delete_event_object_have_latest_rv() {
    let api = Api::new();
    let from = create(&api, "a").await;
    let mut events = api.watch_from(from).await;
    delete(&api, "a").await;
    let (kind, _, deleted) = events.brief().await;
    assert_eq!(kind, "DELETED");
    let list = api.get(CONFIGMAPS).await.expect(200);
    assert_eq!(deleted, version(&list));
    // So that a watch from there misses nothing and repeats nothing.
    let mut events = api.watch_from(deleted).await;
    create(&api, "b").await;
    assert_eq!(events.brief().await.1, "b");
}

/// The head of the answer comes at once, before there is any event.
#[tokio::test]
async fn watch_initialization_signal() {
    let api = Api::new();
    let mut events = api.watch(&format!("{CONFIGMAPS}?watch=1")).await;
    let a = create(&api, "a").await;
    assert_eq!(events.brief().await, ("ADDED".into(), "a".into(), a));
}

#[tokio::test(start_paused = true)]
async fn progress_notify() {
    let api = Api::new();
    let from = create(&api, "a").await;
    let path = format!("{CONFIGMAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={from}");
    let mut events = api.watch(&path).await;
    // Something happens that the watch does not show.
    let pods = "/api/v1/namespaces/default/secrets";
    let other = api
        .post(pods, &json!({"metadata": {"name": "s"}}))
        .await
        .expect(201);
    let bookmark = events.next().await.unwrap();
    assert_eq!(
        bookmark,
        json!({"type": "BOOKMARK", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {
            "resourceVersion": other["metadata"]["resourceVersion"],
        }}})
    );
}

#[tokio::test]
async fn cluster_scoped_watch() {
    let api = Api::new();
    let mut all = api
        .watch("/api/v1/namespaces?watch=1&resourceVersion=1")
        .await;
    let mut one = api
        .watch("/api/v1/namespaces?watch=1&resourceVersion=1&fieldSelector=metadata.name%3Dn2")
        .await;
    for name in ["n1", "n2", "end"] {
        namespace(&api, name).await;
    }
    let names: Vec<_> = until(&mut all, "end")
        .await
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    assert!(names.ends_with(&["n1".into(), "n2".into()]), "{names:?}");
    assert_eq!(one.brief().await.1, "n2");
}

#[tokio::test]
async fn namespace_scoped_watch() {
    let api = Api::new();
    namespace(&api, "one").await;
    namespace(&api, "two").await;
    let from = create(&api, "start").await;
    let watch = async |path: &str, selector: &str| {
        let selector = selector.replace('=', "%3D");
        api.watch(&format!(
            "{path}?watch=1&resourceVersion={from}&fieldSelector={selector}"
        ))
        .await
    };
    let one = "/api/v1/namespaces/one/configmaps";
    let mut watches = [
        (
            watch(ALL, "").await,
            vec![
                ("ADDED", "a"),
                ("ADDED", "b"),
                ("ADDED", "a"),
                ("ADDED", "b"),
            ],
        ),
        (watch(one, "").await, vec![("ADDED", "a"), ("ADDED", "b")]),
        (watch(one, "metadata.name=a").await, vec![("ADDED", "a")]),
        (
            watch(ALL, "metadata.namespace=two").await,
            vec![("ADDED", "a"), ("ADDED", "b")],
        ),
        (
            watch(ALL, "metadata.name=b").await,
            vec![("ADDED", "b"), ("ADDED", "b")],
        ),
        (
            watch(ALL, "metadata.name=b,metadata.namespace=two").await,
            vec![("ADDED", "b")],
        ),
    ];
    for space in ["one", "two"] {
        for name in ["a", "b"] {
            let path = format!("/api/v1/namespaces/{space}/configmaps");
            api.post(&path, &configmap(name)).await.expect(201);
        }
    }
    for (events, expected) in &mut watches {
        let mut found = Vec::new();
        for _ in 0..expected.len() {
            let (kind, name, _) = events.brief().await;
            found.push((kind, name));
        }
        assert_eq!(found, seen(expected));
    }
}

/// Bookmarks come to those who allow them, and to nobody else.
#[tokio::test(start_paused = true)]
async fn watch_dispatch_bookmark_events() {
    let api = Api::new();
    let from = create(&api, "a").await;
    for (allow, expected) in [("true", true), ("false", false), ("", false)] {
        let allow = if allow.is_empty() {
            String::new()
        } else {
            format!("&allowWatchBookmarks={allow}")
        };
        let path = format!("{CONFIGMAPS}?watch=1&timeoutSeconds=100&resourceVersion={from}{allow}");
        let mut events = api.watch(&path).await;
        let mut bookmarks = false;
        while let Some(event) = events.next().await {
            assert_eq!(event["type"], "BOOKMARK");
            bookmarks = true;
        }
        assert_eq!(bookmarks, expected, "{allow}");
    }
}

/// A bookmark is never behind an event before it, and no event after it is behind the bookmark.
#[tokio::test(start_paused = true)]
async fn watch_bookmarks_with_correct_resource_version() {
    let api = Api::new();
    let mut last = create(&api, "a").await;
    let path = format!(
        "{CONFIGMAPS}?watch=1&timeoutSeconds=300&allowWatchBookmarks=true&resourceVersion={last}"
    );
    let mut events = api.watch(&path).await;
    let mut bookmarks = 0;
    while bookmarks < 3 {
        label(&api, "a", &bookmarks.to_string()).await;
        loop {
            let event = events.next().await.unwrap();
            let version = version(&event["object"]);
            if event["type"] == "BOOKMARK" {
                assert!(version >= last);
                last = version;
                bookmarks += 1;
                break;
            }
            assert!(version > last);
            last = version;
        }
    }
}

#[tokio::test]
async fn send_initial_events_backward_compatibility() {
    let api = Api::new();
    let a = create(&api, "a").await;
    let path =
        format!("{CONFIGMAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    let mut events = api.watch(&path).await;
    assert_eq!(events.brief().await, ("ADDED".into(), "a".into(), a));
    // Without bookmarks nothing tells the end of the state.
    let b = create(&api, "b").await;
    assert_eq!(events.brief().await, ("ADDED".into(), "b".into(), b));
}

/// What a watch begins with: the state, the bookmark at its end, or nothing.
#[tokio::test]
async fn watch_semantics() {
    let nothing = [].as_slice();
    let after_first = [("ADDED", "b")].as_slice();
    let state = [("ADDED", "a"), ("ADDED", "b")].as_slice();
    let with_end = [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", "")].as_slice();
    // By version: none, any, that of the first object, that of the last.
    let legacy = [state, state, after_first, nothing];
    let legacy_with_end = [with_end, with_end, after_first, nothing];
    let without_state = [nothing, nothing, after_first, nothing];
    for (send, bookmarks, expected) in [
        ("", false, legacy),
        ("", true, legacy_with_end),
        ("true", false, [state; 4]),
        ("true", true, [with_end; 4]),
        ("false", false, without_state),
        ("false", true, without_state),
    ] {
        for (at, expected) in expected.into_iter().enumerate() {
            let api = Api::new();
            let (first, last) = (create(&api, "a").await, create(&api, "b").await);
            let asked = [
                String::new(),
                "0".to_owned(),
                first.to_string(),
                last.to_string(),
            ];
            let mut path = format!("{CONFIGMAPS}?watch=1&allowWatchBookmarks={bookmarks}");
            if !asked[at].is_empty() {
                path += &format!("&resourceVersion={}", asked[at]);
            }
            if !send.is_empty() {
                path += &format!("&sendInitialEvents={send}&resourceVersionMatch=NotOlderThan");
            }
            let mut events = api.watch(&path).await;
            create(&api, "end").await;
            assert_eq!(until(&mut events, "end").await, seen(expected), "{path}");
        }
    }
}

/// The bookmark at the end of the state has the version of the store, not of the last object shown.
#[tokio::test]
async fn watch_semantic_initial_events_extended() {
    let api = Api::new();
    let a = create(&api, "a").await;
    let secret = json!({"metadata": {"name": "s"}});
    let other = api
        .post("/api/v1/namespaces/default/secrets", &secret)
        .await
        .expect(201);
    let path = format!(
        "{CONFIGMAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let mut events = api.watch(&path).await;
    assert_eq!(events.brief().await, ("ADDED".into(), "a".into(), a));
    let end: Value = events.next().await.unwrap();
    assert_eq!(
        end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert_eq!(version(&end["object"]), version(&other));
}

#[tokio::test]
async fn watch_list_match_single() {
    let api = Api::new();
    create(&api, "b").await;
    let a = create(&api, "a").await;
    create(&api, "aa").await;
    let path = format!(
        "{CONFIGMAPS}?watch=1&fieldSelector=metadata.name%3Da&sendInitialEvents=true\
         &resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let mut events = api.watch(&path).await;
    assert_eq!(events.brief().await, ("ADDED".into(), "a".into(), a));
    let (kind, name, end) = events.brief().await;
    assert_eq!((kind.as_str(), name.as_str()), ("BOOKMARK", ""));
    assert!(end > a);
    let next = label(&api, "a", "x").await;
    assert_eq!(events.brief().await, ("MODIFIED".into(), "a".into(), next));
}
