//! What kube-apiserver 1.36.3 answers to patches that it refuses, word for word.

use serde_json::{Value, json};

use super::{Check, json_patch, merge_patch, strategic_merge};
use crate::schema::{Schema, TypeRef};
use crate::status::Status;

fn config_map() -> Value {
    json!({"metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "v"}})
}

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "template": {"spec": {"containers": [
                {"name": "a", "image": "nginx", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                {"name": "b", "image": "busybox"},
            ]}},
        },
    })
}

fn config_map_type() -> TypeRef {
    Schema::builtin()
        .kind("", "v1", "ConfigMap")
        .expect("a built-in type")
}

fn deployment_type() -> TypeRef {
    Schema::builtin()
        .kind("apps", "v1", "Deployment")
        .expect("a built-in type")
}

fn assert_refused(status: &Status, code: u16, message: &str, patch: &str) {
    assert_eq!(
        (status.code, status.message.as_str()),
        (code, message),
        "{patch}"
    );
}

#[test]
fn json_patches() {
    for (check, patch, code, message) in [
        (
            Check::Complain,
            "{}",
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            Check::Complain,
            "1",
            400,
            "error decoding patch: json: cannot unmarshal number into Go value of type []handlers.jsonPatchOp",
        ),
        (
            Check::Complain,
            r#""x""#,
            400,
            "error decoding patch: json: cannot unmarshal string into Go value of type []handlers.jsonPatchOp",
        ),
        (
            Check::Complain,
            "true",
            400,
            "error decoding patch: json: cannot unmarshal bool into Go value of type []handlers.jsonPatchOp",
        ),
        (
            Check::Complain,
            "{",
            400,
            "error decoding patch: unexpected end of JSON input",
        ),
        (
            Check::Complain,
            "[1]",
            400,
            "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp",
        ),
        (
            Check::Complain,
            r#"[{"op":1}]"#,
            400,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
        ),
        (
            Check::Complain,
            r#"[{"op":"add","path":1}]"#,
            400,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string",
        ),
        (
            Check::Complain,
            r#"[{"op":"add","path":"/a","from":{}}]"#,
            400,
            "error decoding patch: json: cannot unmarshal object into Go struct field jsonPatchOp.from of type string",
        ),
        (
            Check::Complain,
            r#"[{"op":"bad","path":"/a"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            "[null]",
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            "[{}]",
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            "{}x",
            400,
            "error decoding patch: invalid character 'x' after top-level value",
        ),
        (
            Check::Complain,
            "  ",
            400,
            "error decoding patch: unexpected end of JSON input",
        ),
        (
            Check::Complain,
            "[1,]",
            400,
            "error decoding patch: invalid character ']' looking for beginning of value",
        ),
        (
            Check::Complain,
            r#"[{"op":"test","path":"/data/k","value":"x"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"remove","path":"/data/nope"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"add","path":"","value":{}}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"replace","path":"","value":3}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"add","path":"/data/k/z","value":"1"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"add","path":"/nope/z","value":"1"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"test","path":"/data/nope","value":"x"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"move","from":"/data/nope","path":"/data/x"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"move","from":"/data/k"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"copy","path":"/data/x"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"add","value":"x"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Complain,
            r#"[{"op":"add","path":"nopath","value":"x"}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            Check::Ignore,
            "{}",
            400,
            "json: cannot unmarshal object into Go value of type jsonpatch.Patch",
        ),
        (
            Check::Ignore,
            "[1]",
            400,
            "json: cannot unmarshal number into Go value of type jsonpatch.Operation",
        ),
        (Check::Ignore, "{", 400, "unexpected end of JSON input"),
        (
            Check::Ignore,
            r#"[{"op":1}]"#,
            422,
            "the server rejected our request due to an error in our request",
        ),
    ] {
        let error = json_patch(&config_map(), patch.as_bytes(), check).expect_err(patch);
        assert_refused(&Status::from(error), code, message, patch);
    }
}

