//! `Status`, the answer of the API server when something is refused or deleted.

use serde::{Deserialize, Serialize};

/// Machine-readable cause of a failure: `metav1.StatusReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// 500 of an error that carries no reason; rendered as the empty string.
    #[serde(rename = "")]
    Unknown,
    /// 401: no or a wrong credential.
    Unauthorized,
    /// 403: known, but not allowed.
    Forbidden,
    /// 404.
    NotFound,
    /// 409 on create: the name is taken.
    AlreadyExists,
    /// 409: a precondition (version, uid, field ownership) does not hold.
    Conflict,
    /// 410: the resource does not exist any more and never will.
    Gone,
    /// 422: the object or the options break a rule.
    Invalid,
    /// 500 or 504: the server could not finish in time; try again later.
    ServerTimeout,
    /// 504.
    Timeout,
    /// 429.
    TooManyRequests,
    /// 400.
    BadRequest,
    /// 405.
    MethodNotAllowed,
    /// 406.
    NotAcceptable,
    /// 413.
    RequestEntityTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 410: the asked version was compacted away.
    Expired,
    /// 501: the server knows the request and can't serve it.
    NotImplemented,
    /// 503.
    ServiceUnavailable,
    /// 500.
    InternalError,
}

/// One finding inside [`Details`]: `metav1.StatusCause`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cause {
    /// Machine-readable type, e.g. `FieldValueRequired`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The finding without the field's path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// JSON path of the field, e.g. `spec.containers[0].name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// What a [`Status`] is about: `metav1.StatusDetails`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// Name of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group; empty for core.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Plural resource or Kind, as the API server has it for the reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Uid of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The single findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Seconds after which a retry makes sense; 0 is left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// A failure as the API server tells it (`metav1.Status`).
///
/// It is the error type of the whole spine: a layer that refuses a request says so in the
/// words that the client will read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable cause.
    pub reason: Reason,
    /// Human-readable text.
    pub message: String,
    /// What it is about. `None` leaves the member out, an empty one renders as `{}`.
    pub details: Option<Box<Details>>,
    /// `metadata.continue`, which only an expired list carries.
    pub continue_token: Option<String>,
}

impl Status {
    /// A failure without details.
    #[must_use]
    pub fn new(code: u16, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            continue_token: None,
        }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// 400 BadRequest.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, Reason::BadRequest, message)
    }

    /// 500 with an empty reason, as kube-apiserver answers an error that has no type.
    #[must_use]
    pub fn untyped(message: impl Into<String>) -> Self {
        Self::new(500, Reason::Unknown, message)
    }

    /// 501 for what this server does not do. kube-apiserver has no such answer: it does everything.
    #[must_use]
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, Reason::NotImplemented, message)
    }

    /// The JSON document that goes over the wire, members in the order of `metav1.Status`.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            kind: &'a str,
            api_version: &'a str,
            metadata: Metadata<'a>,
            status: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "is_unknown")]
            reason: Reason,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<&'a Details>,
            code: u16,
        }
        #[derive(Serialize)]
        struct Metadata<'a> {
            #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
            continue_token: Option<&'a str>,
        }
        let wire = Wire {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata {
                continue_token: self.continue_token.as_deref(),
            },
            status: "Failure",
            message: &self.message,
            reason: self.reason,
            details: self.details.as_deref(),
            code: self.code,
        };
        // Text and numbers only: there is nothing that can't be written.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_unknown(reason: &Reason) -> bool {
    *reason == Reason::Unknown
}
