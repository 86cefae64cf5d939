//! Subresources: binding, eviction, containers of running Pods, approval.
//!
//! Texts and shapes are those of kube-apiserver 1.36.3.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Answer, Api};
use http::Method;
use serde_json::{Value, json};

const NAMESPACE: &str = "/api/v1/namespaces/default";
const PODS: &str = "/api/v1/namespaces/default/pods";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

async fn pod(api: &Api, name: &str) -> Value {
    let object = json!({
        "metadata": {"name": name, "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "c", "image": "i",
            "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}}]},
    });
    api.post(PODS, &object).await.expect(201)
}

async fn bind(api: &Api, path: &str, name: &str, target: Value) -> Answer {
    let binding = json!({"metadata": {"name": name, "labels": {"l": "m"}, "annotations": {"a": "b"}}, "target": target});
    api.post(path, &binding).await
}

async fn evict(api: &Api, name: &str, options: Value) -> Answer {
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": options});
    api.post(&format!("{PODS}/{name}/eviction"), &eviction)
        .await
}

fn done() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let api = Api::new();
    let created = pod(&api, "p").await;
    let path = format!("{PODS}/p/binding");
    let node = json!({"kind": "Node", "name": "n1"});
    for (target, text) in [
        (json!({}), "target.name: Required value"),
        (
            json!({"kind": "Foo"}),
            r#"[target.kind: Unsupported value: "Foo": supported values: "Node", "<empty>", target.name: Required value]"#,
        ),
    ] {
        let refusal = bind(&api, &path, "p", target).await.refusal();
        assert_eq!(refusal, (500, String::new(), text.to_owned()));
    }
    assert_eq!(
        bind(&api, &path, "q", node.clone()).await.refusal().2,
        "name in URL does not match name in Binding object"
    );
    assert_eq!(
        bind(&api, &path, "p", node.clone()).await.expect(201),
        done()
    );
    let bound = api.get(&format!("{PODS}/p")).await.expect(200);
    assert_eq!(bound["spec"]["nodeName"], "n1");
    assert_eq!(bound["metadata"]["labels"], json!({"app": "x", "l": "m"}));
    assert_eq!(bound["metadata"]["annotations"], json!({"a": "b"}));
    assert_eq!(
        bound["metadata"]["generation"],
        created["metadata"]["generation"]
    );
    assert_eq!(
        bound["metadata"]["managedFields"],
        created["metadata"]["managedFields"]
    );
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    let again = bind(&api, &path, "p", node.clone()).await.expect(409);
    assert_eq!(
        again["message"],
        r#"Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1""#
    );
    assert_eq!(
        again["details"],
        json!({"name": "p", "kind": "pods/binding"})
    );
    let missing = bind(&api, &format!("{PODS}/z/binding"), "z", node.clone()).await;
    assert_eq!(missing.refusal().2, "pods \"z\" not found");
    // The older way to say the same.
    pod(&api, "p2").await;
    let path = format!("{NAMESPACE}/bindings");
    assert_eq!(bind(&api, &path, "p2", node).await.expect(201), done());
}

#[tokio::test]
async fn an_eviction_asks_the_budget() {
    let api = Api::new();
    pod(&api, "p").await;
    let path = format!("{PODS}/p");
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    bind(&api, &format!("{path}/binding"), "p", json!({"name": "n"}))
        .await
        .expect(201);
    api.patch(&format!("{path}/status"), "merge", &status)
        .await
        .expect(200);
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}});
    api.post(BUDGETS, &budget).await.expect(201);
    let unknown = evict(&api, "p", json!({})).await;
    assert_eq!(unknown.headers["retry-after"], "10");
    let unknown = unknown.expect(429);
    assert_eq!(
        unknown["message"],
        "Cannot evict pod as it would violate the pod's disruption budget."
    );
    assert_eq!(
        unknown["details"],
        json!({"causes": [{"reason": "DisruptionBudget",
            "message": "The disruption budget b is still being processed by the server."}], "retryAfterSeconds": 10})
    );
    let allowing = |count: i64| {
        json!({"status": {"observedGeneration": 1, "disruptionsAllowed": count,
        "currentHealthy": 1 + count, "desiredHealthy": 1, "expectedPods": 1 + count}})
    };
    let budget = format!("{BUDGETS}/b");
    api.patch(&format!("{budget}/status"), "merge", &allowing(0))
        .await
        .expect(200);
    let refused = evict(&api, "p", json!({})).await.expect(429);
    assert_eq!(
        refused["details"],
        json!({"causes": [{"reason": "DisruptionBudget", "message": "The disruption budget b needs 1 healthy pods and has 1 currently"}]})
    );
    api.patch(&format!("{budget}/status"), "merge", &allowing(1))
        .await
        .expect(200);
    assert_eq!(
        evict(&api, "p", json!({"dryRun": ["All"]}))
            .await
            .expect(201),
        done()
    );
    assert_eq!(
        evict(&api, "p", json!({"gracePeriodSeconds": 5}))
            .await
            .expect(201),
        done()
    );
    let live = api.get(&path).await.expect(200);
    assert_eq!(live["metadata"]["deletionGracePeriodSeconds"], 5);
    assert_eq!(
        live["status"]["conditions"][1]["type"], "DisruptionTarget",
        "{live}"
    );
    let spent = api.get(&budget).await.expect(200)["status"].take();
    assert_eq!(spent["disruptionsAllowed"], 0);
    assert!(spent["disruptedPods"]["p"].is_string());
    assert_eq!(spent["conditions"][0]["reason"], "InsufficientPods");

    let another =
        json!({"metadata": {"name": "b2"}, "spec": {"selector": {"matchLabels": {"app": "x"}}}});
    api.post(BUDGETS, &another).await.expect(201);
    pod(&api, "p2").await;
    // Nobody misses a Pod that does not run.
    assert_eq!(evict(&api, "p2", json!({})).await.expect(201), done());
    assert_eq!(api.get(&format!("{PODS}/p2")).await.code, 404);
    pod(&api, "p3").await;
    api.patch(&format!("{PODS}/p3/status"), "merge", &status)
        .await
        .expect(200);
    assert_eq!(
        evict(&api, "p3", json!({})).await.refusal(),
        (500, String::new(), "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.".to_owned())
    );
}

