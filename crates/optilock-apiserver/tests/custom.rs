//! CustomResourceDefinitions and their objects.
//!
//! The expected answers are those of kube-apiserver 1.36.3 to the same requests.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Answer, Api, version};
use http::Method;
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS_DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
const W: &str = "/apis/example.com/v1/namespaces/default/widgets/w";

/// A definition with one version and this schema.
fn definition(plural: &str, kind: &str, schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com",
            "names": {"plural": plural, "kind": kind},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

fn widgets() -> Value {
    let schema = json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 10},
                    "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
                    "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 5},
                    "when": {"type": "string", "format": "date-time"},
                    "tags": {
                        "type": "array", "maxItems": 2, "items": {"type": "string"},
                        "x-kubernetes-list-type": "set",
                    },
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port"],
                        "items": {"type": "object", "required": ["port"], "properties": {
                            "port": {"type": "integer"}, "proto": {"type": "string"},
                        }},
                    },
                    "target": {"x-kubernetes-int-or-string": true},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "opt": {"type": "string", "nullable": true},
                },
            },
            "status": {"type": "object", "properties": {
                "replicas": {"type": "integer"}, "sel": {"type": "string"},
            }},
        },
    });
    let mut widgets = definition("widgets", "Widget", &schema);
    widgets["spec"]["names"]["shortNames"] = json!(["wd"]);
    let version = &mut widgets["spec"]["versions"][0];
    version["subresources"] = json!({"status": {}, "scale": {
        "specReplicasPath": ".spec.size",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.sel",
    }});
    version["additionalPrinterColumns"] = json!([
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "d"},
    ]);
    version["selectableFields"] = json!([{"jsonPath": ".spec.color"}]);
    widgets
}

#[allow(clippy::needless_pass_by_value)] // callers write the value in place
fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

async fn with_widgets() -> Api {
    let api = Api::new();
    api.post(DEFINITIONS, &widgets()).await.expect(201);
    api
}

async fn apply(api: &Api, manager: &str, body: &Value) -> Answer {
    let path = format!("{W}?fieldManager={manager}");
    let headers = [("content-type", "application/apply-patch+yaml")];
    api.call(Method::PATCH, &path, &headers, body.to_string())
        .await
}

/// Type, status and reason of every condition.
fn conditions(definition: &Value) -> Vec<String> {
    let conditions = definition["status"]["conditions"].as_array();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    conditions
        .into_iter()
        .flatten()
        .map(|c| [text(&c["type"]), text(&c["status"]), text(&c["reason"])].join(" "))
        .collect()
}

