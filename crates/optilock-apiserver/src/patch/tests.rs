//! What patches do: single cases, and laws that hold for all of them.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Check, json_patch, merge_patch, strategic_merge};
use crate::schema::{Field, Schema, Shape, TypeRef};

fn patched_json(document: &Value, patch: &Value) -> Option<Value> {
    let patched = json_patch(document, patch.to_string().as_bytes(), Check::Complain);
    Some(patched.ok()?.document)
}

fn merged(document: &Value, patch: &Value) -> Value {
    let merged = merge_patch(document, patch.to_string().as_bytes(), Check::Complain);
    merged.expect("an object is a merge patch").document
}

fn deployment() -> TypeRef {
    Schema::builtin()
        .kind("apps", "v1", "Deployment")
        .expect("a built-in type")
}

fn strategic(document: &Value, patch: &Value) -> Value {
    let body = patch.to_string();
    let merged = strategic_merge(document, body.as_bytes(), &deployment(), Check::Complain);
    merged.expect("a good patch").document
}

#[test]
fn json_patch_operations() {
    let document = json!({"a": {"b": 1, "l": [1, 2, 3]}, "x/y": {"~": 0}, "n": null});
    for (operation, expected) in [
        (
            json!({"op": "add", "path": "/a/c", "value": 2}),
            json!({"b": 1, "c": 2, "l": [1, 2, 3]}),
        ),
        (
            json!({"op": "add", "path": "/a/c"}),
            json!({"b": 1, "c": null, "l": [1, 2, 3]}),
        ),
        (
            json!({"op": "add", "path": "/a/l/-", "value": 4}),
            json!({"b": 1, "l": [1, 2, 3, 4]}),
        ),
        (
            json!({"op": "add", "path": "/a/l/1", "value": 4}),
            json!({"b": 1, "l": [1, 4, 2, 3]}),
        ),
        (
            json!({"op": "add", "path": "/a/l/-1", "value": 4}),
            json!({"b": 1, "l": [1, 2, 3, 4]}),
        ),
        (
            json!({"op": "add", "path": "/a/l/3", "value": 4}),
            json!({"b": 1, "l": [1, 2, 3, 4]}),
        ),
        (
            json!({"op": "remove", "path": "/a/l/-1"}),
            json!({"b": 1, "l": [1, 2]}),
        ),
        (
            json!({"op": "remove", "path": "/a/b"}),
            json!({"l": [1, 2, 3]}),
        ),
        (
            json!({"op": "replace", "path": "/a/new", "value": 1}),
            json!({"b": 1, "l": [1, 2, 3], "new": 1}),
        ),
        (
            json!({"op": "replace", "path": "/a/l/0", "value": 9}),
            json!({"b": 1, "l": [9, 2, 3]}),
        ),
        (
            json!({"op": "move", "from": "/a/l/0", "path": "/a/l/-"}),
            json!({"b": 1, "l": [2, 3, 1]}),
        ),
        (
            json!({"op": "copy", "from": "/a/b", "path": "/a/c"}),
            json!({"b": 1, "c": 1, "l": [1, 2, 3]}),
        ),
        (
            json!({"op": "copy", "from": "/a/none", "path": "/a/c"}),
            json!({"b": 1, "c": null, "l": [1, 2, 3]}),
        ),
        (
            json!({"op": "test", "path": "/a/b", "value": 1}),
            document["a"].clone(),
        ),
        (
            json!({"op": "test", "path": "/a/none"}),
            document["a"].clone(),
        ),
        (
            json!({"op": "test", "path": "/n", "value": null}),
            document["a"].clone(),
        ),
        (
            json!({"op": "test", "path": "/x~1y/~0", "value": 0}),
            document["a"].clone(),
        ),
    ] {
        let patched = patched_json(&document, &json!([operation]));
        let after = patched.unwrap_or_else(|| panic!("{operation}"));
        assert_eq!(after["a"], expected, "{operation}");
    }
    let without_slash = json!([{"op": "add", "path": "ignored/c", "value": 2}]);
    let after = patched_json(&document, &without_slash).expect("a patch of the root");
    assert_eq!(after["c"], 2);
    for operation in [
        json!({"op": "remove", "path": "/a/none"}),
        json!({"op": "remove", "path": "/a/l/3"}),
        json!({"op": "remove", "path": "/a/l/-4"}),
        json!({"op": "remove", "path": "/a/l/x"}),
        json!({"op": "replace", "path": "/a/l/3", "value": 1}),
        json!({"op": "add", "path": "/a/l/4", "value": 1}),
        json!({"op": "add", "path": "/n/x", "value": 1}),
        json!({"op": "add", "path": "/a/b/x", "value": 1}),
        json!({"op": "test", "path": "/a/b", "value": 2}),
        json!({"op": "test", "path": "/a/b"}),
        json!({"op": "test", "path": "/a/l/7", "value": null}),
        json!({"op": "move", "from": "/a/none", "path": "/a/c"}),
        json!({"op": "replace", "path": "", "value": 1}),
        json!({"op": "add", "path": "/a/c", "value": 1, "extra": 1, "op": 1}),
    ] {
        assert_eq!(
            patched_json(&document, &json!([operation])),
            None,
            "{operation}"
        );
    }
}

