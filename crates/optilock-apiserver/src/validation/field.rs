//! What is wrong with one field, in kube-apiserver's words.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::gofmt;
use super::path::Path;
use crate::status::{Cause, Details, Reason, Status};

/// Class of a finding; the machine-readable `reason` of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// A value that has to be there is not.
    Required,
    /// A value that breaks a rule.
    Invalid,
    /// A value outside of a closed list.
    NotSupported,
    /// A value of another type than its schema says.
    TypeInvalid,
    /// A list with more items than it may have.
    TooMany,
    /// A value that may not be set here or now.
    Forbidden,
    /// A value that has to be unique and is not.
    Duplicate,
    /// A text above its limit; the value is not repeated.
    TooLong,
    /// A value that refers to nothing.
    NotFound,
}

impl ErrorKind {
    /// `reason` of a cause.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::TooMany => "FieldValueTooMany",
            Self::Forbidden => "FieldValueForbidden",
            Self::Duplicate => "FieldValueDuplicate",
            Self::TooLong => "FieldValueTooLong",
            Self::NotFound => "FieldValueNotFound",
        }
    }

    /// Whether the value has not the form that its schema says, so that nothing more can be said about it.
    pub(crate) fn is_about_form(self) -> bool {
        matches!(
            self,
            Self::NotSupported | Self::Required | Self::TooLong | Self::TooMany | Self::TypeInvalid
        )
    }

    fn text(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::TooMany => "Too many",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::Duplicate => "Duplicate value",
            Self::TooLong => "Too long",
            Self::NotFound => "Not found",
        }
    }
}

/// The refused value, already in the form in which the text shows it.
///
/// Strings are quoted as Go's `%q`, everything else is JSON (since Kubernetes 1.34).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadValue(String);

impl BadValue {
    /// A value that is JSON text already: objects whose members have the order of their type.
    pub(crate) fn raw(json: String) -> Self {
        Self(json)
    }

    /// A struct as it is inside the API server, where members have the names of Go. That is what
    /// it shows of types that have an internal version. Values are JSON text.
    pub(crate) fn internal(members: &[(&str, String)]) -> Self {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        Self(format!("{{{}}}", members.join(",")))
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl From<&str> for BadValue {
    fn from(text: &str) -> Self {
        Self(gofmt::quote(text))
    }
}

impl From<&Value> for BadValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self(gofmt::quote(text)),
            other => Self(gofmt::json(other)),
        }
    }
}

impl From<i64> for BadValue {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

/// One finding of a validation: `field.Error` of apimachinery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    /// Class of the finding.
    pub(crate) kind: ErrorKind,
    /// Rendered path of the field.
    pub(crate) field: String,
    /// What was there, where the text shows it.
    pub(crate) value: Option<BadValue>,
    /// What is wrong with it; may be empty.
    pub(crate) detail: String,
}

impl Error {
    fn new(kind: ErrorKind, path: &Path<'_>, value: Option<BadValue>, detail: String) -> Self {
        Self {
            kind,
            field: path.to_string(),
            value,
            detail,
        }
    }

    /// `Required value[: detail]`.
    pub(crate) fn required(path: &Path<'_>, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Required, path, None, detail.into())
    }

    /// `Invalid value: value[: detail]`.
    pub(crate) fn invalid(
        path: &Path<'_>,
        value: impl Into<BadValue>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(ErrorKind::Invalid, path, Some(value.into()), detail.into())
    }

    /// `Unsupported value: value: supported values: "a", "b"`.
    pub(crate) fn not_supported(
        path: &Path<'_>,
        value: impl Into<BadValue>,
        supported: &[&str],
    ) -> Self {
        let detail = if supported.is_empty() {
            String::new()
        } else {
            let quoted: Vec<String> = supported.iter().map(|s| gofmt::quote(s)).collect();
            format!("supported values: {}", quoted.join(", "))
        };
        Self::new(ErrorKind::NotSupported, path, Some(value.into()), detail)
    }

    /// The same with a list of values of any type, in its own order.
    pub(crate) fn not_supported_value(path: &Path<'_>, value: &Value, supported: &[Value]) -> Self {
        let supported: Vec<String> = supported.iter().map(|s| BadValue::from(s).0).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        Self::new(ErrorKind::NotSupported, path, Some(value.into()), detail)
    }

    /// `Invalid value: value: detail`, for a value of the wrong type.
    pub(crate) fn type_invalid(
        path: &Path<'_>,
        value: impl Into<BadValue>,
        detail: impl Into<String>,
    ) -> Self {
        let value = Some(value.into());
        Self::new(ErrorKind::TypeInvalid, path, value, detail.into())
    }

    /// `Too many: count: must have at most N items`.
    pub(crate) fn too_many(path: &Path<'_>, count: u64, most: u64) -> Self {
        let unit = if most == 1 { "item" } else { "items" };
        let detail = format!("must have at most {most} {unit}");
        let count = Some(BadValue(count.to_string()));
        Self::new(ErrorKind::TooMany, path, count, detail)
    }

