//! A client of kube-rs that installs a definition, waits for it, and works with its objects.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::core::GroupVersionKind;
use optilock_apiserver::Server;
use serde_json::json;

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let status = definition.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|c| c.type_ == "Established" && c.status == "True")
    })
}

async fn established(definitions: &Api<CustomResourceDefinition>, name: &str) {
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = Box::pin(definitions.watch(&params, "0").await.unwrap());
    while let Some(event) = events.try_next().await.unwrap() {
        if let WatchEvent::Added(definition) | WatchEvent::Modified(definition) = event
            && is_established(&definition)
        {
            return;
        }
    }
    panic!("the watch ended before the definition was established");
}

#[tokio::test]
async fn a_client_installs_a_definition_and_works_with_its_objects() {
    let server = Server::new();
    let client = kube::Client::new(server.service(), "default");
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": {"name": "notes.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "notes", "kind": "Note"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "text": {"type": "string"}, "stars": {"type": "integer", "default": 3},
                    }},
                    "status": {"type": "object", "properties": {"read": {"type": "boolean"}}},
                }}},
            }],
        },
    }))
    .unwrap();
    definitions
        .create(&PostParams::default(), &definition)
        .await
        .unwrap();
    tokio::time::timeout(
        Duration::from_secs(60),
        established(&definitions, "notes.example.com"),
    )
    .await
    .unwrap();

    let kind = GroupVersionKind::gvk("example.com", "v1", "Note");
    let resource = ApiResource::from_gvk_with_plural(&kind, "notes");
    let notes: Api<DynamicObject> = Api::default_namespaced_with(client, &resource);
    let note = DynamicObject::new("n", &resource).data(json!({"spec": {"text": "a"}}));
    let created = notes.create(&PostParams::default(), &note).await.unwrap();
    assert_eq!(created.data["spec"], json!({"stars": 3, "text": "a"}));

    // Two writers of one version: the second one has to look again.
    let mut first = created.clone();
    first.data["spec"]["text"] = "b".into();
    let mut second = created;
    second.data["spec"]["text"] = "c".into();
    notes
        .replace("n", &PostParams::default(), &first)
        .await
        .unwrap();
    let refused = notes.replace("n", &PostParams::default(), &second).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 409));

    let status = json!({"status": {"read": true}});
    let read = notes
        .patch_status("n", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    assert_eq!(read.data["status"], json!({"read": true}));
    let all = notes.list(&Default::default()).await.unwrap();
    assert_eq!(all.items.len(), 1);
    assert_eq!(all.items[0].types, read.types);
    notes.delete("n", &Default::default()).await.unwrap();
    assert!(notes.get_opt("n").await.unwrap().is_none());
}
