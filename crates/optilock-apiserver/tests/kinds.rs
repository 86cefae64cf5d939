//! What kinds do on a write that is theirs alone: jobs, daemon sets, volumes, priority classes, component statuses.
//!
//! Texts and shapes are those of kube-apiserver 1.36.3.

mod common;

use common::Api;
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const DAEMON_SETS: &str = "/apis/apps/v1/namespaces/default/daemonsets";
const VOLUMES: &str = "/api/v1/persistentvolumes";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
const CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";

fn job(metadata: &Value, spec: &Value) -> Value {
    let mut job = json!({"metadata": metadata, "spec": spec});
    job["spec"]["template"]["spec"] =
        json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]});
    job
}

#[tokio::test]
async fn a_job_finds_its_pods_by_its_uid() {
    let api = Api::new();
    let made = api
        .post(JOBS, &job(&json!({"name": "j"}), &json!({})))
        .await
        .expect(201);
    let uid = &made["metadata"]["uid"];
    let labels = json!({
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "j",
        "controller-uid": uid, "job-name": "j",
    });
    assert_eq!(made["metadata"]["labels"], labels);
    assert_eq!(made["spec"]["template"]["metadata"]["labels"], labels);
    assert_eq!(
        made["spec"]["selector"],
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
    );
    // The name that is made goes into the labels.
    let named = api
        .post(
            JOBS,
            &job(
                &json!({"generateName": "g-", "labels": {"q": "r"}}),
                &json!({}),
            ),
        )
        .await
        .expect(201);
    assert_eq!(named["metadata"]["labels"], json!({"q": "r"}));
    assert_eq!(
        named["spec"]["template"]["metadata"]["labels"]["job-name"],
        named["metadata"]["name"]
    );
    let own = json!({"manualSelector": true, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}}});
    let own = api
        .post(JOBS, &job(&json!({"name": "m"}), &own))
        .await
        .expect(201);
    assert_eq!(own["metadata"]["labels"], json!({"a": "b"}));
    assert_eq!(own["spec"]["selector"], json!({"matchLabels": {"a": "b"}}));
}

#[tokio::test]
async fn a_job_stays_what_it_is_and_leaves_its_pods() {
    let api = Api::new();
    let path = format!("{JOBS}/j");
    api.post(JOBS, &job(&json!({"name": "j"}), &json!({})))
        .await
        .expect(201);
    let change = json!({"spec": {"suspend": true, "parallelism": 3}});
    api.patch(&path, "merge", &change).await.expect(200);
    let change = json!({"spec": {"completions": 3}});
    assert_eq!(
        api.patch(&path, "merge", &change).await.refusal().2,
        "Job.batch \"j\" is invalid: spec.completions: Invalid value: 3: field is immutable"
    );
    let deleted = api.delete(&path).await;
    assert_eq!(
        deleted.warnings(),
        [
            "299 - \"child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to \
          remove them or set propagationPolicy=Orphan to suppress this warning\""
        ]
    );
    assert_eq!(
        deleted.expect(200)["metadata"]["finalizers"],
        json!(["orphan"])
    );
    api.post(JOBS, &job(&json!({"name": "k"}), &json!({})))
        .await
        .expect(201);
    let gone = api
        .delete(&format!("{JOBS}/k?propagationPolicy=Background"))
        .await;
    assert!(gone.warnings().is_empty());
    assert_eq!(gone.expect(200)["status"], "Success");
}

#[tokio::test]
async fn a_daemon_set_counts_its_templates() {
    const ANNOTATION: &str = "deprecated.daemonset.template.generation";
    let api = Api::new();
    let set = |name: &str, annotations: Value| {
        json!({"metadata": {"name": name, "annotations": annotations}, "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
    };
    let count = |object: &Value| object["metadata"]["annotations"][ANNOTATION].clone();
    let made = api
        .post(DAEMON_SETS, &set("d", json!({})))
        .await
        .expect(201);
    assert_eq!(count(&made), "1");
    let path = format!("{DAEMON_SETS}/d");
    let image =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "z"}]}}}});
    assert_eq!(
        count(&api.patch(&path, "merge", &image).await.expect(200)),
        "2"
    );
    let forged =
        json!({"spec": {"minReadySeconds": 4}, "metadata": {"annotations": {ANNOTATION: "77"}}});
    assert_eq!(
        count(&api.patch(&path, "merge", &forged).await.expect(200)),
        "2"
    );
    let status =
        json!({"metadata": {"annotations": {ANNOTATION: "78"}}, "status": {"numberReady": 1}});
    let status = api.patch(&format!("{path}/status"), "merge", &status).await;
    assert_eq!(count(&status.expect(200)), "2");
    let other = set("d2", json!({ANNOTATION: "9"}));
    assert_eq!(count(&api.post(DAEMON_SETS, &other).await.expect(201)), "9");
}