#[tokio::test]
async fn a_definition_is_accepted_established_and_served() {
    let api = Api::new();
    let start = version(&api.get(DEFINITIONS).await.expect(200));
    assert_eq!(api.get(WIDGETS).await.code, 404);
    let created = api.post(DEFINITIONS, &widgets()).await.expect(201);
    assert_eq!(created["metadata"]["generation"], 1);
    assert_eq!(created["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(created["spec"]["names"]["singular"], "widget");
    assert_eq!(created["spec"]["conversion"], json!({"strategy": "None"}));
    let status = json!({
        "conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": ["v1"],
    });
    assert_eq!(created["status"], status);

    let path = format!("{DEFINITIONS}?watch=1&resourceVersion={start}");
    let mut events = api.watch(&path).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let event = events.next().await.unwrap();
        seen.push((event["type"].clone(), conditions(&event["object"])));
    }
    let expected = [
        (json!("ADDED"), vec![]),
        (
            json!("MODIFIED"),
            vec![
                "NamesAccepted True NoConflicts".to_owned(),
                "Established False Installing".to_owned(),
            ],
        ),
        (
            json!("MODIFIED"),
            vec![
                "NamesAccepted True NoConflicts".to_owned(),
                "Established True InitialNamesAccepted".to_owned(),
            ],
        ),
    ];
    assert_eq!(seen, expected);
    let now = api.get(WIDGETS_DEFINITION).await.expect(200);
    let names = json!({
        "plural": "widgets", "singular": "widget", "shortNames": ["wd"], "kind": "Widget", "listKind": "WidgetList",
    });
    assert_eq!(now["status"]["acceptedNames"], names);
    let list = api.get(WIDGETS).await.expect(200);
    assert_eq!(list["kind"], "WidgetList");

    let resources = api.get("/apis/example.com/v1").await.expect(200);
    let names: Vec<&Value> = resources["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["name"])
        .collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    let group = api.get("/apis/example.com").await.expect(200);
    assert_eq!(group["preferredVersion"]["groupVersion"], "example.com/v1");
}

#[tokio::test]
async fn objects_are_pruned_defaulted_and_written_in_the_order_of_names() {
    let api = with_widgets().await;
    let mut body = widget(
        "w",
        json!({
            "size": 3, "zzz": 1, "free": {"x": {"y": null}}, "opt": null, "name": null, "target": "5%",
        }),
    );
    body["junk"] = 1.into();
    body["status"] = json!({"replicas": 4});
    let answer = api.post(WIDGETS, &body).await;
    assert_eq!(
        answer.warnings(),
        [
            r#"299 - "unknown field \"junk\"""#,
            r#"299 - "unknown field \"spec.zzz\"""#
        ]
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let created = answer.expect(201);
    let spec = json!({
        "color": "red", "free": {"x": {"y": null}}, "opt": null, "size": 3, "target": "5%",
    });
    assert_eq!(created["spec"], spec);
    assert!(created.get("status").is_none(), "{created}");
    let fields = json!({"f:spec": {
        ".": {}, "f:color": {}, "f:free": {".": {}, "f:x": {".": {}, "f:y": {}}},
        "f:opt": {}, "f:size": {}, "f:target": {},
    }});
    assert_eq!(created["metadata"]["managedFields"][0]["fieldsV1"], fields);
    assert!(
        text.starts_with(
            r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"creationTimestamp":"#
        ),
        "{text}"
    );
    let places: Vec<usize> = [
        "\"namespace\":",
        "\"resourceVersion\":",
        "\"uid\":",
        "\"spec\":",
    ]
    .map(|name| text.find(name).unwrap())
    .into();
    assert!(places.is_sorted(), "{text}");
    assert_eq!(api.get(W).await.expect(200), created);

    let strict = format!("{WIDGETS}?fieldValidation=Strict");
    let body = r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"b","bad":1},"spec":{"size":3,"zzz":1,"zzz":2},"junk":1}"#;
    let refused = api.call(Method::POST, &strict, &[], body).await;
    assert_eq!(
        refused.refusal().2,
        "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: duplicate field \
         \"spec.zzz\", unknown field \"metadata.bad\", unknown field \"junk\", unknown field \"spec.zzz\""
    );
}

#[tokio::test]
async fn what_is_no_object_of_the_kind_is_refused() {
    let api = with_widgets().await;
    for (body, code, message) in [
        (
            r#"{"apiVersion":"example.com/v2","kind":"Widget","metadata":{"name":"c"}}"#,
            400,
            "the API version in the data (example.com/v2) does not match the expected API version (example.com/v1)",
        ),
        (
            r#"{"kind":"Widget","metadata":{"name":"c"},"spec":{"size":1}}"#,
            400,
            "the API version in the data () does not match the expected API version (example.com/v1)",
        ),
        (
            r#"{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"c"},"spec":{"size":1}}"#,
            422,
            r#"Foo.example.com "c" is invalid: kind: Invalid value: "Foo": must be Widget"#,
        ),
        (
            r#"{"metadata":{"name":"c"},"spec":{"size":1}}"#,
            400,
            r#"the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing in '{"metadata":{"name":"c"},"spec":{"size":1}}' ({"metadata":{"name":"c"},"spec ...)"#,
        ),
        (
            r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":5},"spec":{"size":1}}"#,
            400,
            r#"Widget in version "v1" cannot be handled as a Widget: json: cannot unmarshal number into Go struct field ObjectMeta.name of type string"#,
        ),
    ] {
        let refused = api.call(Method::POST, WIDGETS, &[], body).await.refusal();
        assert_eq!((refused.0, refused.2.as_str()), (code, message), "{body}");
    }
    let headers = [("content-type", "application/vnd.kubernetes.protobuf")];
    let refused = api.call(Method::POST, WIDGETS, &headers, "k8s\0").await;
    assert_eq!(refused.code, 415);
}

#[tokio::test]
async fn updates_need_a_version_and_count_generations() {
    let api = with_widgets().await;
    let created = api
        .post(WIDGETS, &widget("w", json!({"size": 3})))
        .await
        .expect(201);
    let refused = api.put(W, &widget("w", json!({"size": 4}))).await.refusal();
    assert_eq!(
        refused.2,
        r#"widgets.example.com "w" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"#
    );
    let mut body = widget("w", json!({"size": 4}));
    body["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"].clone();
    let updated = api.put(W, &body).await.expect(200);
    assert_eq!(updated["metadata"]["generation"], 2);
    assert_eq!(api.put(W, &body).await.code, 409);

    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    let labelled = api.patch(W, "merge", &labelled).await.expect(200);
    assert_eq!(labelled["metadata"]["generation"], 2);
    let status = json!({"status": {"replicas": 2, "sel": "a=b", "x": 1}, "spec": {"size": 9}});
    let answer = api.patch(&format!("{W}/status"), "merge", &status).await;
    assert_eq!(answer.warnings(), [r#"299 - "unknown field \"status.x\"""#]);
    let reported = answer.expect(200);
    assert_eq!(reported["metadata"]["generation"], 2);
    assert_eq!(reported["spec"]["size"], 4);
    assert_eq!(reported["status"], json!({"replicas": 2, "sel": "a=b"}));
    let through_main = api
        .patch(W, "merge", &json!({"status": {"replicas": 7}}))
        .await
        .expect(200);
    assert_eq!(through_main["status"]["replicas"], 2);

    let strategic = api
        .patch(W, "strategic-merge", &json!({"spec": {"size": 5}}))
        .await;
    assert_eq!(strategic.refusal().0, 415);
    let operations = json!([{"op": "replace", "path": "/spec/size", "value": 6}]);
    let patched = api.patch(W, "json", &operations).await.expect(200);
    assert_eq!(patched["spec"]["size"], 6);
    assert_eq!(patched["metadata"]["generation"], 3);
}

#[tokio::test]
async fn the_scale_is_where_the_definition_says() {
    let api = with_widgets().await;
    api.post(WIDGETS, &widget("w", json!({"size": 5})))
        .await
        .expect(201);
    api.patch(
        &format!("{W}/status"),
        "merge",
        &json!({"status": {"replicas": 2, "sel": "a=b"}}),
    )
    .await
    .expect(200);
    let path = format!("{W}/scale");
    let scale = api.get(&path).await.expect(200);
    assert_eq!(scale["spec"], json!({"replicas": 5}));
    assert_eq!(scale["status"], json!({"replicas": 2, "selector": "a=b"}));
    let scaled = api
        .patch(&path, "merge", &json!({"spec": {"replicas": 6}}))
        .await
        .expect(200);
    assert_eq!(scaled["spec"], json!({"replicas": 6}));
    assert_eq!(api.get(W).await.expect(200)["spec"]["size"], 6);
}

#[tokio::test]
async fn objects_are_selected_listed_and_shown_in_columns() {
    let api = with_widgets().await;
    for (name, color) in [("w", "red"), ("v", "green")] {
        api.post(WIDGETS, &widget(name, json!({"size": 5, "color": color})))
            .await
            .expect(201);
    }
    let list = api
        .get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dgreen"))
        .await
        .expect(200);
    assert_eq!(list["items"][0]["metadata"]["name"], "v");
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["kind"], "Widget");
    let refused = api
        .get(&format!("{WIDGETS}?fieldSelector=spec.colour%3Dgreen"))
        .await;
    assert_eq!(
        refused.refusal().2,
        "field label not supported: spec.colour"
    );
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = api
        .call(Method::GET, WIDGETS, &accept, "")
        .await
        .expect(200);
    let names: Vec<&Value> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| &column["name"])
        .collect();
    assert_eq!(names, ["Name", "Size"]);
    assert_eq!(table["rows"][0]["cells"], json!(["v", 5]));
}

#[tokio::test]
async fn appliers_share_an_object_by_its_schema() {
    let api = with_widgets().await;
    let spec = json!({
        "size": 5, "ports": [{"port": 1, "proto": "x"}], "tags": ["a"], "free": {"a": {"b": 1}},
    });
    let created = apply(&api, "m", &widget("w", spec)).await.expect(201);
    let fields = json!({"f:spec": {
        "f:free": {"f:a": {".": {}, "f:b": {}}},
        "f:ports": {"k:{\"port\":1}": {".": {}, "f:port": {}, "f:proto": {}}},
        "f:size": {},
        "f:tags": {"v:\"a\"": {}},
    }});
    assert_eq!(created["metadata"]["managedFields"][0]["fieldsV1"], fields);
    let refused = apply(&api, "n", &widget("w", json!({"size": 6}))).await;
    assert_eq!(
        refused.refusal().2,
        r#"Apply failed with 1 conflict: conflict with "m": .spec.size"#
    );
    let spec = json!({"ports": [{"port": 2}], "tags": ["b"], "free": {"a": {"c": 1}}});
    let merged = apply(&api, "n", &widget("w", spec)).await.expect(200);
    let expected = json!({
        "color": "red", "free": {"a": {"b": 1, "c": 1}},
        "ports": [{"port": 1, "proto": "x"}, {"port": 2}], "size": 5, "tags": ["a", "b"],
    });
    assert_eq!(merged["spec"], expected);
    let refused = apply(&api, "n", &widget("w", json!({"nope": 6}))).await;
    assert_eq!(
        refused.refusal().2,
        "failed to create typed patch object (/w; example.com/v1, Kind=Widget): .spec.nope: field not declared in schema"
    );
}

#[tokio::test]
async fn a_definition_goes_with_its_objects() {
    let api = with_widgets().await;
    let mut held = widget("w", json!({"size": 3}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    api.post(WIDGETS, &held).await.expect(201);
    api.post(WIDGETS, &widget("v", json!({"size": 3})))
        .await
        .expect(201);
    let deleted = api.delete(WIDGETS_DEFINITION).await.expect(200);
    let metadata = &deleted["metadata"];
    assert_eq!(
        metadata["finalizers"],
        json!(["customresourcecleanup.apiextensions.k8s.io"])
    );
    assert_eq!(metadata["generation"], 1);
    assert!(metadata.get("deletionGracePeriodSeconds").is_none());
    assert_eq!(
        conditions(&deleted)[2],
        "Terminating True InstanceDeletionPending"
    );
    let now = api.get(WIDGETS_DEFINITION).await.expect(200);
    assert_eq!(
        conditions(&now)[2],
        "Terminating True InstanceDeletionInProgress"
    );
    let refused = api.post(WIDGETS, &widget("x", json!({"size": 3}))).await;
    assert_eq!(refused.code, 405);
    assert_eq!(api.get(&format!("{WIDGETS}/v")).await.code, 404);
    // The last object lets the definition go.
    let free = json!({"metadata": {"finalizers": null}});
    api.patch(W, "merge", &free).await.expect(200);
    assert_eq!(api.get(WIDGETS_DEFINITION).await.code, 404);
    assert_eq!(api.get(WIDGETS).await.code, 404);
    // And the name is free again, with nothing left of what was.
    api.post(DEFINITIONS, &widgets()).await.expect(201);
    let list = api.get(WIDGETS).await.expect(200);
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn a_name_belongs_to_who_had_it_first() {
    let api = with_widgets().await;
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let mut gadgets = definition("gadgets", "Gadget", &schema);
    gadgets["spec"]["names"]["shortNames"] = json!(["wd"]);
    api.post(DEFINITIONS, &gadgets).await.expect(201);
    let path = format!("{DEFINITIONS}/gadgets.example.com");
    let now = api.get(&path).await.expect(200);
    assert_eq!(
        conditions(&now),
        [
            "NamesAccepted False ShortNamesConflict",
            "Established False NotAccepted"
        ]
    );
    assert_eq!(
        now["status"]["conditions"][0]["message"],
        r#""wd" is already in use"#
    );
    let gadgets = "/apis/example.com/v1/namespaces/default/gadgets";
    assert_eq!(api.get(gadgets).await.code, 404);
    let other = json!({"spec": {"names": {"shortNames": ["gd"]}}});
    api.patch(&path, "merge", &other).await.expect(200);
    let body = json!({
        "apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "a": {"b": null},
    });
    let created = api.post(gadgets, &body).await.expect(201);
    assert_eq!(created["a"], json!({"b": null}));
}

#[tokio::test]
async fn versions_show_the_same_objects() {
    let api = Api::new();
    let schema = |extra: Value| json!({"type": "object", "properties": {"a": {"type": "string"}, "b": extra}});
    let mut things = definition("things", "Thing", &schema(json!({"type": "string"})));
    let versions = json!([
        {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema(json!({"type": "string"}))}},
        {"name": "v2", "served": true, "storage": false, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": {"a": {"type": "string"}, "c": {"type": "string", "default": "d"}},
        }}},
    ]);
    things["spec"]["versions"] = versions;
    api.post(DEFINITIONS, &things).await.expect(201);
    let (one, two) = (
        "/apis/example.com/v1/namespaces/default/things",
        "/apis/example.com/v2/namespaces/default/things",
    );
    let body = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "a": "1", "b": "2"});
    api.post(one, &body).await.expect(201);
    let seen = api.get(&format!("{two}/t")).await.expect(200);
    assert_eq!(seen["apiVersion"], "example.com/v2");
    // Defaults are those of the version in which objects are stored.
    assert_eq!((&seen["a"], seen.get("c")), (&json!("1"), None));
    assert!(seen.get("b").is_none());
    let list = api.get(two).await.expect(200);
    assert_eq!(list["items"][0]["apiVersion"], "example.com/v2");
    let group = api.get("/apis/example.com").await.expect(200);
    assert_eq!(group["preferredVersion"]["version"], "v2");

    // A default that comes later is seen in objects that are there already.
    let path = format!("{DEFINITIONS}/things.example.com");
    let later = json!([{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/e",
        "value": {"type": "integer", "default": 7}}]);
    api.patch(&path, "json", &later).await.expect(200);
    let seen = api.get(&format!("{one}/t")).await.expect(200);
    assert_eq!(seen["e"], 7);
}

