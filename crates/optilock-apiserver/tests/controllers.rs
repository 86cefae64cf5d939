//! The controllers: what every namespace has, how it goes, and garbage collection.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Api, CONFIGMAPS, Events, configmap, version};
use optilock_apiserver::{Controller, Server};
use serde_json::{Value, json};

fn api() -> Api {
    Api::of(Server::builder().seed(7).build())
}

/// Waits for an event of that type about that object.
async fn wait_for(events: &mut Events, kind: &str, name: &str) -> Value {
    loop {
        let event = events.next().await.expect("the watch goes on");
        if event["type"] == kind && event["object"]["metadata"]["name"] == name {
            return event["object"].clone();
        }
    }
}

async fn namespace(api: &Api, name: &str) -> Value {
    let body = json!({"metadata": {"name": name}});
    api.post("/api/v1/namespaces", &body).await.expect(201)
}

fn owned(name: &str, owner: &Value, block: bool) -> Value {
    let mut object = configmap(name);
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": block,
    }]);
    object
}

#[tokio::test]
async fn every_namespace_has_its_account_and_the_certificate() {
    let api = api();
    // Those of the first namespaces are there before the first answer.
    let account = api
        .get("/api/v1/namespaces/default/serviceaccounts/default")
        .await;
    assert_eq!(account.expect(200)["kind"], "ServiceAccount");
    let ca = api
        .get("/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt")
        .await
        .expect(200);
    let pem = ca["data"]["ca.crt"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");

    let mut accounts = api.watch("/api/v1/serviceaccounts?watch=1").await;
    let mut maps = api
        .watch("/api/v1/configmaps?watch=1&fieldSelector=metadata.name%3Dkube-root-ca.crt")
        .await;
    namespace(&api, "new").await;
    loop {
        let account = wait_for(&mut accounts, "ADDED", "default").await;
        if account["metadata"]["namespace"] == "new" {
            break;
        }
    }
    let published = loop {
        let map = wait_for(&mut maps, "ADDED", "kube-root-ca.crt").await;
        if map["metadata"]["namespace"] == "new" {
            break map;
        }
    };
    // What belongs to the controller is restored.
    let path = "/api/v1/namespaces/new/configmaps/kube-root-ca.crt";
    api.patch(path, "merge", &json!({"data": {"ca.crt": "mine"}}))
        .await
        .expect(200);
    wait_for(&mut maps, "MODIFIED", "kube-root-ca.crt").await;
    let restored = wait_for(&mut maps, "MODIFIED", "kube-root-ca.crt").await;
    assert_eq!(restored["data"], published["data"]);
    api.delete(path).await.expect(200);
    wait_for(&mut maps, "DELETED", "kube-root-ca.crt").await;
    wait_for(&mut maps, "ADDED", "kube-root-ca.crt").await;
}

#[tokio::test]
async fn a_namespace_goes_with_its_content() {
    let api = api();
    let created = namespace(&api, "old").await;
    let maps = "/api/v1/namespaces/old/configmaps";
    api.post(maps, &configmap("a")).await.expect(201);
    let mut held = configmap("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    api.post(maps, &held).await.expect(201);
    let mut namespaces = api
        .watch(&format!(
            "/api/v1/namespaces?watch=1&resourceVersion={}",
            version(&created)
        ))
        .await;
    let mut objects = api.watch(&format!("{maps}?watch=1")).await;

    let marked = api.delete("/api/v1/namespaces/old").await.expect(200);
    assert_eq!(marked["status"]["phase"], "Terminating");
    assert_eq!(marked["spec"]["finalizers"], json!(["kubernetes"]));
    wait_for(&mut objects, "DELETED", "a").await;
    // Nothing new, and not gone while something is held.
    let refused = api.post(maps, &configmap("b")).await.expect(403);
    assert_eq!(
        refused["message"],
        "configmaps \"b\" is forbidden: unable to create new content in namespace old because it is being terminated"
    );
    assert_eq!(
        refused["details"]["causes"][0]["reason"],
        "NamespaceTerminating"
    );
    api.get("/api/v1/namespaces/old").await.expect(200);
    api.patch(
        &format!("{maps}/held"),
        "merge",
        &json!({"metadata": {"finalizers": null}}),
    )
    .await
    .expect(200);
    wait_for(&mut namespaces, "DELETED", "old").await;
    assert_eq!(api.get("/api/v1/namespaces/old").await.code, 404);
}

#[tokio::test]
async fn dependents_go_after_their_last_owner() {
    let api = api();
    let owner = api.post(CONFIGMAPS, &configmap("owner")).await.expect(201);
    let other = api.post(CONFIGMAPS, &configmap("other")).await.expect(201);
    let child = api
        .post(CONFIGMAPS, &owned("child", &owner, false))
        .await
        .expect(201);
    api.post(CONFIGMAPS, &owned("grandchild", &child, false))
        .await
        .expect(201);
    let mut shared = owned("shared", &owner, false);
    shared["metadata"]["ownerReferences"].as_array_mut().unwrap().push(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": other["metadata"]["uid"],
    }));
    api.post(CONFIGMAPS, &shared).await.expect(201);
    let mut events = api.watch(&format!("{CONFIGMAPS}?watch=1")).await;
    api.delete(&format!("{CONFIGMAPS}/owner")).await.expect(200);
    wait_for(&mut events, "DELETED", "grandchild").await;
    assert_eq!(api.get(&format!("{CONFIGMAPS}/child")).await.code, 404);
    // An owner is left: only the reference goes.
    let mut events = api
        .watch(&format!(
            "{CONFIGMAPS}?watch=1&fieldSelector=metadata.name%3Dshared"
        ))
        .await;
    let left = loop {
        let shared = events.next().await.unwrap()["object"].clone();
        if shared["metadata"]["ownerReferences"]
            .as_array()
            .unwrap()
            .len()
            == 1
        {
            break shared;
        }
    };
    assert_eq!(left["metadata"]["ownerReferences"][0]["name"], "other");
}

