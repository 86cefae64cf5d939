//! `x-kubernetes-validations`: rules of custom resources in CEL.

use std::collections::HashMap;
use std::fmt;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::{Value, json};

use super::field::{BadValue, Error, ErrorList};
use super::path::Path;

/// Whether a rule is an expression at all.
///
/// # Errors
/// What the compiler says.
pub(super) fn compile(rule: &str) -> Result<(), String> {
    kube_cel::cel::Program::compile(rule)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// The rules of one schema, compiled.
pub(crate) struct Rules {
    compiled: CompiledSchema,
    /// What is said of a broken rule whose `messageExpression` has nothing to say.
    fallbacks: HashMap<String, String>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

impl Rules {
    /// Compiles the rules of a schema, given as it is in the definition.
    pub(crate) fn compile(schema: &Value) -> Self {
        let mut schema = schema.clone();
        let mut fallbacks = HashMap::new();
        adapt(&mut schema, &mut fallbacks);
        Self {
            compiled: compile_schema(&schema),
            fallbacks,
        }
    }

    /// Adds what an object breaks; rules about a transition are looked at when there is an old object.
    pub(crate) fn check(&self, object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
        let Err(broken) = Validator::new().validate_compiled(&self.compiled, object, old) else {
            return;
        };
        for error in broken.into_vec() {
            let path = match error.field_path.as_str() {
                "" => Path::ROOT,
                path => Path::new(path),
            };
            let said = error.message.trim();
            let message = match self.fallbacks.get(&error.rule) {
                Some(fallback) if said.is_empty() || said.contains(['\n', '\r']) => fallback,
                _ => said,
            };
            errors.push(match error.reason.as_deref() {
                Some("FieldValueForbidden") => Error::forbidden(&path, message),
                Some("FieldValueRequired") => Error::required(&path, message),
                Some("FieldValueDuplicate") => {
                    Error::duplicate(&path, BadValue::raw(message.to_owned()))
                }
                // Of lists and maps the text shows no value.
                _ => match at(object, &error.field_path) {
                    Some(value) if !value.is_object() && !value.is_array() => {
                        Error::invalid(&path, value, message)
                    }
                    _ => Error::invalid(&path, BadValue::raw(message.to_owned()), ""),
                },
            });
        }
    }
}

/// The value at a path such as `spec.ports[0].name`.
fn at<'o>(object: &'o Value, path: &str) -> Option<&'o Value> {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps
        .map(|step| step.trim_end_matches(']'))
        .try_fold(object, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            value => value.get(step),
        })
}

/// Brings all rules below a schema into the form that the library understands, and notes what else is said of them.
fn adapt(schema: &mut Value, fallbacks: &mut HashMap<String, String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(rules)) = members.get_mut("x-kubernetes-validations") {
                rules
                    .iter_mut()
                    .for_each(|rule| adapt_rule(rule, fallbacks));
            }
            members
                .values_mut()
                .for_each(|member| adapt(member, fallbacks));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| adapt(item, fallbacks)),
        _ => {}
    }
}

fn adapt_rule(rule: &mut Value, fallbacks: &mut HashMap<String, String>) {
    let text = |rule: &Value, member: &str| rule[member].as_str().unwrap_or_default().to_owned();
    let source = text(rule, "rule");
    let message = match text(rule, "message").trim() {
        "" => format!("failed rule: {}", source.trim()),
        message => message.to_owned(),
    };
    let expression = text(rule, "messageExpression");
    if rule["optionalOldSelf"] == true {
        // The library binds null, or the value itself, to what is an optional of it.
        rule["rule"] = with_optional(&source).into();
        rule["message"] = json!(message);
        if !expression.is_empty() {
            rule["messageExpression"] = with_optional(&expression).into();
        }
    }
    if !expression.is_empty() {
        fallbacks.insert(text(rule, "rule"), message);
    }
}

/// An expression whose `oldSelf` is an optional. What stands in quotes, or is the member of something, stays.
fn with_optional(expression: &str) -> String {
    const OPTIONAL: &str = "(oldSelf == null ? optional.none() : optional.of(oldSelf))";
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = String::with_capacity(expression.len() + OPTIONAL.len());
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = if matches!(first, '"' | '\'') {
            quoted(rest, first)
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        let is_member = out.trim_end().ends_with('.');
        out.push_str(if token == "oldSelf" && !is_member {
            OPTIONAL
        } else {
            token
        });
        rest = after;
    }
    out
}

/// Length of the literal that `text` begins with.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::with_optional;

    #[test]
    fn only_the_variable_becomes_an_optional() {
        let optional = "(oldSelf == null ? optional.none() : optional.of(oldSelf))";
        for (given, expected) in [
            ("oldSelf.hasValue()", format!("{optional}.hasValue()")),
            ("self.oldSelf == 1", "self.oldSelf == 1".to_owned()),
            (
                r#"self == 'oldSelf' || self == "\"oldSelf" || noldSelf"#,
                r#"self == 'oldSelf' || self == "\"oldSelf" || noldSelf"#.to_owned(),
            ),
            (
                "['é', oldSelf.orValue('a')]",
                format!("['é', {optional}.orValue('a')]"),
            ),
        ] {
            assert_eq!(with_optional(given), expected);
        }
    }
}