#[tokio::test]
async fn the_form_of_rules() {
    let api = Api::new();
    let reasons = "\"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"";
    let unknown = format!("Unsupported value: \"Nope\": supported values: {reasons}");
    let path = |text: &str| format!("Invalid value: {text:?}: must be a valid path");
    for (rule, expected) in [
        (
            json!({"rule": "true", "message": "  "}),
            vec![(
                "message",
                "Invalid value: \"  \": must be non-empty if specified".to_owned(),
            )],
        ),
        (
            json!({"rule": "true &&\n true"}),
            vec![(
                "message",
                "Required value: message must be specified if rule contains line breaks".to_owned(),
            )],
        ),
        (
            json!({"rule": "true", "messageExpression": " "}),
            vec![(
                "messageExpression",
                "Required value: messageExpression must be non-empty if specified".to_owned(),
            )],
        ),
        (
            json!({"rule": "", "reason": "Nope"}),
            vec![
                ("reason", unknown),
                ("rule", "Required value: rule is not specified".to_owned()),
            ],
        ),
        (
            json!({"rule": "true", "fieldPath": " "}),
            vec![
                (
                    "fieldPath",
                    "Invalid value: \" \": must be a valid path".to_owned(),
                ),
                (
                    "fieldPath",
                    "Invalid value: \" \": must be non-empty if specified".to_owned(),
                ),
            ],
        ),
        (
            json!({"rule": "true", "fieldPath": "a"}),
            vec![("fieldPath", path("a"))],
        ),
        (
            json!({"rule": "true", "fieldPath": ".a.b"}),
            vec![("fieldPath", path(".a.b"))],
        ),
        (
            json!({"rule": "true", "fieldPath": ".l[0]"}),
            vec![("fieldPath", path(".l[0]"))],
        ),
        (
            json!({"rule": "true", "fieldPath": ".m.k.z"}),
            vec![("fieldPath", path(".m.k.z"))],
        ),
        (json!({"rule": "true", "fieldPath": ".a['x.y']"}), vec![]),
        (json!({"rule": "true", "fieldPath": ".m.k"}), vec![]),
        (json!({"rule": "true", "fieldPath": "['a']"}), vec![]),
        (json!({"rule": "true &&\n true", "message": "m"}), vec![]),
    ] {
        let schema = json!({"type": "object", "properties": {"p": {
            "type": "object",
            "properties": {
                "a": {"type": "object", "properties": {"x.y": {"type": "string"}}},
                "m": {"type": "object", "additionalProperties": {"type": "string"}},
                "l": {"type": "array", "items": {"type": "string"}},
            },
            "x-kubernetes-validations": [rule],
        }}});
        let definition = definition("things", "Thing", &schema);
        let answer = api
            .post(&format!("{DEFINITIONS}?dryRun=All"), &definition)
            .await;
        let place = "spec.validation.openAPIV3Schema.properties[p].x-kubernetes-validations[0]";
        let expected: Vec<String> = expected
            .iter()
            .map(|(field, message)| format!("{place}.{field}: {message}"))
            .collect();
        let code = if expected.is_empty() { 201 } else { 422 };
        assert_eq!(answer.code, code, "{rule}");
        if code == 422 {
            assert_eq!(causes(&answer), expected, "{rule}");
        }
    }
}

