//! What controllers need beside plain updates.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod network;

use std::time::Duration;

use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use network::{Fault, Network};
use optilock::{
    BoxError, Evidence, Reason, UpdateError, Updated, add_finalizer, remove_finalizer, update,
};
use serde_json::{Value, json};

const NAME: &str = "counter";
const HOLD: &str = "example.com/hold";

fn api(client: Client) -> Api<ConfigMap> {
    Api::default_namespaced(client)
}

fn metadata(client: Client) -> Api<PartialObjectMeta<ConfigMap>> {
    Api::default_namespaced(client)
}

async fn counter() -> Network {
    let network = Network::new();
    let mut object = ConfigMap::default();
    object.metadata.name = Some(NAME.to_owned());
    object.data = Some([("n".to_owned(), "0".to_owned())].into());
    let api = api(network.direct());
    api.create(&PostParams::default(), &object).await.unwrap();
    network
}

fn count(object: &mut ConfigMap) -> Result<(), BoxError> {
    let n = object.data.get_or_insert_default().entry("n".to_owned());
    let n = n.or_insert_with(|| "0".to_owned());
    *n = (n.parse::<u64>()? + 1).to_string();
    Ok(())
}

async fn get(network: &Network) -> ConfigMap {
    api(network.direct()).get(NAME).await.unwrap()
}

async fn n(network: &Network) -> String {
    get(network).await.data.unwrap()["n"].clone()
}

async fn patch(network: &Network, patch: Value) {
    let params = PatchParams::default();
    let api = api(network.direct());
    api.patch(NAME, &params, &Patch::Merge(patch))
        .await
        .unwrap();
}

// Create or update.

async fn create_or_count(network: &Network) -> Result<Updated<ConfigMap>, UpdateError> {
    let api = api(network.client());
    let update = update(&api, NAME).or_create(ConfigMap::default());
    update.apply(count).await
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_created() {
    for fault in Fault::ALL.map(Some).into_iter().chain([None]) {
        let network = Network::new();
        network.next(fault);
        create_or_count(&network).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(n(&network).await, "1", "{fault:?}");
        create_or_count(&network).await.unwrap();
        assert_eq!(n(&network).await, "2");
    }
}

#[tokio::test(start_paused = true)]
async fn many_create_the_same() {
    let network = Network::new();
    network.latency(|| Duration::from_millis(1));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let network = network.clone();
            tokio::spawn(async move { create_or_count(&network).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(n(&network).await, "20");
}

// Decided upon a part of the object.

#[tokio::test(start_paused = true)]
async fn what_was_looked_at_must_stay() {
    for (change, goes_on) in [
        (json!({"metadata": {"labels": {"a": "b"}}}), true),
        (json!({"data": {"n": "5"}}), false),
    ] {
        let network = counter().await;
        let object = get(&network).await;
        patch(&network, change).await;
        let api = api(network.client());
        let result = update(&api, NAME)
            .from(object)
            .as_long_as(|object| object.data.clone())
            .apply(count)
            .await;
        if goes_on {
            assert_eq!(result.unwrap().effort.conflicts, 1);
            assert_eq!(n(&network).await, "1");
        } else {
            let error = result.unwrap_err();
            assert!(matches!(error.reason(), Reason::Outdated), "{error}");
            assert_eq!(n(&network).await, "5");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_may_requeue_instead() {
    let network = counter().await;
    let object = get(&network).await;
    patch(&network, json!({"data": {"note": "a"}})).await;
    let api = api(network.client());
    let error = update(&api, NAME)
        .from(object)
        .once()
        .random(|| 0.5)
        .apply(count)
        .await
        .unwrap_err();
    let Reason::Overtaken { delay, .. } = error.reason() else {
        panic!("{error}")
    };
    assert!(!delay.is_zero());
    assert_eq!(network.requests(&Method::GET), 0);
    assert_eq!(network.requests(&Method::PUT), 1);
}

// Metadata alone.

#[tokio::test(start_paused = true)]
async fn metadata_is_patched_once() {
    for fault in Fault::ALL.map(Some).into_iter().chain([None]) {
        let network = counter().await;
        patch(
            &network,
            json!({"metadata": {"labels": {"kept": "a", "gone": "b"}}}),
        )
        .await;
        network.next(fault);
        let api = metadata(network.client());
        let updated = update(&api, NAME)
            .apply(|object| {
                object.labels_mut().remove("gone");
                let times = object.annotations_mut().entry("times".into()).or_default();
                times.push('.');
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(updated.object.annotations()["times"], ".", "{fault:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let object = get(&network).await;
        assert_eq!(object.annotations()["times"], ".", "{fault:?}");
        assert_eq!(
            object.labels(),
            &[("kept".to_owned(), "a".to_owned())].into()
        );
        assert_eq!(n(&network).await, "0");
        assert_eq!(network.requests(&Method::PUT), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_of_metadata_conflicts_as_a_put_does() {
    let network = counter().await;
    let api = metadata(network.client());
    let object = api.get(NAME).await.unwrap();
    patch(&network, json!({"data": {"n": "7"}})).await;
    let updated = update(&api, NAME)
        .from(object)
        .apply(|object| {
            object.labels_mut().insert("a".into(), "b".into());
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(updated.effort.conflicts, 1);
    assert_eq!(n(&network).await, "7");
}

#[tokio::test(start_paused = true)]
async fn metadata_alone_creates_nothing() {
    let network = Network::new();
    let api = metadata(network.client());
    let template: PartialObjectMeta<ConfigMap> = serde_json::from_value(json!({})).unwrap();
    let update = update(&api, NAME).or_create(template);
    let error = update.apply(|_| Ok(())).await.unwrap_err();
    assert!(matches!(error.reason(), Reason::MetadataOnly), "{error}");
    assert_eq!(network.requests(&Method::POST), 0);
}

// Finalizers.

/// A server that is away can't be asked, and the caller, who is told so, asks again when it is back.
async fn is_away(fault: Option<Fault>, error: &UpdateError) {
    assert_eq!(fault, Some(Fault::ServerKilled), "{error}");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_an_object() {
    for fault in Fault::ALL.map(Some).into_iter().chain([None]) {
        let network = counter().await;
        let api = metadata(network.client());
        network.next(fault);
        if let Err(error) = add_finalizer(&api, NAME, HOLD).await {
            is_away(fault, &error).await;
            add_finalizer(&api, NAME, HOLD).await.unwrap();
        }
        let again = add_finalizer(&api, NAME, HOLD).await.unwrap();
        assert_eq!(again.evidence, Evidence::Unchanged);
        let direct = self::api(network.direct());
        direct.delete(NAME, &DeleteParams::default()).await.unwrap();
        assert!(get(&network).await.metadata.deletion_timestamp.is_some());

        network.next(fault);
        if let Err(error) = remove_finalizer(&api, NAME, HOLD).await {
            is_away(fault, &error).await;
            remove_finalizer(&api, NAME, HOLD).await.unwrap();
        }
        assert!(direct.get_opt(NAME).await.unwrap().is_none(), "{fault:?}");
        assert!(remove_finalizer(&api, NAME, HOLD).await.unwrap().is_none());
    }
}
