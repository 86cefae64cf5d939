//! Field selectors: `metadata.name=a,status.phase!=Running`.

use super::error::SelectorError;

/// One condition on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    label: String,
    equal: bool,
    value: String,
}

/// A field selector: all of its terms hold. The empty one matches every object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FieldSelector {
    terms: Vec<Term>,
}

impl FieldSelector {
    /// Reads the grammar of the `fieldSelector` parameter; `check` refuses labels.
    /// Callers use [`super::SelectableFields::parse`].
    ///
    /// # Errors
    /// With kube-apiserver's text for the first thing that is wrong. Terms are read in the order
    /// of their text.
    pub(super) fn parse(
        text: &str,
        check: impl Fn(&str) -> Result<(), SelectorError>,
    ) -> Result<Self, SelectorError> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let mut terms = Vec::with_capacity(parts.len());
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let (label, equal, value) = split_term(part).ok_or_else(|| SelectorError::Term {
                selector: text.to_owned(),
                term: part.to_owned(),
            })?;
            terms.push(Term {
                label: label.to_owned(),
                equal,
                value: unescape(value)?,
            });
        }
        // Labels are looked at after all terms were read.
        for term in &terms {
            check(&term.label)?;
        }
        Ok(Self { terms })
    }

    /// The name that a selector asks for, whatever else may be selected by.
    pub(crate) fn name_in(text: &str) -> Option<String> {
        let selector = Self::parse(text, |_| Ok(())).ok()?;
        selector.exact("metadata.name").map(ToOwned::to_owned)
    }

    /// Whether every object matches.
    pub(crate) fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must have, where the selector asks for exactly one; a selector
    /// with `metadata.name` names a single object.
    pub(crate) fn exact(&self, label: &str) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.equal && term.label == label)
            .map(|term| term.value.as_str())
    }

    /// Whether an object matches; `lookup` says whether the field of that label has that value.
    /// A field that is not set has the empty value.
    pub(super) fn matches(&self, lookup: impl Fn(&str, &str) -> bool) -> bool {
        self.terms
            .iter()
            .all(|term| lookup(&term.label, &term.value) == term.equal)
    }
}

/// Splits at commas without a backslash.
fn split_terms(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c| {
        let separates = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        separates
    })
    .collect()
}

/// The first operator splits the term; there are no escapes on its left.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    term.char_indices().find_map(|(at, _)| {
        let (label, rest) = term.split_at(at);
        [("!=", false), ("==", true), ("=", true)]
            .into_iter()
            .find_map(|(operator, equal)| Some((label, equal, rest.strip_prefix(operator)?)))
    })
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(SelectorError::Escape(format!("\\{c}"))),
                None => return Err(SelectorError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(SelectorError::Unescaped(c)),
            c => out.push(c),
        }
    }
    Ok(out)
}
