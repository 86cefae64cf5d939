//! Defaults against what kube-apiserver 1.36.3 answered to the same objects.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::apply;
use crate::schema::{Schema, TypeRef};
use crate::validation::recording;

/// Cases `{path, sent, answered}`: what was posted as a dry run, and what came back.
const CASES: &str = "defaults.json";

/// Members that the server fills in by other means, by kind: identity, admission, allocation.
const MADE_ELSEWHERE: &[(&str, &[&str])] = &[
    (
        "*",
        &[
            "/metadata/uid",
            "/metadata/creationTimestamp",
            "/metadata/generation",
            "/metadata/managedFields",
            "/metadata/resourceVersion",
            "/metadata/namespace",
            "/metadata/finalizers",
        ],
    ),
    ("DaemonSet", &["/metadata/annotations"]),
    (
        "Job",
        &[
            "/metadata/labels",
            "/spec/selector",
            "/spec/template/metadata/labels",
        ],
    ),
    (
        "Pod",
        &[
            "/spec/preemptionPolicy",
            "/spec/priority",
            "/spec/tolerations",
            "/status",
        ],
    ),
    (
        "Service",
        &[
            "/spec/clusterIP",
            "/spec/clusterIPs",
            "/spec/ipFamilies",
            "/spec/ipFamilyPolicy",
            "/spec/ports/*/nodePort",
        ],
    ),
    ("Namespace", &["/spec"]),
    ("PersistentVolume", &["/status/lastPhaseTransitionTime"]),
    ("Node", &["/spec"]),
    // An empty list comes back as null.
    ("CSINode", &["/spec/drivers"]),
];

fn remove(value: &mut Value, path: &str) {
    let (head, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    match value {
        Value::Array(items) if head == "*" => {
            for item in items {
                remove(item, &format!("/{rest}"));
            }
        }
        Value::Object(members) if rest.is_empty() => {
            members.remove(head);
        }
        Value::Object(members) => {
            if let Some(member) = members.get_mut(head) {
                remove(member, &format!("/{rest}"));
            }
        }
        _ => {}
    }
}

fn without_foreign(mut object: Value) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    for (_, paths) in MADE_ELSEWHERE
        .iter()
        .filter(|(of, _)| *of == "*" || *of == kind)
    {
        for path in *paths {
            remove(&mut object, path);
        }
    }
    object
}

fn type_of(object: &Value) -> TypeRef {
    let text = |name: &str| object[name].as_str().expect("a kind and an apiVersion");
    let api_version = text("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let ty = Schema::builtin().kind(group, version, text("kind"));
    ty.expect("a built-in type")
}

fn defaulted(object: &Value) -> Value {
    let ty = type_of(object);
    let canonical = Schema::builtin().normalize(&ty, object);
    let mut object = canonical.expect("an object of its type").value;
    apply(&ty, &mut object);
    object
}

#[test]
fn defaults_are_the_api_servers() {
    for case in recording::read(CASES) {
        let ours = defaulted(&case["sent"]);
        assert_eq!(defaulted(&ours), ours, "twice: {}", case["sent"]);
        let theirs = without_foreign(case["answered"].clone());
        assert_eq!(without_foreign(ours), theirs, "{}", case["sent"]);
    }
}

#[test]
#[ignore = "records from a reference control plane"]
fn record_defaults() {
    let mut cases = recording::read(CASES);
    for case in &mut cases {
        let path = format!("{}?dryRun=All", case["path"].as_str().expect("a path"));
        let answered = recording::request("POST", &path, &case["sent"]);
        assert_ne!(answered["kind"], "Status", "{answered}");
        case["answered"] = without_foreign(answered);
    }
    recording::write(CASES, &cases);
}

#[test]
fn defaults_stay_canonical() {
    for case in recording::read(CASES) {
        let ours = defaulted(&case["sent"]);
        let again = Schema::builtin().normalize(&type_of(&ours), &ours);
        assert_eq!(again.expect("an object of its type").value, ours);
    }
}

proptest! {
    /// Whatever the shape of an object, nothing panics and nothing that is set changes.
    #[test]
    fn any_object_can_be_defaulted(
        kind in prop::sample::select(vec!["Pod", "Service", "Namespace", "LimitRange"]),
        members in prop::collection::btree_map("(metadata|spec|status)", hostile(), 0..3),
    ) {
        let ty = Schema::builtin().kind("", "v1", kind).expect("a built-in type");
        let members: Map<String, Value> = members.into_iter().collect();
        let mut object = Value::Object(members);
        apply(&ty, &mut object);
        let once = object.clone();
        apply(&ty, &mut object);
        prop_assert_eq!(object, once);
    }
}

fn hostile() -> impl Strategy<Value = Value> {
    let names = [
        "name",
        "containers",
        "ports",
        "limits",
        "type",
        "port",
        "volumes",
        "labels",
        "image",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(0)),
        Just(json!(true)),
        prop::sample::select(vec![
            "",
            "ClusterIP",
            "LoadBalancer",
            "ClientIP",
            "Container",
            "x:1"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
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

#[test]
fn every_row_is_for_a_type() {
    assert_eq!(super::rows::DEFAULTS.unknown(), [""; 0]);
}
