//! The schema against what the Go code of Kubernetes does with the same documents
//! (`tests/data/schema`, written by `cargo xtask schema`), and against arbitrary bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const OBJECTS: &str = include_str!("../../tests/data/schema/objects.jsonl");
const DOCUMENTS: &str = include_str!("../../tests/data/schema/documents.jsonl");
const QUANTITIES: &str = include_str!("../../tests/data/schema/quantities.txt");

/// A filled object in protobuf, and the JSON that Go writes after it has read that.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    api_version: String,
    kind: String,
    #[serde(default)]
    protobuf: String,
    /// What Go writes after it has read the JSON, where that is another message.
    written: Option<String>,
    json: String,
}

/// A document and what the API server's decoder makes of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spoiled {
    r#type: String,
    document: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    json: String,
    #[serde(default)]
    complaints: Vec<String>,
}

fn schema() -> &'static Schema {
    Schema::builtin()
}

fn type_of(api_version: &str, kind: &str) -> TypeRef {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    schema()
        .kind(group, version, kind)
        .unwrap_or_else(|| panic!("{api_version} {kind}"))
}

fn objects() -> Vec<Object> {
    OBJECTS
        .lines()
        .map(|line| serde_json::from_str(line).expect("a vector"))
        .collect()
}

fn decode_json(ty: &TypeRef, body: &[u8]) -> Result<Decoded, DecodeError> {
    Document::json(body)?.decode(ty)
}

fn decode_yaml(ty: &TypeRef, body: &[u8]) -> Result<Decoded, DecodeError> {
    Document::yaml(body)?.decode(ty)
}