#[tokio::test]
async fn ephemeral_containers_are_only_added() {
    let api = Api::new();
    pod(&api, "e").await;
    let path = format!("{PODS}/e/ephemeralcontainers");
    let mut object = api.get(&path).await.expect(200);
    object["spec"]["ephemeralContainers"] = json!([{"name": "dbg", "image": "busybox"}]);
    object["spec"]["containers"][0]["image"] = "changed".into();
    object["metadata"]["labels"] = json!({"z": "z"});
    let added = api.put(&path, &object).await.expect(200);
    assert_eq!(added["spec"]["ephemeralContainers"][0]["image"], "busybox");
    assert_eq!(added["spec"]["containers"][0]["image"], "i");
    assert_eq!(added["metadata"]["labels"], json!({"app": "x"}));
    assert_eq!(added["metadata"]["generation"], 2);
    let mut without = added.clone();
    without["spec"]
        .as_object_mut()
        .unwrap()
        .remove("ephemeralContainers");
    assert_eq!(
        api.put(&path, &without).await.refusal().2,
        "Pod \"e\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"dbg\" may not be removed\n"
    );
    assert_eq!(api.put(&format!("{PODS}/e"), &without).await.code, 422);
}

#[tokio::test]
async fn a_running_pod_is_resized_within_its_class() {
    let api = Api::new();
    pod(&api, "r").await;
    let path = format!("{PODS}/r/resize");
    let resize = |resources: Value| json!({"spec": {"containers": [{"name": "c", "image": "new", "resources": resources}]}});
    let done = api
        .patch(
            &path,
            "strategic-merge",
            &resize(json!({"requests": {"cpu": "150m"}})),
        )
        .await
        .expect(200);
    let container = &done["spec"]["containers"][0];
    assert_eq!(
        container["resources"],
        json!({"limits": {"cpu": "200m"}, "requests": {"cpu": "150m"}})
    );
    assert_eq!(container["image"], "i");
    let all = json!({"requests": {"cpu": "200m", "memory": "1Gi"}, "limits": {"cpu": "200m", "memory": "1Gi"}});
    for (resources, text) in [
        (
            all,
            r#"spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing"#,
        ),
        (
            json!({"requests": {"ephemeral-storage": "1Gi"}}),
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
    ] {
        let refused = api
            .patch(&path, "strategic-merge", &resize(resources))
            .await;
        assert_eq!(refused.refusal().2, format!("Pod \"r\" is invalid: {text}"));
    }
}

#[tokio::test]
async fn little_of_a_pod_changes_through_its_own_path() {
    let api = Api::new();
    pod(&api, "r").await;
    let path = format!("{PODS}/r");
    let change = async |spec: Value| {
        api.patch(&path, "strategic-merge", &json!({"spec": spec}))
            .await
    };
    let frozen = "spec: Forbidden: pod updates may not change fields other than";
    for (spec, text) in [
        (json!({"nodeName": "x"}), frozen),
        (json!({"terminationGracePeriodSeconds": 5}), frozen),
        (
            json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "1m"}}}]}),
            frozen,
        ),
        (
            json!({"containers": [{"name": "d", "image": "new"}]}),
            "spec.containers: Forbidden: pod updates may not add or remove containers",
        ),
    ] {
        let refused = change(spec).await.refusal();
        assert!(
            refused
                .2
                .starts_with(&format!("Pod \"r\" is invalid: {text}")),
            "{}",
            refused.2
        );
    }
    for spec in [
        json!({"containers": [{"name": "c", "image": "new"}]}),
        json!({"activeDeadlineSeconds": 5}),
        json!({"tolerations": [{"key": "q", "operator": "Exists"}]}),
    ] {
        change(spec).await.expect(200);
    }
    for (seconds, text) in [
        (
            json!(6),
            "Invalid value: 6: must be less than or equal to previous value",
        ),
        (
            Value::Null,
            "Invalid value: null: must not update from a positive integer to nil value",
        ),
    ] {
        let refused = change(json!({"activeDeadlineSeconds": seconds}))
            .await
            .refusal();
        assert_eq!(
            refused.2,
            format!("Pod \"r\" is invalid: spec.activeDeadlineSeconds: {text}")
        );
    }
}

