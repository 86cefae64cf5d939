//! Bodies of requests: reading them, and turning them into canonical objects.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::Value;

use super::query;
use crate::defaults;
use crate::registry::{DeleteOptions, FieldValidation, View};
use crate::schema::{DecodeError, Decoded, Envelope, Schema, TypeRef};
use crate::status::{Reason, Status};
use crate::validation::gofmt::quote;

/// Largest body that is read: 3 MiB, as in kube-apiserver.
const LIMIT: usize = 3 * 1024 * 1024;

/// A client that does not finish its body gives up its place after so long.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// So much of a body that can't be read is shown to its sender.
const SUMMARY: usize = 30;

/// Media types of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaType {
    Json,
    Yaml,
    Protobuf,
}

impl MediaType {
    /// The media type of a body that is an object. None means JSON.
    ///
    /// # Errors
    /// 415
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Status> {
        match content_type(headers).as_str() {
            "" | "application/json" => Ok(Self::Json),
            "application/yaml" => Ok(Self::Yaml),
            "application/vnd.kubernetes.protobuf" => Ok(Self::Protobuf),
            _ => Err(Status::new(
                415,
                Reason::UnsupportedMediaType,
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json, application/yaml, application/vnd.kubernetes.protobuf",
            )),
        }
    }
}

/// The media type in `Content-Type` without its parameters, in lower case.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

/// Reads a whole body.
///
/// # Errors
/// 413 when it is larger than the limit, 400 when it ends early, 504 when it does not end.
pub(super) async fn read<B>(body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collected = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, LIMIT).collect()).await;
    let Ok(collected) = collected else {
        return Err(Status::new(
            504,
            Reason::Timeout,
            "the body of the request did not arrive in time",
        ));
    };
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Status::new(
            413,
            Reason::RequestEntityTooLarge,
            format!("Request entity too large: limit is {LIMIT}"),
        )),
        Err(error) => Err(Status::bad_request(format!(
            "the body of the request could not be read: {error}"
        ))),
    }
}

/// What a view's path expects in a body.
pub(super) struct Expected<'a> {
    pub(super) view: &'a View,
    pub(super) media_type: MediaType,
    pub(super) validation: FieldValidation,
}

#[derive(Deserialize, Default)]
struct TypeMeta {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// Decodes a body: canonical, with defaults, and with the warnings to send along.
///
/// # Errors
/// 400 with kube-apiserver's text.
pub(super) fn object(body: &[u8], expected: &Expected<'_>) -> Result<Decoded, Status> {
    let view = expected.view;
    let envelope = match expected.media_type {
        MediaType::Protobuf => {
            let envelope = Envelope::parse(body);
            Some(envelope.map_err(|error| unrecognized(view, &error.to_string(), body))?)
        }
        MediaType::Json | MediaType::Yaml => None,
    };
    let meta = match &envelope {
        Some(envelope) => TypeMeta {
            api_version: envelope.api_version.to_owned(),
            kind: envelope.kind.to_owned(),
        },
        None => type_meta(body, expected.media_type, view)?,
    };
    let kind = if meta.kind.is_empty() {
        &view.kind
    } else {
        &meta.kind
    };
    let api_version = if meta.api_version.is_empty() {
        &view.api_version
    } else {
        &meta.api_version
    };
    check_kind(view, api_version, kind)?;

    let schema = Schema::builtin();
    let decoded = match (&envelope, expected.media_type) {
        (Some(envelope), _) => {
            schema
                .decode_protobuf(&view.ty, envelope.raw)
                .map(|value| Decoded {
                    value,
                    complaints: Vec::new(),
                })
        }
        (None, MediaType::Yaml) => schema.decode_yaml(&view.ty, body),
        (None, _) => schema.decode_json(&view.ty, body),
    };
    let mut decoded =
        decoded.map_err(|error| unhandled(view, api_version, kind, &error.to_string()))?;
    if expected.validation == FieldValidation::Strict && !decoded.complaints.is_empty() {
        let why = format!("strict decoding error: {}", decoded.complaints.join(", "));
        return Err(unhandled(view, api_version, kind, &why));
    }
    if expected.validation == FieldValidation::Ignore {
        decoded.complaints.clear();
    }
    defaults::apply(&view.ty, &mut decoded.value);
    Ok(decoded)
}

/// Kind and apiVersion of a document.
fn type_meta(body: &[u8], media_type: MediaType, view: &View) -> Result<TypeMeta, Status> {
    let decoded = if media_type == MediaType::Yaml {
        std::str::from_utf8(body)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                serde_saphyr::from_str(text)
                    .map_err(|error| format!("yaml: {}", first_line(&error.to_string())))
            })
    } else {
        serde_json::from_slice(body).map_err(|_| {
            format!(
                "couldn't get version/kind; json parse error: {}",
                go_error(body, view)
            )
        })
    };
    decoded.map_err(|why| unrecognized(view, &why, body))
}

