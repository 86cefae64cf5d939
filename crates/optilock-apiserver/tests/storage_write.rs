//! The behaviours of kube-apiserver's own storage tests that are about writing and about reading one object. Each test
//! has the name of the upstream one (`RunTestGuaranteedUpdate` is `guaranteed_update`); docs/behaviours.md lists them.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::sync::Arc;

use common::{Api, CONFIGMAPS, configmap, version};
use http::Method;
use serde_json::{Value, json};

const CONFIGMAP: &str = "/api/v1/namespaces/default/configmaps/a";

async fn created(api: &Api) -> Value {
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201)
}

async fn changed(api: &Api, value: &str) -> Value {
    let patch = json!({"data": {"k": value}});
    api.patch(CONFIGMAP, "merge", &patch).await.expect(200)
}

async fn delete_with(api: &Api, path: &str, preconditions: Value) -> common::Answer {
    let options = json!({"preconditions": preconditions}).to_string();
    api.call(Method::DELETE, path, &[], options).await
}

#[tokio::test]
async fn create() {
    let api = Api::new();
    let object = created(&api).await;
    assert!(version(&object) > 0);
    let mut with_version = configmap("b");
    with_version["metadata"]["resourceVersion"] = "1".into();
    assert_eq!(
        api.post(CONFIGMAPS, &with_version).await.refusal(),
        (
            500,
            String::new(),
            "resourceVersion should not be set on objects to be created".to_owned()
        )
    );
    assert_eq!(api.get(&format!("{CONFIGMAPS}/b")).await.code, 404);
    // "0" is no version.
    with_version["metadata"]["resourceVersion"] = "0".into();
    api.post(CONFIGMAPS, &with_version).await.expect(201);
}

#[tokio::test]
async fn create_with_key_exist() {
    let api = Api::new();
    let first = created(&api).await;
    assert_eq!(
        api.post(CONFIGMAPS, &configmap("a")).await.refusal(),
        (
            409,
            "AlreadyExists".to_owned(),
            "configmaps \"a\" already exists".to_owned()
        )
    );
    assert_eq!(api.get(CONFIGMAP).await.expect(200), first);
}

#[tokio::test]
async fn get() {
    let api = Api::new();
    let first = created(&api).await;
    let last = changed(&api, "w").await;
    // Empty is the latest, "0" is any, a number is a state that is not older: always the present one here.
    let current = version(&last);
    for asked in [
        String::new(),
        "0".into(),
        version(&first).to_string(),
        current.to_string(),
    ] {
        let path = format!("{CONFIGMAP}?resourceVersion={asked}");
        assert_eq!(api.get(&path).await.expect(200), last, "{asked:?}");
    }
    let future = api
        .get(&format!("{CONFIGMAP}?resourceVersion=9223372036854775807"))
        .await;
    assert_eq!(future.headers["retry-after"], "1");
    assert_eq!(
        future.expect(504),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": format!("Timeout: Too large resource version: 9223372036854775807, current: {current}"),
            "reason": "Timeout",
            "details": {
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            },
            "code": 504,
        })
    );
    assert_eq!(
        api.get(&format!("{CONFIGMAPS}/missing")).await.refusal(),
        (
            404,
            "NotFound".to_owned(),
            "configmaps \"missing\" not found".to_owned()
        )
    );
}

#[tokio::test]
async fn unconditional_delete() {
    let api = Api::new();
    let object = created(&api).await;
    let from = version(&object);
    let mut events = api.watch_from(from).await;
    api.delete(CONFIGMAP).await.expect(200);
    let event = events.next().await.unwrap();
    assert_eq!(event["type"], "DELETED");
    assert!(
        version(&event["object"]) > from,
        "the last state has the version of the deletion"
    );
    assert_eq!(event["object"]["data"], object["data"]);
    assert_eq!(api.delete(CONFIGMAP).await.refusal().0, 404);
}

#[tokio::test]
async fn conditional_delete() {
    let api = Api::new();
    let object = created(&api).await;
    let refused = delete_with(&api, CONFIGMAP, json!({"uid": "another"}))
        .await
        .refusal();
    assert_eq!((refused.0, refused.1.as_str()), (409, "Conflict"));
    assert_eq!(api.get(CONFIGMAP).await.expect(200), object);
    let uid = json!({"uid": object["metadata"]["uid"]});
    delete_with(&api, CONFIGMAP, uid.clone()).await.expect(200);
    assert_eq!(delete_with(&api, CONFIGMAP, uid).await.code, 404);
}

