//! Updates: which versions conflict, what is written, what the answers say.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Api, CONFIGMAPS, DEPLOYMENTS, configmap, deployment, version};
use serde_json::{Value, json};

const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

async fn created(api: &Api) -> Value {
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201)
}

fn labelled(object: &Value, label: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["labels"]["biz-version"] = label.into();
    object
}

#[tokio::test]
async fn a_stale_update_conflicts_in_the_servers_words() {
    let api = Api::new();
    let path = format!("{DEPLOYMENTS}/web");
    let old = created(&api).await;
    let new = api.put(&path, &labelled(&old, "101")).await.expect(200);
    assert!(version(&new) > version(&old));
    assert_eq!(new["metadata"]["labels"]["biz-version"], "101");

    let refused = api.put(&path, &labelled(&old, "101")).await.expect(409);
    assert_eq!(
        refused,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": format!("Operation cannot be fulfilled on deployments.apps \"web\": {MODIFIED}"),
            "reason": "Conflict",
            "details": {"name": "web", "group": "apps", "kind": "deployments"},
            "code": 409,
        })
    );
    // Stale beats identical: the same content from an old copy conflicts too.
    let stale = labelled(&old, "101");
    assert_eq!(api.put(&path, &stale).await.code, 409);
    assert_eq!(api.get(&path).await.expect(200), new);
}

#[tokio::test]
async fn an_update_without_change_writes_nothing() {
    let api = Api::new();
    let path = format!("{DEPLOYMENTS}/web");
    let old = created(&api).await;
    let mut events = api
        .watch(&format!(
            "{DEPLOYMENTS}?watch=true&resourceVersion={}",
            version(&old)
        ))
        .await;
    assert_eq!(api.put(&path, &old).await.expect(200), old);
    let patched = api
        .patch(&path, "merge", &json!({"spec": {"replicas": 1}}))
        .await;
    assert_eq!(patched.expect(200), old);
    let new = api.put(&path, &labelled(&old, "101")).await.expect(200);
    assert_eq!(
        events.brief().await,
        ("MODIFIED".to_owned(), "web".to_owned(), version(&new))
    );
}

#[tokio::test]
async fn a_version_is_a_precondition_where_it_is_sent_and_a_must_where_the_kind_says_so() {
    let api = Api::new();
    let path = format!("{DEPLOYMENTS}/web");
    let old = created(&api).await;
    for empty in ["", "0"] {
        let mut body = labelled(&old, &format!("1{empty}"));
        body["metadata"]["resourceVersion"] = empty.into();
        api.put(&path, &body).await.expect(200);
    }
    let mut body = old.clone();
    body["metadata"]["resourceVersion"] = "abc".into();
    let refused = api.put(&path, &body).await;
    assert_eq!(
        refused.refusal(),
        (
            500,
            String::new(),
            "strconv.ParseUint: parsing \"abc\": invalid syntax".to_owned()
        )
    );

    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let lease = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}});
    // A Lease may be created by an update ...
    api.put(&format!("{leases}/l"), &lease).await.expect(201);
    // ... but not overwritten without a version.
    let refused = api.put(&format!("{leases}/l"), &lease).await.expect(422);
    assert_eq!(
        refused["message"],
        "leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    );
    assert_eq!(refused["details"]["kind"], "leases");
}

#[tokio::test]
async fn a_copy_of_a_deleted_object_is_told_apart_by_its_uid() {
    let api = Api::new();
    let path = format!("{CONFIGMAPS}/a");
    let old = api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    let deleted = api.delete(&path).await.expect(200);
    assert_eq!(deleted["status"], "Success");
    assert_eq!(deleted["details"]["uid"], old["metadata"]["uid"]);
    let new = api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    let (sent, live) = (&old["metadata"]["uid"], &new["metadata"]["uid"]);
    assert_ne!(sent, live);
    let (code, reason, message) = api.put(&path, &old).await.refusal();
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert_eq!(
        message,
        format!(
            "Operation cannot be fulfilled on configmaps \"a\": StorageError: invalid object, Code: 4, Key: \
             /registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
             precondition: {}, UID in object meta: {}",
            sent.as_str().unwrap(),
            live.as_str().unwrap()
        )
    );
}

#[tokio::test]
async fn what_belongs_to_the_server_stays_as_it_is() {
    let api = Api::new();
    let path = format!("{DEPLOYMENTS}/web");
    let old = created(&api).await;
    let mut body = labelled(&old, "101");
    body["metadata"]["creationTimestamp"] = "2001-01-01T00:00:00Z".into();
    body["metadata"]["generation"] = 77.into();
    body["metadata"]["selfLink"] = "/nowhere".into();
    body["status"] = json!({"replicas": 9});
    let new = api.put(&path, &body).await.expect(200);
    let mut expected = labelled(&old, "101");
    expected["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"].clone();
    assert_eq!(new, expected);
}

#[tokio::test]
async fn the_generation_counts_changes_of_spec_and_annotations() {
    let api = Api::new();
    let path = format!("{DEPLOYMENTS}/web");
    assert_eq!(created(&api).await["metadata"]["generation"], 1);
    for (patch, generation) in [
        (json!({"metadata": {"labels": {"a": "b"}}}), 1),
        (json!({"spec": {"replicas": 2}}), 2),
        (json!({"spec": {"replicas": 2}}), 2),
        (json!({"metadata": {"annotations": {"a": "b"}}}), 3),
    ] {
        let new = api.patch(&path, "merge", &patch).await.expect(200);
        assert_eq!(new["metadata"]["generation"], generation, "{patch}");
    }
    let status = json!({"status": {"replicas": 2}});
    let new = api
        .patch(&format!("{path}/status"), "merge", &status)
        .await
        .expect(200);
    assert_eq!(new["metadata"]["generation"], 3);
    assert_eq!(new["status"]["replicas"], 2);
}

