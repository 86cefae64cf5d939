//! Scenarios on objects of the kind `ConfigMap`.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{self, ObjectRef, store};
use kube::runtime::watcher::{self, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::{configmap, refused, show, soon};

/// Creates, reads, updates, patches, lists and deletes.
pub async fn crud(client: Client) -> Value {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let (post, name) = (PostParams::default(), "crud");
    let mut steps = Vec::new();
    let object = configmap("crud", name, "1");
    let made = api.create(&post, &object).await.unwrap();
    steps.push(format!("created {}", show(made.data.as_ref())));
    steps.push(refused(api.create(&post, &object).await));
    let read = api.get(name).await.unwrap();
    steps.push(format!("read {}", show(read.data.as_ref())));
    let mut changed = read.clone();
    changed.data = Some([("a".to_owned(), "2".to_owned())].into());
    let updated = api.replace(name, &post, &changed).await.unwrap();
    steps.push(format!("updated {}", show(updated.data.as_ref())));
    steps.push(refused(api.replace(name, &post, &read).await));
    let remove = serde_json::from_value(json!([{"op": "remove", "path": "/data/a"}])).unwrap();
    for (kind, patch) in [
        ("merge", Patch::Merge(json!({"data": {"b": "3"}}))),
        ("json", Patch::Json::<Value>(remove)),
        (
            "strategic",
            Patch::Strategic(json!({"data": {"b": null, "c": "4"}})),
        ),
    ] {
        let patched = api.patch(name, &PatchParams::default(), &patch).await;
        steps.push(format!("{kind} {}", show(patched.unwrap().data.as_ref())));
    }
    let list = api
        .list(&ListParams::default().labels("scenario=crud"))
        .await
        .unwrap();
    for item in list {
        steps.push(format!("listed {}", item.name_any()));
    }
    api.delete(name, &DeleteParams::default()).await.unwrap();
    steps.push("deleted".into());
    steps.push(refused(api.get(name).await));
    json!(steps)
}

/// Watches, stops, and goes on from the last version that it has seen.
pub async fn watch(client: Client) -> Value {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let (post, delete) = (PostParams::default(), DeleteParams::default());
    let mut steps = Vec::new();
    let list = api
        .list(&ListParams::default().labels("scenario=watch"))
        .await
        .unwrap();
    let mut version = list.metadata.resource_version.unwrap();

    let object = configmap("watch", "first", "1");
    api.create(&post, &object).await.unwrap();
    let object = configmap("watch", "first", "2");
    api.replace("first", &post, &object).await.unwrap();
    follow(&api, &mut version, 2, &mut steps).await;

    let object = configmap("watch", "first", "3");
    api.replace("first", &post, &object).await.unwrap();
    let object = configmap("watch", "second", "1");
    api.create(&post, &object).await.unwrap();
    api.delete("first", &delete).await.unwrap();
    follow(&api, &mut version, 3, &mut steps).await;

    api.delete("second", &delete).await.unwrap();
    follow(&api, &mut version, 1, &mut steps).await;
    json!(steps)
}

/// Notes so many events from a version on, which becomes that of the last one.
async fn follow(api: &Api<ConfigMap>, version: &mut String, count: usize, steps: &mut Vec<String>) {
    let params = WatchParams::default().labels("scenario=watch");
    let mut events = api.watch(&params, version).await.unwrap().boxed();
    for _ in 0..count {
        let (kind, object) = match soon(events.try_next()).await.unwrap().unwrap() {
            WatchEvent::Added(object) => ("ADDED", object),
            WatchEvent::Modified(object) => ("MODIFIED", object),
            WatchEvent::Deleted(object) => ("DELETED", object),
            other => panic!("{other:?}"),
        };
        let value = &object.data.as_ref().unwrap()["a"];
        steps.push(format!("{kind} {} {value}", object.name_any()));
        *version = object.resource_version().unwrap();
    }
}

/// Two managers that want the same field.
pub async fn apply(client: Client) -> Value {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let want = async |params: PatchParams, data: Value| {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data,
        });
        api.patch("applied", &params, &Patch::Apply(object)).await
    };
    let (one, two) = (PatchParams::apply("one"), PatchParams::apply("two"));
    let of_one = json!({"a": "1", "one": "mine"});
    let of_two = json!({"a": "2", "two": "mine"});
    let mut steps = Vec::new();
    let object = want(one, of_one).await.unwrap();
    steps.push(format!("applied {}", show(object.data.as_ref())));
    steps.push(refused(want(two.clone(), of_two.clone()).await));
    let object = want(two.clone().force(), of_two.clone()).await.unwrap();
    steps.push(format!("forced {}", show(object.data.as_ref())));
    let again = want(two.clone(), of_two).await.unwrap();
    let same = again.resource_version() == object.resource_version();
    steps.push(format!("unchanged {same}"));
    let managers = again.managed_fields().iter().map(|entry| {
        let text = |text: &Option<String>| text.clone().unwrap();
        format!("{}:{}", text(&entry.manager), text(&entry.operation))
    });
    let managers: Vec<_> = managers.collect();
    steps.push(format!("managed by {}", managers.join(" ")));
    let object = want(two, json!({"two": "mine"})).await.unwrap();
    steps.push(format!("given up {}", show(object.data.as_ref())));
    api.delete("applied", &DeleteParams::default())
        .await
        .unwrap();
    steps.push("deleted".into());
    json!(steps)
}