    /// `Forbidden[: detail]`.
    pub(crate) fn forbidden(path: &Path<'_>, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, path, None, detail.into())
    }

    /// `Duplicate value: value`.
    pub(crate) fn duplicate(path: &Path<'_>, value: impl Into<BadValue>) -> Self {
        Self::new(
            ErrorKind::Duplicate,
            path,
            Some(value.into()),
            String::new(),
        )
    }

    /// `Too long: may not be more than N bytes`.
    pub(crate) fn too_long(path: &Path<'_>, limit: usize) -> Self {
        let unit = if limit == 1 { "byte" } else { "bytes" };
        let detail = format!("may not be more than {limit} {unit}");
        Self::new(ErrorKind::TooLong, path, None, detail)
    }

    /// `Not found: value`.
    pub(crate) fn not_found(path: &Path<'_>, value: impl Into<BadValue>) -> Self {
        Self::new(ErrorKind::NotFound, path, Some(value.into()), String::new())
    }

    /// The finding without the path of its field; the `message` of a cause.
    pub(crate) fn body(&self) -> String {
        let mut body = self.kind.text().to_owned();
        for part in [
            self.value.as_ref().map(|value| value.0.as_str()),
            Some(self.detail.as_str()).filter(|detail| !detail.is_empty()),
        ]
        .into_iter()
        .flatten()
        {
            body.push_str(": ");
            body.push_str(part);
        }
        body
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.field, self.body())
    }
}

/// Everything that a validation found, in the order in which it looked.
pub(crate) type ErrorList = Vec<Error>;

/// 422 for an object (or for options) that breaks rules.
///
/// `kind` and `group` are those of the Kind, not of the resource; both are empty where
/// kube-apiserver leaves them out. Findings that read alike are told once in the message,
/// each keeps its cause.
pub(crate) fn invalid(kind: &str, group: &str, name: &str, errors: &[Error]) -> Status {
    let causes = errors
        .iter()
        .map(|error| Cause {
            reason: error.kind.reason().to_owned(),
            message: error.body(),
            field: error.field.clone(),
        })
        .collect();
    let mut seen = HashSet::new();
    let texts: Vec<String> = errors
        .iter()
        .map(Error::to_string)
        .filter(|text| seen.insert(text.clone()))
        .collect();
    let qualified = if group.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    };
    let mut message = format!("{qualified} {} is invalid", gofmt::quote(name));
    match texts.as_slice() {
        [] => {}
        [one] => message.push_str(&format!(": {one}")),
        several => message.push_str(&format!(": [{}]", several.join(", "))),
    }
    Status::new(422, Reason::Invalid, message).with_details(Details {
        name: name.to_owned(),
        group: group.to_owned(),
        kind: kind.to_owned(),
        causes,
        ..Details::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Error, Path, invalid};

    #[test]
    fn bodies_read_like_the_api_server() {
        let path = Path::new("spec");
        let path = path.child("replicas");
        for (error, expected) in [
            (Error::required(&path, ""), "Required value"),
            (
                Error::invalid(&path, -1, "must be greater than or equal to 0"),
                "Invalid value: -1: must be greater than or equal to 0",
            ),
            (
                Error::invalid(&path, &json!({"app": "b"}), "no"),
                r#"Invalid value: {"app":"b"}: no"#,
            ),
            (
                Error::not_supported(&path, "tcp", &["SCTP", "TCP", "UDP"]),
                r#"Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP""#,
            ),
            (Error::forbidden(&path, "not now"), "Forbidden: not now"),
            (Error::duplicate(&path, "a"), r#"Duplicate value: "a""#),
            (
                Error::too_long(&path, 262_144),
                "Too long: may not be more than 262144 bytes",
            ),
            (Error::not_found(&path, "v"), r#"Not found: "v""#),
        ] {
            assert_eq!(error.body(), expected);
            assert_eq!(error.to_string(), format!("spec.replicas: {expected}"));
        }
    }

    #[test]
    fn one_error_stands_alone_and_several_in_brackets() {
        let errors = [
            Error::required(&Path::new("a"), ""),
            Error::required(&Path::new("b"), "why"),
            Error::required(&Path::new("a"), ""),
        ];
        let status = invalid("Deployment", "apps", "web", &errors);
        assert_eq!(
            status.message,
            r#"Deployment.apps "web" is invalid: [a: Required value, b: Required value: why]"#
        );
        let details = status.details.expect("an invalid object has details");
        assert_eq!(details.causes.len(), 3, "causes are not merged");
        assert_eq!(details.causes[1].message, "Required value: why");
        assert_eq!(details.causes[1].reason, "FieldValueRequired");
        assert_eq!(
            invalid("ConfigMap", "", "", &errors[..1]).message,
            r#"ConfigMap "" is invalid: a: Required value"#
        );
    }
}
