//! The kinds of patches, by media type.

use http::HeaderMap;
use serde_json::Value;

use super::input::content_type;
use super::query::Query;
use crate::defaults;
use crate::patch::{self, Check};
use crate::registry::{FieldValidation, View};
use crate::schema::Schema;
use crate::status::{Details, Reason, Status};

/// A patch of a known kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchKind {
    Json,
    Merge,
    StrategicMerge,
}

const KINDS: [(&str, PatchKind); 3] = [
    ("application/json-patch+json", PatchKind::Json),
    ("application/merge-patch+json", PatchKind::Merge),
    (
        "application/strategic-merge-patch+json",
        PatchKind::StrategicMerge,
    ),
];

const APPLY: &str = "application/apply-patch+yaml";

impl PatchKind {
    /// The kind of the patch in a request.
    ///
    /// # Errors
    /// 415 for a media type that is no patch, 501 for server-side apply, 422 for `force` without apply.
    pub(super) fn of(headers: &HeaderMap, query: &Query) -> Result<Self, Status> {
        let media_type = content_type(headers);
        if media_type == APPLY {
            return Err(Status::not_implemented(
                "server-side apply is not served by this version of optilock; use kubectl apply without --server-side",
            ));
        }
        let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == media_type) else {
            return Err(Status::new(
                415,
                Reason::UnsupportedMediaType,
                "415: Unsupported Media Type",
            )
            .with_details(Details::default()));
        };
        if query.flag("force").is_some() {
            let path = crate::validation::Path::new("force");
            let problem = crate::validation::field::Error::forbidden(
                &path,
                "may not be specified for non-apply patch",
            );
            super::query::refuse("PatchOptions", &[problem])?;
        }
        Ok(*kind)
    }

    /// Applies a patch to what a view shows: canonical, with defaults. Complaints about unknown and duplicate fields
    /// are added to `warnings`.
    ///
    /// # Errors
    /// 400, 413 and 422 with kube-apiserver's texts.
    pub(super) fn apply(
        self,
        view: &View,
        current: &Value,
        body: &[u8],
        validation: FieldValidation,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Status> {
        let check = match validation {
            FieldValidation::Ignore => Check::Ignore,
            FieldValidation::Warn | FieldValidation::Strict => Check::Complain,
        };
        let patched = match self {
            Self::Json => patch::json_patch(current, body, check),
            Self::Merge => patch::merge_patch(current, body, check),
            Self::StrategicMerge => patch::strategic_merge(current, body, &view.ty, check),
        }?;
        let decoded = Schema::builtin()
            .normalize(&view.ty, &patched.document)
            .map_err(|error| patched.refused(&error.to_string()))?;
        let complaints: Vec<String> = patched
            .complaints
            .iter()
            .chain(&decoded.complaints)
            .cloned()
            .collect();
        match validation {
            FieldValidation::Strict if !complaints.is_empty() => {
                return Err(
                    patched.refused(&format!("strict decoding error: {}", complaints.join(", ")))
                );
            }
            FieldValidation::Warn => warnings.extend(complaints),
            _ => {}
        }
        let mut value = decoded.value;
        defaults::apply(&view.ty, &mut value);
        Ok(value)
    }
}
