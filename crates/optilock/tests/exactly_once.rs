//! An update is applied once, whatever the network does, and is never said to be what it isn't.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod network;

use std::time::Duration;

use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use network::{Fault, Network};
use optilock::{
    BoxError, Carrier, Event, Evidence, OpId, Outcome, PendingSlot, Reason, Unresolved, Update,
    UpdateError, Updated, resolve, update,
};
use serde_json::{Value, json};

const NAME: &str = "counter";

fn api(client: Client) -> Api<ConfigMap> {
    Api::default_namespaced(client)
}

async fn create(network: &Network, metadata: Value) {
    let mut object: ConfigMap = serde_json::from_value(json!({"metadata": metadata})).unwrap();
    object.metadata.name = Some(NAME.to_owned());
    object.data = Some([("n".to_owned(), "0".to_owned())].into());
    let api = api(network.direct());
    api.create(&PostParams::default(), &object).await.unwrap();
}

async fn counter() -> Network {
    let network = Network::new();
    create(&network, json!({})).await;
    network
}

fn count(object: &mut ConfigMap) -> Result<(), BoxError> {
    let n = object.data.get_or_insert_default().entry("n".to_owned());
    let n = n.or_default();
    *n = (n.parse::<u64>()? + 1).to_string();
    Ok(())
}

async fn n(network: &Network) -> String {
    let object = api(network.direct()).get(NAME).await.unwrap();
    object.data.unwrap()["n"].clone()
}

/// Why the outcome could not be found out.
fn unresolved(error: &UpdateError) -> Option<&Unresolved> {
    match error.reason() {
        Reason::Unknown { unresolved, .. } => unresolved.as_deref(),
        _ => None,
    }
}

/// Somebody else, on the server's side of the network.
fn foreign(network: &Network, patch: Value) -> impl Future<Output = ()> + Send + 'static {
    let api = api(network.direct());
    async move {
        let params = PatchParams::default();
        api.patch(NAME, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }
}

/// Counts once, and runs something else as soon as the outcome of the write is unknown.
async fn count_and<'a>(
    api: &'a Api<ConfigMap>,
    meanwhile: impl Future<Output = ()> + Send + 'static,
    options: impl FnOnce(Update<'a, ConfigMap>) -> Update<'a, ConfigMap>,
) -> (Result<Updated<ConfigMap>, UpdateError>, u32) {
    let mut calls = 0;
    let mut meanwhile = Some(meanwhile);
    let update = update(api, NAME).random(|| 0.5).observe(move |event| {
        // The update sleeps after that, and time stands still until all is done.
        if matches!(event, Event::Unknown { .. })
            && let Some(meanwhile) = meanwhile.take()
        {
            tokio::spawn(meanwhile);
        }
    });
    let result = options(update)
        .apply(|object| {
            calls += 1;
            count(object)
        })
        .await;
    (result, calls)
}

