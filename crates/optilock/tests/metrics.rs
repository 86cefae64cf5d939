//! What the `metrics` facade is told.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod fake;

use std::collections::BTreeMap;

use fake::{Fake, Fault, answer};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::core::response::reason;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use optilock::{Combiner, describe_metrics, update};

#[test]
fn an_update_is_measured() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        describe_metrics();
        runtime.block_on(async {
            let fake = Fake::new().on_put([Fault::Foreign, answer(true, 504, reason::TIMEOUT)]);
            let api: Api<ConfigMap> = Api::default_namespaced(fake.client());
            let mark = |object: &mut ConfigMap| {
                let data = object.data.get_or_insert_default();
                data.insert("marked".to_owned(), data.len().to_string());
                Ok(())
            };
            update(&api, "counter").apply(mark).await.unwrap();
            let combiner = Combiner::new(api, "counter");
            combiner.apply(mark).await.unwrap();
        });
    });
    let mut counters = BTreeMap::new();
    for (key, _, description, value) in snapshotter.snapshot().into_vec() {
        assert!(description.is_some());
        let (_, key) = key.into_parts();
        let mut labels = key.labels();
        assert!(labels.any(|label| (label.key(), label.value()) == ("resource", "configmaps")));
        if let DebugValue::Counter(value) = value {
            counters.insert(key.name().to_owned(), value);
        }
    }
    let expected = [
        ("optilock_attempts_total", 3),
        ("optilock_combined_updates_total", 1),
        ("optilock_conflicts_total", 1),
        // GET, PUT; GET, PUT, PUT again, GET; GET, PUT.
        ("optilock_requests_total", 8),
        ("optilock_unknown_outcomes_total", 1),
        ("optilock_updates_total", 2),
    ];
    let expected: BTreeMap<_, u64> = expected
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    assert_eq!(counters, expected);
}
