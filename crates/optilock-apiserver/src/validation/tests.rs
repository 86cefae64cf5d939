//! Validation against what kube-apiserver 1.36.3 answered to the same objects.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::field::ErrorList;
use super::{field, recording, validate_create, validate_update};
use crate::defaults;
use crate::schema::{Resource, Schema, TypeRef, builtin_resources};

/// Creations. First the objects that cases start from, `{base, path, object}`, then the cases:
/// `{base, at, value, message}` for one of them with one member set (or, without a value,
/// removed), or `{path, sent, message}`. An empty message means that the object was accepted.
const CREATIONS: &str = "validation.json";

/// Updates of an object with one member set or removed: `{path, object, at, value, message,
/// causes}`. With `deleting`, the object was deleted before and waits for its finalizers.
const UPDATES: &str = "updates.json";

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// The object with the member at `case.at` changed as the case says.
fn changed(mut object: Value, case: &Value) -> Value {
    let pointer = text(case, "at");
    let (parents, last) = pointer.rsplit_once('/').expect("a JSON pointer");
    let mut target = &mut object;
    for part in parents.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        target = match target {
            Value::Array(items) => &mut items[part.parse::<usize>().expect("a position")],
            other => &mut other[part.as_str()],
        };
    }
    let last = last.replace("~1", "/").replace("~0", "~");
    match (target, case.get("value")) {
        (Value::Array(items), Some(value)) => {
            items[last.parse::<usize>().expect("a position")] = value.clone();
        }
        (Value::Array(items), None) => drop(items.remove(last.parse().expect("a position"))),
        (target, Some(value)) => target[last] = value.clone(),
        (target, None) => drop(target.as_object_mut().expect("an object").remove(&last)),
    }
    object
}

/// Path and object of every creation, with its case.
fn creations() -> Vec<(String, Value, Value)> {
    let lines = recording::read(CREATIONS);
    let bases: HashMap<&str, &Value> = lines
        .iter()
        .filter(|line| line.get("object").is_some())
        .map(|line| (text(line, "base"), line))
        .collect();
    let cases = lines.iter().filter(|line| line.get("object").is_none());
    cases
        .map(|case| match bases.get(text(case, "base")) {
            Some(base) => {
                let object = changed(base["object"].clone(), case);
                (text(base, "path").to_owned(), object, case.clone())
            }
            None => (
                text(case, "path").to_owned(),
                case["sent"].clone(),
                case.clone(),
            ),
        })
        .collect()
}

fn kind_of(object: &Value) -> (&'static Resource, TypeRef) {
    let (group, version) = text(object, "apiVersion")
        .split_once('/')
        .unwrap_or(("", text(object, "apiVersion")));
    let kind = text(object, "kind");
    let resource = builtin_resources().iter().find(|resource| {
        &*resource.kind == kind && &*resource.group == group && &*resource.version == version
    });
    let ty = Schema::builtin().kind(group, version, kind);
    (
        resource.expect("a built-in resource"),
        ty.expect("a built-in type"),
    )
}

/// The object as validation sees it.
fn prepared(object: &Value) -> Value {
    let (_, ty) = kind_of(object);
    let mut object = Schema::builtin()
        .normalize(&ty, object)
        .expect("an object of its type")
        .value;
    defaults::apply(&ty, &mut object);
    object
}

fn message(object: &Value, errors: &ErrorList) -> String {
    if errors.is_empty() {
        return String::new();
    }
    let (resource, _) = kind_of(object);
    let name = text(&object["metadata"], "name");
    field::invalid(&resource.kind, &resource.group, name, errors).message
}

#[test]
fn creations_are_judged_like_the_api_server_does() {
    let mut wrong = Vec::new();
    for (_, sent, case) in creations() {
        let (resource, ty) = kind_of(&sent);
        let object = prepared(&sent);
        let ours = message(&sent, &validate_create(resource, &ty, &object));
        if ours != text(&case, "message") {
            wrong.push(format!(
                "{sent}\n  ours:   {ours}\n  theirs: {}",
                text(&case, "message")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn updates_are_judged_like_the_api_server_does() {
    for case in recording::read(UPDATES) {
        let (resource, ty) = kind_of(&case["object"]);
        let mut old = prepared(&case["object"]);
        old["metadata"]["uid"] = "0123".into();
        old["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        if case["deleting"] == true {
            old["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z".into();
            old["metadata"]["deletionGracePeriodSeconds"] = 0.into();
        }
        let new = prepared(&changed(old.clone(), &case));
        let errors = validate_update(resource, &ty, &new, &old, false);
        assert_eq!(message(&old, &errors), text(&case, "message"), "{case}");
        assert_eq!(json!(errors.len()), case["causes"], "causes of {case}");
    }
}

#[test]
#[ignore = "records from a reference control plane"]
fn record_creations() {
    let answers: Vec<Value> = creations()
        .into_iter()
        .map(|(path, sent, _)| recording::request("POST", &format!("{path}?dryRun=All"), &sent))
        .collect();
    let mut answers = answers.into_iter();
    let mut lines = recording::read(CREATIONS);
    for case in lines.iter_mut().filter(|line| line.get("object").is_none()) {
        let answer = answers.next().expect("an answer to each case");
        let refused = answer["kind"] == "Status";
        assert!(!refused || answer["code"] == 422, "{answer}");
        case["message"] = if refused {
            answer["message"].clone()
        } else {
            "".into()
        };
    }
    recording::write(CREATIONS, &lines);
}

#[test]
#[ignore = "records from a reference control plane"]
fn record_updates() {
    let mut cases = recording::read(UPDATES);
    let options = json!({"propagationPolicy": "Background"});
    for case in &mut cases {
        let list = text(case, "path").to_owned();
        let path = format!("{list}/{}", text(&case["object"]["metadata"], "name"));
        let mut old = recording::request("POST", &list, &case["object"]);
        assert_ne!(old["kind"], "Status", "{old}");
        if case["deleting"] == true {
            old = recording::request("DELETE", &path, &options);
        }
        let put = format!("{path}?dryRun=All");
        let answer = recording::request("PUT", &put, &changed(old.clone(), case));
        let refused = answer["kind"] == "Status";
        assert!(!refused || answer["code"] == 422, "{answer}");
        case["message"] = if refused {
            answer["message"].clone()
        } else {
            "".into()
        };
        let causes = answer["details"]["causes"].as_array();
        case["causes"] = causes.filter(|_| refused).map_or(0, Vec::len).into();
        if case["deleting"] == true {
            old["metadata"]["finalizers"] = json!([]);
            recording::request("PUT", &path, &old);
        } else {
            recording::request("DELETE", &path, &options);
        }
    }
    recording::write(UPDATES, &cases);
}

#[test]
fn an_object_without_anything_is_refused_and_not_more() {
    for resource in builtin_resources() {
        let ty = Schema::builtin().kind(&resource.group, &resource.version, &resource.kind);
        let Some(ty) = ty else { continue };
        for object in [
            json!({}),
            json!({"metadata": {"name": 1, "labels": []}, "spec": [], "data": 7}),
            Value::Null,
        ] {
            let errors = validate_create(resource, &ty, &object);
            assert!(!errors.is_empty(), "{}", resource.plural);
            validate_update(resource, &ty, &object, &Value::Object(Map::new()), false);
        }
    }
}

#[test]
fn every_row_is_for_a_type() {
    assert_eq!(super::rules::RULES.unknown(), [""; 0]);
}
