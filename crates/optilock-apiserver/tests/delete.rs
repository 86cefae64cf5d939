//! Deletions: preconditions, finalizers, propagation, collections.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Api, CONFIGMAPS, DEPLOYMENTS, configmap, deployment, version};
use http::Method;
use serde_json::{Value, json};

async fn delete_with(api: &Api, path: &str, options: Value) -> common::Answer {
    api.call(Method::DELETE, path, &[], options.to_string())
        .await
}

#[tokio::test]
async fn preconditions_name_the_kind() {
    let api = Api::new();
    let path = format!("{DEPLOYMENTS}/web");
    let object = api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let (uid, rv) = (
        object["metadata"]["uid"].as_str().unwrap(),
        object["metadata"]["resourceVersion"].as_str().unwrap(),
    );
    let refused = delete_with(&api, &path, json!({"preconditions": {"uid": "nope"}}))
        .await
        .expect(409);
    assert_eq!(
        refused["message"],
        format!(
            "Operation cannot be fulfilled on Deployment.apps \"web\": the UID in the precondition (nope) does not \
             match the UID in record ({uid}). The object might have been deleted and then recreated"
        )
    );
    assert_eq!(refused["details"]["kind"], "Deployment");
    let refused = delete_with(
        &api,
        &path,
        json!({"preconditions": {"resourceVersion": "1"}}),
    )
    .await
    .expect(409);
    assert_eq!(
        refused["message"],
        format!(
            "Operation cannot be fulfilled on Deployment.apps \"web\": the ResourceVersion in the precondition (1) does \
             not match the ResourceVersion in record ({rv}). The object might have been modified"
        )
    );
    let options = json!({"preconditions": {"uid": uid, "resourceVersion": rv}, "propagationPolicy": "Background"});
    let gone = delete_with(&api, &path, options).await.expect(200);
    assert_eq!(
        gone,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "web", "group": "apps", "kind": "deployments", "uid": uid}})
    );
    assert_eq!(
        api.delete(&path).await.refusal(),
        (
            404,
            "NotFound".to_owned(),
            "deployments.apps \"web\" not found".to_owned()
        )
    );
}

#[tokio::test]
async fn nothing_depends_on_an_event() {
    let api = Api::new();
    let events = "/api/v1/namespaces/default/events";
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}});
    api.post(events, &event).await.expect(201);
    let path = format!("{events}/e?propagationPolicy=Foreground");
    assert_eq!(api.delete(&path).await.expect(200)["status"], "Success");
}

#[tokio::test]
async fn a_dry_deletion_of_a_pod_shows_its_mark() {
    let api = Api::new();
    let pods = "/api/v1/namespaces/default/pods";
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    api.post(pods, &pod).await.expect(201);
    let dry = api
        .delete(&format!("{pods}/p?dryRun=All"))
        .await
        .expect(200);
    assert_eq!(dry["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(dry["metadata"]["generation"], 2);
    let live = api.get(&format!("{pods}/p")).await.expect(200);
    assert!(live["metadata"].get("deletionTimestamp").is_none());
}

#[tokio::test]
async fn a_finalizer_holds_the_object_until_it_is_taken_away() {
    let api = Api::new();
    let path = format!("{CONFIGMAPS}/a");
    let mut object = configmap("a");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let created = api.post(CONFIGMAPS, &object).await.expect(201);
    let marked = api.delete(&path).await.expect(200);
    assert_eq!(marked["kind"], "ConfigMap");
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    assert!(version(&marked) > version(&created));
    // Again: nothing changes.
    assert_eq!(api.delete(&path).await.expect(200), marked);
    assert_eq!(
        api.post(CONFIGMAPS, &object).await.refusal(),
        (
            409,
            "AlreadyExists".to_owned(),
            "object is being deleted: configmaps \"a\" already exists".to_owned()
        )
    );
    let kept = api
        .patch(
            &path,
            "merge",
            &json!({"metadata": {"deletionTimestamp": null}}),
        )
        .await
        .expect(200);
    assert_eq!(kept, marked);

    let mut events = api.watch_from(version(&marked)).await;
    let last = api
        .patch(&path, "merge", &json!({"metadata": {"finalizers": null}}))
        .await
        .expect(200);
    assert_eq!(last["metadata"].get("finalizers"), None);
    assert_eq!(
        events.brief().await,
        ("DELETED".to_owned(), "a".to_owned(), version(&marked) + 1)
    );
    assert_eq!(api.get(&path).await.code, 404);
}

#[tokio::test]
async fn foreground_and_orphan_leave_their_finalizers_for_the_garbage_collector() {
    let api = Api::new();
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let name = policy.to_lowercase();
        let created = api.post(DEPLOYMENTS, &deployment(&name)).await.expect(201);
        let path = format!("{DEPLOYMENTS}/{name}");
        let marked = api
            .delete(&format!("{path}?propagationPolicy={policy}"))
            .await
            .expect(200);
        assert_eq!(marked["metadata"]["finalizers"], json!([finalizer]));
        assert_eq!(
            marked["metadata"]["generation"], 2,
            "the beginning of a deletion is a generation"
        );
        assert_eq!(created["metadata"]["generation"], 1);
    }
    let refused = api
        .delete(&format!(
            "{DEPLOYMENTS}/foreground?propagationPolicy=Sometimes"
        ))
        .await;
    assert_eq!(refused.refusal().0, 422);
}

#[tokio::test]
async fn a_dry_run_deletes_nothing() {
    let api = Api::new();
    let path = format!("{CONFIGMAPS}/a");
    let created = api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    assert_eq!(
        api.delete(&format!("{path}?dryRun=All")).await.expect(200)["status"],
        "Success"
    );
    assert_eq!(api.get(&path).await.expect(200), created);
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let api = Api::new();
    for name in ["a", "b", "c"] {
        let mut object = configmap(name);
        object["metadata"]["labels"] = json!({"keep": (name == "b").to_string()});
        api.post(CONFIGMAPS, &object).await.expect(201);
    }
    let deleted = api
        .delete(&format!("{CONFIGMAPS}?labelSelector=keep%3Dfalse"))
        .await
        .expect(200);
    assert_eq!(deleted["items"].as_array().unwrap().len(), 2);
    let left = api.get(CONFIGMAPS).await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(left["items"][0]["metadata"]["name"], "b");
}

#[tokio::test]
async fn a_pod_without_a_node_goes_at_once_and_one_with_a_node_waits() {
    let api = Api::new();
    let pods = "/api/v1/namespaces/default/pods";
    let pod = |name: &str, node: Option<&str>| {
        let mut pod = json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        if let Some(node) = node {
            pod["spec"]["nodeName"] = node.into();
        }
        pod
    };
    api.post(pods, &pod("free", None)).await.expect(201);
    let gone = api.delete(&format!("{pods}/free")).await.expect(200);
    assert_eq!(gone["kind"], "Pod", "a Pod is returned, not a Status");
    assert_eq!(api.get(&format!("{pods}/free")).await.code, 404);

    api.post(pods, &pod("bound", Some("n"))).await.expect(201);
    let marked = api.delete(&format!("{pods}/bound")).await.expect(200);
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    api.get(&format!("{pods}/bound")).await.expect(200);
    api.delete(&format!("{pods}/bound?gracePeriodSeconds=0"))
        .await
        .expect(200);
    assert_eq!(api.get(&format!("{pods}/bound")).await.code, 404);
}