/// A deletion without preconditions takes the object as it is, whatever the one who asks has seen of it.
#[tokio::test]
async fn delete_with_suggestion() {
    let api = Api::new();
    created(&api).await;
    changed(&api, "w").await;
    api.delete(CONFIGMAP).await.expect(200);
    assert_eq!(api.get(CONFIGMAP).await.code, 404);
}

/// Updates and deletions that race: no deletion is refused, and none leaves anything behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn delete_with_suggestion_and_conflict() {
    let api = Arc::new(Api::new());
    for _ in 0..50 {
        created(&api).await;
        let writers = (0..4).map(|n| {
            let api = Arc::clone(&api);
            tokio::spawn(async move {
                let patch = json!({"data": {"k": n.to_string()}});
                api.patch(CONFIGMAP, "merge", &patch).await.code.as_u16()
            })
        });
        let writers: Vec<_> = writers.collect();
        api.delete(CONFIGMAP).await.expect(200);
        for writer in writers {
            let code = writer.await.unwrap();
            assert!(matches!(code, 200 | 404), "{code}");
        }
        assert_eq!(api.get(CONFIGMAP).await.code, 404);
    }
}

#[tokio::test]
async fn delete_with_suggestion_of_deleted_object() {
    let api = Api::new();
    let object = created(&api).await;
    api.delete(CONFIGMAP).await.expect(200);
    let seen = json!({"uid": object["metadata"]["uid"], "resourceVersion": object["metadata"]["resourceVersion"]});
    assert_eq!(delete_with(&api, CONFIGMAP, seen).await.code, 404);
}

/// What a deletion has to know is asked of the object that is there when it commits, not of the one that it began with: a
/// finalizer that came in between holds the object.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn delete_with_conflict() {
    let api = Arc::new(Api::new());
    for _ in 0..50 {
        created(&api).await;
        let holder = {
            let api = Arc::clone(&api);
            tokio::spawn(async move {
                let patch = json!({"metadata": {"finalizers": ["example.com/hold"]}});
                api.patch(CONFIGMAP, "merge", &patch).await.code.as_u16()
            })
        };
        api.delete(CONFIGMAP).await.expect(200);
        let held = holder.await.unwrap();
        let left = api.get(CONFIGMAP).await;
        match held {
            // The finalizer came first, so the object is only marked.
            200 => {
                let left = left.expect(200);
                assert!(left["metadata"]["deletionTimestamp"].is_string(), "{left}");
                api.patch(
                    CONFIGMAP,
                    "merge",
                    &json!({"metadata": {"finalizers": null}}),
                )
                .await
                .expect(200);
            }
            404 => assert_eq!(left.code, 404),
            // A finalizer that comes after the mark is none that may come.
            code => panic!("{code}"),
        }
    }
}

#[tokio::test]
async fn validate_deletion_with_suggestion() {
    let api = Api::new();
    let seen = created(&api).await;
    let live = changed(&api, "w").await;
    // The object that the client saw would pass, the live one does not.
    let old = json!({"resourceVersion": seen["metadata"]["resourceVersion"]});
    assert_eq!(delete_with(&api, CONFIGMAP, old).await.code, 409);
    let new = json!({"resourceVersion": live["metadata"]["resourceVersion"]});
    delete_with(&api, CONFIGMAP, new).await.expect(200);
}

