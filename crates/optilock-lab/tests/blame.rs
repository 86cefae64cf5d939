//! Who is blamed for the writes of an object, on the embedded server.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use optilock_lab::{BlameError, ObjectRef, Target, blame};
use serde_json::json;
use tokio::sync::Notify;

fn object(text: &str) -> ObjectRef {
    text.parse().unwrap()
}

async fn created(target: &Target) -> Api<ConfigMap> {
    let api: Api<ConfigMap> = Api::default_namespaced(target.client().clone());
    let object =
        serde_json::from_value(json!({"metadata": {"name": "c"}, "data": {"a": "0", "b": "0"}}));
    let params = PostParams {
        field_manager: Some("creator".to_owned()),
        ..PostParams::default()
    };
    api.create(&params, &object.unwrap()).await.unwrap();
    api
}

async fn patch(api: &Api<ConfigMap>, manager: &str, key: &str, value: u32) {
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let patch = json!({"data": {key: value.to_string()}});
    api.patch("c", &params, &Patch::Merge(patch)).await.unwrap();
}

#[tokio::test]
async fn every_writer_with_its_fields() {
    let target = Target::embedded();
    let api = created(&target).await;
    let (begun, all_seen) = (Notify::new(), Notify::new());
    let name = object("cm/c");
    let seen = |writes| match writes {
        0 => begun.notify_one(),
        9 => all_seen.notify_one(),
        _ => {}
    };
    let watch = blame(&target, &name, None, all_seen.notified(), seen);
    let writes = async {
        begun.notified().await;
        for round in 1..=3 {
            patch(&api, "left", "a", round).await;
            patch(&api, "right", "b", round).await;
            patch(&api, "left", "shared", round).await;
        }
    };
    let (blame, ()) = tokio::join!(watch, writes);
    let blame = blame.unwrap();
    assert_eq!((blame.writes, blame.untold, blame.deleted), (9, 0, false));
    assert_eq!(blame.object, "configmaps \"c\"");
    let told: Vec<_> = blame
        .writers
        .iter()
        .map(|share| (share.writer.to_string(), share.writes, share.fields.clone()))
        .collect();
    let field = |name: &str| (format!("data.{name}"), 3);
    assert_eq!(
        told,
        [
            (
                "left (Update)".to_owned(),
                6,
                vec![field("a"), field("shared")]
            ),
            ("right (Update)".to_owned(), 3, vec![field("b")]),
        ]
    );
    assert!(blame.pairs.iter().all(|pair| pair.contested.is_empty()));
}

#[tokio::test]
async fn the_end_of_the_object_is_the_end() {
    let target = Target::embedded();
    let api = created(&target).await;
    let name = object("ConfigMap/c");
    let begun = Notify::new();
    let watch = blame(&target, &name, None, std::future::pending(), |_| {
        begun.notify_one();
    });
    let delete = async {
        begun.notified().await;
        patch(&api, "left", "a", 1).await;
        api.delete("c", &DeleteParams::default()).await.unwrap();
    };
    let (blame, ()) = tokio::join!(watch, delete);
    assert!(blame.unwrap().deleted);
}

#[tokio::test]
async fn what_is_not_there() {
    let target = Target::embedded();
    let ask = async |text: &str| {
        let name = object(text);
        blame(&target, &name, None, async {}, |_| ())
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        ask("deploy/nothing").await,
        "there is no deployments.apps \"nothing\" in namespace \"default\"; --namespace names another"
    );
    assert_eq!(ask("node/nothing").await, "there is no nodes \"nothing\"");
    assert!(
        ask("gadget/one")
            .await
            .contains("has no resource \"gadget\"")
    );
    assert!(matches!(
        "web".parse::<ObjectRef>(),
        Err(BlameError::NoName { .. })
    ));
}
