//! What the carriers of the op-id cost where controllers look at what is written: on a cluster with
//! kube-controller-manager, whose kubeconfig is in KUBECONFIG.
//!
//! ```sh
//! cargo run --release -p optilock --example carriers
//! ```
//!
//! Objects of several kinds are updated, each time from what the last write has left, and the controllers
//! have their time in between. A table tells, for one update, what else was written because of it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::try_join_all;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, PostParams, WatchEvent, WatchParams,
};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config, ResourceExt};
use optilock::{Carrier, Update, update, update_scale};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How many updates there are of each object.
const UPDATES: usize = 20;
/// How long the controllers have after each.
const PAUSE: Duration = Duration::from_millis(500);
/// How long they have at first.
const SETTLE: Duration = Duration::from_secs(5);

/// What is written on behalf of somebody.
const WATCHED: [(&str, &str, &str, &str); 9] = [
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Service", "services"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "ReplicaSet", "replicasets"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("apps", "v1", "ControllerRevision", "controllerrevisions"),
    ("batch", "v1", "Job", "jobs"),
];

/// What is updated: a label, a condition in the status, or the scale.
const SUBJECTS: [(&str, Option<&str>); 11] = [
    ("configmaps", None),
    ("services", None),
    ("deployments", None),
    ("deployments", Some("status")),
    ("deployments", Some("scale")),
    ("replicasets", None),
    ("replicasets", Some("status")),
    ("statefulsets", None),
    ("statefulsets", Some("status")),
    ("daemonsets", None),
    ("jobs", None),
];

/// How updates carry their op-ids, if they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Nothing,
    Annotation,
    FieldManager,
}

/// All versions that were seen: resource, name, and resourceVersion.
type Seen = Arc<Mutex<BTreeSet<(&'static str, String, String)>>>;

/// What updates of one object have cost.
struct Cost {
    conflicts: u32,
    generations: i64,
    /// Versions of the object that others have made.
    foreign: usize,
    /// Versions of other objects.
    others: usize,
    /// Whether the last update's op-id is in the object.
    carried: bool,
    bytes: i64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let client = optilock::client(Config::infer().await?)?;
    let namespace = format!("optilock-carriers-{}", optilock::OpId::random());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let object = serde_json::from_value(json!({"metadata": {"name": &namespace}}))?;
    namespaces.create(&PostParams::default(), &object).await?;
    let measured = measure(&client, &namespace).await;
    let params = DeleteParams::background();
    namespaces.delete(&namespace, &params).await?;
    measured
}

async fn measure(client: &Client, namespace: &str) -> Result<()> {
    let seen = Seen::default();
    let watches = WATCHED.map(|(group, version, kind, plural)| {
        let kind = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        (plural, api)
    });
    let apis: BTreeMap<_, _> = watches.into_iter().collect();
    for (plural, api) in &apis {
        tokio::spawn(watch(plural, api.clone(), Arc::clone(&seen)));
    }
    let carriers = [How::Nothing, How::Annotation, How::FieldManager];
    let rows = SUBJECTS.iter().enumerate().flat_map(|(number, subject)| {
        carriers.map(|how| (format!("s{number}-{how:?}").to_lowercase(), subject, how))
    });
    let rows: Vec<_> = rows.collect();
    let costs = rows.iter().map(|(name, (plural, part), how)| {
        let (api, seen) = (&apis[plural], &seen);
        async move { cost(api, plural, *part, *how, name, seen).await }
    });
    let costs = try_join_all(costs).await?;
    println!(
        "| for one update of | op-id in | found after it | conflicts | generations | others' writes of it | \
         writes of other objects | bytes more after {UPDATES} |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for ((_, (plural, part), how), cost) in rows.iter().zip(costs) {
        let part = part.map(|part| format!("/{part}")).unwrap_or_default();
        let carrier = match how {
            How::Nothing => "nothing",
            How::Annotation => "annotation",
            How::FieldManager => "field manager",
        };
        let each = |count: f64| count / UPDATES as f64;
        println!(
            "| {plural}{part} | {carrier} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
            if cost.carried { "yes" } else { "no" },
            each(cost.conflicts.into()),
            each(cost.generations as f64),
            each(cost.foreign as f64),
            each(cost.others as f64),
            cost.bytes,
        );
    }
    Ok(())
}

/// Sees every version, until the watch ends with the namespace.
async fn watch(plural: &'static str, api: Api<DynamicObject>, seen: Seen) -> Result<()> {
    let list = api.list_metadata(&ListParams::default()).await?;
    let version = list.metadata.resource_version.unwrap_or_default();
    let params = WatchParams::default().timeout(290);
    let mut events = pin!(api.watch_metadata(&params, &version).await?);
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
            let version = object.resource_version().unwrap_or_default();
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert((plural, object.name_any(), version));
        }
    }
    Ok(())
}