#[tokio::test]
async fn the_status_path_changes_the_status_and_no_spec_and_no_labels() {
    let api = Api::new();
    let old = created(&api).await;
    let mut body = labelled(&old, "999");
    body["spec"]["replicas"] = 9.into();
    body["metadata"]["annotations"] = json!({"taken": "yes"});
    body["status"] = json!({"replicas": 3, "observedGeneration": 1});
    let path = format!("{DEPLOYMENTS}/web/status");
    let new = api.put(&path, &body).await.expect(200);
    assert_eq!(new["spec"], old["spec"]);
    assert_eq!(new["metadata"]["labels"], old["metadata"]["labels"]);
    assert_eq!(new["metadata"]["annotations"]["taken"], "yes");
    assert_eq!(
        new["status"],
        json!({"replicas": 3, "observedGeneration": 1})
    );
    assert_eq!(api.put(&path, &body).await.code, 409);
}

#[tokio::test]
async fn names_and_namespaces_have_to_agree_with_the_path() {
    let api = Api::new();
    let old = api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    let path = format!("{CONFIGMAPS}/a");
    for (member, value, message) in [
        (
            "name",
            "b",
            "the name of the object (b) does not match the name on the URL (a)",
        ),
        (
            "name",
            "",
            "the name of the object (a based on URL) was undeterminable: name must be provided",
        ),
        (
            "namespace",
            "other",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ] {
        let mut body = old.clone();
        body["metadata"][member] = value.into();
        assert_eq!(
            api.put(&path, &body).await.refusal(),
            (400, "BadRequest".to_owned(), message.to_owned())
        );
    }
    let missing = api
        .put(
            &format!("{CONFIGMAPS}/zz"),
            &json!({"metadata": {"name": "zz"}}),
        )
        .await;
    assert_eq!(
        missing.refusal(),
        (
            404,
            "NotFound".to_owned(),
            "configmaps \"zz\" not found".to_owned()
        )
    );
}

#[tokio::test]
async fn a_patch_without_a_version_never_conflicts_and_one_with_a_stale_version_does() {
    let api = Api::new();
    let path = format!("{CONFIGMAPS}/a");
    let old = api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    let first = api
        .patch(&path, "merge", &json!({"data": {"k": "w"}}))
        .await
        .expect(200);
    let stale = json!({"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"k": "x"}});
    for kind in ["merge", "strategic-merge"] {
        let (code, reason, message) = api.patch(&path, kind, &stale).await.refusal();
        assert_eq!((code, reason.as_str()), (409, "Conflict"));
        assert!(message.ends_with(MODIFIED), "{message}");
    }
    let fresh = json!([{"op": "replace", "path": "/data/k", "value": "y"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": first["metadata"]["resourceVersion"]}]);
    let second = api.patch(&path, "json", &fresh).await.expect(200);
    assert_eq!(second["data"]["k"], "y");
    let (code, reason, message) = api.patch(&path, "json", &fresh).await.refusal();
    assert_eq!(
        (code, reason.as_str(), message.as_str()),
        (
            422,
            "Invalid",
            "the server rejected our request due to an error in our request"
        )
    );
}

#[tokio::test]
async fn many_writers_without_versions_all_succeed() {
    let api = std::sync::Arc::new(Api::new());
    let old = api.post(CONFIGMAPS, &configmap("a")).await.expect(201);
    let writers = (0..50).map(|n| {
        let api = std::sync::Arc::clone(&api);
        tokio::spawn(async move {
            let patch = json!({"data": {format!("k{n}"): "v"}});
            api.patch(&format!("{CONFIGMAPS}/a"), "merge", &patch)
                .await
                .expect(200);
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let new = api.get(&format!("{CONFIGMAPS}/a")).await.expect(200);
    assert_eq!(version(&new), version(&old) + 50);
    assert_eq!(new["data"].as_object().unwrap().len(), 51);
}

#[tokio::test]
async fn the_scale_is_a_view_with_the_same_version() {
    let api = Api::new();
    let old = created(&api).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    let mut scale = api.get(&path).await.expect(200);
    assert_eq!(scale["kind"], "Scale");
    assert_eq!(scale["apiVersion"], "autoscaling/v1");
    assert_eq!(
        scale["metadata"]["resourceVersion"],
        old["metadata"]["resourceVersion"]
    );
    assert_eq!(scale["spec"], json!({"replicas": 1}));
    assert_eq!(
        scale["status"],
        json!({"replicas": 0, "selector": "app=demo"})
    );

    scale["spec"]["replicas"] = 5.into();
    let scaled = api.put(&path, &scale).await.expect(200);
    assert_eq!(scaled["spec"]["replicas"], 5);
    assert_eq!(api.put(&path, &scale).await.code, 409);
    let patched = api
        .patch(&path, "merge", &json!({"spec": {"replicas": 2}}))
        .await
        .expect(200);
    assert_eq!(patched["spec"]["replicas"], 2);
    let new = api.get(&format!("{DEPLOYMENTS}/web")).await.expect(200);
    assert_eq!(new["spec"]["replicas"], 2);
    assert_eq!(new["metadata"]["generation"], 3);

    scale["metadata"]["resourceVersion"] = "".into();
    scale["spec"]["replicas"] = (-1).into();
    let (code, _, message) = api.put(&path, &scale).await.refusal();
    assert_eq!(code, 422);
    assert_eq!(
        message,
        "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
}
