//! Custom resources.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::{refused, soon};

const NAME: &str = "widgets.peers.example.com";

fn definition() -> CustomResourceDefinition {
    serde_json::from_value(json!({
        "metadata": {"name": NAME},
        "spec": {
            "group": "peers.example.com",
            "names": {"plural": "widgets", "kind": "Widget"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "size": {"type": "integer", "minimum": 1, "default": 3},
                    }},
                    "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
                }}},
            }],
        },
    }))
    .unwrap()
}

fn show(object: &DynamicObject) -> String {
    let size = &object.data["spec"]["size"];
    let ready = object.data["status"]["ready"].as_bool().unwrap_or(false);
    let generation = object.metadata.generation.unwrap();
    format!("size={size} ready={ready} generation={generation}")
}

pub async fn custom(client: Client) -> Value {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let post = PostParams::default();
    let mut steps = Vec::new();
    let installed = definitions.create(&post, &definition()).await.unwrap();
    let established = conditions::is_crd_established();
    soon(await_condition(definitions.clone(), NAME, established))
        .await
        .unwrap();
    steps.push("established".to_owned());

    let kind = GroupVersionKind::gvk("peers.example.com", "v1", "Widget");
    let kind = ApiResource::from_gvk_with_plural(&kind, "widgets");
    let api: Api<DynamicObject> = Api::default_namespaced_with(client, &kind);
    let widget =
        |name: &str, spec: Value| DynamicObject::new(name, &kind).data(json!({"spec": spec}));
    let mut made = api.create(&post, &widget("w", json!({}))).await.unwrap();
    steps.push(format!("created {}", show(&made)));
    let invalid = widget("x", json!({"size": 0}));
    steps.push(refused(api.create(&post, &invalid).await));
    made.data = json!({"spec": {"size": 9}, "status": {"ready": true}});
    let ready = api.replace_status("w", &post, &made).await.unwrap();
    steps.push(format!("status {}", show(&ready)));
    steps.push(refused(api.replace("w", &post, &made).await));
    let merge = Patch::Merge(json!({"spec": {"size": 5}}));
    let merged = api.patch("w", &PatchParams::default(), &merge).await;
    steps.push(format!("merge {}", show(&merged.unwrap())));
    let params = PatchParams::apply("one").force();
    let wanted = Patch::Apply(widget("w", json!({"size": 6})));
    let applied = api.patch("w", &params, &wanted).await.unwrap();
    steps.push(format!("apply {}", show(&applied)));

    definitions
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    steps.push("definition deleted".into());
    let uid = installed.uid().unwrap();
    let gone = conditions::is_deleted(&uid);
    soon(await_condition(definitions, NAME, gone))
        .await
        .unwrap();
    steps.push("definition gone".into());
    // It answers without a Status now.
    let answer = api.get("w").await;
    let gone = matches!(answer, Err(kube::Error::Api(status)) if status.code == 404);
    steps.push(format!("served no more: {gone}"));
    json!(steps)
}
