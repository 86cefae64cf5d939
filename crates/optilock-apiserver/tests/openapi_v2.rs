//! `/openapi/v2`, for clients that know no other.
//!
//! What is compared here literally is from kube-apiserver 1.36.3, without its descriptions.
#![allow(missing_docs, clippy::unwrap_used)] // a panic is how a test fails

mod common;

use common::{Answer, Api};
use http::Method;
use serde_json::{Value, json};

const PATH: &str = "/openapi/v2";
const OLD: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const NEW: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

async fn get(api: &Api, accept: &str) -> Answer {
    api.call(Method::GET, PATH, &[("accept", accept)], "").await
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

#[tokio::test]
async fn definitions_are_those_of_the_reference() {
    let document = Api::new().get(PATH).await.expect(200);
    assert_eq!(document["swagger"], "2.0");
    let of = |name: &str| document["definitions"][name].clone();
    assert_eq!(
        of("io.k8s.api.apps.v1.Deployment"),
        json!({
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": reference("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
                "spec": reference("io.k8s.api.apps.v1.DeploymentSpec"),
                "status": reference("io.k8s.api.apps.v1.DeploymentStatus"),
            },
            "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}],
        })
    );
    let spec = of("io.k8s.api.apps.v1.DeploymentSpec");
    assert_eq!(
        (&spec["required"], &spec["properties"]["strategy"]),
        (
            &json!(["selector", "template"]),
            &json!({
                "$ref": "#/definitions/io.k8s.api.apps.v1.DeploymentStrategy",
                "x-kubernetes-patch-strategy": "retainKeys",
            })
        )
    );
    assert_eq!(
        of("io.k8s.api.core.v1.ServicePort")["properties"]["protocol"],
        json!({"type": "string", "enum": ["SCTP", "TCP", "UDP"]})
    );
    assert_eq!(
        of("io.k8s.api.core.v1.PodSpec")["properties"]["containers"],
        json!({
            "type": "array",
            "items": reference("io.k8s.api.core.v1.Container"),
            "x-kubernetes-list-map-keys": ["name"],
            "x-kubernetes-list-type": "map",
            "x-kubernetes-patch-merge-key": "name",
            "x-kubernetes-patch-strategy": "merge",
        })
    );
    assert_eq!(
        of("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
        json!({"type": "string", "format": "int-or-string"})
    );
    assert_eq!(
        of("io.k8s.apimachinery.pkg.api.resource.Quantity"),
        json!({"type": "string"})
    );
    let kinds =
        of("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")["x-kubernetes-group-version-kind"]
            .take();
    let apps = json!({"group": "apps", "kind": "DeleteOptions", "version": "v1"});
    assert!(
        kinds
            .as_array()
            .is_some_and(|kinds| kinds.contains(&apps) && kinds.len() > 10)
    );
}

#[tokio::test]
async fn operations_are_those_of_the_reference() {
    let document = Api::new().get(PATH).await.expect(200);
    let parameter = |name: &str, place: &str, kind: &str| json!({"uniqueItems": true, "type": kind, "name": name, "in": place});
    let mut path_parameter = parameter("namespace", "path", "string");
    path_parameter["required"] = true.into();
    let collection = &document["paths"]["/api/v1/namespaces/{namespace}/configmaps"];
    assert_eq!(
        collection["parameters"],
        json!([path_parameter, parameter("pretty", "query", "string")])
    );
    let object = reference("io.k8s.api.core.v1.ConfigMap");
    let documents = json!([
        "application/json",
        "application/vnd.kubernetes.protobuf",
        "application/yaml"
    ]);
    let answer = |text: &str| json!({"description": text, "schema": object});
    assert_eq!(
        collection["post"],
        json!({
            "consumes": ["*/*"],
            "produces": documents,
            "schemes": ["https"],
            "tags": ["core_v1"],
            "operationId": "createCoreV1NamespacedConfigMap",
            "parameters": [
                {"name": "body", "in": "body", "required": true, "schema": object},
                parameter("dryRun", "query", "string"),
                parameter("fieldManager", "query", "string"),
                parameter("fieldValidation", "query", "string"),
            ],
            "responses": {
                "200": answer("OK"),
                "201": answer("Created"),
                "202": answer("Accepted"),
                "401": {"description": "Unauthorized"},
            },
            "x-kubernetes-action": "post",
            "x-kubernetes-group-version-kind": {"group": "", "kind": "ConfigMap", "version": "v1"},
        })
    );
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"];
    assert_eq!(patch["consumes"].as_array().unwrap().len(), 4);
    assert_eq!(
        document["paths"]["/apis/apps/"]["get"]["consumes"],
        documents
    );
}

#[tokio::test]
async fn custom_resources_are_in_it_without_what_old_clients_misread() {
    let api = Api::new();
    let etag = api.get(PATH).await.headers["etag"].clone();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "mixeds.c.example"},
        "spec": {
            "group": "c.example",
            "names": {"plural": "mixeds", "kind": "Mixed"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                    "type": "object",
                    "required": ["n"],
                    "properties": {
                        "n": {"type": "integer", "minimum": 1, "default": 3},
                        "either": {"x-kubernetes-int-or-string": true},
                        "none": {"type": "array", "nullable": true, "items": {"type": "string"}},
                        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "held": {"type": "object", "x-kubernetes-embedded-resource": true,
                            "properties": {"spec": {"type": "object"}}},
                        "one": {"type": "object", "properties": {"a": {"type": "string"}},
                            "oneOf": [{"required": ["a"]}]},
                    },
                }}}},
            }],
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    api.post(definitions, &definition).await.expect(201);
    let changed = api.get(PATH).await;
    assert_ne!(changed.headers["etag"], etag);
    assert_eq!(
        changed.json()["definitions"]["example.c.v1.Mixed"]["properties"]["spec"],
        json!({
            "type": "object",
            "required": ["n"],
            "properties": {
                "n": {"type": "integer", "minimum": 1},
                "either": {"x-kubernetes-int-or-string": true},
                "none": {},
                "open": {"x-kubernetes-preserve-unknown-fields": true},
                "held": {
                    "type": "object",
                    "required": ["kind", "apiVersion"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": reference("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
                        "spec": {"type": "object"},
                    },
                    "x-kubernetes-embedded-resource": true,
                },
                "one": {"type": "object", "properties": {"a": {"type": "string"}}},
            },
        })
    );
}

#[tokio::test]
async fn both_formats_are_the_same_version() {
    let api = Api::new();
    let json = get(&api, "application/json").await;
    assert_eq!(json.headers["content-type"], "application/json");
    for accept in [OLD, NEW, &format!("{OLD}, application/json")] {
        let protobuf = get(&api, accept).await;
        assert_eq!(protobuf.headers["content-type"], NEW, "{accept}");
        assert_eq!(protobuf.headers["etag"], json.headers["etag"]);
        // Version, title and the beginning of the paths, as the reference writes them.
        assert!(
            protobuf
                .body
                .starts_with(b"\n\x032.0\x12\x12\n\nKubernetes\x12\x041.36B")
        );
    }
    let etag = json.headers["etag"].to_str().unwrap();
    let headers = [("accept", NEW), ("if-none-match", etag)];
    let again = api.call(Method::GET, PATH, &headers, "").await;
    assert_eq!((again.code.as_u16(), again.body.len()), (304, 0));
    for accept in ["text/html", "application/yaml"] {
        let refused = get(&api, accept).await;
        assert_eq!((refused.code.as_u16(), refused.body.len()), (406, 0));
    }
}
