//! Workers that add one to a label of a Deployment at the same time, with kube's `Entry`.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::entry::{CommitError, Entry};
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::Barrier;

const LABEL: &str = "biz-version";
const CONFLICT: u16 = 409;

pub async fn once(client: Client) -> Value {
    count(client, "once", 5, 1).await
}

pub async fn retry(client: Client) -> Value {
    count(client, "retry", 5, 10).await
}

pub async fn crowd(client: Client) -> Value {
    count(client, "crowd", 50, usize::MAX).await
}

/// Each worker adds one, in so many attempts; nobody writes before all have read for the first
/// time.
async fn count(client: Client, name: &str, workers: usize, attempts: usize) -> Value {
    let api: Api<Deployment> = Api::default_namespaced(client);
    api.create(&PostParams::default(), &deployment(name))
        .await
        .unwrap();
    let everybody_has_read = Arc::new(Barrier::new(workers));
    let all = (0..workers).map(|_| add_one(&api, name, attempts, &everybody_has_read));
    let succeeded = join_all(all).await.into_iter().filter(|done| *done).count();
    let last: u64 = value(&api.get(name).await.unwrap());
    api.delete(name, &DeleteParams::default()).await.unwrap();
    let mut outcome = json!({"final": last, "succeeded": succeeded});
    if attempts == 1 {
        outcome["conflicts"] = (workers - succeeded).into();
    }
    outcome
}

/// Whether the update got in.
async fn add_one(api: &Api<Deployment>, name: &str, attempts: usize, barrier: &Barrier) -> bool {
    for attempt in 1..=attempts {
        let Entry::Occupied(entry) = api.entry(name).await.unwrap() else {
            panic!("there is no Deployment {name}");
        };
        if attempt == 1 {
            barrier.wait().await;
        }
        let mut entry = entry.and_modify(|object| {
            let next = value(object) + 1;
            object.labels_mut().insert(LABEL.into(), next.to_string());
        });
        match entry.commit(&PostParams::default()).await {
            Ok(()) => return true,
            Err(CommitError::Save(kube::Error::Api(status))) if status.code == CONFLICT => {}
            Err(error) => panic!("{error}"),
        }
        // What client-go's DefaultRetry does, without the random part.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

fn value(object: &Deployment) -> u64 {
    object.labels()[LABEL].parse().unwrap()
}

fn deployment(name: &str) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {LABEL: "100"}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
            },
        },
    }))
    .unwrap()
}