/// How many versions of the object there were, and of those that are named after it.
fn versions(seen: &Seen, plural: &str, name: &str) -> (usize, usize) {
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let ours = seen.iter().filter(|(_, of, _)| of.starts_with(name));
    let (own, others): (Vec<_>, Vec<_>) =
        ours.partition(|(resource, of, _)| *resource == plural && of == name);
    (own.len(), others.len())
}

async fn cost(
    api: &Api<DynamicObject>,
    plural: &str,
    part: Option<&str>,
    how: How,
    name: &str,
    seen: &Seen,
) -> Result<Cost> {
    let object = serde_json::from_value(object(plural, name))?;
    api.create(&PostParams::default(), &object).await?;
    tokio::time::sleep(SETTLE).await;
    let before = api.get(name).await?;
    let at_first = versions(seen, plural, name);
    let mut conflicts = 0;
    let mut last = (None, None);
    let mut id = None;
    for number in 1..=UPDATES {
        let effort = if part == Some("scale") {
            let update = carrying(update_scale(api, name), how, last.1.take());
            let updated = update.apply(|scale: &mut Scale| {
                let replicas = i32::try_from(1 + number % 2)?;
                scale.spec.get_or_insert_default().replicas = Some(replicas);
                Ok(())
            });
            let updated = updated.await?;
            (last.1, id) = (Some(updated.object), Some(updated.op_id));
            updated.effort
        } else {
            let mut update = carrying(update(api, name), how, last.0.take());
            if let Some(part) = part {
                update = update.subresource(part);
            }
            let updated = update.apply(|object| {
                change(object, part, number);
                Ok(())
            });
            let updated = updated.await?;
            (last.0, id) = (Some(updated.object), Some(updated.op_id));
            updated.effort
        };
        conflicts += effort.conflicts;
        tokio::time::sleep(PAUSE).await;
    }
    let after = api.get(name).await?;
    let at_last = versions(seen, plural, name);
    let text = serde_json::to_string(&after)?;
    Ok(Cost {
        conflicts,
        generations: generation(&after) - generation(&before),
        foreign: at_last.0.saturating_sub(at_first.0 + UPDATES),
        others: at_last.1 - at_first.1,
        carried: how != How::Nothing && id.is_some_and(|id| text.contains(id.as_str())),
        bytes: size(&text) - size(&serde_json::to_string(&before)?),
    })
}

fn carrying<K>(update: Update<'_, K>, how: How, last: Option<K>) -> Update<'_, K> {
    let update = match how {
        How::Nothing => update.idempotent(),
        How::Annotation => update.carrier(Carrier::default()),
        How::FieldManager => update.carrier(Carrier::FieldManager),
    };
    match last {
        Some(object) => update.from(object),
        None => update,
    }
}

/// A label, or a condition that no controller knows.
fn change(object: &mut DynamicObject, part: Option<&str>, number: usize) {
    if part.is_none() {
        let labels = object.labels_mut();
        labels.insert("example.com/number".into(), number.to_string());
        return;
    }
    let conditions = &mut object.data["status"]["conditions"];
    let condition = json!({"type": "Checked", "status": "True", "message": number.to_string()});
    match conditions.as_array_mut() {
        Some(known) => {
            known.retain(|known| known["type"] != "Checked");
            known.push(condition);
        }
        None => *conditions = json!([condition]),
    }
}

fn generation(object: &DynamicObject) -> i64 {
    object.metadata.generation.unwrap_or(0)
}

fn size(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// An object of a kind, with a template for pods where it has one.
fn object(plural: &str, name: &str) -> Value {
    let pod = json!({"containers": [{"name": "c", "image": "example.com/image"}]});
    let template = json!({"metadata": {"labels": {"app": name}}, "spec": pod});
    let selector = json!({"matchLabels": {"app": name}});
    let selecting = json!({"selector": selector, "template": template});
    let mut stopped = pod;
    stopped["restartPolicy"] = "Never".into();
    let spec = match plural {
        "services" => json!({"selector": {"app": name}, "ports": [{"port": 80}]}),
        "configmaps" => Value::Null,
        "jobs" => json!({"template": {"spec": stopped}}),
        "statefulsets" => {
            let mut spec = selecting;
            spec["serviceName"] = name.into();
            spec
        }
        _ => selecting,
    };
    let (group, version, kind, _) = WATCHED
        .into_iter()
        .find(|(_, _, _, known)| *known == plural)
        .unwrap_or_default();
    let api_version = GroupVersionKind::gvk(group, version, kind).api_version();
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if spec.is_null() {
        // Without a field of its own it would have no managedFields, and get none by updates.
        object["data"] = json!({"a": "b"});
    } else {
        object["spec"] = spec;
    }
    object
}
