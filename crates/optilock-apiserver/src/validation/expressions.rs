//! The form of `x-kubernetes-validations` in the schema of a custom resource.

use serde_json::Value;

use super::Path;
use super::field::{Error, ErrorList};

/// Reasons that a broken rule may give.
const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// Adds what is wrong with the rules of a schema, whose own place is `path`.
pub(super) fn check(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let path = path.child("x-kubernetes-validations");
    let rules = schema["x-kubernetes-validations"].as_array();
    for (at, rule) in rules.into_iter().flatten().enumerate() {
        let path = path.index(at);
        texts(rule, &path, errors);
        if let Some(reason) = rule["reason"].as_str()
            && !REASONS.contains(&reason)
        {
            errors.push(Error::not_supported(
                &path.child("reason"),
                reason,
                &REASONS,
            ));
        }
        field_path(schema, text(rule, "fieldPath"), &path, errors);
    }
}

/// The rule and what is said when it is broken.
fn texts(rule: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let (source, given) = (text(rule, "rule").trim(), text(rule, "message"));
    let message = given.trim();
    let place = path.child("message");
    if source.is_empty() {
        errors.push(Error::required(
            &path.child("rule"),
            "rule is not specified",
        ));
    } else if !given.is_empty() && message.is_empty() {
        errors.push(Error::invalid(&place, given, BLANK));
    } else if is_broken(message) {
        errors.push(Error::invalid(&place, given, BROKEN));
    } else if is_broken(source) && message.is_empty() {
        let detail = "message must be specified if rule contains line breaks";
        errors.push(Error::required(&place, detail));
    }
    let expression = text(rule, "messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        let detail = "messageExpression must be non-empty if specified";
        errors.push(Error::required(&path.child("messageExpression"), detail));
    }
}

const BLANK: &str = "must be non-empty if specified";
const BROKEN: &str = "must not contain line breaks";

fn is_broken(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// Where a broken rule is reported.
fn field_path(schema: &Value, given: &str, path: &Path<'_>, errors: &mut ErrorList) {
    if given.is_empty() {
        return;
    }
    let path = path.child("fieldPath");
    if given.trim().is_empty() {
        errors.push(Error::invalid(&path, given, BLANK));
    }
    if is_broken(given) {
        errors.push(Error::invalid(&path, given, BROKEN));
    }
    if !leads_to_a_field(schema, given) {
        errors.push(Error::invalid(&path, given, "must be a valid path"));
    }
}

/// Whether a path such as `.a['b.c']` names a property of a schema. Items of lists have no such path.
fn leads_to_a_field(schema: &Value, path: &str) -> bool {
    let (mut schema, mut rest) = (schema, path);
    while !rest.is_empty() {
        let split = if let Some(quoted) = rest.strip_prefix("['") {
            quoted.split_once("']")
        } else {
            rest.strip_prefix('.').map(|plain| {
                let end = plain.find(['.', '[']).unwrap_or(plain.len());
                plain.split_at(end)
            })
        };
        let Some((name, after)) = split.filter(|(name, _)| !name.is_empty()) else {
            return false;
        };
        let values = schema
            .get("additionalProperties")
            .filter(|of| of.is_object());
        let Some(property) = schema["properties"].get(name).or(values) else {
            return false;
        };
        (schema, rest) = (property, after);
    }
    true
}

fn text<'a>(rule: &'a Value, member: &str) -> &'a str {
    rule[member].as_str().unwrap_or_default()
}