/// Go's words for a body that has no kind and apiVersion to read.
fn go_error(body: &[u8], view: &View) -> String {
    // What Go decodes kind and apiVersion into has no name of its own.
    const TYPE_META: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    let found = match serde_json::from_slice(body) {
        Ok(Value::Array(_)) => "array",
        Ok(Value::String(_)) => "string",
        Ok(Value::Number(_)) => "number",
        Ok(Value::Bool(_)) => "bool",
        // No JSON, or an object whose kind is no text: the decoder has the words.
        _ => {
            return match Schema::builtin().decode_json(&view.ty, body) {
                Err(error) => error.to_string(),
                Ok(_) => "kind and apiVersion have to be text".to_owned(),
            };
        }
    };
    format!("json: cannot unmarshal {found} into Go value of type {TYPE_META}")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

/// Refuses an object of another kind or version than the path's.
fn check_kind(view: &View, api_version: &str, kind: &str) -> Result<(), Status> {
    if kind == view.kind && api_version == view.api_version {
        return Ok(());
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let schema = Schema::builtin();
    if schema.kind(group, version, kind).is_none() {
        let shown = if group.is_empty() {
            version
        } else {
            api_version
        };
        let why = format!(
            "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
            quote(kind),
            quote(shown)
        );
        return Err(unhandled(view, api_version, kind, &why));
    }
    if kind == view.kind {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            view.api_version
        )));
    }
    let expected_group = view
        .api_version
        .rsplit_once('/')
        .map_or("", |(group, _)| group);
    let why = format!(
        "converting ({version}.{kind}) to ({}.{}): unknown conversion",
        internal_package(expected_group),
        view.kind
    );
    Err(unhandled(view, api_version, kind, &why))
}

/// The Go package of a group's internal types.
fn internal_package(group: &str) -> &str {
    match group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    }
}

fn unhandled(view: &View, api_version: &str, kind: &str, why: &str) -> Status {
    let version = api_version
        .rsplit_once('/')
        .map_or(api_version, |(_, version)| version);
    Status::bad_request(format!(
        "{kind} in version {} cannot be handled as a {}: {why}",
        quote(version),
        view.kind
    ))
}

fn unrecognized(view: &View, why: &str, body: &[u8]) -> Status {
    let shown = &body[..body.len().min(SUMMARY)];
    let shown = match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(shown).into_owned(),
        Some(_) => shown.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let more = if body.len() > SUMMARY { " ..." } else { "" };
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {why} ({shown}{more})",
        view.kind
    ))
}

/// Options of a deletion: those in the body if there is one, else those in the query.
///
/// # Errors
/// 400 and 422.
pub(super) fn delete_options(
    body: &[u8],
    headers: &HeaderMap,
    query: &query::Query,
) -> Result<DeleteOptions, Status> {
    if body.is_empty() {
        return query.delete_options();
    }
    let unreadable = |error: DecodeError| {
        Status::bad_request(format!(
            "the options of the deletion are unreadable: {error}"
        ))
    };
    let ty = delete_options_type()?;
    let schema = Schema::builtin();
    let sent: Value = match MediaType::of(headers)? {
        MediaType::Json => schema.decode_json(&ty, body).map_err(unreadable)?.value,
        MediaType::Yaml => schema.decode_yaml(&ty, body).map_err(unreadable)?.value,
        MediaType::Protobuf => {
            let envelope = Envelope::parse(body).map_err(unreadable)?;
            schema
                .decode_protobuf(&ty, envelope.raw)
                .map_err(unreadable)?
        }
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let stages: Vec<&str> = sent["dryRun"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut problems = Vec::new();
    let options = DeleteOptions {
        dry_run: query::dry_run(&stages, &mut problems),
        uid: text(&sent["preconditions"]["uid"]),
        resource_version: text(&sent["preconditions"]["resourceVersion"]),
        grace_seconds: sent["gracePeriodSeconds"].as_i64(),
        propagation: query::propagation(
            sent["propagationPolicy"].as_str(),
            sent["orphanDependents"].as_bool(),
            &mut problems,
        ),
    };
    query::refuse("DeleteOptions", &problems)?;
    Ok(options)
}

fn delete_options_type() -> Result<TypeRef, Status> {
    Schema::builtin()
        .type_named("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
        .ok_or_else(|| Status::untyped("the schema has no DeleteOptions"))
}
