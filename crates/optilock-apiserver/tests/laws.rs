//! Laws that hold whatever is written: an apply that is repeated changes nothing, and nobody is said to own what is not
//! there. (That a strategic merge patch of a difference makes the target is tested beside the patches.)
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Answer, Api, version};
use http::Method;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const THINGS: &str = "/apis/example.com/v1/namespaces/default/things";

/// Which kind of object a run is about.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Deployment,
    Custom,
}

impl Kind {
    fn path(self) -> String {
        match self {
            Self::Deployment => format!("{DEPLOYMENTS}/a"),
            Self::Custom => format!("{THINGS}/a"),
        }
    }

    /// A document of the kind with these metadata and this spec.
    fn document(self, metadata: &Value, spec: &Value) -> Value {
        let (api_version, kind) = match self {
            Self::Deployment => ("apps/v1", "Deployment"),
            Self::Custom => ("example.com/v1", "Thing"),
        };
        let mut document =
            json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
        document["metadata"]["name"] = "a".into();
        document
    }

    /// A server with an object of the kind.
    async fn begin(self) -> Api {
        let api = Api::new();
        let born = match self {
            Self::Deployment => {
                let spec = json!({
                    "selector": {"matchLabels": {"l": "x"}},
                    "template": {
                        "metadata": {"labels": {"l": "x"}},
                        "spec": {"containers": [{"name": "a", "image": "i"}]},
                    },
                });
                api.post(DEPLOYMENTS, &self.document(&json!({}), &spec))
                    .await
            }
            Self::Custom => {
                let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
                api.post(definitions, &definition()).await.expect(201);
                api.post(THINGS, &self.document(&json!({}), &json!({"size": 1})))
                    .await
            }
        };
        born.expect(201);
        api
    }

    fn spec(self) -> BoxedStrategy<Value> {
        match self {
            Self::Deployment => deployment_spec().boxed(),
            Self::Custom => custom_spec().boxed(),
        }
    }
}

fn definition() -> Value {
    json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": {"type": "object", "properties": {
                    "size": {"type": "integer"},
                    "parts": {
                        "type": "array",
                        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "required": ["name"], "properties": {
                            "name": {"type": "string"}, "count": {"type": "integer", "default": 7},
                        }},
                    },
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
                    "list": {"type": "array", "items": {"type": "string"}},
                    "more": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }}}],
        },
    })
}

/// A map with at least one entry.
fn words(key: &'static str, value: &'static str) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key, value, 1..3).prop_map(|map| json!(map))
}

/// A list of objects with distinct names.
fn named(
    names: &'static str,
    item: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(names, item, 1..4).prop_map(|items| {
        let with_name = items.into_iter().map(|(name, mut item)| {
            item["name"] = name.into();
            item
        });
        with_name.collect()
    })
}

/// An object of some of these members.
fn some(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| {
            prop::option::of(value)
                .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        })
        .collect();
    members.prop_map(|members| Value::Object(members.into_iter().flatten().collect::<Map<_, _>>()))
}

fn metadata() -> impl Strategy<Value = Value> {
    some(vec![
        ("labels", words("[k-m]", "[01]").boxed()),
        ("annotations", words("[k-m]", "[01]").boxed()),
        (
            "finalizers",
            prop::collection::btree_set("example\\.com/[xyz]", 1..3)
                .prop_map(|set| json!(set))
                .boxed(),
        ),
    ])
}