/// Moving chains below chains makes a document as deep as there are operations.
#[test]
fn depth_is_bounded() {
    let link = "/a".repeat(100);
    let chain = json!({"op": "add", "path": "/next", "value": nested(100)});
    let grow = json!({"op": "move", "from": "/big", "path": format!("/next{link}")});
    let rename = json!({"op": "move", "from": "/next", "path": "/big"});
    let round = [chain, grow, rename];
    let patch = |rounds| (0..rounds).flat_map(|_| round.clone()).collect::<Value>();
    let document = json!({"big": {}});
    assert!(patched_json(&document, &patch(4)).is_some());
    assert_eq!(patched_json(&document, &patch(1_000)), None);
}

/// Objects inside each other, each the member `a` of the other.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({"a": inner}))
}

#[test]
fn copies_are_bounded() {
    let document = json!({"a": "x".repeat(1 << 20)});
    let copy = |to| json!({"op": "copy", "from": "/a", "path": to});
    assert!(patched_json(&document, &json!([copy("/b"), copy("/c")])).is_some());
    let bomb = json!([copy("/b"), copy("/c"), copy("/d")]);
    assert_eq!(patched_json(&document, &bomb), None);
}

#[test]
fn strategic_merge_of_containers() {
    let document = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "a", "image": "nginx", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"name": "b", "image": "busybox"},
    ]}}}});
    // What kube-apiserver makes of the same containers, as "name:image".
    for (patch, expected) in [
        (
            json!({"containers": [{"name": "a", "image": "x"}]}),
            "a:x b:busybox",
        ),
        (
            json!({"containers": [{"name": "c", "image": "q"}, {"name": "b", "stdin": true}]}),
            "c:q a:nginx b:busybox",
        ),
        (
            json!({"containers": [{"name": "c", "image": "q"}]}),
            "c:q a:nginx b:busybox",
        ),
        (
            json!({"containers": [{"name": "a", "$patch": "delete"}]}),
            "b:busybox",
        ),
        (
            json!({"containers": [{"$patch": "replace"}, {"name": "c", "image": "q"}]}),
            "c:q",
        ),
        (
            json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
            "b:busybox a:nginx",
        ),
        (
            json!({"$setElementOrder/containers": [{"name": "a"}, {"name": "c"}], "containers": [{"name": "c", "image": "q"}]}),
            "a:nginx c:q b:busybox",
        ),
        (json!({"containers": []}), "a:nginx b:busybox"),
        (json!({"$patch": "delete"}), ""),
    ] {
        let after = strategic(&document, &json!({"spec": {"template": {"spec": patch}}}));
        let containers = after["spec"]["template"]["spec"]["containers"].as_array();
        let names: Vec<String> = containers
            .into_iter()
            .flatten()
            .map(|c| {
                format!(
                    "{}:{}",
                    c["name"].as_str().unwrap_or("?"),
                    c["image"].as_str().unwrap_or("?")
                )
            })
            .collect();
        assert_eq!(names.join(" "), expected, "{patch}");
    }
    let reorder = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "a", "$setElementOrder/env": [{"name": "B"}, {"name": "A"}]},
    ]}}}});
    let after = strategic(&document, &reorder);
    let env = &after["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(
        *env,
        json!([{"name": "B", "value": "2"}, {"name": "A", "value": "1"}])
    );
}

