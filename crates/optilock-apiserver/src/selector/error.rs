//! Why a selector is refused.

use crate::status::Status;
use crate::validation::{field, gofmt};

/// A selector that cannot be read. The texts are kube-apiserver's; every one is a 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SelectorError {
    /// Between the requirements of a label selector stands something else.
    #[error("found '{found}', expected: {expected}")]
    Unexpected {
        /// The token that is there.
        found: String,
        /// What may be there.
        expected: &'static str,
    },
    /// One requirement of a label selector is malformed.
    #[error("unable to parse requirement: {0}")]
    Requirement(String),
    /// A `metav1.LabelSelector` has an operator that there is not.
    #[error("{} is not a valid label selector operator", gofmt::quote(.0))]
    Operator(String),
    /// A term of a field selector has no operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole selector.
        selector: String,
        /// The term.
        term: String,
    },
    /// A backslash in a field selector is not followed by a backslash, a comma or an equals sign.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A comma or an equals sign in the value of a field selector has no backslash.
    // The code point as a number is what kube-apiserver prints.
    #[error("invalid field selector: unescaped character in value: {}", u32::from(*.0))]
    Unescaped(char),
    /// The resource cannot be selected by that field.
    #[error("{0}")]
    Unsupported(String),
}

impl SelectorError {
    /// Wraps the findings about one requirement; `None` when there are none.
    pub(super) fn requirement(errors: &[field::Error]) -> Option<Self> {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        match texts.as_slice() {
            [] => None,
            [one] => Some(Self::Requirement(one.clone())),
            several => Some(Self::Requirement(format!("[{}]", several.join(", ")))),
        }
    }
}

impl From<SelectorError> for Status {
    fn from(error: SelectorError) -> Self {
        Status::bad_request(error.to_string())
    }
}
