//! From version 3 of OpenAPI to version 2, as far as Kubernetes uses it.

use serde_json::{Map, Value, json};

use super::super::operation::{ANY, DOCUMENTS};

/// What is at a path.
pub(super) fn path_item(item: Value) -> Value {
    let convert = |(member, value): (String, Value)| {
        let value = match (&*member, value) {
            ("parameters", Value::Array(list)) => list.into_iter().map(parameter).collect(),
            (_, Value::Object(operation)) => Value::Object(self::operation(operation)),
            (_, other) => other,
        };
        (member, value)
    };
    match item {
        Value::Object(members) => members.into_iter().map(convert).collect(),
        other => other,
    }
}

fn operation(mut operation: Map<String, Value>) -> Map<String, Value> {
    let body = operation.remove("requestBody");
    let responses = operation.remove("responses").unwrap_or_default();
    let produces = media_types(&responses["200"]);
    let is_builtin = produces.iter().any(|produced| produced == DOCUMENTS[1]);
    let consumes = match &body {
        Some(body) => media_types(body),
        // What is read takes no body, and says so in two ways.
        None if is_builtin && operation.contains_key("x-kubernetes-action") => {
            ANY.iter().map(ToString::to_string).collect()
        }
        None => produces.clone(),
    };
    let parameters = operation.remove("parameters");
    let parameters = parameters.as_ref().and_then(Value::as_array);
    let mut parameters: Vec<Value> = parameters.into_iter().flatten().cloned().collect();
    parameters = parameters.into_iter().map(parameter).collect();
    if let Some(body) = &body {
        let mut sent = json!({"name": "body", "in": "body", "schema": content_schema(body)});
        if body["required"] == true {
            sent["required"] = true.into();
        }
        parameters.insert(0, sent);
    }
    if !parameters.is_empty() {
        operation.insert("parameters".into(), parameters.into());
    }
    let responses = responses.as_object().into_iter().flatten();
    let responses = responses.map(|(code, response)| {
        let mut answer = json!({"description": response["description"]});
        if response.get("content").is_some() {
            answer["schema"] = content_schema(response);
        }
        (code.clone(), answer)
    });
    operation.insert("responses".into(), responses.collect());
    operation.insert("consumes".into(), consumes.into());
    operation.insert("produces".into(), produces.into());
    operation.insert("schemes".into(), json!(["https"]));
    operation
}

fn media_types(holder: &Value) -> Vec<String> {
    let content = holder["content"].as_object().into_iter().flatten();
    content.map(|(media_type, _)| media_type.clone()).collect()
}

/// The type of a body, which is the same in all of its media types.
fn content_schema(holder: &Value) -> Value {
    let content = holder["content"].as_object();
    let first = content.and_then(|content| content.values().next());
    first.map_or(Value::Null, |first| schema(first["schema"].clone()))
}

/// A parameter, whose type stands beside its name.
fn parameter(mut parameter: Value) -> Value {
    let schema = parameter.as_object_mut().and_then(|p| p.remove("schema"));
    if let (Some(Value::Object(schema)), Value::Object(members)) = (schema, &mut parameter) {
        members.extend(schema);
    }
    parameter
}

/// A named type.
pub(super) fn definition(given: Value) -> Value {
    let is_open = given["x-kubernetes-preserve-unknown-fields"] == true;
    let mut made = schema(given);
    // An object has a type at least.
    if is_open && let Some(members) = made.as_object_mut() {
        members.remove("x-kubernetes-preserve-unknown-fields");
        members.insert("type".into(), "object".into());
    }
    made
}

/// What a schema can't say in version 2 is not said, and with it what old clients would misread.
fn schema(value: Value) -> Value {
    let Value::Object(members) = value else {
        return value;
    };
    let is = |member: &str| members.get(member) == Some(&Value::Bool(true));
    let shapeless = is("nullable")
        || is("x-kubernetes-preserve-unknown-fields")
        || is("x-kubernetes-int-or-string");
    // Of the two types that are one or the other the text stays.
    let is_choice = members.contains_key("oneOf") && !members.contains_key("type");
    let mut made = Map::new();
    for (member, value) in members {
        let value = match &*member {
            "default" | "nullable" | "oneOf" | "anyOf" | "not" => continue,
            "type" | "format" | "required" | "items" | "properties" | "additionalProperties"
                if shapeless =>
            {
                continue;
            }
            "allOf" => {
                let reference = value.get(0).and_then(|only| only["$ref"].as_str());
                if let Some(reference) = reference {
                    made.insert("$ref".into(), in_definitions(reference));
                }
                continue;
            }
            "$ref" => in_definitions(value.as_str().unwrap_or_default()),
            "items" | "additionalProperties" => schema(value),
            "properties" => match value {
                Value::Object(properties) => properties
                    .into_iter()
                    .map(|(name, property)| (name, schema(property)))
                    .collect(),
                other => other,
            },
            _ => value,
        };
        made.insert(member, value);
    }
    if is_choice {
        made.insert("type".into(), "string".into());
    }
    Value::Object(made)
}

fn in_definitions(reference: &str) -> Value {
    reference
        .replacen("#/components/schemas/", "#/definitions/", 1)
        .into()
}
