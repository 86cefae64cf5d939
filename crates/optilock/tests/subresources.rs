//! Scales, and what else subresources have of their own.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod network;

use std::time::Duration;

use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use network::{Fault, Network};
use optilock::{
    BoxError, Carrier, Event, Evidence, OpId, Outcome, PendingSlot, Reason, Unresolved,
    UpdateError, Updated, resolve, update, update_scale,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NAME: &str = "web";

fn deployments(client: Client) -> Api<Deployment> {
    Api::default_namespaced(client)
}

fn widgets(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("example.com", "v1", "Widget");
    let resource = ApiResource::from_gvk_with_plural(&kind, "widgets");
    Api::default_namespaced_with(client, &resource)
}

async fn create<K>(api: Api<K>, object: Value)
where
    K: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let object: K = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// A Deployment and a custom resource, both with a scale and a status.
async fn network() -> Network {
    let network = Network::new();
    let deployment = json!({
        "metadata": {"name": NAME},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]},
            },
        },
    });
    create(deployments(network.direct()), deployment).await;
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": open, "status": open},
                }},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.size",
                    "statusReplicasPath": ".status.size",
                }},
            }],
        },
    });
    let definitions: Api<CustomResourceDefinition> = Api::all(network.direct());
    create(definitions, definition).await;
    let widget = json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": NAME},
        "spec": {"size": 2},
    });
    create(widgets(network.direct()), widget).await;
    network
}

fn one_more(scale: &mut Scale) -> Result<(), BoxError> {
    let replicas = &mut scale.spec.get_or_insert_default().replicas;
    *replicas = Some(replicas.unwrap_or(0) + 1);
    Ok(())
}

fn replicas(scale: &Scale) -> Option<i32> {
    scale.spec.as_ref()?.replicas
}

/// Scales up once, while somebody else writes the object as soon as the outcome is unknown.
async fn scale_up<K>(api: Api<K>, others: Option<(Api<K>, Value)>) -> (Scaled, u32)
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static,
{
    let mut others = others;
    let mut calls = 0;
    let result = update_scale(&api, NAME)
        .field_manager("autoscaler")
        .random(|| 0.5)
        .observe(move |event| {
            if matches!(event, Event::Unknown { .. })
                && let Some((direct, patch)) = others.take()
            {
                tokio::spawn(async move {
                    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
                    direct.patch(NAME, &params, &patch).await.unwrap();
                });
            }
        })
        .apply(|scale| {
            calls += 1;
            one_more(scale)
        })
        .await;
    (result, calls)
}

type Scaled = Result<Updated<Scale>, UpdateError>;

