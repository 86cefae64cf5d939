//! What controller-runtime's fake client asserts about itself, asked of this server: the rules that the two share, and
//! those where only the real server's answer will do. docs/behaviours.md lists them.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::sync::Arc;

use common::{Answer, Api, CONFIGMAPS, DEPLOYMENTS, configmap, deployment, version};
use http::Method;
use serde_json::{Value, json};

const CONFIGMAP: &str = "/api/v1/namespaces/default/configmaps/a";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/web";
const MODIFIED: &str = "the object has been modified";

async fn created(api: &Api) -> Value {
    api.post(CONFIGMAPS, &configmap("a")).await.expect(201)
}

async fn deployed(api: &Api) -> Value {
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201)
}

async fn apply(api: &Api, path: &str, query: &str, configuration: &Value) -> Answer {
    let headers = [("content-type", "application/apply-patch+yaml")];
    let path = format!("{path}?{query}");
    api.call(Method::PATCH, &path, &headers, configuration.to_string())
        .await
}

#[track_caller]
fn conflict(answer: &Answer) {
    let (code, reason, message) = answer.refusal();
    assert_eq!((code, reason.as_str()), (409, "Conflict"), "{message}");
    assert!(message.contains(MODIFIED), "{message}");
}

/// `object` with another version than the live one.
fn stale(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = (version(&object) + 1000).to_string().into();
    object
}

#[tokio::test]
async fn a_stale_update_conflicts_and_changes_nothing() {
    let api = Api::new();
    let live = deployed(&api).await;
    let mut body = stale(&live);
    body["spec"]["replicas"] = 7.into();
    conflict(&api.put(DEPLOYMENT, &body).await);
    conflict(&api.put(&format!("{DEPLOYMENT}/status"), &body).await);
    assert_eq!(api.get(DEPLOYMENT).await.expect(200), live);
}

#[tokio::test]
async fn a_stale_apply_conflicts_also_on_the_status() {
    let api = Api::new();
    let live = deployed(&api).await;
    let old = stale(&live)["metadata"]["resourceVersion"].clone();
    let configuration = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "resourceVersion": old, "labels": {"a": "b"}},
        "status": {"replicas": 1},
    });
    conflict(&apply(&api, DEPLOYMENT, "fieldManager=m", &configuration).await);
    // Force is about owners, not about versions.
    conflict(
        &apply(
            &api,
            DEPLOYMENT,
            "fieldManager=m&force=true",
            &configuration,
        )
        .await,
    );
    conflict(
        &apply(
            &api,
            &format!("{DEPLOYMENT}/status"),
            "fieldManager=m",
            &configuration,
        )
        .await,
    );
    assert_eq!(api.get(DEPLOYMENT).await.expect(200), live);
}

