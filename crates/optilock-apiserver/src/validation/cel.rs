//! `x-kubernetes-validations`: rules of custom resources in CEL.

use std::fmt;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

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
pub(crate) struct Rules(CompiledSchema);

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

impl Rules {
    /// Compiles the rules of a schema, given as it is in the definition.
    pub(crate) fn compile(schema: &Value) -> Self {
        Self(compile_schema(schema))
    }

    /// Adds what an object breaks; rules about a transition are looked at when there is an old object.
    pub(crate) fn check(&self, object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
        let Err(broken) = Validator::new().validate_compiled(&self.0, object, old) else {
            return;
        };
        for error in broken.into_vec() {
            let path = match error.field_path.as_str() {
                "" => Path::ROOT,
                path => Path::new(path),
            };
            errors.push(match error.reason.as_deref() {
                Some("FieldValueForbidden") => Error::forbidden(&path, error.message),
                Some("FieldValueRequired") => Error::required(&path, error.message),
                Some("FieldValueDuplicate") => {
                    Error::duplicate(&path, BadValue::raw(error.message))
                }
                // Of lists and maps the text shows no value.
                _ => match at(object, &error.field_path) {
                    Some(value) if !value.is_object() && !value.is_array() => {
                        Error::invalid(&path, value, error.message)
                    }
                    _ => Error::invalid(&path, BadValue::raw(error.message), ""),
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
