//! The kinds of patches, by media type.

use http::HeaderMap;
use serde_json::Value;

use super::input::{disown, sent_type};
use crate::defaults;
use crate::managed::Operation;
use crate::patch::{self, Check};
use crate::registry::{self, FieldValidation, Resource, Target, View, WriteOptions};
use crate::schema::{DecodeError, Document, Schema};
use crate::status::{Details, Reason, Status};
use crate::validation::gofmt::quote;

/// A patch of a known kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchKind {
    Json,
    Merge,
    StrategicMerge,
    /// Server-side apply.
    Apply,
}

const KINDS: [(&str, PatchKind); 4] = [
    ("application/json-patch+json", PatchKind::Json),
    ("application/merge-patch+json", PatchKind::Merge),
    (
        "application/strategic-merge-patch+json",
        PatchKind::StrategicMerge,
    ),
    ("application/apply-patch+yaml", PatchKind::Apply),
];

/// A request to patch, without the object.
pub(super) struct Patch<'a> {
    pub(super) kind: PatchKind,
    pub(super) body: &'a [u8],
    /// Take fields from their managers; for an apply.
    pub(super) force: bool,
    pub(super) options: &'a WriteOptions,
}

impl PatchKind {
    /// The kind of the patch in a request. Unlike those of other bodies its media type has to be in lower case.
    ///
    /// # Errors
    /// 415 for a media type that is no patch.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Status> {
        let media_type = sent_type(headers);
        let known = KINDS.iter().find(|(name, _)| *name == media_type);
        known.map(|(_, kind)| *kind).ok_or_else(|| {
            Status::new(
                415,
                Reason::UnsupportedMediaType,
                "415: Unsupported Media Type",
            )
            .with_details(Details::default())
        })
    }

    /// Refuses what a custom resource can't be patched by: its type does not say how lists are merged.
    ///
    /// # Errors
    /// 415
    pub(super) fn check(self, resource: &Resource) -> Result<(), Status> {
        if self == Self::StrategicMerge && resource.custom.is_some() {
            return Err(Status::new(
                415,
                Reason::UnsupportedMediaType,
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            ));
        }
        Ok(())
    }

    /// How a patch of the kind counts for `managedFields`.
    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Apply => Operation::Apply,
            Self::Json | Self::Merge | Self::StrategicMerge => Operation::Update,
        }
    }
}

impl Patch<'_> {
    /// What the patch makes of the current object, `None` when there is none: canonical, with defaults. Complaints about
    /// unknown and duplicate fields are added to `warnings`.
    ///
    /// # Errors
    /// 400, 404, 409, 413 and 422 with kube-apiserver's texts.
    pub(super) fn patched(
        &self,
        target: &Target,
        view: &View,
        current: Option<&Value>,
        now: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Status> {
        if self.kind == PatchKind::Apply {
            return self.applied(target, view, current, now);
        }
        let Some(current) = current else {
            return Err(registry::not_found(&target.resource, &target.name));
        };
        let shown = view.patchable(current)?;
        let patched = self.transformed(view, &shown, warnings)?;
        view.merge(target, patched, Some(current), self.options)
    }

    fn applied(
        &self,
        target: &Target,
        view: &View,
        live: Option<&Value>,
        now: &str,
    ) -> Result<Value, Status> {
        let unreadable = |error: DecodeError| {
            Status::bad_request(format!(
                "error decoding YAML: error converting YAML to JSON: {error}"
            ))
        };
        let document = Document::yaml(self.body).map_err(unreadable)?;
        let configuration = document.into_root().to_value();
        let wrong = match &configuration {
            Value::Object(_) | Value::Null => None,
            Value::Array(_) => Some("array"),
            Value::String(_) => Some("string"),
            Value::Bool(_) => Some("bool"),
            Value::Number(_) => Some("number"),
        };
        if let Some(kind) = wrong {
            return Err(Status::bad_request(format!(
                "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go \
                 value of type map[string]interface {{}}"
            )));
        }
        if !view.is_object() {
            let live = live.ok_or_else(|| registry::not_found(&target.resource, &target.name))?;
            let applied = view.apply(target, live, &configuration, self.options, self.force);
            return applied.unwrap_or_else(|| Err(registry::method_not_allowed()));
        }
        let merged = registry::apply(
            target,
            view.part(),
            live,
            &configuration,
            self.options,
            self.force,
            now,
        )?;
        let decoded = Schema::builtin().normalize_merged(&view.ty, &merged);
        let mut value = decoded
            .map_err(|error| {
                Status::bad_request(format!("the applied object is no {}: {error}", view.kind))
            })?
            .value;
        defaults::apply(&view.ty, &mut value);
        Ok(value)
    }

    /// What a JSON, merge or strategic merge patch makes of what a view shows.
    fn transformed(
        &self,
        view: &View,
        current: &Value,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Status> {
        let (body, validation) = (self.body, self.options.field_validation);
        let check = match validation {
            FieldValidation::Ignore => Check::Ignore,
            FieldValidation::Warn | FieldValidation::Strict => Check::Complain,
        };
        let patched = match self.kind {
            PatchKind::Json => patch::json_patch(current, body, check),
            PatchKind::Merge | PatchKind::Apply => patch::merge_patch(current, body, check),
            PatchKind::StrategicMerge => patch::strategic_merge(current, body, &view.ty, check),
        }?;
        let refused = |why: &str| patched.refused(&view.ty, current, why);
        // A strategic merge knows what it merges into, and a custom resource is held against its definition later.
        if self.kind != PatchKind::StrategicMerge && view.ty.custom.is_none() && view.is_object() {
            let text = |name: &str| patched.document[name].as_str().unwrap_or_default();
            let kind = if text("kind").is_empty() {
                view.kind.as_str()
            } else {
                text("kind")
            };
            match text("apiVersion") {
                "" => {
                    // Of what says no version nothing is read, not even its name.
                    let members = patched.document.as_object().into_iter().flatten();
                    let members = members.map(|(name, _)| name.as_str());
                    let unknown = members.filter(|name| !matches!(*name, "apiVersion" | "kind"));
                    let unknown: Vec<String> = unknown
                        .map(|name| format!("unknown field {}", quote(name)))
                        .collect();
                    match validation {
                        FieldValidation::Strict if !unknown.is_empty() => {
                            let why = format!("strict decoding error: {}", unknown.join(", "));
                            return Err(refused(&why));
                        }
                        FieldValidation::Warn => warnings.extend(unknown),
                        _ => {}
                    }
                    return Ok(Value::Object(serde_json::Map::new()));
                }
                version => {
                    if let Some(why) = super::kinds::misfit(view, version, kind) {
                        return Err(refused(&why));
                    }
                }
            }
        }
        let decoded = patched
            .decode(&view.ty)
            .map_err(|error| refused(&error.to_string()))?;
        let complaints: Vec<String> = patched
            .complaints
            .iter()
            .chain(&decoded.complaints)
            .cloned()
            .collect();
        match validation {
            FieldValidation::Strict if !complaints.is_empty() => {
                let why = format!("strict decoding error: {}", complaints.join(", "));
                return Err(refused(&why));
            }
            FieldValidation::Warn => warnings.extend(complaints),
            _ => {}
        }
        let mut value = decoded.value;
        let owners = patched.document.pointer("/metadata/managedFields");
        if owners.and_then(Value::as_array).is_some_and(Vec::is_empty) {
            disown(&mut value);
        }
        defaults::apply(&view.ty, &mut value);
        Ok(value)
    }
}