#[tokio::test]
async fn a_certificate_is_approved_once() {
    let api = Api::new();
    let request = json!({"metadata": {"name": "r"}, "spec": {
        "request": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K", "signerName": "example.com/x", "usages": ["client auth"]}});
    api.post(REQUESTS, &request).await.expect(201);
    let path = format!("{REQUESTS}/r");
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "r"});
    let mut object = api.get(&path).await.expect(200);
    object["status"] = json!({"conditions": [condition("Approved")]});
    object["metadata"]["labels"] = json!({"a": "b"});
    let text = |detail: &str| {
        format!(
            "CertificateSigningRequest.certificates.k8s.io \"r\" is invalid: status.conditions: {detail}"
        )
    };
    assert_eq!(
        api.put(&format!("{path}/status"), &object)
            .await
            .refusal()
            .2,
        text("Forbidden: updates may not add a condition of type \"Approved\"")
    );
    let approval = format!("{path}/approval");
    let mut approved = api.put(&approval, &object).await.expect(200);
    assert_eq!(approved["metadata"]["labels"], json!({"a": "b"}));
    assert!(
        approved["status"]["conditions"][0]["lastUpdateTime"].is_string(),
        "{approved}"
    );
    let mut neither = approved.clone();
    neither["status"]["conditions"] = json!([]);
    assert_eq!(
        api.put(&approval, &neither).await.refusal().2,
        text("Forbidden: updates may not remove a condition of type \"Approved\"")
    );
    approved["status"]["conditions"]
        .as_array_mut()
        .unwrap()
        .push(condition("Denied"));
    assert_eq!(
        api.put(&approval, &approved).await.refusal().2,
        text("Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive")
    );
}

#[tokio::test]
async fn a_resize_that_changes_nothing_is_no_new_generation() {
    let api = Api::new();
    let created = pod(&api, "p").await;
    let path = format!("{PODS}/p/resize");
    let annotated = json!({"metadata": {"annotations": {"a": "b"}}});
    let resized = api.patch(&path, "merge", &annotated).await.expect(200);
    assert_eq!(
        resized["metadata"]["generation"],
        created["metadata"]["generation"]
    );
    assert_eq!(resized["spec"], created["spec"]);
    assert!(resized["metadata"].get("annotations").is_none());
}

#[tokio::test]
async fn which_metadata_a_status_takes() {
    let api = Api::new();
    let claims = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims";
    let schemas = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({
        "metadata": {"name": "ws.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "ws", "kind": "W"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    for (collection, object, taken) in [
        (
            claims,
            json!({"metadata": {"name": "c"}, "spec": {}}),
            false,
        ),
        (
            schemas,
            json!({"metadata": {"name": "c"}, "spec": {"priorityLevelConfiguration": {"name": "exempt"}}}),
            false,
        ),
        (definitions, definition, true),
    ] {
        let created = api.post(collection, &object).await.expect(201);
        let name = created["metadata"]["name"].as_str().unwrap();
        let path = format!("{collection}/{name}/status");
        let headers = [("content-type", "application/apply-patch+yaml")];
        let configuration = json!({
            "apiVersion": created["apiVersion"], "kind": created["kind"],
            "metadata": {"name": name, "labels": {"l": "m"}, "annotations": {"a": "b"}},
        });
        let applied = api
            .call(
                Method::PATCH,
                &format!("{path}?fieldManager=f"),
                &headers,
                configuration.to_string(),
            )
            .await
            .expect(200);
        let metadata = &applied["metadata"];
        let owned = metadata["managedFields"]
            .as_array()
            .is_some_and(|entries| entries.iter().any(|entry| entry["manager"] == "f"));
        assert_eq!(
            (
                metadata["labels"] == json!({"l": "m"}),
                metadata["annotations"] == json!({"a": "b"}),
                owned
            ),
            (taken, taken, taken),
            "{collection}"
        );
    }
}
