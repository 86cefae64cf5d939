//! `x-kubernetes-validations`: rules in CEL.
//!
//! The expected answers are those of kube-apiserver 1.36.3 to the same requests.
#![cfg(feature = "cel")]

mod common;

use common::Api;
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const RULED: &str = "/apis/example.com/v1/namespaces/default/ruleds";

/// A server with a definition whose `spec` has this schema.
async fn with_spec(spec: Value) -> Api {
    let api = Api::new();
    api.post(DEFINITIONS, &definition(&spec)).await.expect(201);
    api
}

fn definition(spec: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "ruleds.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"plural": "ruleds", "kind": "Ruled"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
            }],
        },
    })
}

async fn with_rules() -> Api {
    with_spec(json!({
        "type": "object",
        "required": ["size"],
        "properties": {"size": {"type": "integer"}, "name": {"type": "string"}},
        "x-kubernetes-validations": [
            {"rule": "self.size < 9", "message": "too big"},
            {"rule": "!has(oldSelf.name) || self.name == oldSelf.name"},
        ],
    }))
    .await
}

fn ruled(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Ruled", "metadata": {"name": "r"}, "spec": spec})
}

#[tokio::test]
async fn rules_are_kept() {
    let api = with_rules().await;
    let refused = api.post(RULED, &ruled(&json!({"size": 10}))).await;
    assert_eq!(
        refused.refusal().2,
        r#"Ruled.example.com "r" is invalid: spec: Invalid value: too big"#
    );
    let status = refused.json();
    let cause = json!({"reason": "FieldValueInvalid", "message": "Invalid value: too big", "field": "spec"});
    assert_eq!(status["details"]["causes"], json!([cause]));
}

#[tokio::test]
async fn rules_about_transitions_see_the_old_object() {
    let api = with_rules().await;
    api.post(RULED, &ruled(&json!({"size": 1, "name": "abc"})))
        .await
        .expect(201);
    let path = format!("{RULED}/r");
    let refused = api
        .patch(&path, "merge", &json!({"spec": {"name": "abd"}}))
        .await;
    assert_eq!(
        refused.refusal().2,
        r#"Ruled.example.com "r" is invalid: spec: Invalid value: failed rule: !has(oldSelf.name) || self.name == oldSelf.name"#
    );
    api.patch(&path, "merge", &json!({"spec": {"size": 2}}))
        .await
        .expect(200);
}

#[tokio::test]
async fn rules_wait_for_an_object_of_the_right_form() {
    let api = with_rules().await;
    let refused = api.post(RULED, &ruled(&json!({"size": "x"}))).await;
    assert_eq!(
        refused.refusal().2,
        r#"Ruled.example.com "r" is invalid: [spec.size: Invalid value: "string": spec.size in body must be of type integer: "string", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"#
    );
}

#[tokio::test]
async fn a_rule_that_is_no_expression_is_refused() {
    let api = with_rules().await;
    let path = format!("{DEFINITIONS}/ruleds.example.com");
    let rule = json!([{
        "op": "replace",
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations/0/rule",
        "value": "self >",
    }]);
    let (code, _, message) = api.patch(&path, "json", &rule).await.refusal();
    assert_eq!(code, 422);
    let beginning = r#"CustomResourceDefinition.apiextensions.k8s.io "ruleds.example.com" is invalid: spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self \u003e","Message":"too big","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: "#;
    assert!(message.starts_with(beginning), "{message}");
}

#[tokio::test]
async fn an_optional_old_value_and_what_is_said() {
    let api = with_spec(json!({
        "type": "object",
        "properties": {"f": {"type": "integer"}, "g": {"type": "integer"}},
        "x-kubernetes-validations": [
            {"rule": "oldSelf.hasValue() ? self.f >= oldSelf.value().f : self.f > 0",
                "optionalOldSelf": true, "message": "f grows"},
            {"rule": "self.g < 5", "fieldPath": ".g", "reason": "FieldValueForbidden",
                "messageExpression": "self.g > 8 ? '' : 'got some'", "message": "too much"},
        ],
    }))
    .await;
    let of = |f: i64, g: i64| ruled(&json!({"f": f, "g": g}));
    let message = async |body: Value| api.post(RULED, &body).await.refusal().2;
    assert_eq!(
        message(of(0, 1)).await,
        r#"Ruled.example.com "r" is invalid: spec: Invalid value: f grows"#
    );
    assert_eq!(
        message(of(1, 6)).await,
        r#"Ruled.example.com "r" is invalid: spec.g: Forbidden: got some"#
    );
    assert_eq!(
        message(of(1, 9)).await,
        r#"Ruled.example.com "r" is invalid: spec.g: Forbidden: too much"#
    );
    api.post(RULED, &of(2, 1)).await.expect(201);
    let path = format!("{RULED}/r");
    let smaller = api
        .patch(&path, "merge", &json!({"spec": {"f": 1}}))
        .await
        .refusal();
    assert_eq!(
        smaller.2,
        r#"Ruled.example.com "r" is invalid: spec: Invalid value: f grows"#
    );
    let larger = json!({"spec": {"f": 3}});
    api.patch(&path, "merge", &larger).await.expect(200);
}

/// A definition with this rule, tried.
async fn refused_rule(rule: &str) -> String {
    let api = Api::new();
    let spec = json!({
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 10}},
        "x-kubernetes-validations": [{"rule": rule}],
    });
    let refused = api.post(DEFINITIONS, &definition(&spec)).await;
    refused.refusal().2
}

#[tokio::test]
async fn macros_that_double_a_rule_with_every_link_end_somewhere() {
    let chain = |links: usize| {
        let links = ".optMap(x, x)".repeat(links);
        format!("self.?name{links}.orValue('') == 'a'")
    };
    let why = refused_rule(&chain(100)).await;
    let told = "macros make more than 20000 parts of the expression";
    assert!(why.contains(told), "{why}");
    let spec = json!({
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 10}},
        "x-kubernetes-validations": [{"rule": chain(5)}],
    });
    let api = with_spec(spec).await;
    let kept = ruled(&json!({"name": "a"}));
    api.post(RULED, &kept).await.expect(201);
}

#[tokio::test]
async fn a_rule_that_can_not_be_run_is_refused() {
    for (rule, why) in [
        (
            "google.protobuf.Int64Value{value: 1} == 1",
            "undeclared reference to 'google.protobuf.Int64Value'",
        ),
        (
            "cel.bind(n, self.name, n == 'a')",
            "undeclared reference to 'bind'",
        ),
        (
            "dyn(self).path('/a').check('get') != null",
            "undeclared reference to 'path'",
        ),
    ] {
        let told = refused_rule(rule).await;
        assert!(told.contains(why), "{told}");
    }
}