fn deployment_spec() -> impl Strategy<Value = Value> {
    let port = (80..82_i64, prop::sample::select(vec!["TCP", "UDP"]));
    let ports = prop::collection::btree_set(port, 1..3).prop_map(|ports| {
        let port = |(number, protocol)| json!({"containerPort": number, "protocol": protocol});
        ports.into_iter().map(port).collect()
    });
    let env = named("[A-C]", "[xy]".prop_map(|value| json!({"value": value})));
    let container = some(vec![
        ("env", env.boxed()),
        ("ports", ports.boxed()),
        (
            "args",
            prop::collection::vec("[a-c]", 1..3)
                .prop_map(|list| json!(list))
                .boxed(),
        ),
    ]);
    let container = (container, "[ij]").prop_map(|(mut container, image)| {
        container["image"] = image.into();
        container
    });
    let template = some(vec![
        ("containers", named("[a-c]", container).boxed()),
        ("nodeSelector", words("[k-m]", "[01]").boxed()),
        (
            "terminationGracePeriodSeconds",
            (0..3_i64).prop_map(Value::from).boxed(),
        ),
    ]);
    some(vec![
        ("replicas", (0..3_i64).prop_map(Value::from).boxed()),
        ("minReadySeconds", (1..3_i64).prop_map(Value::from).boxed()),
        ("paused", Just(Value::Bool(true)).boxed()),
        (
            "template",
            template.prop_map(|spec| json!({"spec": spec})).boxed(),
        ),
    ])
}

fn custom_spec() -> impl Strategy<Value = Value> {
    let part = some(vec![("count", (0..3_i64).prop_map(Value::from).boxed())]);
    let more = some(vec![
        ("a", words("[k-m]", "[01]").boxed()),
        (
            "b",
            prop::collection::vec("[a-c]", 1..3)
                .prop_map(|list| json!(list))
                .boxed(),
        ),
        ("c", "[01]".prop_map(Value::from).boxed()),
    ]);
    some(vec![
        ("size", (0..3_i64).prop_map(Value::from).boxed()),
        ("parts", named("[a-c]", part).boxed()),
        (
            "tags",
            prop::collection::btree_set("[a-d]", 1..3)
                .prop_map(|set| json!(set))
                .boxed(),
        ),
        ("whole", words("[k-m]", "[01]").boxed()),
        (
            "list",
            prop::collection::vec("[a-c]", 1..3)
                .prop_map(|list| json!(list))
                .boxed(),
        ),
        ("more", more.boxed()),
    ])
}

/// A write by one of three managers.
#[derive(Debug, Clone)]
struct Write {
    how: How,
    manager: &'static str,
    metadata: Value,
    spec: Value,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Apply,
    ForcedApply,
    Merge,
    /// A merge patch that takes away the members that the spec names.
    Removal,
    /// The live object with the spec's members replaced.
    Update,
}

fn write(kind: Kind) -> impl Strategy<Value = Write> {
    let how = prop::sample::select(vec![
        How::Apply,
        How::ForcedApply,
        How::Merge,
        How::Removal,
        How::Update,
    ]);
    let manager = prop::sample::select(vec!["m1", "m2", "m3"]);
    (how, manager, metadata(), kind.spec()).prop_map(|(how, manager, metadata, spec)| Write {
        how,
        manager,
        metadata,
        spec,
    })
}

impl Write {
    async fn send(&self, api: &Api, kind: Kind) -> Answer {
        let path = kind.path();
        let query = format!("{path}?fieldManager={}", self.manager);
        let document = kind.document(&self.metadata, &self.spec);
        match self.how {
            How::Apply => apply(api, &query, &document).await,
            How::ForcedApply => apply(api, &format!("{query}&force=true"), &document).await,
            How::Merge => api.patch(&query, "merge", &document).await,
            How::Removal => {
                let nulls = |value: &Value| -> Value {
                    let members = value.as_object().into_iter().flatten();
                    members
                        .map(|(name, _)| (name.clone(), Value::Null))
                        .collect::<Map<_, _>>()
                        .into()
                };
                // Without a template a Deployment is none.
                let mut spec = nulls(&self.spec);
                spec.as_object_mut().unwrap().remove("template");
                let patch = json!({"metadata": nulls(&self.metadata), "spec": spec});
                api.patch(&query, "merge", &patch).await
            }
            How::Update => {
                let mut object = api.get(&path).await.expect(200);
                for part in ["metadata", "spec"] {
                    for (name, value) in document[part].as_object().unwrap() {
                        // The rest of a template has to stay for the selector.
                        if name == "template" {
                            for (name, value) in value["spec"].as_object().unwrap() {
                                object["spec"]["template"]["spec"][name] = value.clone();
                            }
                        } else {
                            object[part][name] = value.clone();
                        }
                    }
                }
                api.put(&query, &object).await
            }
        }
    }
}