#[tokio::test]
async fn preconditional_delete_with_suggestion() {
    let api = Api::new();
    let seen = created(&api).await;
    api.delete(CONFIGMAP).await.expect(200);
    let live = created(&api).await;
    let refused = delete_with(&api, CONFIGMAP, json!({"uid": seen["metadata"]["uid"]})).await;
    assert_eq!(refused.refusal().0, 409);
    let both = json!({"uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]});
    delete_with(&api, CONFIGMAP, both).await.expect(200);
}

#[tokio::test]
async fn guaranteed_update() {
    let api = Api::new();
    assert_eq!(
        api.put(CONFIGMAP, &configmap("a")).await.code,
        404,
        "nothing is made of nothing"
    );
    // ... but where the kind says so.
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    api.put(lease, &json!({"metadata": {"name": "l"}}))
        .await
        .expect(201);

    let object = created(&api).await;
    assert_eq!(
        api.put(CONFIGMAP, &object).await.expect(200),
        object,
        "the same bytes are no write"
    );

    let mut other = object.clone();
    other["metadata"]["uid"] = "another".into();
    other["data"]["k"] = "w".into();
    let (code, reason, message) = api.put(CONFIGMAP, &other).await.refusal();
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(
        message.contains("Precondition failed: UID in precondition: another, UID in object meta: "),
        "{message}"
    );

    let mut new = object.clone();
    new["data"]["k"] = "w".into();
    new["metadata"]["selfLink"] = "/somewhere".into();
    let new = api.put(CONFIGMAP, &new).await.expect(200);
    assert!(version(&new) > version(&object));
    assert_eq!(new["metadata"].get("selfLink"), None);
}

/// What would be stored is compared with what is stored, not with what was shown: an object that a new schema shows
/// differently is written anew by an update that changes nothing.
#[tokio::test]
async fn guaranteed_update_checks_stored_data() {
    let api = Api::new();
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = |properties: Value| {
        json!({
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "things", "kind": "Thing"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": {"type": "object", "properties": properties}},
                }}}],
            },
        })
    };
    let both = json!({"kept": {"type": "string"}, "dropped": {"type": "string"}});
    api.post(definitions, &definition(both)).await.expect(201);
    let things = "/apis/example.com/v1/namespaces/default/things";
    let thing = json!({
        "apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"},
        "spec": {"kept": "1", "dropped": "2"},
    });
    let stored = api.post(things, &thing).await.expect(201);
    let patch = json!({"spec": definition(json!({"kept": {"type": "string"}}))["spec"]});
    api.patch(
        &format!("{definitions}/things.example.com"),
        "merge",
        &patch,
    )
    .await
    .expect(200);
    let path = format!("{things}/t");
    let shown = api.get(&path).await.expect(200);
    assert_eq!(shown["spec"], json!({"kept": "1"}));
    assert_eq!(version(&shown), version(&stored));
    let written = api.put(&path, &shown).await.expect(200);
    assert!(version(&written) > version(&shown));
    assert_eq!(
        version(&api.put(&path, &written).await.expect(200)),
        version(&written)
    );
}

/// Racing writers without versions: each one's change is made on the other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guaranteed_update_with_conflict() {
    let api = Arc::new(Api::new());
    let object = created(&api).await;
    let writers = (0..8).map(|n| {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            for m in 0..20 {
                let patch = json!({"data": {format!("k{n}-{m}"): ""}});
                api.patch(CONFIGMAP, "merge", &patch).await.expect(200);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let last = api.get(CONFIGMAP).await.expect(200);
    assert_eq!(last["data"].as_object().unwrap().len(), 1 + 8 * 20);
    assert_eq!(version(&last), version(&object) + 8 * 20);
}

/// A change that the live object refuses is refused once, however often the object has changed since the writer looked.
#[tokio::test]
async fn guaranteed_update_with_suggestion_and_conflict() {
    let api = Api::new();
    created(&api).await;
    let live = changed(&api, "w").await;
    let test = json!([{"op": "test", "path": "/data/k", "value": "v"}, {"op": "replace", "path": "/data/k", "value": "x"}]);
    assert_eq!(api.patch(CONFIGMAP, "json", &test).await.code, 422);
    assert_eq!(api.get(CONFIGMAP).await.expect(200), live);
}

#[tokio::test]
async fn key_schema() {
    let api = Api::new();
    for (name, why) in [(".", "may not be '.'"), ("..", "may not be '..'")] {
        let path = format!("{CONFIGMAPS}/{name}");
        for method in [Method::GET, Method::DELETE] {
            assert_eq!(
                api.call(method, &path, &[], "").await.refusal(),
                (
                    400,
                    "BadRequest".to_owned(),
                    format!("Name parameter invalid: \"{name}\": {why}")
                )
            );
        }
    }
    for name in ["", ".", "..", "a/b", "A", "a b"] {
        let (code, reason, _) = api.post(CONFIGMAPS, &configmap(name)).await.refusal();
        assert_eq!((code, reason.as_str()), (422, "Invalid"), "{name:?}");
    }
    // One object's key is never the prefix of another's.
    api.post(CONFIGMAPS, &configmap("a.b")).await.expect(201);
    assert_eq!(api.get(CONFIGMAP).await.code, 404);
}

#[tokio::test]
async fn compact_revision() {
    let api = Api::forgetful();
    let old = created(&api).await;
    for n in 0..3 {
        changed(&api, &n.to_string()).await;
    }
    let path = format!(
        "{CONFIGMAPS}?resourceVersion={}&resourceVersionMatch=Exact",
        version(&old)
    );
    assert_eq!(
        api.get(&path).await.refusal(),
        (
            410,
            "Expired".to_owned(),
            "The resourceVersion for the provided list is too old.".to_owned()
        )
    );
}
