//! Bodies of requests: reading them, and turning them into canonical objects.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::kinds;
use super::query;
use crate::defaults;
use crate::registry::{DeleteOptions, FieldValidation, View};
use crate::schema::{DecodeError, Decoded, Document, Envelope, Node, Schema, TypeMeta, TypeRef};
use crate::status::{Reason, Status};
use crate::validation::gofmt::quote;
use crate::validation::{Path, field};

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
            _ => Err(unsupported()),
        }
    }
}

fn unsupported() -> Status {
    Status::new(
        415,
        Reason::UnsupportedMediaType,
        "the body of the request was in an unknown format - accepted media types include: \
         application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}

/// The media type in `Content-Type` without its parameters, in lower case.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    sent_type(headers).to_ascii_lowercase()
}

/// The same in the letters that were sent.
pub(super) fn sent_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim)
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

/// A body that is taken apart as far as it says what it is.
enum Parsed<'a> {
    Document(Document<'a>),
    Protobuf(Envelope<'a>),
}

impl<'a> Parsed<'a> {
    fn parse(body: &'a [u8], media_type: MediaType) -> Result<(Self, TypeMeta), String> {
        let document = match media_type {
            MediaType::Protobuf => {
                let envelope = Envelope::parse(body).map_err(|error| error.to_string())?;
                let meta = TypeMeta {
                    api_version: envelope.api_version.to_owned(),
                    kind: envelope.kind.to_owned(),
                };
                return Ok((Self::Protobuf(envelope), meta));
            }
            MediaType::Json => Document::json(body),
            MediaType::Yaml => Document::yaml(body),
        };
        let read = document.and_then(|document| {
            let meta = document.type_meta()?;
            Ok((Self::Document(document), meta))
        });
        read.map_err(|error| match error {
            DecodeError::Yaml(text) => text,
            other => format!("couldn't get version/kind; json parse error: {other}"),
        })
    }

    fn decode(&self, ty: &TypeRef) -> Result<Decoded, DecodeError> {
        match self {
            Self::Document(document) => document.decode(ty),
            Self::Protobuf(envelope) => {
                let value = Schema::builtin().decode_protobuf(ty, envelope.raw)?;
                Ok(Decoded {
                    value,
                    complaints: Vec::new(),
                })
            }
        }
    }
}

/// Decodes a body: canonical, with defaults, and with the warnings to send along.
///
/// # Errors
/// 400 with kube-apiserver's text.
pub(super) fn object(body: &[u8], expected: &Expected<'_>) -> Result<Decoded, Status> {
    let view = expected.view;
    // Custom resources have no messages.
    if view.ty.custom.is_some() && expected.media_type == MediaType::Protobuf {
        return Err(unsupported());
    }
    let (parsed, meta) =
        Parsed::parse(body, expected.media_type).map_err(|why| unrecognized(view, &why, body))?;
    if let Some(refused) = refuse_custom(view, &parsed, &meta, body) {
        return Err(refused);
    }
    let or = |sent: String, own: &String| if sent.is_empty() { own.clone() } else { sent };
    let (kind, api_version) = (
        or(meta.kind, &view.kind),
        or(meta.api_version, &view.api_version),
    );
    check_kind(view, &parsed, &api_version, &kind)?;

    let mut decoded = parsed
        .decode(&view.ty)
        .map_err(|error| unhandled(view, &api_version, &kind, &error.to_string()))?;
    if expected.validation == FieldValidation::Strict && !decoded.complaints.is_empty() {
        let why = format!("strict decoding error: {}", decoded.complaints.join(", "));
        return Err(unhandled(view, &api_version, &kind, &why));
    }
    if expected.validation == FieldValidation::Ignore {
        decoded.complaints.clear();
    }
    if let Parsed::Document(document) = &parsed
        && matches!(document.at(&["metadata", "managedFields"]), Some(Node::Array(items)) if items.is_empty())
    {
        disown(&mut decoded.value);
    }
    defaults::apply(&view.ty, &mut decoded.value);
    Ok(decoded)
}

/// Says that nobody owns a field, in the form that is not lost as an empty list is.
pub(super) fn disown(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.insert("managedFields".into(), serde_json::json!([{}]));
    }
}