#[test]
fn strategic_merge_of_objects_and_primitives() {
    let document = json!({
        "metadata": {"finalizers": ["x/a", "x/b", "x/c"], "labels": {"a": "1"}},
        "spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, "replicas": 2},
    });
    for (patch, pointer, expected) in [
        (
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
            "/spec/strategy",
            json!({"type": "Recreate"}),
        ),
        (
            json!({"spec": {"replicas": null}}),
            "/spec/replicas",
            Value::Null,
        ),
        (
            json!({"metadata": {"labels": {"b": "2", "c": null}}}),
            "/metadata/labels",
            json!({"a": "1", "b": "2"}),
        ),
        (
            json!({"metadata": {"labels": {"$patch": "replace", "b": "2"}}}),
            "/metadata/labels",
            json!({"b": "2"}),
        ),
        (
            json!({"metadata": {"annotations": {"b": "2", "c": null}}}),
            "/metadata/annotations",
            json!({"b": "2"}),
        ),
        (
            json!({"metadata": {"finalizers": ["x/d", "x/a"]}}),
            "/metadata/finalizers",
            json!(["x/d", "x/a", "x/b", "x/c"]),
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/b", "x/z"]}}),
            "/metadata/finalizers",
            json!(["x/a", "x/c"]),
        ),
        (
            json!({"metadata": {"$setElementOrder/finalizers": ["x/c", "x/a"]}}),
            "/metadata/finalizers",
            json!(["x/b", "x/c", "x/a"]),
        ),
    ] {
        let after = strategic(&document, &patch);
        assert_eq!(
            after.pointer(pointer).cloned().unwrap_or_default(),
            expected,
            "{patch}"
        );
    }
}

/// RFC 7386, section 2.
fn naive_merge(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut target = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, value) in patch {
        let before = target.remove(name).unwrap_or(Value::Null);
        if !value.is_null() {
            target.insert(name.clone(), naive_merge(before, value));
        }
    }
    target.into()
}

/// Any JSON, except that lists hold only numbers: objects in lists are where the API server
/// leaves the RFC.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..3i64).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec((-3..3i64).prop_map(Value::from), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-d]", any_json(), 0..4)
        .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into())
}

fn operation() -> impl Strategy<Value = Value> {
    // The root as a target is another matter: it can be replaced and tested only.
    let path = "(/[a-d0-2-]){1,3}";
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
    (op, path, path, any_json()).prop_map(
        |(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}),
    )
}

proptest! {
    #[test]
    fn merge_patch_is_rfc_7386(document in any_object(), patch in any_object()) {
        let expected = naive_merge(document.clone(), &patch);
        prop_assert_eq!(merged(&document, &patch), expected);
    }

    #[test]
    fn merge_patch_is_idempotent(document in any_object(), patch in any_object()) {
        let once = merged(&document, &patch);
        prop_assert_eq!(merged(&once, &patch), once);
    }

    /// Where RFC 6902 allows a patch, the result is the RFC's; the laxer rules only add to it.
    #[test]
    fn json_patch_is_rfc_6902_and_more(
        document in any_object(),
        operations in prop::collection::vec(operation(), 0..4),
    ) {
        let ours = patched_json(&document, &operations.clone().into());
        let strict: json_patch::Patch = serde_json::from_value(operations.into()).expect("a patch");
        let mut expected = document;
        // Not `patch`, whose way back from a failure can panic.
        if json_patch::patch_unsafe(&mut expected, &strict).is_ok() {
            prop_assert_eq!(ours, Some(expected));
        }
    }

    #[test]
    fn patches_never_panic(document in any_json(), body in ".{0,40}", patch in any_json()) {
        let ty = deployment();
        for body in [body.as_bytes(), patch.to_string().as_bytes()] {
            for check in [Check::Ignore, Check::Complain] {
                let _ = json_patch(&document, body, check);
                let _ = merge_patch(&document, body, check);
                let _ = strategic_merge(&document, body, &ty, check);
            }
        }
    }

    #[test]
    fn strategic_merge_never_panics(
        document in deployment_spec(),
        patch in hostile_spec(),
    ) {
        let body = json!({"spec": {"template": {"spec": patch}}}).to_string();
        let document = json!({"spec": {"template": {"spec": document}}});
        let _ = strategic_merge(&document, body.as_bytes(), &deployment(), Check::Complain);
    }

    #[test]
    fn a_diff_reproduces_its_target(from in deployment_spec(), to in deployment_spec()) {
        let pod_spec = Schema::builtin()
            .type_named("io.k8s.api.core.v1.PodSpec")
            .expect("a built-in type");
        let patch = Value::from(diff(&from, &to, &pod_spec));
        let wrap = |spec: &Value| json!({"spec": {"template": {"spec": spec}}});
        let once = strategic(&wrap(&from), &wrap(&patch));
        prop_assert_eq!(&once, &wrap(&to), "{}", patch);
        prop_assert_eq!(&strategic(&once, &wrap(&patch)), &once, "applied twice: {}", patch);
    }
}