#[test]
fn merge_patches() {
    for (check, patch, code, message) in [
        (
            Check::Complain,
            "[]",
            400,
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (Check::Complain, "null", 400, "Invalid JSON Patch"),
        (
            Check::Complain,
            "1",
            400,
            "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}",
        ),
        (
            Check::Complain,
            r#""x""#,
            400,
            "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}",
        ),
        (
            Check::Complain,
            "true",
            400,
            "error decoding patch: json: cannot unmarshal bool into Go value of type map[string]interface {}",
        ),
        (
            Check::Complain,
            "{",
            400,
            "error decoding patch: unexpected end of JSON input",
        ),
        (
            Check::Complain,
            "{}x",
            400,
            "error decoding patch: invalid character 'x' after top-level value",
        ),
        (
            Check::Complain,
            "  ",
            400,
            "error decoding patch: unexpected end of JSON input",
        ),
        (Check::Ignore, "1", 400, "Invalid JSON Patch"),
        (Check::Ignore, "{", 400, "Invalid JSON Patch"),
        (Check::Ignore, "null", 400, "Invalid JSON Patch"),
    ] {
        let error = merge_patch(&config_map(), patch.as_bytes(), check).expect_err(patch);
        assert_refused(&Status::from(error), code, message, patch);
    }
}

#[test]
fn strategic_patches() {
    for (check, patch, code, message) in [
        (
            Check::Complain,
            "[]",
            400,
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            Check::Complain,
            "1",
            400,
            "json: cannot unmarshal number into Go value of type map[string]interface {}",
        ),
        (
            Check::Complain,
            r#""x""#,
            400,
            "json: cannot unmarshal string into Go value of type map[string]interface {}",
        ),
        (Check::Complain, "{", 400, "unexpected end of JSON input"),
        (
            Check::Complain,
            "{}x",
            400,
            "invalid character 'x' after top-level value",
        ),
        (
            Check::Complain,
            r#"{"data":{"$patch":"bad"}}"#,
            500,
            "unknown patch type: bad in map: map[$patch:bad]",
        ),
        (
            Check::Complain,
            r#"{"$patch":"merge"}"#,
            500,
            "unknown patch type: merge in map: map[$patch:merge]",
        ),
        (
            Check::Complain,
            r#"{"$patch":true}"#,
            500,
            "unknown patch type: %!s(bool=true) in map: map[$patch:true]",
        ),
        (
            Check::Complain,
            r#"{"$retainKeys":1}"#,
            400,
            "invalid patch format of retainKeys",
        ),
        (
            Check::Complain,
            r#"{"data":{"$retainKeys":["y"],"z":"1"}}"#,
            400,
            "invalid patch format of retainKeys",
        ),
        (
            Check::Complain,
            r#"{"metadata":{"$deleteFromPrimitiveList":["a"]}}"#,
            400,
            "invalid patch format of primitive list",
        ),
        (
            Check::Complain,
            r#"{"metadata":{"$deleteFromPrimitiveListx/finalizers":["a"]}}"#,
            400,
            "invalid patch format of primitive list",
        ),
        (
            Check::Complain,
            r#"{"metadata":{"$setElementOrder/nope":["a"]}}"#,
            500,
            r#"unable to find api field in struct ObjectMeta for the json field "nope""#,
        ),
        (
            Check::Complain,
            r#"{"metadata":{"$setElementOrder":["a"]}}"#,
            400,
            "invalid patch format of setElementOrder list",
        ),
        (
            Check::Complain,
            r#"{"metadata":{"$setElementOrder/finalizers":"a"}}"#,
            500,
            "expected a []interface {}, but received a string",
        ),
        (
            Check::Complain,
            r#"{"metadata":{"$setElementOrder/finalizers":null}}"#,
            500,
            "expected a []interface {}, but received a %!s(<nil>)",
        ),
        (
            Check::Complain,
            r#"{"metadata":{"$setElementOrder/finalizers":["b.c/a"],"finalizers":["b.c/z"]}}"#,
            500,
            "The order in patch list:\n[b.c/z]\n doesn't match $setElementOrder list:\n[b.c/a]\n",
        ),
        (
            Check::Complain,
            r#"{"metadata":{"$setElementOrder/labels":["a"]}}"#,
            500,
            "expected a []interface {}, but received a map[string]interface {}",
        ),
        (
            Check::Complain,
            r#"{"$setElementOrder/data":["a"]}"#,
            500,
            "expected a []interface {}, but received a map[string]interface {}",
        ),
        (
            Check::Ignore,
            "[]",
            400,
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (Check::Ignore, "{", 400, "unexpected end of JSON input"),
    ] {
        let error = strategic_merge(&config_map(), patch.as_bytes(), &config_map_type(), check)
            .expect_err(patch);
        assert_refused(&Status::from(error), code, message, patch);
    }
}

#[test]
fn strategic_patches_of_lists() {
    for (check, patch, code, message) in [
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}}"#,
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"containers":[{"$patch":"delete"}]}}}}"#,
            500,
            "map: map[$patch:delete] does not contain declared merge key: name",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"containers":[{"$patch":"merge"}]}}}}"#,
            500,
            "merging lists cannot yet be specified in the patch",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"containers":[{"$patch":"x","name":"a"}]}}}}"#,
            500,
            "unknown patch type: x in map: map[$patch:x name:a]",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"containers":[{"$patch":1,"name":"a"}]}}}}"#,
            500,
            "unknown patch type: %!s(int64=1) in map: map[$patch:1 name:a]",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"a","image":"z"}]}}}}"#,
            500,
            "The order in patch list:\n[map[image:z name:a]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"nam":"b"}],"containers":[{"name":"a","image":"z"}]}}}}"#,
            500,
            "map: map[nam:b] does not contain declared merge key: name",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":["b"],"containers":[{"name":"a","image":"z"}]}}}}"#,
            500,
            "expected a map[string]interface {}, but received a string",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":["b"]}}}}"#,
            500,
            "value for key 0 is not a map",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":"x"}}}}"#,
            500,
            "expected a []interface {}, but received a string",
        ),
        (
            Check::Complain,
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"a","ports":[{"name":"x"}]}]}}}}"#,
            500,
            "map: map[name:x] does not contain declared merge key: containerPort",
        ),
    ] {
        let error = strategic_merge(&deployment(), patch.as_bytes(), &deployment_type(), check)
            .expect_err(patch);
        assert_refused(&Status::from(error), code, message, patch);
    }
}