/// Refuses what is no custom resource of the path's kind and version. It has to say itself what it is.
fn refuse_custom(view: &View, parsed: &Parsed<'_>, meta: &TypeMeta, body: &[u8]) -> Option<Status> {
    view.ty.custom.as_ref()?;
    if meta.kind.is_empty() {
        let shown = String::from_utf8_lossy(body);
        let why = format!("Object 'Kind' is missing in '{shown}'");
        return Some(unrecognized(view, &why, body));
    }
    if meta.api_version != view.api_version {
        return Some(Status::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({})",
            meta.api_version, view.api_version
        )));
    }
    if meta.kind == view.kind {
        return None;
    }
    let group = view.api_version.split('/').next().unwrap_or_default();
    let name = match parsed {
        Parsed::Document(document) => document.decode(&view.ty).ok()?.value["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        Parsed::Protobuf(_) => String::new(),
    };
    let problem = field::Error::invalid(
        &Path::new("kind"),
        meta.kind.as_str(),
        format!("must be {}", view.kind),
    );
    Some(field::invalid(&meta.kind, group, &name, &[problem]))
}

/// Takes out owners that are there twice; a warning when there were any.
pub(super) fn distinct_owners(object: &mut Value) -> Option<String> {
    let owners = object
        .pointer_mut("/metadata/ownerReferences")
        .and_then(Value::as_array_mut)?;
    let mut kept: Vec<Value> = Vec::new();
    let mut repeated: Vec<String> = Vec::new();
    for owner in owners.drain(..) {
        if !kept.contains(&owner) {
            kept.push(owner);
            continue;
        }
        let uid = owner["uid"].as_str().unwrap_or_default();
        if !repeated.iter().any(|known| known == uid) {
            repeated.push(uid.to_owned());
        }
    }
    *owners = kept;
    (!repeated.is_empty()).then(|| {
        format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may \
             reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            repeated.join(", ")
        )
    })
}

/// Refuses an object of another kind or version than the path's.
fn check_kind(
    view: &View,
    parsed: &Parsed<'_>,
    api_version: &str,
    kind: &str,
) -> Result<(), Status> {
    if let Some(why) = kinds::misfit(view, api_version, kind) {
        // It is read as what it is before it is found to be something else.
        let (group, version) = kinds::split(api_version);
        let own = Schema::builtin().kind(group, version, kind);
        let unreadable = own.and_then(|ty| parsed.decode(&ty).err());
        let why = unreadable.map_or(why, |error| error.to_string());
        return Err(unhandled(view, api_version, kind, &why));
    }
    if api_version == view.api_version {
        return Ok(());
    }
    Err(Status::bad_request(format!(
        "the API version in the data ({api_version}) does not match the expected API version ({})",
        view.api_version
    )))
}

fn unhandled(view: &View, api_version: &str, kind: &str, why: &str) -> Status {
    let (_, version) = kinds::split(api_version);
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
    let unreadable = |why: String| Status::bad_request(why);
    let ty = delete_options_type()?;
    let (parsed, meta) = Parsed::parse(body, MediaType::of(headers)?).map_err(unreadable)?;
    check_options(&meta)?;
    let sent = parsed
        .decode(&ty)
        .map_err(|error| unreadable(error.to_string()))?
        .value;
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

/// Refuses a body that says that it is something else than options. Every group and version has options, all alike.
fn check_options(meta: &TypeMeta) -> Result<(), Status> {
    let TypeMeta { api_version, kind } = meta;
    if kind.is_empty() || kind == "DeleteOptions" {
        return Ok(());
    }
    Err(Status::bad_request(kinds::unregistered(api_version, kind)))
}

fn delete_options_type() -> Result<TypeRef, Status> {
    Schema::builtin()
        .type_named("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions")
        .ok_or_else(|| Status::untyped("the schema has no DeleteOptions"))
}