#[tokio::test]
async fn a_deletion_heeds_the_version_in_its_preconditions_and_no_other() {
    let api = Api::new();
    let live = created(&api).await;
    let with = |version: &Value| json!({"preconditions": {"resourceVersion": version}}).to_string();
    let old = with(&stale(&live)["metadata"]["resourceVersion"]);
    assert_eq!(
        api.call(Method::DELETE, CONFIGMAP, &[], old)
            .await
            .refusal()
            .0,
        409
    );
    let new = with(&live["metadata"]["resourceVersion"]);
    api.call(Method::DELETE, CONFIGMAP, &[], new)
        .await
        .expect(200);
    // The options of a deletion have no object whose version could count.
    created(&api).await;
    let stray = json!({"metadata": {"resourceVersion": "1"}}).to_string();
    api.call(Method::DELETE, CONFIGMAP, &[], stray)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_missing_version_is_for_the_kind_to_allow() {
    let api = Api::new();
    created(&api).await;
    let mut body = configmap("a");
    body["data"]["k"] = "w".into();
    api.put(CONFIGMAP, &body).await.expect(200);
    let null = json!({"metadata": {"resourceVersion": null}, "data": {"k": "x"}});
    let patched = api.patch(CONFIGMAP, "merge", &null).await.expect(200);
    assert_eq!(patched["data"]["k"], "x");

    let classes = "/apis/node.k8s.io/v1/runtimeclasses";
    let class = json!({"metadata": {"name": "c"}, "handler": "h"});
    api.post(classes, &class).await.expect(201);
    let refused = api.put(&format!("{classes}/c"), &class).await.refusal();
    assert_eq!(refused.0, 422);
    assert!(
        refused.2.ends_with("must be specified for an update"),
        "{}",
        refused.2
    );
}

#[tokio::test]
async fn patches_with_a_wrong_version_all_conflict() {
    let api = Api::new();
    let live = created(&api).await;
    let patch = json!({"metadata": {"resourceVersion": stale(&live)["metadata"]["resourceVersion"]}, "data": {"k": "w"}});
    for _ in 0..10 {
        for kind in ["merge", "strategic-merge"] {
            conflict(&api.patch(CONFIGMAP, kind, &patch).await);
        }
    }
    assert_eq!(api.get(CONFIGMAP).await.expect(200), live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_updates_without_versions_all_succeed() {
    let api = Arc::new(Api::new());
    let before = created(&api).await;
    let writers = (0..50).map(|n| {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            let mut body = configmap("a");
            body["data"]["k"] = format!("w{n}").into();
            api.put(CONFIGMAP, &body).await.expect(200);
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let after = api.get(CONFIGMAP).await.expect(200);
    assert_eq!(version(&after), version(&before) + 50);
}

/// Of a write of the object and one of its scale with the same version exactly one wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_update_and_a_scale_with_the_same_version_have_one_winner() {
    let api = Arc::new(Api::new());
    deployed(&api).await;
    let scale_path = format!("{DEPLOYMENT}/scale");
    for replicas in 2..22 {
        let mut object = api.get(DEPLOYMENT).await.expect(200);
        let mut scale = api.get(&scale_path).await.expect(200);
        object["metadata"]["labels"]["biz-version"] = replicas.to_string().into();
        scale["spec"]["replicas"] = replicas.into();
        let update = {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.put(DEPLOYMENT, &object).await.code.as_u16() })
        };
        let scaled = api.put(&scale_path, &scale).await.code.as_u16();
        let mut codes = [update.await.unwrap(), scaled];
        codes.sort_unstable();
        assert_eq!(codes, [200, 409]);
    }
}

#[tokio::test]
async fn an_update_creates_where_the_kind_allows_it() {
    let api = Api::new();
    for (path, kind, creates) in [
        (
            "/apis/coordination.k8s.io/v1/namespaces/default/leases/x",
            json!({}),
            true,
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/x",
            json!({"rules": []}),
            true,
        ),
        (
            "/api/v1/namespaces/default/limitranges/x",
            json!({"spec": {"limits": []}}),
            true,
        ),
        (
            "/api/v1/namespaces/default/services/x",
            json!({"spec": {"ports": [{"port": 80}]}}),
            true,
        ),
        (CONFIGMAP, json!({}), false),
        ("/api/v1/namespaces/default/secrets/x", json!({}), false),
        (
            "/apis/node.k8s.io/v1/runtimeclasses/x",
            json!({"handler": "h"}),
            true,
        ),
        ("/api/v1/namespaces/x", json!({}), false),
    ] {
        let mut body = kind;
        body["metadata"] = json!({"name": path.rsplit('/').next()});
        let code = api.put(path, &body).await.code;
        assert_eq!(code, if creates { 201 } else { 404 }, "{path}");
    }
}

/// Creations, updates and deletions of a Service that race: an update never fails, because it creates what is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_can_always_be_updated() {
    let api = Arc::new(Api::new());
    let services = "/api/v1/namespaces/default/services";
    let body = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    let tasks = ["POST", "PUT", "PUT", "DELETE"].map(|method| {
        let (api, body) = (Arc::clone(&api), body.clone());
        tokio::spawn(async move {
            let path = format!("{services}/s");
            for n in 0..40 {
                let mut body = body.clone();
                body["metadata"]["labels"] = json!({"n": n.to_string()});
                let (answer, allowed) = match method {
                    "POST" => (api.post(services, &body).await, [201, 409]),
                    "PUT" => (api.put(&path, &body).await, [200, 201]),
                    _ => (api.delete(&path).await, [200, 404]),
                };
                let code = answer.code.as_u16();
                assert!(
                    allowed.contains(&code),
                    "{method}: {}",
                    String::from_utf8_lossy(&answer.body)
                );
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletions_of_a_collection_tolerate_each_other() {
    let api = Arc::new(Api::new());
    for n in 0..100 {
        api.post(CONFIGMAPS, &configmap(&format!("c{n}")))
            .await
            .expect(201);
    }
    let tasks = (0..4).map(|_| {
        let api = Arc::clone(&api);
        tokio::spawn(async move { api.delete(CONFIGMAPS).await.code.as_u16() })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!(api.get(CONFIGMAPS).await.expect(200)["items"], json!([]));
}

/// Each kind of write that takes the last finalizer away from a marked object removes it, and answers with it.
#[tokio::test]
async fn the_last_finalizer_takes_the_object_along() {
    for write in ["update", "patch", "apply"] {
        let api = Api::new();
        let configuration = |finalizers: Value| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "a", "finalizers": finalizers},
            })
        };
        let held = configuration(json!(["example.com/hold"]));
        apply(&api, CONFIGMAP, "fieldManager=m", &held)
            .await
            .expect(201);
        let mut marked = api.delete(CONFIGMAP).await.expect(200);
        assert!(marked["metadata"]["deletionTimestamp"].is_string());
        let answer = match write {
            "update" => {
                marked["metadata"]["finalizers"] = json!([]);
                api.put(CONFIGMAP, &marked).await
            }
            "patch" => {
                api.patch(
                    CONFIGMAP,
                    "merge",
                    &json!({"metadata": {"finalizers": null}}),
                )
                .await
            }
            _ => apply(&api, CONFIGMAP, "fieldManager=m", &configuration(json!([]))).await,
        };
        assert_eq!(answer.expect(200)["kind"], "ConfigMap", "{write}");
        assert_eq!(api.get(CONFIGMAP).await.code, 404, "{write}");
    }
}

#[tokio::test]
async fn nobody_sets_or_takes_the_mark_of_a_deletion() {
    let api = Api::new();
    let mut born = configmap("a");
    born["metadata"]["deletionTimestamp"] = "2001-01-01T00:00:00Z".into();
    born["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let mut object = api.post(CONFIGMAPS, &born).await.expect(201);
    assert_eq!(object["metadata"].get("deletionTimestamp"), None);
    let mark = json!({"metadata": {"deletionTimestamp": "2001-01-01T00:00:00Z"}});
    for answer in [api.patch(CONFIGMAP, "merge", &mark).await, {
        object["metadata"]["deletionTimestamp"] = "2001-01-01T00:00:00Z".into();
        api.put(CONFIGMAP, &object).await
    }] {
        let (code, _, message) = answer.refusal();
        assert_eq!(code, 422);
        assert!(
            message.contains("metadata.deletionTimestamp: Invalid value: "),
            "{message}"
        );
        assert!(message.contains("field is immutable"), "{message}");
    }
    let marked = api.delete(CONFIGMAP).await.expect(200);
    let unmark = json!({"metadata": {"deletionTimestamp": null}});
    let mut body = marked.clone();
    body["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("deletionTimestamp");
    for answer in [
        api.patch(CONFIGMAP, "merge", &unmark).await,
        api.put(CONFIGMAP, &body).await,
        api.patch(CONFIGMAP, "merge", &mark).await,
    ] {
        let after = answer.expect(200);
        let of = |object: &Value| object["metadata"]["deletionTimestamp"].clone();
        assert_eq!(of(&after), of(&marked));
    }
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace() {
    let api = Api::new();
    let before = created(&api).await;
    let dry = |path: &str| format!("{path}?dryRun=All");
    let born = api
        .post(&dry(CONFIGMAPS), &configmap("b"))
        .await
        .expect(201);
    assert!(born["metadata"]["uid"].is_string());
    let mut body = before.clone();
    body["data"]["k"] = "w".into();
    assert_eq!(
        api.put(&dry(CONFIGMAP), &body).await.expect(200)["data"]["k"],
        "w"
    );
    assert_eq!(
        api.patch(&dry(CONFIGMAP), "merge", &json!({"data": null}))
            .await
            .expect(200)
            .get("data"),
        None
    );
    api.delete(&dry(CONFIGMAP)).await.expect(200);
    api.delete(&dry(CONFIGMAPS)).await.expect(200);
    let list = api.get(CONFIGMAPS).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(version(&list), version(&before));
    assert_eq!(api.get(CONFIGMAP).await.expect(200), before);
    // A dry run is refused what the real one would be.
    assert_eq!(api.post(&dry(CONFIGMAPS), &configmap("a")).await.code, 409);
    conflict(&api.put(&dry(CONFIGMAP), &stale(&body)).await);
}

#[tokio::test]
async fn generated_names_do_not_collide_and_given_ones_are_not_tried_again() {
    let api = Api::new();
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let body = json!({"metadata": {"generateName": "x-"}});
        let object = api.post(CONFIGMAPS, &body).await.expect(201);
        names.insert(object["metadata"]["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.len(), 300);
    assert!(names.iter().all(|name| name.len() == 7), "{names:?}");
    let taken = json!({"metadata": {"name": names.first(), "generateName": "x-"}});
    assert_eq!(
        api.post(CONFIGMAPS, &taken).await.refusal().1,
        "AlreadyExists"
    );
}

#[tokio::test]
async fn the_status_is_written_on_its_own_path_only() {
    let api = Api::new();
    let mut born = deployment("web");
    born["status"] = json!({"replicas": 9});
    let live = api.post(DEPLOYMENTS, &born).await.expect(201);
    assert_eq!(live["status"], json!({}));
    let status = json!({"status": {"replicas": 9}});
    assert_eq!(
        api.patch(DEPLOYMENT, "merge", &status).await.expect(200)["status"],
        json!({})
    );
    let configuration = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"x": "y"}},
        "spec": {"replicas": 5}, "status": {"replicas": 9},
    });
    let path = format!("{DEPLOYMENT}/status");
    let applied = apply(&api, &path, "fieldManager=m", &configuration)
        .await
        .expect(200);
    assert_eq!(
        (&applied["status"]["replicas"], &applied["spec"]["replicas"]),
        (&json!(9), &json!(1))
    );
    // An empty status takes the fields away.
    let mut body = applied;
    body["status"] = json!({});
    assert_eq!(api.put(&path, &body).await.expect(200)["status"], json!({}));
    // What has no status has no such path.
    created(&api).await;
    assert_eq!(
        api.put(&format!("{CONFIGMAP}/status"), &configmap("a"))
            .await
            .refusal()
            .0,
        404
    );
}

#[tokio::test]
async fn an_apply_has_rules_of_its_own() {
    let api = Api::new();
    let configuration =
        |metadata: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    let plain = configuration(json!({"name": "a"}));
    let (code, _, message) = apply(&api, CONFIGMAP, "", &plain).await.refusal();
    assert_eq!(
        (code, message.as_str()),
        (
            422,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
        )
    );
    let managed = configuration(json!({"name": "a", "managedFields": [{"manager": "m"}]}));
    let (code, _, message) = apply(&api, CONFIGMAP, "fieldManager=m", &managed)
        .await
        .refusal();
    assert_eq!(
        (code, message.as_str()),
        (400, "metadata.managedFields must be nil")
    );
    let with_uid = configuration(json!({"name": "a", "uid": "u"}));
    let (code, reason, message) = apply(&api, CONFIGMAP, "fieldManager=m", &with_uid)
        .await
        .refusal();
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(message.contains(
        "uid mismatch: the provided object specified uid u, and no existing object was found"
    ));
    // A version says nothing about an object that is not there.
    let with_version = configuration(json!({"name": "a", "resourceVersion": "17"}));
    apply(&api, CONFIGMAP, "fieldManager=m", &with_version)
        .await
        .expect(201);
}

#[tokio::test]
async fn every_write_answers_with_the_new_object() {
    let api = Api::new();
    let mut last = created(&api).await;
    let mut body = last.clone();
    body["data"]["k"] = "1".into();
    for answer in [
        api.put(CONFIGMAP, &body).await,
        api.patch(CONFIGMAP, "merge", &json!({"data": {"k": "2"}}))
            .await,
        api.patch(CONFIGMAP, "strategic-merge", &json!({"data": {"k": "3"}}))
            .await,
        api.patch(
            CONFIGMAP,
            "json",
            &json!([{"op": "replace", "path": "/data/k", "value": "4"}]),
        )
        .await,
    ] {
        let new = answer.expect(200);
        assert_eq!(version(&new), version(&last) + 1);
        assert_ne!(new["data"], last["data"]);
        last = new;
    }
    assert_eq!(api.get(CONFIGMAP).await.expect(200), last);
}

#[tokio::test]
async fn managers_are_recorded_and_their_entries_are_not_the_status_paths_to_edit() {
    let api = Api::new();
    let managers = |object: &Value| -> Vec<(String, String)> {
        let entries = object["metadata"]["managedFields"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut found: Vec<_> = entries
            .iter()
            .map(|e| (text(&e["manager"]), text(&e["operation"])))
            .collect();
        found.sort();
        found
    };
    let born = api
        .post(
            &format!("{DEPLOYMENTS}?fieldManager=creator"),
            &deployment("web"),
        )
        .await
        .expect(201);
    let mut body = born;
    body["spec"]["replicas"] = 2.into();
    let updated = api
        .put(&format!("{DEPLOYMENT}?fieldManager=updater"), &body)
        .await
        .expect(200);
    let label = json!({"metadata": {"labels": {"p": "q"}}});
    api.patch(
        &format!("{DEPLOYMENT}?fieldManager=patcher"),
        "merge",
        &label,
    )
    .await
    .expect(200);
    let configuration = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"a": "b"}},
    });
    let all = apply(&api, DEPLOYMENT, "fieldManager=applier", &configuration)
        .await
        .expect(200);
    let expected = [
        ("applier", "Apply"),
        ("creator", "Update"),
        ("patcher", "Update"),
        ("updater", "Update"),
    ];
    assert_eq!(
        managers(&all),
        expected.map(|(name, operation)| (name.to_owned(), operation.to_owned()))
    );
    assert_eq!(managers(&updated).len(), 2);
    // Through /status nobody takes them away.
    let mut body = all.clone();
    body["metadata"]["managedFields"] = json!([{}]);
    let after = api
        .put(&format!("{DEPLOYMENT}/status"), &body)
        .await
        .expect(200);
    assert_eq!(managers(&after), managers(&all));
}
