//! What clients ask first, compared with the answers of kube-apiserver 1.36.3.
//!
//! `tests/data/discovery` has what `peers/discovery` recorded there.

mod common;

use std::collections::HashMap;

use common::{Answer, Api};
use http::Method;
use serde_json::{Value, json};

const DOCUMENTS: &str = include_str!("data/discovery/documents.jsonl");
const TYPES: &str = include_str!("data/discovery/openapi-types.jsonl");
const PATHS: &str = include_str!("data/discovery/openapi-paths.jsonl");

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Where documents differ: what the reference has, what is here, why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        r#""serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":"192.0.2.2:26443"}]"#,
        r#""serverAddressByClientCIDRs":[]"#,
        "the server does not know under which address it is reached",
    ),
    (
        r#""LYmCf+UMVdg=""#,
        r#""mHCkTKpUTrE=""#,
        "mutatingadmissionpolicies are stored as v1, not v1beta1",
    ),
    (
        r#""90V5FRZZ3Zg=""#,
        r#""ZKgZT1uTmZ0=""#,
        "mutatingadmissionpolicybindings are stored as v1, not v1beta1",
    ),
    (
        r#""jfWCUB31mvA=""#,
        r#""M5uH+AlWATY=""#,
        "customresourcedefinitions are stored as v1, not v1beta1",
    ),
];

fn recorded(lines: &str) -> impl Iterator<Item = Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a recorded line"))
}

async fn get(api: &Api, path: &str, accept: &str) -> Answer {
    api.call(Method::GET, path, &[("accept", accept)], "").await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .map_or("", |value| value.to_str().expect("a text"))
}