async fn size<K>(api: Api<K>) -> Option<i32>
where
    K: Clone + DeserializeOwned,
{
    replicas(&api.get_scale(NAME).await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_scale_is_one_read_and_one_write() {
    let network = network().await;
    let (result, calls) = scale_up(deployments(network.client()), None).await;
    let updated = result.unwrap();
    assert_eq!((calls, updated.effort.requests), (1, 2));
    assert_eq!(replicas(&updated.object), Some(3));
    let deployment = deployments(network.direct()).get(NAME).await.unwrap();
    assert_eq!(deployment.spec.as_ref().unwrap().replicas, Some(3));
    // The object says who it was, in the same write.
    let manager = format!("autoscaler-{}", updated.op_id);
    let entry = deployment.managed_fields().iter();
    let mut entry = entry.filter(|entry| entry.manager.as_ref() == Some(&manager));
    assert_eq!(entry.next().unwrap().subresource.as_deref(), Some("scale"));
}

#[tokio::test(start_paused = true)]
async fn any_scale_is_updated_once_whatever_happens() {
    for fault in Fault::ALL.map(Some).into_iter().chain([None]) {
        let network = network().await;
        network.next(fault);
        let (result, calls) = scale_up(deployments(network.client()), None).await;
        assert_eq!(replicas(&result.unwrap().object), Some(3), "{fault:?}");
        assert_eq!(calls, 1, "{fault:?}");
        network.next(fault);
        let (result, calls) = scale_up(widgets(network.client()), None).await;
        assert_eq!(replicas(&result.unwrap().object), Some(3), "{fault:?}");
        assert_eq!(calls, 1, "{fault:?}");
        assert_eq!(size(deployments(network.direct())).await, Some(3));
        assert_eq!(size(widgets(network.direct())).await, Some(3));
    }
}

/// What others have written since doesn't hide whose the first write was.
#[tokio::test(start_paused = true)]
async fn the_object_tells_whose_scale_it_was() {
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let scaled = json!({"spec": {"replicas": 7}});
    for (fault, patch, evidence, expected, calls) in [
        (Fault::AnswerDropped, &label, Evidence::OpId, 3, 1),
        (Fault::AnswerDropped, &scaled, Evidence::History, 7, 1),
        // Not carried out, and computed anew from what somebody else has set.
        (Fault::RequestDropped, &scaled, Evidence::Answer, 8, 2),
    ] {
        let network = network().await;
        network.next([fault]);
        let others = (deployments(network.direct()), patch.clone());
        let api = deployments(network.client());
        let (result, called) = scale_up(api, Some(others)).await;
        let updated = result.unwrap();
        assert_eq!((updated.evidence, called), (evidence, calls));
        assert_eq!(replicas(&updated.object), Some(expected));
        assert_eq!(size(deployments(network.direct())).await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_scale_knows_the_op_ids_of_its_object() {
    let network = network().await;
    let api = deployments(network.client());
    let id = OpId::new("order-4711").unwrap();
    let first = update_scale(&api, NAME).op_id(id.clone()).apply(one_more);
    assert!(first.await.unwrap().written);
    let again = update_scale(&api, NAME)
        .op_id(id)
        .apply(|_| panic!("it was applied already"))
        .await
        .unwrap();
    assert_eq!((again.evidence, again.written), (Evidence::OpId, false));
    assert_eq!(size(api).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_scale_that_was_left_behind_is_resolved() {
    for (fault, outcome, expected) in [
        (Fault::AnswerDropped, Outcome::Applied, 3),
        (Fault::RequestDropped, Outcome::Applied, 3),
    ] {
        let network = network().await;
        network.latency(|| Duration::from_millis(1));
        network.next([fault]);
        let api = deployments(network.client());
        let slot = PendingSlot::default();
        let scaling = update_scale(&api, NAME).pending(&slot).apply(one_more);
        // The read is answered by then, and the write isn't.
        let dropped = tokio::time::timeout(Duration::from_millis(3), scaling).await;
        assert!(dropped.is_err());
        let pending = slot.take().unwrap();
        assert_eq!(pending.subresource.as_deref(), Some("scale"));
        // The copy that is under way gets there first.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(resolve(&api, &pending).await.unwrap(), outcome);
        let resumed = update_scale(&api, NAME).resume(pending.clone());
        let resumed = resumed.apply(|_| panic!("it was applied already")).await;
        assert!(resumed.unwrap().written);
        assert_eq!(size(api).await, Some(expected), "{fault:?}");

        // Whole objects are something else.
        let puts = network.requests(&Method::PUT);
        let api = deployments(network.client());
        let mistaken = update(&api, NAME).resume(pending);
        let error = mistaken.apply(|_| Ok(())).await.unwrap_err();
        assert!(matches!(error.reason(), Reason::ScaleOnly), "{error}");
        assert_eq!(network.requests(&Method::PUT), puts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_scale_is_mistaken_for_nothing_else() {
    let network = network().await;
    let api = deployments(network.client());
    let whole = update(&api, NAME).subresource("scale");
    let metadata: Api<PartialObjectMeta<Deployment>> = Api::default_namespaced(network.client());
    let part = update(&metadata, NAME).subresource("scale");
    let errors = [
        whole.apply(|_| Ok(())).await.unwrap_err(),
        part.apply(|_| Ok(())).await.unwrap_err(),
        update_scale(&api, NAME)
            .or_create(Scale::default())
            .apply(one_more)
            .await
            .unwrap_err(),
        update_scale(&api, NAME)
            .subresource("status")
            .apply(one_more)
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.reason(), Reason::ScaleOnly), "{error}");
    }
    for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH] {
        assert_eq!(network.requests(&method), 0);
    }
}

/// A subresource may take over no annotation, so that it proves nothing that there is none.
#[tokio::test(start_paused = true)]
async fn an_annotation_that_the_server_drops_is_no_proof() {
    let network = network().await;
    let api = widgets(network.client());
    let direct = widgets(network.direct());
    for (fault, applied) in [(Fault::AnswerDropped, 1), (Fault::RequestDropped, 0)] {
        network.next([fault]);
        let mut direct = Some(direct.clone());
        let result = update(&api, NAME)
            .subresource("status")
            .carrier(Carrier::default())
            .random(|| 0.5)
            .observe(|event| {
                if matches!(event, Event::Unknown { .. })
                    && let Some(direct) = direct.take()
                {
                    tokio::spawn(async move {
                        let labels = json!({"a": format!("{fault:?}")});
                        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
                        let params = PatchParams::default();
                        direct.patch(NAME, &params, &patch).await.unwrap();
                    });
                }
            })
            .apply(|widget| {
                let size = widget.data["status"]["size"].as_u64().unwrap_or(0);
                widget.data["status"] = json!({"size": size + 1});
                Ok(())
            })
            .await;
        let error = result.unwrap_err();
        let Reason::Unknown { unresolved, .. } = error.reason() else {
            panic!("{error}");
        };
        let why = unresolved.as_deref();
        assert!(matches!(why, Some(Unresolved::Untold)), "{error}");
        let widget = widgets(network.direct()).get(NAME).await.unwrap();
        assert_eq!(widget.data["status"]["size"].as_u64().unwrap_or(0), applied);
        assert!(widget.annotations().is_empty());
        let reset = Patch::Merge(json!({"status": {"size": 0}}));
        let params = PatchParams::default();
        let direct = widgets(network.direct());
        direct.patch_status(NAME, &params, &reset).await.unwrap();
    }
}