/// Field and message of every cause.
fn causes(answer: &Answer) -> Vec<String> {
    let status = answer.json();
    let causes = status["details"]["causes"].as_array().cloned();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut causes: Vec<String> = causes
        .unwrap_or_default()
        .iter()
        .map(|cause| format!("{}: {}", text(&cause["field"]), text(&cause["message"])))
        .collect();
    // kube-apiserver looks at members in no order.
    causes.sort_unstable();
    causes
}

#[tokio::test]
async fn objects_are_held_against_their_schema() {
    let api = with_widgets().await;
    let spec = json!({
        "size": 30, "color": "blue", "name": "A", "when": "x", "tags": ["a", "a", "b"],
        "ports": [{"port": 1}, {"port": 1}], "target": true, "labels": {"a": 1},
    });
    let refused = api.post(WIDGETS, &widget("c", spec)).await;
    assert_eq!(refused.code, 422);
    assert_eq!(
        causes(&refused),
        [
            r#"spec.color: Unsupported value: "blue": supported values: "red", "green""#,
            r#"spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer""#,
            r#"spec.name: Invalid value: "A": spec.name in body should be at least 2 chars long"#,
            r#"spec.ports[1]: Duplicate value: {"port":1}"#,
            "spec.size: Invalid value: 30: spec.size in body should be less than or equal to 10",
            r#"spec.tags: Too many: 3: must have at most 2 items"#,
            r#"spec.tags[1]: Duplicate value: "a""#,
            r#"spec.target: Invalid value: "boolean": spec.target in body must be of type integer,string: "boolean""#,
            r#"spec.when: Invalid value: "x": spec.when in body must be of type date-time: "x""#,
        ]
    );
    for (spec, expected) in [
        (
            json!({"color": 5, "free": 3}),
            vec![
                r#"spec.color: Invalid value: "integer": spec.color in body must be of type string: "integer""#,
                r#"spec.color: Unsupported value: 5: supported values: "red", "green""#,
                r#"spec.free: Invalid value: "integer": spec.free in body must be of type object: "integer""#,
                "spec.size: Required value",
            ],
        ),
        (
            json!({"size": 0.5, "name": "abcdefgh"}),
            vec![
                ".spec.size: Invalid value: 0: .spec.size accessor error: 0.5 is of the type float64, expected int64",
                r#"<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.size"#,
                "spec.name: Too long: may not be more than 5 bytes",
                r#"spec.size: Invalid value: "float64": spec.size in body must be of type int32: "float64""#,
                "spec.size: Invalid value: 0.5: spec.size in body should be greater than or equal to 1",
            ],
        ),
    ] {
        let refused = api.post(WIDGETS, &widget("c", spec.clone())).await;
        assert_eq!(causes(&refused), expected, "{spec}");
    }
    let mut without = widget("c", json!({}));
    without.as_object_mut().unwrap().remove("spec");
    let refused = api.post(WIDGETS, &without).await;
    assert_eq!(causes(&refused), ["spec: Required value"]);
    api.post(WIDGETS, &widget("w", json!({"size": 5})))
        .await
        .expect(201);
    let scale = json!({"spec": {"replicas": -6}});
    let refused = api.patch(&format!("{W}/scale"), "merge", &scale).await;
    assert_eq!(
        causes(&refused),
        [
            ".spec.size: Invalid value: -6: should be a non-negative integer",
            "spec.size: Invalid value: -6: spec.size in body should be greater than or equal to 1",
        ]
    );
}

