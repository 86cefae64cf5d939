//! Server-side apply and `managedFields`: who owns what, and who is refused.
//!
//! The expected answers are those of kube-apiserver 1.36.3 to the same requests.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Answer, Api, CONFIGMAPS, DEPLOYMENTS, deployment, version};
use http::Method;
use serde_json::{Value, json};

async fn apply(api: &Api, path: &str, manager: &str, body: &Value) -> Answer {
    let path = format!(
        "{path}{}fieldManager={manager}",
        if path.contains('?') { '&' } else { '?' }
    );
    let headers = [("content-type", "application/apply-patch+yaml")];
    api.call(Method::PATCH, &path, &headers, body.to_string())
        .await
}

fn configmap(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": data})
}

/// Manager, operation, subresource and fields of every entry.
fn owners(object: &Value) -> Vec<(String, String, String, Value)> {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |entry: &Value, member: &str| entry[member].as_str().unwrap_or_default().to_owned();
    let owner = |entry: &Value| {
        (
            text(entry, "manager"),
            text(entry, "operation"),
            text(entry, "subresource"),
            entry["fieldsV1"].clone(),
        )
    };
    entries.iter().map(owner).collect()
}

fn owner(manager: &str, operation: &str, fields: Value) -> (String, String, String, Value) {
    (
        manager.to_owned(),
        operation.to_owned(),
        String::new(),
        fields,
    )
}

const S: &str = "/api/v1/namespaces/default/configmaps/s";

#[tokio::test]
async fn an_apply_creates_owns_and_is_idempotent() {
    let api = Api::new();
    let body = configmap(&json!({"a": "1", "b": "2"}));
    let created = apply(&api, S, "m1", &body).await.expect(201);
    assert_eq!(
        owners(&created),
        [owner(
            "m1",
            "Apply",
            json!({"f:data": {"f:a": {}, "f:b": {}}})
        )]
    );
    assert_eq!(apply(&api, S, "m1", &body).await.expect(200), created);
    // What is not named any more goes.
    let smaller = apply(&api, S, "m1", &configmap(&json!({"a": "1"})))
        .await
        .expect(200);
    assert_eq!(smaller["data"], json!({"a": "1"}));
    assert!(version(&smaller) > version(&created));
}

#[tokio::test]
async fn another_value_conflicts_the_same_value_is_shared_and_force_takes() {
    let api = Api::new();
    apply(&api, S, "m1", &configmap(&json!({"a": "1"})))
        .await
        .expect(201);
    let refused = apply(&api, S, "m2", &configmap(&json!({"a": "2"})))
        .await
        .expect(409);
    assert_eq!(
        refused["message"],
        "Apply failed with 1 conflict: conflict with \"m1\": .data.a"
    );
    assert_eq!(refused["reason"], "Conflict");
    assert_eq!(
        refused["details"],
        json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"m1\"", "field": ".data.a"}]})
    );
    let shared = apply(&api, S, "m2", &configmap(&json!({"a": "1", "c": "3"})))
        .await
        .expect(200);
    assert_eq!(owners(&shared).len(), 2);
    let taken = apply(
        &api,
        &format!("{S}?force=true"),
        "m2",
        &configmap(&json!({"a": "9", "c": "3"})),
    )
    .await
    .expect(200);
    assert_eq!(
        owners(&taken),
        [owner(
            "m2",
            "Apply",
            json!({"f:data": {"f:a": {}, "f:c": {}}})
        )]
    );
    // A shared field stays until its last owner gives it up.
    apply(&api, S, "m3", &configmap(&json!({"a": "9"})))
        .await
        .expect(200);
    let kept = apply(&api, S, "m2", &configmap(&json!({"c": "3"})))
        .await
        .expect(200);
    assert_eq!(kept["data"], json!({"a": "9", "c": "3"}));
    let gone = apply(&api, S, "m3", &configmap(&json!({})))
        .await
        .expect(200);
    assert_eq!(gone["data"], json!({"c": "3"}));
}