fn as_is(update: Update<'_, ConfigMap>) -> Update<'_, ConfigMap> {
    update
}

#[tokio::test(start_paused = true)]
async fn every_fault_alone() {
    for fault in Fault::ALL {
        let network = counter().await;
        network.next([fault]);
        let api = api(network.client());
        let (result, calls) = count_and(&api, async {}, as_is).await;
        result.unwrap();
        // Whatever is late has had its time.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((calls, n(&network).await.as_str()), (1, "1"), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_after_every_other() {
    for first in Fault::ALL {
        for second in Fault::ALL {
            let network = counter().await;
            network.next([first, second]);
            let api = api(network.client());
            let (result, _) = count_and(&api, async {}, as_is).await;
            result.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(n(&network).await, "1", "{first:?} {second:?}");
        }
    }
}

// Others have written since.

#[tokio::test(start_paused = true)]
async fn the_op_id_is_found_behind_others_writes() {
    let network = counter().await;
    network.next([Fault::AnswerDropped]);
    let others = foreign(&network, json!({"data": {"note": "a"}}));
    let api = api(network.client());
    let (result, calls) = count_and(&api, others, as_is).await;
    let updated = result.unwrap();
    assert_eq!((updated.evidence, calls), (Evidence::OpId, 1));
    assert_eq!(updated.object.data.unwrap()["note"], "a");
    assert_eq!(n(&network).await, "1");
}

#[tokio::test(start_paused = true)]
async fn history_tells_where_the_annotation_is_dropped() {
    let network = counter().await;
    network.next([Fault::AnswerDropped]);
    let others = foreign(&network, json!({"metadata": {"annotations": null}}));
    let api = api(network.client());
    let (result, calls) = count_and(&api, others, as_is).await;
    assert_eq!((result.unwrap().evidence, calls), (Evidence::History, 1));
    assert_eq!(n(&network).await, "1");
}

#[tokio::test(start_paused = true)]
async fn history_tells_where_the_ring_overflows() {
    let network = counter().await;
    network.next([Fault::AnswerDropped]);
    let others = api(network.direct());
    let many = async move {
        for _ in 0..40 {
            update(&others, NAME).apply(count).await.unwrap();
        }
    };
    let api = api(network.client());
    let (result, calls) = count_and(&api, many, as_is).await;
    assert_eq!((result.unwrap().evidence, calls), (Evidence::History, 1));
    assert_eq!(n(&network).await, "41");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_applied_is_computed_anew() {
    let network = counter().await;
    network.next([Fault::RequestDropped]);
    let others = foreign(&network, json!({"data": {"n": "10"}}));
    let api = api(network.client());
    let (result, calls) = count_and(&api, others, as_is).await;
    let updated = result.unwrap();
    assert_eq!((updated.evidence, calls), (Evidence::Answer, 2));
    assert_eq!(updated.effort.conflicts, 1);
    assert_eq!(n(&network).await, "11");
    // PUT, PUT again, GET, watch, and the PUT that succeeds, computed from what was read: one GET more
    // for the start and one for the assertion.
    assert_eq!(network.requests(&Method::PUT), 3);
    assert_eq!(updated.effort.requests, 6);
}

#[tokio::test(start_paused = true)]
async fn without_history_it_is_unknown() {
    for (watching, drops) in [
        ((|| Some((410, "Expired"))) as fn() -> _, true),
        (|| Some((403, "Forbidden")), false),
    ] {
        for fault in [Fault::AnswerDropped, Fault::RequestDropped] {
            let network = counter().await;
            network.next([fault]);
            network.watches_end(watching);
            let patch = json!({"metadata": {"annotations": null}, "data": {"note": "a"}});
            let others = foreign(&network, patch);
            let api = api(network.client());
            let (result, calls) = count_and(&api, others, as_is).await;
            let error = result.unwrap_err();
            assert_eq!((error.outcome(), calls), (Outcome::Unknown, 1));
            let as_expected = match unresolved(&error) {
                Some(Unresolved::HistoryGone) => drops,
                Some(Unresolved::WatchForbidden(_)) => !drops,
                _ => false,
            };
            assert!(as_expected, "{error}");

            // Later, by somebody who may.
            network.watches_end(|| None);
            let outcome = resolve(&api, error.pending().unwrap()).await.unwrap();
            let applied = fault == Fault::AnswerDropped;
            assert_eq!(outcome == Outcome::Applied, applied);
            assert_eq!(n(&network).await, if applied { "1" } else { "0" });
        }
    }
}

// The object goes away.

#[tokio::test(start_paused = true)]
async fn history_tells_what_a_deleted_object_was() {
    for (fault, recreate) in [
        (Fault::AnswerDropped, false),
        (Fault::AnswerDropped, true),
        (Fault::RequestDropped, false),
        (Fault::RequestDropped, true),
    ] {
        let network = counter().await;
        network.next([fault]);
        let others = {
            let network = network.clone();
            async move {
                let api = api(network.direct());
                api.delete(NAME, &DeleteParams::default()).await.unwrap();
                if recreate {
                    create(&network, json!({})).await;
                }
            }
        };
        let client = api(network.client());
        let (result, calls) = count_and(&client, others, as_is).await;
        match (fault, recreate) {
            (Fault::AnswerDropped, _) => {
                let updated = result.unwrap();
                assert_eq!((updated.evidence, calls), (Evidence::History, 1));
                assert_eq!(updated.object.data.unwrap()["n"], "1");
            }
            (_, false) => {
                let error = result.unwrap_err();
                assert!(matches!(error.reason(), Reason::Read(_)), "{error}");
            }
            // Whoever asks by name means whatever has the name.
            (_, true) => {
                assert_eq!((result.unwrap().written, calls), (true, 2));
                assert_eq!(n(&network).await, "1");
            }
        }
    }
}

/// Taking off the last finalizer of an object that is being deleted removes it, and nothing that says
/// whose write it was remains.
#[tokio::test(start_paused = true)]
async fn the_last_finalizer_takes_the_evidence_away() {
    let network = Network::new();
    create(&network, json!({"finalizers": ["example.com/hold"]})).await;
    let direct = api(network.direct());
    direct.delete(NAME, &DeleteParams::default()).await.unwrap();
    network.next([Fault::AnswerDropped]);
    let api = api(network.client());
    let error = update(&api, NAME)
        .apply(|object| {
            object.metadata.finalizers = None;
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(
        matches!(unresolved(&error), Some(Unresolved::Deleted)),
        "{error}"
    );
}

// The caller repeats itself.

#[tokio::test(start_paused = true)]
async fn the_same_op_id_is_applied_once() {
    let network = counter().await;
    let api = api(network.client());
    let id = OpId::new("order-4711").unwrap();
    let first = update(&api, NAME).op_id(id.clone()).apply(count).await;
    assert!(first.unwrap().written);
    let again = update(&api, NAME)
        .op_id(id)
        .apply(|_| panic!("it was applied already"))
        .await
        .unwrap();
    assert_eq!((again.evidence, again.written), (Evidence::OpId, false));
    assert_eq!(n(&network).await, "1");
}

#[tokio::test(start_paused = true)]
async fn the_annotation_is_the_carriers_own() {
    let network = counter().await;
    let api = api(network.client());
    let id = OpId::new("one").unwrap();
    let updated = update(&api, NAME)
        .op_id(id)
        .carrier(Carrier::annotation("example.com/ops"))
        .apply(|object| {
            object
                .annotations_mut()
                .insert("example.com/ops".into(), "mine".into());
            count(object)
        })
        .await
        .unwrap();
    assert_eq!(updated.object.annotations()["example.com/ops"], "one");
}

#[tokio::test(start_paused = true)]
async fn annotations_that_are_too_large_are_not_sent() {
    let network = counter().await;
    let api = api(network.client());
    for idempotent in [false, true] {
        let mut update = update(&api, NAME);
        if idempotent {
            update = update.idempotent();
        }
        let error = update
            .apply(|object| {
                object
                    .annotations_mut()
                    .insert("note".into(), "x".repeat(262_144));
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(
            matches!(error.reason(), Reason::AnnotationsTooLarge(bytes) if *bytes > 262_144),
            "{error}"
        );
    }
    assert_eq!(network.requests(&Method::PUT), 0);
}

/// A future that is dropped at any time, and a second call that resumes what it has left behind.
#[tokio::test(start_paused = true)]
async fn a_dropped_future_leaves_nothing_half_told() {
    let faults = Fault::ALL.map(Some).into_iter().chain([None]);
    for (fault, millis) in faults.flat_map(|fault| (0..60).map(move |millis| (fault, millis))) {
        let network = counter().await;
        network.latency(|| Duration::from_millis(5));
        network.next(fault);
        let api = api(network.client());
        let slot = PendingSlot::default();
        let started = update(&api, NAME)
            .random(|| 0.5)
            .attempt_timeout(Duration::from_secs(1))
            .pending(&slot)
            .apply(count);
        let done = tokio::time::timeout(Duration::from_millis(millis), started).await;
        match (done, slot.take()) {
            (Ok(done), left) => {
                assert!(done.is_ok());
                assert_eq!(left, None);
            }
            (Err(_), None) => assert_eq!(n(&network).await, "0"),
            (Err(_), Some(pending)) => {
                let resumed = update(&api, NAME).resume(pending).apply(count).await;
                resumed.unwrap();
                tokio::time::sleep(Duration::from_secs(60)).await;
                assert_eq!(n(&network).await, "1", "{fault:?} {millis}");
            }
        }
    }
}

// Without an annotation.

/// A server that keeps no managedFields can't say whose write it was.
async fn records_managers(network: &Network) -> bool {
    let object = api(network.direct()).get(NAME).await.unwrap();
    !object.managed_fields().is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_field_manager_carries_the_op_id() {
    for patch in [json!({"data": {"note": "a"}}), json!({"data": {"n": "1"}})] {
        let network = counter().await;
        network.next([Fault::AnswerDropped]);
        let others = foreign(&network, patch);
        let api = api(network.client());
        let (result, calls) =
            count_and(&api, others, |update| update.carrier(Carrier::FieldManager)).await;
        assert_eq!(calls, 1);
        if records_managers(&network).await {
            result.unwrap();
        } else {
            assert_eq!(result.unwrap_err().outcome(), Outcome::Unknown);
        }
        assert_eq!(n(&network).await, "1");
    }
}

/// What has only lost fields has no manager: that proves nothing.
#[tokio::test(start_paused = true)]
async fn a_removal_is_not_told_by_managers() {
    let network = counter().await;
    network.next([Fault::AnswerDropped]);
    let others = foreign(&network, json!({"data": {"note": "a"}}));
    let api = api(network.client());
    let mut others = Some(others);
    let error = update(&api, NAME)
        .carrier(Carrier::FieldManager)
        .random(|| 0.5)
        .observe(|event| {
            if matches!(event, Event::Unknown { .. }) {
                tokio::spawn(others.take().unwrap());
            }
        })
        .apply(|object| {
            object.data = None;
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(
        matches!(unresolved(&error), Some(Unresolved::Untold)),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deployment_gets_no_annotation() {
    let network = Network::new();
    let api: Api<Deployment> = Api::default_namespaced(network.client());
    let deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]},
            },
        },
    }));
    let created = api
        .create(&PostParams::default(), &deployment.unwrap())
        .await
        .unwrap();
    network.next([Fault::TimeoutAfterCommit]);
    let updated = update(&api, "web")
        .field_manager("front-desk")
        .apply(|deployment| {
            deployment.labels_mut().insert("a".into(), "b".into());
            Ok(())
        })
        .await;
    if created.managed_fields().is_empty() {
        assert_eq!(updated.unwrap_err().outcome(), Outcome::Unknown);
        return;
    }
    let updated = updated.unwrap();
    assert!(updated.object.annotations().is_empty());
    assert_eq!(
        updated.object.metadata.generation,
        created.metadata.generation
    );
    let manager = format!("front-desk-{}", updated.op_id);
    let managers = updated.object.managed_fields().iter();
    assert!(
        managers
            .filter_map(|entry| entry.manager.as_ref())
            .any(|name| *name == manager)
    );
}

#[tokio::test(start_paused = true)]
async fn a_status_is_updated_once() {
    for fault in Fault::ALL.map(Some).into_iter().chain([None]) {
        let network = Network::new();
        let api: Api<Pod> = Api::default_namespaced(network.client());
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "web"},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        }));
        let created = api
            .create(&PostParams::default(), &pod.unwrap())
            .await
            .unwrap();
        network.next(fault);
        let mut calls = 0;
        let result = update(&api, "web")
            .subresource("status")
            .apply(|pod| {
                calls += 1;
                let message = &mut pod.status.get_or_insert_default().message;
                *message = Some(format!("{}.", message.as_deref().unwrap_or_default()));
                Ok(())
            })
            .await;
        assert_eq!(calls, 1, "{fault:?}");
        match result {
            Ok(updated) => assert_eq!(updated.object.status.unwrap().message.unwrap(), "."),
            Err(error) => {
                assert!(created.managed_fields().is_empty(), "{error}");
                assert_eq!(error.outcome(), Outcome::Unknown);
            }
        }
    }
}
