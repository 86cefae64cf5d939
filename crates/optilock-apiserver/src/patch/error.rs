//! Why a patch is refused.

use serde_json::Value;

use crate::status::{Details, Reason, Status};
use crate::validation::gofmt;

/// A patch that cannot be applied. The texts are kube-apiserver's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PatchError {
    /// The body is not the JSON that a patch of its kind is: 400.
    #[error("{0}")]
    Decode(String),
    /// A JSON patch has more than 10,000 operations: 413.
    #[error(
        "Request entity too large: The allowed maximum operations in a JSON patch is {limit}, got {count}"
    )]
    TooManyOperations {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The patch does not fit the document (a `test` fails, a path leads nowhere): 422. Which
    /// operation it was is not told.
    #[error("the server rejected our request due to an error in our request")]
    NotApplicable,
    /// A directive of a strategic merge patch is malformed: 400.
    #[error("invalid patch format of {0}")]
    Directive(&'static str),
    /// A strategic merge patch that is not understood: 500, as the API server takes the mistake
    /// for its own.
    #[error("{0}")]
    Merge(String),
}

impl PatchError {
    /// A value of the wrong type where a strategic merge patch needs another.
    pub(super) fn expected(expected: &'static str, received: &Value) -> Self {
        Self::Merge(format!(
            "expected a {expected}, but received a {}",
            gofmt::type_name(received)
        ))
    }

    /// An item of a merge list without its key.
    pub(super) fn no_merge_key(item: &Value, key: &str) -> Self {
        let item = gofmt::plain(item);
        Self::Merge(format!(
            "map: {item} does not contain declared merge key: {key}"
        ))
    }
}

impl From<PatchError> for Status {
    fn from(error: PatchError) -> Self {
        let message = error.to_string();
        match error {
            PatchError::Decode(_) | PatchError::Directive(_) => Status::bad_request(message),
            PatchError::TooManyOperations { .. } => {
                Status::new(413, Reason::RequestEntityTooLarge, message)
            }
            PatchError::NotApplicable => {
                Status::new(422, Reason::Invalid, message).with_details(Details::default())
            }
            PatchError::Merge(_) => Status::untyped(message),
        }
    }
}