#[tokio::test]
async fn other_writes_take_what_they_change() {
    let api = Api::new();
    apply(&api, S, "m1", &configmap(&json!({"a": "1", "b": "2"})))
        .await
        .expect(201);
    let path = format!("{S}?fieldManager=editor");
    let patched = api
        .patch(&path, "merge", &json!({"data": {"b": "3", "c": "4"}}))
        .await
        .expect(200);
    assert_eq!(
        owners(&patched),
        [
            owner("m1", "Apply", json!({"f:data": {"f:a": {}}})),
            owner(
                "editor",
                "Update",
                json!({"f:data": {"f:b": {}, "f:c": {}}})
            ),
        ]
    );
    let refused = apply(
        &api,
        S,
        "m1",
        &configmap(&json!({"a": "1", "b": "2", "c": "5"})),
    )
    .await
    .expect(409);
    assert_eq!(
        refused["message"],
        "Apply failed with 2 conflicts: conflicts with \"editor\" using v1:\n- .data.b\n- .data.c"
    );
}

#[tokio::test]
async fn lists_are_merged_by_their_keys() {
    let api = Api::new();
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let path = format!("{DEPLOYMENTS}/web");
    let sidecar = |image: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": {
            "containers": [{"name": "side", "image": image, "ports": [{"containerPort": 81}]}],
        }}}})
    };
    let applied = apply(&api, &path, "side", &sidecar("a")).await.expect(200);
    let names = |object: &Value| -> Vec<String> {
        let containers = object["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap();
        containers
            .iter()
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&applied), ["web", "side"]);
    let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"side\"}": {
        ".": {}, "f:image": {}, "f:name": {},
        "f:ports": {"k:{\"containerPort\":81,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
    }}}}}});
    assert_eq!(owners(&applied)[0], owner("side", "Apply", fields));
    let empty = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    let removed = apply(&api, &path, "side", &empty).await.expect(200);
    assert_eq!(names(&removed), ["web"]);
}

#[tokio::test]
async fn the_status_has_owners_of_its_own() {
    let api = Api::new();
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 9}, "status": {"replicas": 2}});
    let applied = apply(
        &api,
        &format!("{DEPLOYMENTS}/web/status"),
        "controller",
        &body,
    )
    .await
    .expect(200);
    assert_eq!(
        (&applied["spec"]["replicas"], &applied["status"]["replicas"]),
        (&json!(1), &json!(2))
    );
    let entry = (
        "controller".to_owned(),
        "Apply".to_owned(),
        "status".to_owned(),
        json!({"f:status": {"f:replicas": {}}}),
    );
    assert!(owners(&applied).contains(&entry), "{:?}", owners(&applied));
}

#[tokio::test]
async fn what_cannot_be_applied_is_refused_in_the_servers_words() {
    let api = Api::new();
    apply(&api, S, "m1", &configmap(&json!({"a": "1"})))
        .await
        .expect(201);
    let with = |member: &str, value: Value| {
        let mut body = configmap(&json!({"a": "1"}));
        body["metadata"][member] = value;
        body
    };
    for (body, code, message) in [
        (
            json!({"apiVersion": "apps/v1", "kind": "ConfigMap", "metadata": {"name": "s"}}),
            400,
            "invalid object type: apps/v1, Kind=ConfigMap",
        ),
        (
            with("managedFields", json!([])),
            400,
            "metadata.managedFields must be nil",
        ),
        (
            with("resourceVersion", json!("1")),
            409,
            "Operation cannot be fulfilled on configmaps \"s\": the object has been modified; please apply your changes to \
             the latest version and try again",
        ),
        (
            configmap(&json!({"a": 1})),
            500,
            "failed to create typed patch object (/s; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:1}",
        ),
    ] {
        let (answer, _, text) = apply(&api, S, "m1", &body).await.refusal();
        assert_eq!((answer, text.as_str()), (code, message));
    }
    let headers = [("content-type", "application/apply-patch+yaml")];
    let nameless = api
        .call(
            Method::PATCH,
            S,
            &headers,
            configmap(&json!({})).to_string(),
        )
        .await;
    assert_eq!(
        nameless.refusal().2,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
    );
    let elsewhere = apply(
        &api,
        &format!("{CONFIGMAPS}/other"),
        "m1",
        &configmap(&json!({})),
    )
    .await;
    assert_eq!(
        elsewhere.refusal().2,
        "the name of the object (s) does not match the name on the URL (other)"
    );
}