#[tokio::test]
async fn a_dependent_whose_owner_never_was_goes_too() {
    let api = api();
    let nobody =
        json!({"metadata": {"name": "nobody", "uid": "4d1a8a1e-0000-4000-8000-000000000000"}});
    let mut events = api.watch(&format!("{CONFIGMAPS}?watch=1")).await;
    api.post(CONFIGMAPS, &owned("lost", &nobody, false))
        .await
        .expect(201);
    wait_for(&mut events, "DELETED", "lost").await;
}

#[tokio::test]
async fn in_the_foreground_the_owner_goes_last_and_orphans_stay() {
    let api = api();
    let owner = api.post(CONFIGMAPS, &configmap("owner")).await.expect(201);
    api.post(CONFIGMAPS, &owned("child", &owner, true))
        .await
        .expect(201);
    let mut events = api.watch(&format!("{CONFIGMAPS}?watch=1")).await;
    api.delete(&format!("{CONFIGMAPS}/owner?propagationPolicy=Foreground"))
        .await
        .expect(200);
    let mut order = Vec::new();
    while order.len() < 2 {
        let event = events.next().await.unwrap();
        if event["type"] == "DELETED" {
            order.push(
                event["object"]["metadata"]["name"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    assert_eq!(order, ["child", "owner"]);

    let owner = api.post(CONFIGMAPS, &configmap("parent")).await.expect(201);
    api.post(CONFIGMAPS, &owned("orphan", &owner, true))
        .await
        .expect(201);
    api.delete(&format!("{CONFIGMAPS}/parent?propagationPolicy=Orphan"))
        .await
        .expect(200);
    wait_for(&mut events, "DELETED", "parent").await;
    let orphan = api.get(&format!("{CONFIGMAPS}/orphan")).await.expect(200);
    assert_eq!(orphan["metadata"].get("ownerReferences"), None);
}

#[tokio::test]
async fn only_the_chosen_controllers_run() {
    let api = Api::of(
        Server::builder()
            .controllers([Controller::ServiceAccount])
            .build(),
    );
    api.get("/api/v1/namespaces/default/serviceaccounts/default")
        .await
        .expect(200);
    let maps = api.get(CONFIGMAPS).await.expect(200);
    assert_eq!(maps["items"], json!([]));
    for controller in Controller::ALL {
        assert_eq!(controller.name().parse(), Ok(controller));
    }
    let error = "garbage".parse::<Controller>().unwrap_err();
    assert!(
        error.to_string().contains("garbage-collector-controller"),
        "{error}"
    );
}
