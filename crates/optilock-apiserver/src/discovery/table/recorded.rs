//! Tables compared with those of kube-apiserver 1.36.3.
//!
//! `tests/data/discovery/rows.jsonl` has objects and their rows as recorded by `peers/discovery`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::ambient::Ambient;
use crate::registry::Registry;
use crate::store::MemoryStore;

const ROWS: &str = include_str!("../../../tests/data/discovery/rows.jsonl");

fn registry() -> Registry {
    let ambient = Arc::new(Ambient::new(None, Some(1)));
    Registry::new(Arc::new(MemoryStore::new(Default::default())), ambient)
}

/// Group, version and plural of a collection's path.
fn resource(registry: &Registry, path: &str) -> Arc<Resource> {
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (group, version) = match words.as_slice() {
        ["api", version, ..] => ("", *version),
        ["apis", group, version, ..] => (*group, *version),
        _ => panic!("{path}"),
    };
    let plural = words.last().expect("a word");
    registry.resource(group, version, plural).expect(path)
}

fn render(table: &Table<'_>, objects: &[Value], with_columns: bool, now: Timestamp) -> Value {
    let metadata = json!({"resourceVersion": "7"});
    serde_json::from_slice(&table.render(objects, &metadata, with_columns, now)).expect("JSON")
}

#[test]
fn rows_are_those_of_the_reference() {
    let registry = registry();
    let mut shown = BTreeSet::new();
    for line in ROWS.lines() {
        let recorded: Value = serde_json::from_str(line).expect("a recorded row");
        let (path, object) = (
            recorded["path"].as_str().expect("a path"),
            &recorded["object"],
        );
        let resource = resource(&registry, path);
        let now = recorded["now"]
            .as_str()
            .expect("a time")
            .parse()
            .expect("a time");
        let table = Table::new(&resource, IncludeObject::None, "meta.k8s.io/v1");
        let rendered = render(&table, std::slice::from_ref(object), true, now);
        let row = &rendered["rows"][0];
        let name = &object["metadata"]["name"];
        assert_eq!(row["cells"], recorded["cells"], "{path} {name}");
        assert_eq!(row["conditions"], recorded["conditions"], "{path} {name}");
        shown.insert((resource.api.group.clone(), resource.api.plural.clone()));
    }
    // Nothing that can be listed was left out, but for what only a control plane's parts have.
    for resource in registry.resources().iter() {
        let api = &resource.api;
        let listed = api.columns.is_empty() || &*api.plural == "componentstatuses";
        assert!(
            listed || shown.contains(&(api.group.clone(), api.plural.clone())),
            "{}",
            resource.qualified()
        );
    }
}

#[test]
fn a_row_carries_what_was_asked_for() {
    let registry = registry();
    let resource = resource(&registry, "/api/v1/namespaces");
    let object = json!({
        "kind": "Namespace", "apiVersion": "v1",
        "metadata": {"name": "a<b", "resourceVersion": "5", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {}, "status": {"phase": "Active"},
    });
    let now = "2026-01-02T03:06:10Z".parse().expect("a time");
    let text = |include, with_columns| {
        let table = Table::new(&resource, include, "meta.k8s.io/v1");
        let metadata = json!({"remainingItemCount": 3, "continue": "x", "resourceVersion": "9"});
        String::from_utf8(table.render(std::slice::from_ref(&object), &metadata, with_columns, now))
            .expect("text")
    };
    let head = r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"9","continue":"x","remainingItemCount":3},"columnDefinitions":null,"rows":[{"cells":["a\u003cb","Active","2m5s"],"object":"#;
    let metadata = r#""metadata":{"name":"a\u003cb","resourceVersion":"5","creationTimestamp":"2026-01-02T03:04:05Z"}"#;
    assert_eq!(text(IncludeObject::None, false), format!("{head}null}}]}}"));
    assert_eq!(
        text(IncludeObject::Metadata, false),
        format!(
            r#"{head}{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",{metadata}}}}}]}}"#
        )
    );
    assert_eq!(
        text(IncludeObject::Object, false),
        format!(
            r#"{head}{{"kind":"Namespace","apiVersion":"v1",{metadata},"spec":{{}},"status":{{"phase":"Active"}}}}}}]}}"#
        )
    );
    let columns: Value = serde_json::from_str(&text(IncludeObject::None, true)).expect("JSON");
    assert_eq!(
        columns["columnDefinitions"][0],
        json!({"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0})
    );
}

#[test]
fn the_end_of_the_initial_events_is_never_left_out() {
    let registry = registry();
    let resource = resource(&registry, "/api/v1/namespaces");
    let annotations = json!({"k8s.io/initial-events-end": "true"});
    let bookmark =
        json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"annotations": annotations}});
    let table = Table::new(&resource, IncludeObject::None, "meta.k8s.io/v1");
    let rendered = render(&table, &[bookmark], false, Timestamp::UNIX_EPOCH);
    assert_eq!(rendered["rows"][0]["cells"], json!(["", "", "<unknown>"]));
    assert_eq!(
        rendered["rows"][0]["object"]["metadata"]["annotations"],
        annotations
    );
}

#[test]
fn what_is_particular_about_some_tables() {
    let registry = registry();
    let now = Timestamp::UNIX_EPOCH;
    let table = |path: &str, objects: &[Value]| {
        let resource = resource(&registry, path);
        render(
            &Table::new(&resource, IncludeObject::None, "meta.k8s.io/v1"),
            objects,
            false,
            now,
        )
    };
    // Without a printer of its own an empty list has null for rows.
    assert_eq!(
        table("/apis/rbac.authorization.k8s.io/v1/roles", &[])["rows"],
        Value::Null
    );
    assert_eq!(table("/api/v1/pods", &[])["rows"], json!([]));
    // The aggregator's tables always have columns.
    assert!(
        table("/apis/apiregistration.k8s.io/v1/apiservices", &[])["columnDefinitions"].is_array()
    );
    // Flow schemas are in the order in which they match.
    let schema = |name: &str, precedence: i64| json!({"metadata": {"name": name}, "spec": {"matchingPrecedence": precedence}});
    let schemas = [schema("c", 2), schema("b", 1), schema("a", 2)];
    let sorted = table(
        "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
        &schemas,
    );
    let names: Vec<&Value> = (0..3).map(|row| &sorted["rows"][row]["cells"][0]).collect();
    assert_eq!(names, ["b", "a", "c"]);
}