#[tokio::test]
async fn documents_are_those_of_the_reference() {
    let api = Api::new();
    for line in DOCUMENTS.lines() {
        let document: Value = serde_json::from_str(line).expect("a recorded line");
        let path = document["path"].as_str().expect("a path");
        let accept = if document["aggregated"] == true {
            AGGREGATED
        } else {
            "application/json"
        };
        // Members in their order, so as text.
        let (_, body) = line.split_once(r#""body":"#).expect("a body");
        let mut expected = body.strip_suffix('}').expect("the end").to_owned();
        for (theirs, ours, _) in DIFFERENCES {
            expected = expected.replace(theirs, ours);
        }
        let answer = get(&api, path, accept).await;
        assert_eq!(answer.code, 200, "{path}");
        assert_eq!(header(&answer, "content-type"), accept, "{path}");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(
            body.strip_suffix('\n') == Some(&*expected),
            "{path}:\n{body}\n{expected}"
        );
    }
}

#[tokio::test]
async fn the_client_chooses_the_form() {
    let api = Api::new();
    let old = AGGREGATED.replace("v=v2", "v=v2beta1");
    let wildcard = AGGREGATED.replace("application/json", "application/*");
    let table = "application/json;as=Table;g=meta.k8s.io;v=v1";
    for (path, accept, code, content_type) in [
        ("/apis", "*/*", 200, "application/json"),
        ("/apis", "application/yaml", 200, "application/yaml"),
        (
            "/apis",
            &*format!("{AGGREGATED};profile=nopeer,application/json"),
            200,
            AGGREGATED,
        ),
        (
            "/apis",
            &*format!("{table},application/json;q=0.5"),
            200,
            "application/json",
        ),
        ("/apis", &*old, 200, &*old),
        ("/apis", &*wildcard, 200, AGGREGATED),
        (
            "/apis",
            "application/vnd.kubernetes.protobuf",
            200,
            "application/vnd.kubernetes.protobuf",
        ),
        ("/api", table, 406, "application/json"),
        ("/api", &*wildcard, 406, "application/json"),
        ("/apis/apps", AGGREGATED, 406, "application/json"),
        ("/apis/apps/v1", "application/yaml", 200, "application/yaml"),
        ("/apis/apps/v1", "text/html", 406, "application/json"),
        ("/version", "application/yaml", 406, "application/yaml"),
        ("/openapi/v3/apis/apps/v1", "text/html", 406, ""),
        (
            "/openapi/v3/apis/apps/v1",
            "application/json",
            200,
            "application/json",
        ),
        ("/openapi/v3", "text/html", 200, "text/plain; charset=utf-8"),
    ] {
        let answer = get(&api, path, accept).await;
        assert_eq!(answer.code, code, "{path} {accept}");
        assert_eq!(
            header(&answer, "content-type"),
            content_type,
            "{path} {accept}"
        );
    }
    let yaml = get(&api, "/apis/apps", "application/yaml").await;
    assert_eq!(
        String::from_utf8_lossy(&yaml.body),
        "apiVersion: v1\nkind: APIGroup\nname: apps\npreferredVersion:\n  groupVersion: apps/v1\n  version: v1\n\
         versions:\n- groupVersion: apps/v1\n  version: v1\n"
    );
}

#[tokio::test]
async fn the_aggregated_form_is_not_sent_twice() {
    let api = Api::new();
    let first = get(&api, "/apis", AGGREGATED).await;
    let etag = header(&first, "etag").to_owned();
    assert_eq!(
        (header(&first, "cache-control"), header(&first, "vary")),
        ("public", "Accept")
    );
    assert!(
        etag.len() == 130
            && etag
                .trim_matches('"')
                .bytes()
                .all(|b| b"0123456789ABCDEF".contains(&b)),
        "{etag}"
    );
    let ask = async |tag: &str| {
        let headers = [("accept", AGGREGATED), ("if-none-match", tag)];
        api.call(Method::GET, "/apis", &headers, "").await
    };
    let again = ask(&etag).await;
    assert_eq!(
        (
            again.code.as_u16(),
            again.body.len(),
            header(&again, "etag")
        ),
        (304, 0, &*etag)
    );
    assert_eq!(ask("\"other\"").await.code, 200);
    assert_ne!(header(&get(&api, "/api", AGGREGATED).await, "etag"), etag);
}

#[tokio::test]
async fn methods_and_paths_that_are_not_there() {
    let api = Api::new();
    let code =
        async |method: Method, path: &str| api.call(method, path, &[], "").await.code.as_u16();
    for path in ["/api", "/api/v1", "/apis/apps/v1", "/version"] {
        assert_eq!(code(Method::POST, path).await, 405, "{path}");
        assert_eq!(code(Method::HEAD, path).await, 405, "{path}");
    }
    for path in [
        "/",
        "/apis",
        "/apis/apps",
        "/healthz",
        "/livez/ping",
        "/openapi/v3",
        "/openapi/v3/api/v1",
    ] {
        assert_eq!(code(Method::PUT, path).await, 200, "{path}");
        assert_eq!(code(Method::HEAD, path).await, 200, "{path}");
    }
    for path in [
        "/nope",
        "/apis/nope",
        "/apis/nope/v1",
        "/openapi",
        "/openapi/v2/x",
        "/readyz/nope",
        "/livez/ping/x",
    ] {
        let answer = api.get(path).await;
        assert_eq!(
            (answer.code.as_u16(), &answer.body[..]),
            (404, &b"404 page not found\n"[..]),
            "{path}"
        );
        assert_eq!(header(&answer, "content-type"), "text/plain; charset=utf-8");
    }
    for path in ["/apis/apps/v9", "/api/v2"] {
        let (code, reason, message) = api.get(path).await.refusal();
        let expected = "the server could not find the requested resource";
        assert_eq!(
            (code, &*reason, &*message),
            (404, "NotFound", expected),
            "{path}"
        );
    }
    assert_eq!(api.get("/openapi/v3/apis/nope/v1").await.code, 404);
}

#[tokio::test]
async fn version_health_and_root() {
    let api = Api::new();
    let version = api.get("/version").await.expect(200);
    assert_eq!(
        (&version["major"], &version["minor"]),
        (&json!("1"), &json!("36"))
    );
    assert_eq!(api.get("/readyz").await.body, "ok");
    assert_eq!(
        api.get("/readyz?verbose").await.body,
        "[+]ping ok\nreadyz check passed\n"
    );
    let paths = api.get("/").await.expect(200);
    let paths: Vec<&str> = paths["paths"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(paths.is_sorted());
    for path in &paths {
        assert_eq!(
            api.get(path.trim_end_matches('/')).await.code,
            200,
            "{path}"
        );
    }
    for path in [
        "/api/v1",
        "/apis/apps",
        "/apis/apps/v1",
        "/healthz/ping",
        "/openapi/v3",
        "/version",
    ] {
        assert!(paths.contains(&path), "{path}");
    }
}

#[tokio::test]
async fn links_to_openapi_last_for_ever() {
    let api = Api::new();
    let index = api.get("/openapi/v3").await.expect(200);
    let link = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .expect("a link");
    let (path, hash) = link.split_once("?hash=").expect("a hash");
    let kept = api.get(link).await;
    assert_eq!(
        (kept.code.as_u16(), header(&kept, "etag")),
        (200, &*format!("\"{hash}\""))
    );
    assert!(header(&kept, "cache-control").starts_with("public, immutable"));
    assert_eq!(
        header(&api.get(path).await, "cache-control"),
        "no-cache, private"
    );
    let moved = api.get(&format!("{path}?hash=OLD")).await;
    assert_eq!(
        (moved.code.as_u16(), header(&moved, "location")),
        (301, link)
    );
}

/// The documents of OpenAPI by name.
async fn openapi(api: &Api) -> HashMap<String, Value> {
    let index = api.get("/openapi/v3").await.expect(200);
    let mut documents = HashMap::new();
    for (name, link) in index["paths"].as_object().expect("an object") {
        let link = link["serverRelativeURL"].as_str().expect("a link");
        documents.insert(name.clone(), api.get(link).await.expect(200));
    }
    documents
}

/// Takes out of a recorded value what is not here on purpose.
fn adjusted(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // Unions are documentation that no client reads.
            members.remove("x-kubernetes-unions");
            members.values_mut().for_each(adjusted);
        }
        Value::Array(items) => items.iter_mut().for_each(adjusted),
        _ => {}
    }
}