/// Has a reflector follow what happens; its first state comes by a watch.
pub async fn informer(client: Client) -> Value {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let (post, delete) = (PostParams::default(), DeleteParams::default());
    let early = configmap("informer", "early", "1");
    api.create(&post, &early).await.unwrap();

    let (cache, writer) = store();
    let config = watcher::Config::default().labels("scenario=informer");
    let events = watcher(api.clone(), config.streaming_lists());
    let mut events = reflector::reflector(writer, events).boxed();
    let mut known = HashSet::new();
    let mut next = async || {
        loop {
            let (kind, object) = match soon(events.try_next()).await.unwrap().unwrap() {
                watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                    let new = known.insert(object.name_any());
                    (if new { "add" } else { "update" }, object)
                }
                watcher::Event::Delete(object) => ("delete", object),
                watcher::Event::Init | watcher::Event::InitDone => continue,
            };
            let value = &object.data.as_ref().unwrap()["a"];
            return format!("{kind} {} {value}", object.name_any());
        }
    };
    let mut steps = vec![next().await];
    let late = configmap("informer", "late", "1");
    api.create(&post, &late).await.unwrap();
    steps.push(next().await);
    let changed = configmap("informer", "early", "2");
    api.replace("early", &post, &changed).await.unwrap();
    steps.push(next().await);
    api.delete("late", &delete).await.unwrap();
    steps.push(next().await);
    let namespace = api.namespace().unwrap();
    let cached = cache.get(&ObjectRef::new("early").within(namespace));
    let cached = cached.unwrap();
    let value = &cached.data.as_ref().unwrap()["a"];
    steps.push(format!("cached early {value}"));
    api.delete("early", &delete).await.unwrap();
    steps.push(next().await);
    json!(steps)
}

/// Has a cache follow what happens until there is an object `end`, and shows what is in it then.
pub async fn expired(client: Client) -> Value {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let (cache, writer) = store();
    let config = watcher::Config::default().labels("scenario=expired");
    let events = watcher(api, config).default_backoff();
    let mut events = reflector::reflector(writer, events).boxed();
    let end = ObjectRef::new("end").within("default");
    while cache.get(&end).is_none() {
        // What goes wrong is told, and tried again.
        if let Some(Err(error)) = soon(events.next()).await {
            eprintln!("{error}");
        }
    }
    let objects = cache.state();
    let cached = objects.iter().map(|object| {
        let value = object.data.as_ref().unwrap()["a"].as_str();
        (object.name_any(), value.into())
    });
    Value::Object(cached.collect())
}