#[test]
fn too_many_operations() {
    let operation = r#"{"op":"test","path":"/data/k","value":"v"}"#;
    let patch = |count| format!("[{}]", vec![operation; count].join(","));
    let refused = json_patch(&config_map(), patch(10_001).as_bytes(), Check::Complain);
    assert_refused(
        &refused.expect_err("too many operations").into(),
        413,
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
        "10001 operations",
    );
    let applied = json_patch(&config_map(), patch(10_000).as_bytes(), Check::Complain);
    assert_eq!(
        applied.expect("as many as there may be").document,
        config_map()
    );
}

#[test]
fn the_generic_refusal_has_empty_details() {
    let error = json_patch(&config_map(), br#"[{"op":"x"}]"#, Check::Complain);
    let status = Status::from(error.expect_err("no such operation"));
    let body: Value = serde_json::from_str(&status.to_json()).unwrap();
    assert_eq!(
        (&body["details"], &body["reason"]),
        (&json!({}), &json!("Invalid"))
    );
}

#[test]
fn complaints_about_the_patch() {
    let patch = br#"[{"op":"add","path":"/data/z","value":"1","foo":1,"op":"add"},
        {"Op":"add","path":"/data/q","value":{"a":1,"a":2},"bar":1,"bar":2,"op":"add"}]"#;
    let patched = json_patch(&config_map(), patch, Check::Complain).expect("a good patch");
    assert_eq!(
        patched.complaints,
        [
            r#"json patch unknown field "[0].foo""#,
            r#"json patch duplicate field "[0].op""#,
            r#"json patch unknown field "[1].Op""#,
            r#"json patch duplicate field "[1].value.a""#,
            r#"json patch unknown field "[1].bar""#,
        ]
    );
    let quiet = json_patch(&config_map(), patch, Check::Ignore).expect("a good patch");
    assert!(quiet.complaints.is_empty());

    let patch = br#"{"data":{"k":"1","k":"2"},"q":1,"q":2,"l":[{"a":"b","a":"c"}]}"#;
    let expected = [
        r#"duplicate field "data.k""#,
        r#"duplicate field "q""#,
        r#"duplicate field "l[0].a""#,
    ];
    let merged = merge_patch(&config_map(), patch, Check::Complain).expect("a good patch");
    assert_eq!(merged.complaints, expected);
    assert_eq!(merged.document["data"]["k"], "2", "the last one counts");
    let ty = config_map_type();
    let merged = strategic_merge(&config_map(), patch, &ty, Check::Complain);
    assert_eq!(merged.expect("a good patch").complaints, expected);
}

#[test]
fn a_patched_document_that_does_not_decode() {
    let text = "cannot restore map from int64";
    let ty = config_map_type();
    let merged = merge_patch(&json!({}), br#"{"data":1}"#, Check::Complain);
    assert_refused(
        &merged.expect("a good patch").refused(&ty, &json!({}), text),
        422,
        r#" "" is invalid: patch: Invalid value: "{\"data\":1}": cannot restore map from int64"#,
        "merge",
    );
    let merged = strategic_merge(&config_map(), br#"{"data":1}"#, &ty, Check::Complain);
    assert_refused(
        &merged
            .expect("a good patch")
            .refused(&ty, &config_map(), text),
        422,
        r#" "" is invalid: patch: Invalid value: "map[data:1]": cannot restore map from int64"#,
        "strategic",
    );
}