#[tokio::test]
async fn a_write_that_changes_no_field_changes_no_owner() {
    let api = Api::new();
    let created = api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let path = format!("{DEPLOYMENTS}/web?fieldManager=other");
    let same = api
        .patch(&path, "merge", &json!({"spec": {"replicas": 1}}))
        .await
        .expect(200);
    assert_eq!(same, created);
    let changed = api
        .patch(&path, "merge", &json!({"spec": {"replicas": 2}}))
        .await
        .expect(200);
    let entry = owner("other", "Update", json!({"f:spec": {"f:replicas": {}}}));
    assert!(owners(&changed).contains(&entry), "{:?}", owners(&changed));
}

#[tokio::test]
async fn old_updaters_are_merged() {
    let api = Api::new();
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    for n in 0..12 {
        let path = format!("{DEPLOYMENTS}/web?fieldManager=agent{n}");
        let patch = json!({"metadata": {"labels": {format!("l{n}"): "x"}}});
        api.patch(&path, "merge", &patch).await.expect(200);
    }
    let object = api.get(&format!("{DEPLOYMENTS}/web")).await.expect(200);
    let owners = owners(&object);
    assert_eq!(owners.len(), 10);
    assert!(
        owners
            .iter()
            .any(|(manager, ..)| manager == "ancient-changes")
    );
}

#[tokio::test]
async fn an_empty_entry_takes_all_ownership_away() {
    let api = Api::new();
    let mut object = apply(&api, S, "m1", &configmap(&json!({"a": "1"})))
        .await
        .expect(201);
    object["metadata"]["managedFields"] = json!([{}]);
    let reset = api.put(S, &object).await.expect(200);
    assert_eq!(owners(&reset), []);
    let refused = apply(&api, S, "m2", &configmap(&json!({"a": "2"})))
        .await
        .expect(409);
    assert_eq!(
        refused["message"],
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.a"
    );
}

#[tokio::test]
async fn the_scale_is_applied_and_owned_through_its_own_path() {
    let api = Api::new();
    let mut configuration = deployment("web");
    configuration["spec"]["replicas"] = 2.into();
    let path = format!("{DEPLOYMENTS}/web");
    apply(&api, &path, "base", &configuration).await.expect(201);
    let scale = |spec: Value| json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": spec});
    let of_scale = format!("{path}/scale");
    let five = scale(json!({"replicas": 5}));

    let refused = apply(&api, &of_scale, "scaler", &five).await.refusal();
    assert_eq!(
        (refused.0, &*refused.2),
        (
            409,
            r#"Apply failed with 1 conflict: conflict with "base": .spec.replicas"#
        )
    );
    let forced = format!("{of_scale}?force=true");
    let shown = apply(&api, &forced, "scaler", &five).await.expect(200);
    assert_eq!(
        (&shown["kind"], &shown["spec"]),
        (&json!("Scale"), &json!({"replicas": 5}))
    );
    let live = api.get(&path).await.expect(200);
    let entry = &live["metadata"]["managedFields"][0];
    assert_eq!(
        (
            &entry["manager"],
            &entry["apiVersion"],
            &entry["subresource"],
            &entry["fieldsV1"]
        ),
        (
            &json!("scaler"),
            &json!("apps/v1"),
            &json!("scale"),
            &json!({"f:spec": {"f:replicas": {}}})
        )
    );
    assert!(entry.get("time").is_none(), "{entry}");
    let base = &owners(&live)[1];
    assert_eq!(
        (&*base.0, base.3["f:spec"].get("f:replicas")),
        ("base", None)
    );

    // Nothing changes, so nothing is written.
    let again = apply(&api, &of_scale, "scaler", &five).await.expect(200);
    assert_eq!(version(&again), version(&live));
    // A scale without a number has none: zero.
    let none = apply(&api, &of_scale, "scaler", &scale(json!({})))
        .await
        .expect(200);
    assert_eq!(none["spec"], json!({}));
    let live = api.get(&path).await.expect(200);
    assert_eq!(live["spec"]["replicas"], 0);
    assert_eq!(owners(&live)[0].0, "scaler");

    let mut put = api.get(&of_scale).await.expect(200);
    put["spec"]["replicas"] = 9.into();
    let put_path = format!("{of_scale}?fieldManager=putter");
    api.put(&put_path, &put).await.expect(200);
    let refused = apply(&api, &of_scale, "scaler", &five).await.refusal();
    assert_eq!(
        refused.2,
        r#"Apply failed with 1 conflict: conflict with "putter" with subresource "scale" using autoscaling/v1: .spec.replicas"#
    );

    for (body, message) in [
        (
            deployment("web"),
            "invalid object type: apps/v1, Kind=Deployment",
        ),
        (
            scale(json!({"replicas": 3, "x": 1})),
            "failed to create typed patch object (/web; autoscaling/v1, Kind=Scale): .spec.x: field not declared in schema",
        ),
        (
            scale(json!({"replicas": -1})),
            r#"Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#,
        ),
    ] {
        assert_eq!(
            apply(&api, &forced, "scaler", &body).await.refusal().2,
            message
        );
    }
    let mut stale = five.clone();
    stale["metadata"]["resourceVersion"] = "1".into();
    assert_eq!(apply(&api, &forced, "scaler", &stale).await.code, 409);
    let missing = format!("{DEPLOYMENTS}/nope/scale");
    assert_eq!(apply(&api, &missing, "scaler", &five).await.code, 404);
}