/// Pod specs with lists that merge by key, nested ones, primitives and plain maps.
fn deployment_spec() -> impl Strategy<Value = Value> {
    let env = keyed(
        "[A-D]",
        "name",
        ("[xy]{0,2}").prop_map(|v| json!({"value": v})),
    );
    let container = (
        env,
        "[pq]",
        prop::option::of(prop::collection::vec("[rs]", 1..3)),
    );
    let container = container.prop_map(|(env, image, command)| {
        let mut container = json!({"image": image});
        if env != json!([]) {
            container["env"] = env;
        }
        if let Some(command) = command {
            container["command"] = command.into();
        }
        container
    });
    let labels = prop::collection::btree_map("[k-m]", "[01]", 0..3);
    (
        keyed("[a-e]", "name", container),
        labels,
        prop::option::of(0..3i64),
    )
        .prop_map(|(containers, selector, grace)| {
            let mut spec = json!({"containers": containers, "nodeSelector": selector});
            if let Some(grace) = grace {
                spec["terminationGracePeriodSeconds"] = grace.into();
            }
            spec
        })
}

/// A list of objects with distinct keys, in any order.
fn keyed(
    keys: &'static str,
    name: &'static str,
    item: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(keys, item, 0..4)
        .prop_map(move |items| {
            let items = items.into_iter().map(|(key, mut item)| {
                item[name] = key.into();
                item
            });
            items.collect::<Vec<_>>()
        })
        .prop_shuffle()
        .prop_map(Value::from)
}

/// What a careless or hostile client might send as a pod spec.
fn hostile_spec() -> impl Strategy<Value = Value> {
    let names = [
        "name",
        "containers",
        "env",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$setElementOrder/env",
        "$deleteFromPrimitiveList/containers",
        "$deleteFromPrimitiveList/",
        "tolerations",
        "nodeSelector",
    ];
    let words = ["a", "b", "delete", "replace", "merge", ""];
    let leaf = prop_oneof![
        Just(Value::Null),
        (0..2i64).prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(names.to_vec()), inner, 0..4)
                .prop_map(|members| {
                    let members = members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value));
                    members.collect::<Map<_, _>>().into()
                }),
        ]
    })
}

/// A strategic merge patch from one object of a type to another.
fn diff(from: &Value, to: &Value, ty: &TypeRef) -> Map<String, Value> {
    let empty = Map::new();
    let (from, to) = (
        from.as_object().unwrap_or(&empty),
        to.as_object().unwrap_or(&empty),
    );
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, after) in to {
        let before = from.get(name).unwrap_or(&Value::Null);
        if before == after {
            continue;
        }
        let field = ty.field(name).expect("a field of the type");
        let (change, order) = diff_field(before, after, field);
        patch.insert(name.clone(), change);
        if let Some(order) = order {
            patch.insert(format!("$setElementOrder/{name}"), order);
        }
    }
    patch
}

/// The patch of one field, and the order of its items where it is a merge list.
fn diff_field(before: &Value, after: &Value, field: &Field) -> (Value, Option<Value>) {
    let key = &*field.patch_merge_key;
    match (before, after, &field.shape) {
        (Value::Array(before), Value::Array(after), Shape::List(item)) if !key.is_empty() => {
            let ty = item.as_struct().expect("items with a key are structs");
            let named = |list: &[Value], item: &Value| {
                list.iter().find(|other| other[key] == item[key]).cloned()
            };
            let gone = before.iter().filter(|item| named(after, item).is_none());
            let mut items: Vec<Value> = gone
                .map(|item| json!({"$patch": "delete", key: item[key]}))
                .collect();
            for item in after {
                let mut change = diff(&named(before, item).unwrap_or_default(), item, ty);
                change.insert(key.to_owned(), item[key].clone());
                items.push(change.into());
            }
            let order = after.iter().map(|item| json!({key: item[key]})).collect();
            (items.into(), Some(order))
        }
        (Value::Object(before), Value::Object(after), Shape::Map(_)) => {
            let mut change = Map::new();
            for name in before.keys().filter(|name| !after.contains_key(*name)) {
                change.insert(name.clone(), Value::Null);
            }
            for (name, value) in after
                .iter()
                .filter(|(name, value)| before.get(*name) != Some(value))
            {
                change.insert(name.clone(), value.clone());
            }
            (change.into(), None)
        }
        _ => (after.clone(), None),
    }
}