async fn apply(api: &Api, path: &str, document: &Value) -> Answer {
    let headers = [("content-type", "application/apply-patch+yaml")];
    api.call(Method::PATCH, path, &headers, document.to_string())
        .await
}

/// Panics where a manager owns something that the object has not.
fn owners_own_what_is_there(object: &Value) {
    for entry in object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
    {
        present(object, &entry["fieldsV1"], &mut Vec::new(), entry);
    }
}

fn present(value: &Value, fields: &Value, path: &mut Vec<String>, entry: &Value) {
    for (step, below) in fields.as_object().into_iter().flatten() {
        path.push(step.clone());
        let found = match step.split_once(':') {
            None if step == "." => Some(value),
            Some(("f", name)) => value.get(name),
            Some(("k", key)) => {
                let key: Map<String, Value> = serde_json::from_str(key).unwrap();
                let items = value.as_array().into_iter().flatten();
                items.into_iter().find(|item| {
                    key.iter()
                        .all(|(name, value)| item.get(name) == Some(value))
                })
            }
            Some(("v", item)) => {
                let item: Value = serde_json::from_str(item).unwrap();
                value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|known| **known == item)
            }
            _ => panic!("no step: {step}"),
        };
        let Some(found) = found else {
            panic!("{} owns {path:?}, which is not there", entry["manager"]);
        };
        present(found, below, path, entry);
        path.pop();
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(test);
}

fn owners_stay_true(kind: Kind, writes: &[Write]) {
    run(async {
        let api = kind.begin().await;
        for write in writes {
            let answer = write.send(&api, kind).await;
            let code = answer.code.as_u16();
            assert!(
                matches!(code, 200 | 409 | 422),
                "{write:?}: {}",
                String::from_utf8_lossy(&answer.body)
            );
            owners_own_what_is_there(&api.get(&kind.path()).await.expect(200));
        }
    });
}

fn a_repeated_apply_changes_nothing(kind: Kind, writes: &[Write], last: &Write) {
    run(async {
        let api = kind.begin().await;
        for write in writes {
            write.send(&api, kind).await;
        }
        let path = format!("{}?fieldManager={}&force=true", kind.path(), last.manager);
        let document = kind.document(&last.metadata, &last.spec);
        let once = apply(&api, &path, &document).await;
        if once.code != 200 {
            // Two containers of which one has no image, and the like.
            assert_eq!(once.code, 422, "{}", String::from_utf8_lossy(&once.body));
            return;
        }
        let once = once.json();
        let twice = apply(&api, &path, &document).await.expect(200);
        assert_eq!(version(&twice), version(&once));
        assert_eq!(twice, once);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn owners_of_a_deployment_own_what_is_there(
        writes in prop::collection::vec(write(Kind::Deployment), 1..7),
    ) {
        owners_stay_true(Kind::Deployment, &writes);
    }

    #[test]
    fn owners_of_a_custom_resource_own_what_is_there(
        writes in prop::collection::vec(write(Kind::Custom), 1..7),
    ) {
        owners_stay_true(Kind::Custom, &writes);
    }

    #[test]
    fn an_apply_of_a_deployment_is_idempotent(
        writes in prop::collection::vec(write(Kind::Deployment), 0..4),
        last in write(Kind::Deployment),
    ) {
        a_repeated_apply_changes_nothing(Kind::Deployment, &writes, &last);
    }

    #[test]
    fn an_apply_of_a_custom_resource_is_idempotent(
        writes in prop::collection::vec(write(Kind::Custom), 0..4),
        last in write(Kind::Custom),
    ) {
        a_repeated_apply_changes_nothing(Kind::Custom, &writes, &last);
    }
}
