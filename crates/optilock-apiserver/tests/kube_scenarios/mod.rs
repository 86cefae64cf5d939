//! The scenarios on kube-rs.
// A panic is how a test fails.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod configmaps;
mod counting;
mod custom;
mod manager;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

pub use configmaps::{apply, crud, expired, informer, watch};
pub use counting::{crowd, once, retry};
pub use custom::custom;
pub use manager::manager;

/// What does not come within this does not come at all.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it should have happened by now")
}

/// A `ConfigMap` that names its scenario in a label.
fn configmap(scenario: &str, name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"scenario": scenario}}, "data": {"a": value},
    }))
    .unwrap()
}

fn show(data: Option<&BTreeMap<String, String>>) -> String {
    let words = data.into_iter().flatten();
    let words: Vec<_> = words.map(|(key, value)| format!("{key}={value}")).collect();
    words.join(" ")
}

/// The code and the reason of a refusal.
#[track_caller]
fn refused<T>(result: kube::Result<T>) -> String {
    match result {
        Err(kube::Error::Api(status)) => format!("{} {}", status.code, status.reason),
        Err(error) => panic!("not refused by the server: {error}"),
        Ok(_) => panic!("this should have been refused"),
    }
}