#[tokio::test]
async fn volumes_say_since_when_and_stay_where_they_are() {
    let api = Api::new();
    let volume = json!({"metadata": {"name": "v"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}});
    let made = api.post(VOLUMES, &volume).await.expect(201);
    assert_eq!(
        made["status"]["lastPhaseTransitionTime"],
        made["metadata"]["creationTimestamp"]
    );
    let path = format!("{VOLUMES}/v");
    let available = json!({"status": {"phase": "Available", "lastPhaseTransitionTime": null}});
    let status = format!("{path}/status");
    let available = api.patch(&status, "merge", &available).await.expect(200);
    assert!(available["status"]["lastPhaseTransitionTime"].is_string());
    let moved = json!({"spec": {"hostPath": {"path": "/y"}}});
    let refused = api.patch(&path, "merge", &moved).await.refusal().2;
    let text = "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation";
    assert_eq!(
        refused,
        format!("PersistentVolume \"v\" is invalid: {text}")
    );

    let claim = json!({"metadata": {"name": "c"}, "spec": {
        "resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}});
    api.post(CLAIMS, &claim).await.expect(201);
    let larger = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let path = format!("{CLAIMS}/c");
    let refused = api.patch(&path, "merge", &larger).await.refusal().2;
    let text = "spec: Forbidden: spec is immutable after creation except resources.requests and \
        volumeAttributesClassName for bound claims";
    assert_eq!(
        refused,
        format!("PersistentVolumeClaim \"c\" is invalid: {text}")
    );
    let bound = json!({"status": {"phase": "Bound"}});
    api.patch(&format!("{path}/status"), "merge", &bound)
        .await
        .expect(200);
    api.patch(&path, "merge", &larger).await.expect(200);
}

#[tokio::test]
async fn a_pod_has_the_priority_of_its_class() {
    let api = Api::new();
    let pod = |name: &str, members: Value| {
        let mut pod = json!({"metadata": {"name": name}, "spec": members});
        pod["spec"]["containers"] = json!([{"name": "c", "image": "i"}]);
        pod
    };
    let class = |name: &str, value: i64| json!({"metadata": {"name": name}, "value": value});
    let mut low = class("low", 1000);
    low["preemptionPolicy"] = "Never".into();
    api.post(CLASSES, &low).await.expect(201);
    let made = api
        .post(PODS, &pod("a", json!({"priorityClassName": "low"})))
        .await
        .expect(201);
    assert_eq!(made["spec"]["priority"], 1000);
    assert_eq!(made["spec"]["preemptionPolicy"], "Never");
    let system = pod("s", json!({"priorityClassName": "system-node-critical"}));
    assert_eq!(
        api.post(PODS, &system).await.expect(201)["spec"]["priority"],
        2_000_001_000
    );
    let computed = "must not be provided in pod spec; priority admission controller computed";
    for (members, why) in [
        (
            json!({"priorityClassName": "nope"}),
            "no PriorityClass with name nope was found".to_owned(),
        ),
        (
            json!({"priority": 5}),
            format!(
                "the integer value of priority (5) {computed} 0 from the given PriorityClass name"
            ),
        ),
        (
            json!({"priorityClassName": "low", "preemptionPolicy": "PreemptLowerPriority"}),
            format!(
                "the string value of PreemptionPolicy (PreemptLowerPriority) {computed} Never from the given PriorityClass name"
            ),
        ),
    ] {
        let refused = api.post(PODS, &pod("x", members)).await.refusal();
        assert_eq!(
            refused,
            (
                403,
                "Forbidden".to_owned(),
                format!("pods \"x\" is forbidden: {why}")
            )
        );
    }
    let text = |name: &str, why: &str| {
        format!("PriorityClass.scheduling.k8s.io \"{name}\" is invalid: {why}")
    };
    let high = api
        .post(CLASSES, &class("high", 1_000_000_001))
        .await
        .refusal()
        .2;
    assert_eq!(
        high,
        text(
            "high",
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
        )
    );
    let reserved = "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use \
        only. error: system-x is not a known system priority class";
    let reserved = text("system-x", reserved);
    assert_eq!(
        api.post(CLASSES, &class("system-x", 1)).await.refusal().2,
        reserved
    );
    let changed = api
        .patch(&format!("{CLASSES}/low"), "merge", &json!({"value": 5}))
        .await;
    assert_eq!(
        changed.refusal().2,
        text("low", "value: Forbidden: may not be changed in an update.")
    );

    let mut usual = class("usual", 7);
    usual["globalDefault"] = true.into();
    api.post(CLASSES, &usual).await.expect(201);
    let made = api.post(PODS, &pod("u", json!({}))).await.expect(201);
    assert_eq!(
        (
            &made["spec"]["priority"],
            &made["spec"]["priorityClassName"]
        ),
        (&json!(7), &json!("usual"))
    );
    usual["metadata"]["name"] = "usual2".into();
    assert_eq!(
        api.post(CLASSES, &usual).await.refusal().2,
        "priorityclasses.scheduling.k8s.io \"usual2\" is forbidden: PriorityClass usual is already marked as default. \
         Only one default can exist"
    );
}

#[tokio::test]
async fn component_statuses_show_the_store() {
    let api = Api::new();
    let path = "/api/v1/componentstatuses";
    let all = api.get(path).await;
    assert_eq!(
        all.warnings(),
        ["299 - \"v1 ComponentStatus is deprecated in v1.19+\""]
    );
    assert_eq!(
        all.expect(200),
        json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": [
            {"metadata": {"name": "etcd-0"}, "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]}]})
    );
    let one = api.get(&format!("{path}/etcd-0")).await.expect(200);
    assert_eq!(one["conditions"][0]["message"], "ok");
    let none = api.get(&format!("{path}/x")).await.refusal();
    assert_eq!(
        none,
        (
            404,
            "NotFound".to_owned(),
            "componentstatus \"x\" not found".to_owned()
        )
    );
}
