//! Patches as pure functions: JSON patch, merge patch, strategic merge patch.
//!
//! Each takes a document and the bytes of a request body and gives the patched document. What
//! happens afterwards (canonical form, validation, storing) is the same for all writes and not
//! known here. The semantics are those of kube-apiserver and of the Go libraries it uses, which
//! differ from the RFCs in places; the differences are told where they are implemented.

mod document;
mod error;
mod json;
mod merge;
mod order;
mod shown;
mod strategic;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod texts;
mod unstructured;

pub(crate) use error::PatchError;
pub(crate) use json::json_patch;
pub(crate) use merge::merge_patch;
pub(crate) use strategic::strategic_merge;

use serde_json::Value;

use crate::schema::{DecodeError, Decoded, Schema, TypeRef};
use crate::status::Status;
use crate::validation::{Path, field, gofmt};

/// Whether the patch document itself is looked at for unknown and duplicate members.
///
/// `fieldValidation` Warn and Strict are the same here: the caller decides what becomes of the
/// complaints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// `fieldValidation=Ignore`.
    Ignore,
    /// `fieldValidation=Warn` or `Strict`.
    Complain,
}

/// What a patch made of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Patched {
    /// The patched document; not yet in canonical form, and perhaps not even of the right type.
    pub(crate) document: Value,
    /// `duplicate field "a"` and the like, about the patch.
    pub(crate) complaints: Vec<String>,
    /// The patch, where errors show it and not the document.
    shown: Option<Value>,
}

impl Patched {
    /// The document in canonical form.
    ///
    /// # Errors
    /// When it is no document of the type. A strategic merge patch is applied to maps, not to text, so that what does not
    /// fit is told in the words of another decoder.
    pub(crate) fn decode(&self, ty: &TypeRef) -> Result<Decoded, DecodeError> {
        if self.shown.is_some()
            && let Some(misfit) = unstructured::misfit(ty, &self.document)
        {
            return Err(DecodeError::Type(misfit));
        }
        Schema::builtin().normalize(ty, &self.document)
    }

    /// 422 for a patched document that does not decode, or that breaks strict validation.
    ///
    /// `before` is what was patched, of type `ty`; `text` says why. Kind and name are empty in these answers.
    pub(crate) fn refused(&self, ty: &TypeRef, before: &Value, text: &str) -> Status {
        let shown = match &self.shown {
            Some(patch) => gofmt::plain(patch),
            None => shown::text(ty, &self.document, before),
        };
        let error = field::Error::invalid(&Path::new("patch"), shown.as_str(), text);
        field::invalid("", "", "", &[error])
    }
}