/// Differences between types, as they are written here.
fn adjusted_type(name: &str, schema: &mut Value) {
    adjusted(schema);
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (property, schema) in properties {
        // A property without a description is a mere reference there, and has the form of all others here.
        if let Some(reference) = schema.get("$ref").cloned() {
            *schema = json!({"allOf": [{"$ref": reference}]});
        }
        let Some(members) = schema.as_object_mut() else {
            continue;
        };
        // `+default` of a zero for a field that is left out when it is zero says nothing.
        let empty = members
            .get("default")
            .is_some_and(|default| [json!(""), json!(0), json!(false)].contains(default));
        let short = name.rsplit('.').next().unwrap_or(name);
        if empty && EMPTY_DEFAULTS.contains(&(short, property)) {
            members.remove("default");
        }
        // Granular is what every map is unless it is atomic.
        if members.get("x-kubernetes-map-type") == Some(&json!("granular")) {
            members.remove("x-kubernetes-map-type");
        }
        if property == "allocatedResourceStatuses" {
            // Values of a map have no enum here.
            members["additionalProperties"]
                .as_object_mut()
                .expect("a schema")
                .remove("enum");
        }
    }
}

/// (type, property) with a default that says nothing.
const EMPTY_DEFAULTS: &[(&str, &str)] = &[
    ("AzureDiskVolumeSource", "readOnly"),
    ("ConfigMapEnvSource", "name"),
    ("ConfigMapKeySelector", "name"),
    ("ConfigMapProjection", "name"),
    ("ConfigMapVolumeSource", "name"),
    ("FileKeySelector", "optional"),
    ("GRPCAction", "service"),
    ("LocalObjectReference", "name"),
    ("ScaleSpec", "replicas"),
    ("SecretEnvSource", "name"),
    ("SecretKeySelector", "name"),
    ("SecretProjection", "name"),
];

#[tokio::test]
async fn types_are_those_of_the_reference() {
    let documents = openapi(&Api::new()).await;
    for mut line in recorded(TYPES) {
        let name = line["name"].as_str().expect("a name").to_owned();
        let document = line["document"].as_str().expect("a name");
        let ours = &documents[document]["components"]["schemas"][&name];
        let schema = &mut line["schema"];
        adjusted_type(&name, schema);
        assert_eq!(ours, schema, "{name}");
    }
}

/// Last words of paths to what connects to a pod or a node, or reads from it.
const CONNECTIONS: [&str; 6] = ["attach", "exec", "log", "portforward", "proxy", "{path}"];

#[tokio::test]
async fn operations_are_those_of_the_reference() {
    let documents = openapi(&Api::new()).await;
    let mut known: HashMap<&str, usize> = HashMap::new();
    let lines: Vec<Value> = recorded(PATHS).collect();
    for line in &lines {
        let text = |member: &str| line[member].as_str().expect("a text");
        let (document, path) = (text("document"), text("path"));
        if path
            .rsplit('/')
            .next()
            .is_some_and(|word| CONNECTIONS.contains(&word))
        {
            continue;
        }
        *known.entry(document).or_default() += 1;
        let mut ours = documents[document]["paths"][path].clone();
        if let Some(item) = line.get("item") {
            // They are texts, and gone from the recorded answer.
            without_descriptions(&mut ours);
            let mut item = item.clone();
            adjusted(&mut item);
            assert_eq!(ours, item, "{path}");
            continue;
        }
        let operations: Value = ours
            .as_object()
            .unwrap_or_else(|| panic!("{path} is missing"))
            .iter()
            .filter(|(method, _)| *method != "parameters")
            .map(|(method, operation)| {
                let word = |member: &str| operation[member].as_str().unwrap_or_default();
                let answer =
                    &operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
                let answer = answer.as_str().and_then(|name| name.rsplit('.').next());
                let summary = [
                    word("operationId"),
                    word("x-kubernetes-action"),
                    answer.unwrap_or_default(),
                ];
                (method.clone(), Value::from(summary.join(" ")))
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(&operations, &line["operations"], "{path}");
    }
    for (name, document) in &documents {
        let paths = document["paths"].as_object().expect("an object").len();
        assert_eq!(Some(&paths), known.get(name.as_str()), "{name}");
    }
}

fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("description");
            members.values_mut().for_each(without_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}