fn encoded(ty: &TypeRef, value: &Value) -> String {
    let mut out = Vec::new();
    schema().encode(ty, value, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn json_is_written_as_go_writes_it() {
    for object in objects() {
        let ty = type_of(&object.api_version, &object.kind);
        let decoded = decode_json(&ty, object.json.as_bytes());
        let decoded = decoded.unwrap_or_else(|error| panic!("{}: {error}", object.kind));
        assert_eq!(decoded.complaints, [""; 0], "{}", object.kind);
        assert_eq!(encoded(&ty, &decoded.value), object.json, "{}", object.kind);

        let again = schema().normalize(&ty, &decoded.value).expect("canonical");
        assert_eq!(again, decoded, "canonical form is a fixed point");
    }
}

#[test]
fn protobuf_and_json_agree() {
    let mut compared = 0;
    for object in objects()
        .iter()
        .filter(|object| !object.protobuf.is_empty())
    {
        let ty = type_of(&object.api_version, &object.kind);
        let body = STANDARD.decode(&object.protobuf).expect("base64");
        let envelope = Envelope::parse(&body).expect("an envelope");
        assert_eq!(
            (envelope.api_version, envelope.kind),
            (&*object.api_version, &*object.kind)
        );
        let decoded = schema().decode_protobuf(&ty, envelope.raw);
        let mut value = decoded.unwrap_or_else(|error| panic!("{}: {error}", object.kind));
        value["apiVersion"] = envelope.api_version.into();
        value["kind"] = envelope.kind.into();
        assert_eq!(encoded(&ty, &value), object.json, "{}", object.kind);
        compared += 1;
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn protobuf_is_written_as_go_writes_it() {
    for object in objects()
        .iter()
        .filter(|object| !object.protobuf.is_empty())
    {
        let ty = type_of(&object.api_version, &object.kind);
        let document = decode_json(&ty, object.json.as_bytes()).expect(&object.kind);
        let written = schema()
            .encode_protobuf(&document.value)
            .expect("a message");
        let body = object.written.as_ref().unwrap_or(&object.protobuf);
        let body = STANDARD.decode(body).expect("base64");
        assert_eq!(written, body, "{}", object.kind);
    }
}

#[test]
fn errors_and_complaints_are_those_of_the_api_server() {
    for line in DOCUMENTS.lines() {
        let expected: Spoiled = serde_json::from_str(line).expect("a vector");
        let (api_version, kind) = expected.r#type.split_once(' ').expect("version and kind");
        let ty = type_of(api_version, kind);
        let document = &expected.document;
        match decode_json(&ty, document.as_bytes()) {
            Err(error) => assert_eq!(error.to_string(), expected.error, "{document}"),
            Ok(decoded) => {
                assert_eq!("", expected.error, "{document}");
                assert_eq!(decoded.complaints, expected.complaints, "{document}");
                assert_eq!(encoded(&ty, &decoded.value), expected.json, "{document}");
            }
        }
    }
}

#[test]
fn quantities_are_spelled_as_go_spells_them() {
    let mut wrong = Vec::new();
    for line in QUANTITIES.lines() {
        let (text, expected) = line.split_once('\t').expect("a vector");
        let found = match Quantity::parse(text) {
            Ok(quantity) => quantity.to_string(),
            Err(error) => format!("error: {error}"),
        };
        if found != expected {
            wrong.push(format!("{text}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

proptest! {
    #[test]
    fn a_canonical_quantity_stays_as_it_is(
        text in r"[+-]?[0-9]{0,25}(\.[0-9]{0,25})?(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})"
    ) {
        if let Ok(quantity) = Quantity::parse(&text) {
            let spelled = quantity.to_string();
            let again = Quantity::parse(&spelled).map(|quantity| quantity.to_string());
            prop_assert_eq!(again, Ok(spelled), "{}", text);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>, text: String) {
        let ty = type_of("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        for body in [&bytes[..], text.as_bytes()] {
            let _ = decode_json(&ty, body);
            let _ = decode_yaml(&ty, body);
            let _ = schema().decode_protobuf(&ty, body);
            let _ = Envelope::parse(body);
            let _ = Quantity::parse(&text);
        }
    }

    #[test]
    fn spoiled_bytes_do_not_panic(which: prop::sample::Index, changes: Vec<(prop::sample::Index, u8)>) {
        let objects = objects();
        let object = which.get(&objects);
        let ty = type_of(&object.api_version, &object.kind);
        let mut json = object.json.as_bytes().to_vec();
        let mut protobuf = STANDARD.decode(&object.protobuf).expect("base64");
        for (at, byte) in changes {
            *at.get_mut(&mut json) = byte;
            if !protobuf.is_empty() {
                *at.get_mut(&mut protobuf) = byte;
            }
        }
        if let Ok(decoded) = decode_json(&ty, &json) {
            let again = schema().normalize(&ty, &decoded.value);
            prop_assert_eq!(again.map(|again| again.value), Ok(decoded.value));
        }
        if let Ok(value) = schema().decode_protobuf(&ty, protobuf.get(4..).unwrap_or_default()) {
            let again = schema().normalize(&ty, &value);
            prop_assert_eq!(again.map(|again| again.value), Ok(value));
        }
        if let Ok(Ok(value)) =
            Envelope::parse(&protobuf).map(|envelope| schema().decode_protobuf(&ty, envelope.raw))
        {
            let again = schema().normalize(&ty, &value);
            prop_assert_eq!(again.map(|again| again.value), Ok(value));
        }
    }
}

#[test]
fn nested_bombs_are_refused() {
    let ty = type_of("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let open = r#"{"spec":{"versions":[{"schema":{"openAPIV3Schema":"#.to_owned();
    let bomb = open + &r#"{"not":"#.repeat(100_000);
    assert!(decode_json(&ty, bomb.as_bytes()).is_err());

    let schema_type = schema()
        .type_named("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
        .expect("listed");
    // `not` is field 28: a message within a message within …
    let mut message = Vec::new();
    for _ in 0..5_000 {
        let mut length = message.len();
        let mut outer = vec![0xe2, 0x01];
        while length >= 0x80 {
            outer.push(length as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.append(&mut message);
        message = outer;
    }
    assert!(schema().decode_protobuf(&schema_type, &message).is_err());
}

#[test]
fn nested_schemas_of_the_allowed_depth_pass_every_stage() {
    let ty = type_of("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    // Eight levels are around the schemas.
    let levels = node::MAX_DEPTH - 8;
    let open = r#"{"spec":{"versions":[{"schema":{"openAPIV3Schema":"#.to_owned();
    let schemas = r#"{"not":"#.repeat(levels) + "{}" + &"}".repeat(levels);
    let decoded = decode_json(&ty, (open + &schemas + "}}]}}").as_bytes()).expect("in bounds");
    assert!(encoded(&ty, &decoded.value).contains(&schemas));
    let again = schema().normalize(&ty, &decoded.value);
    assert_eq!(again.map(|again| again.value), Ok(decoded.value));
}

#[test]
fn yaml_and_json_agree() {
    let ty = type_of("apps/v1", "Deployment");
    let yaml = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 1\n  foo: x\n  replicas: 2\n";
    let decoded = decode_yaml(&ty, yaml.as_bytes()).expect("a Deployment");
    assert_eq!(decoded.value["spec"]["replicas"], 2);
    assert_eq!(
        decoded.complaints,
        [
            "yaml: unmarshal errors:\n  line 8: key \"replicas\" already set in map",
            "unknown field \"spec.foo\""
        ]
    );
    assert_eq!(
        decoded.warnings(),
        [
            "line 8: key \"replicas\" already set in map",
            "unknown field \"spec.foo\""
        ]
    );
}

#[test]
fn a_document_says_what_it_is() {
    let meta = |body: &'static str| Document::json(body.as_bytes()).and_then(|d| d.type_meta());
    let found = meta(r#"{"kind":"Pod","apiVersion":"v1"}"#).expect("an object");
    assert_eq!((&*found.api_version, &*found.kind), ("v1", "Pod"));
    assert_eq!(meta("{}").map(|meta| meta.kind), Ok(String::new()));
    assert_eq!(
        meta(r#"{"kind":5}"#).map_err(|error| error.to_string()),
        Err("json: cannot unmarshal number into Go struct field .kind of type string".into())
    );
    assert_eq!(
        meta("[]").map_err(|error| error.to_string()),
        Err(
            r#"json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#
                .into()
        )
    );
}