#[tokio::test]
async fn an_apply_by_kubectl_keeps_what_it_had_applied_before() {
    const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let api = Api::new();
    let mut object = configmap(&json!({"a": "1"}));
    object["metadata"]["annotations"] = json!({LAST: "old"});
    api.post(CONFIGMAPS, &object).await.expect(201);
    let path = format!("{S}?force=true");
    let last = |object: &Value| object["metadata"]["annotations"][LAST].clone();

    let wanted = configmap(&json!({"a": "2"}));
    let applied = apply(&api, &path, "other", &wanted).await.expect(200);
    assert_eq!(last(&applied), "old");
    let wanted = configmap(&json!({"a": "3"}));
    let applied = apply(&api, &path, "kubectl", &wanted).await.expect(200);
    let text = "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"3\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"s\"}}\n";
    assert_eq!(last(&applied), text);
}

#[tokio::test]
async fn what_was_there_before_the_first_apply_is_owned_as_far_as_its_path_goes() {
    let api = Api::new();
    api.post(DEPLOYMENTS, &deployment("web")).await.expect(201);
    let path = format!("{DEPLOYMENTS}/web");
    let status = json!({"status": {"observedGeneration": 1}});
    api.patch(&format!("{path}/status"), "merge", &status)
        .await
        .expect(200);
    let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"},
        "spec": {"replicas": 1}});
    let bare = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web",
        "annotations": {"a": "b"}}});
    for (subresource, body, fields) in [
        ("", &bare, json!(["f:metadata", "f:spec"])),
        ("status", &bare, json!(["f:metadata", "f:status"])),
        ("scale", &scale, json!(["f:spec"])),
    ] {
        let cleared =
            json!({"metadata": {"managedFields": [{}], "annotations": {"x": subresource}}});
        api.patch(&path, "merge", &cleared).await.expect(200);
        let target = format!("{path}/{subresource}");
        apply(&api, target.trim_end_matches('/'), "f", body)
            .await
            .expect(200);
        let live = api.get(&path).await.expect(200);
        let before = owners(&live)
            .into_iter()
            .find(|owner| owner.0 == "before-first-apply")
            .unwrap();
        assert_eq!(before.2, subresource);
        let owned: Vec<String> = before.3.as_object().unwrap().keys().cloned().collect();
        assert_eq!(json!(owned), fields, "{subresource}");
    }
}