#[tokio::test]
async fn definitions_are_held_against_the_rules() {
    let api = with_widgets().await;
    let plain = json!({"type": "object"});
    let mut wrong_name = definition("bads", "Bad", &plain);
    wrong_name["metadata"]["name"] = "wrong.name".into();
    let refused = api.post(DEFINITIONS, &wrong_name).await;
    assert_eq!(
        causes(&refused),
        [r#"metadata.name: Invalid value: "wrong.name": must be spec.names.plural+"."+spec.group"#]
    );
    let schema = json!({"type": "object", "properties": {
        "d": {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": {"type": "string"}},
        "f": {"type": "string", "$ref": "#/x"},
        "b": {"type": "foo"},
        "h": {"type": "array", "uniqueItems": true, "items": {"type": "string"}},
        "i": {"type": "string", "x-kubernetes-list-type": "set"},
        "g": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
    }});
    let refused = api
        .post(DEFINITIONS, &definition("bads", "Bad", &schema))
        .await;
    const AT: &str = "spec.validation.openAPIV3Schema.properties";
    let expected = [
        r#"[b].type: Unsupported value: "foo": supported values: "array", "boolean", "integer", "number", "object", "string""#,
        "[d].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        "[f].$ref: Forbidden: $ref is not supported",
        "[g].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        "[h].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        r#"[i].type: Invalid value: "string": must be array if x-kubernetes-list-type is specified"#,
    ];
    assert_eq!(causes(&refused), expected.map(|rest| format!("{AT}{rest}")));
    let immutable = json!({"spec": {"scope": "Cluster", "names": {"kind": "Other"}}});
    let refused = api.patch(WIDGETS_DEFINITION, "merge", &immutable).await;
    assert_eq!(
        causes(&refused),
        [
            r#"spec.names.kind: Invalid value: "Other": field is immutable"#,
            r#"spec.scope: Invalid value: "Cluster": field is immutable"#,
        ]
    );
    let renamed = json!([{"op": "replace", "path": "/spec/versions/0/name", "value": "v2"}]);
    let refused = api.patch(WIDGETS_DEFINITION, "json", &renamed).await;
    assert_eq!(
        causes(&refused),
        [
            "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was previously a storage \
             version, and must remain in spec.versions until a storage migration ensures no data remains persisted in \
             v1 and removes v1 from status.storedVersions"
        ]
    );
}

#[tokio::test]
async fn openapi_has_the_schema_of_the_definition() {
    let api = with_widgets().await;
    let index = api.get("/openapi/v3").await.expect(200);
    assert!(index["paths"].get("apis/example.com/v1").is_some());
    let document = api.get("/openapi/v3/apis/example.com/v1").await.expect(200);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert!(
        paths.contains(
            &&"/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale".to_owned()
        ),
        "{paths:?}"
    );
    let schemas = &document["components"]["schemas"];
    let widget = &schemas["com.example.v1.Widget"];
    assert_eq!(
        widget["properties"]["spec"]["properties"]["size"],
        json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 10})
    );
    let kind = json!([{"group": "example.com", "kind": "Widget", "version": "v1"}]);
    assert_eq!(widget["x-kubernetes-group-version-kind"], kind);
    assert!(schemas.get("com.example.v1.WidgetList").is_some());
    assert!(
        schemas
            .get("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
            .is_some()
    );
}

#[tokio::test]
async fn what_a_group_does_not_have_is_told_in_two_ways() {
    let api = with_widgets().await;
    let page = (404, "404 page not found\n");
    for path in [
        "/apis/nobody.example.com/v1/namespaces/default/widgets",
        "/apis/example.com/v1/namespaces/default/others",
        "/apis/example.com/v9/namespaces/default/widgets",
        "/apis/example.com/v1/widgets/w",
    ] {
        let answer = api.get(path).await;
        let text = std::str::from_utf8(&answer.body).unwrap();
        assert_eq!((answer.code.as_u16(), text), page, "{path}");
    }
    for below in ["other", "other/deeper"] {
        let refusal = api.get(&format!("{WIDGETS}/w/{below}")).await.refusal();
        let text = "widgets.example.com \"w\" not found".to_owned();
        assert_eq!(refusal, (404, "NotFound".to_owned(), text));
    }
    let refusal = api
        .get("/apis/apps/v1/namespaces/default/others")
        .await
        .refusal();
    let text = "the server could not find the requested resource".to_owned();
    assert_eq!(refusal, (404, "NotFound".to_owned(), text));
}
