//! A parsed document before it has a type: duplicates, order and the text of numbers are still
//! there, because errors and complaints are about them.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Number, Value};

/// Deepest nesting of a document. Go stops at 10,000; this is `serde_json`'s bound, which clients
/// in Rust have anyway: every later stage may recurse on an ordinary stack, and no object of the
/// API comes near it.
pub(super) const MAX_DEPTH: usize = 128;

/// The API server keeps no more complaints than that.
pub(super) const MAX_COMPLAINTS: usize = 100;

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    /// A number as it was written.
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// Members in the order of the document, duplicates included.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// What Go calls the type of the value in an error.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The value without a type: of duplicates the last counts, integers of 64 bits stay exact.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Number(text) => number(text).map_or(Value::Null, Value::Number),
            Self::String(s) => Value::String(s.to_string()),
            Self::Array(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, value)| (key.to_string(), value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Adds `<prefix>duplicate field "…"` for each member that occurs again.
    pub(crate) fn duplicates(&self, prefix: &str, path: &str, complaints: &mut Vec<String>) {
        match self {
            Self::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    item.duplicates(prefix, &format!("{path}[{at}]"), complaints);
                }
            }
            Self::Object(members) => {
                let mut seen = HashSet::new();
                for (name, member) in members {
                    let path = match path {
                        "" => name.to_string(),
                        path => format!("{path}.{name}"),
                    };
                    if !seen.insert(name) {
                        let complaint = format!("{prefix}duplicate field \"{path}\"");
                        if complaints.len() < MAX_COMPLAINTS && !complaints.contains(&complaint) {
                            complaints.push(complaint);
                        }
                    }
                    member.duplicates(prefix, &path, complaints);
                }
            }
            _ => {}
        }
    }

    /// A document that is already parsed. `None` when it is nested too deeply.
    pub(super) fn from_value(value: &'a Value, depth: usize) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => Self::Number(Cow::Owned(n.to_string())),
            Value::String(s) => Self::String(Cow::Borrowed(s)),
            Value::Array(items) => Self::Array(
                items
                    .iter()
                    .map(|item| Self::from_value(item, depth + 1))
                    .collect::<Option<_>>()?,
            ),
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(key, value)| {
                        Some((
                            Cow::Borrowed(key.as_str()),
                            Self::from_value(value, depth + 1)?,
                        ))
                    })
                    .collect::<Option<_>>()?,
            ),
        })
    }
}

/// A number without a type: an integer where it is written as one and fits, else a float.
/// `None` for what no float holds (`1e999`).
fn number(text: &str) -> Option<Number> {
    if let Ok(n) = text.parse::<i64>() {
        return Some(n.into());
    }
    if let Ok(n) = text.parse::<u64>() {
        return Some(n.into());
    }
    Number::from_f64(text.parse::<f64>().ok()?)
}
