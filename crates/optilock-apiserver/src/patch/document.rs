//! A patch body as it was written: members in their order, duplicates kept.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::PatchError;

/// The most complaints that are collected about one document.
const MAX_COMPLAINTS: usize = 100;

/// JSON that remembers duplicate members.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Document {
    Scalar(Value),
    Array(Vec<Document>),
    Object(Vec<(String, Document)>),
}

impl Document {
    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, PatchError> {
        serde_json::from_slice(body).map_err(|error| PatchError::Decode(error.to_string()))
    }

    /// Go's word for the type of this value in decode errors; null fits every type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Scalar(Value::Null) => "null",
            Self::Scalar(Value::Bool(_)) => "bool",
            Self::Scalar(Value::Number(_)) => "number",
            Self::Scalar(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The value; of duplicates the last one counts.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::Array(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Object(members) => members
                .into_iter()
                .map(|(name, member)| (name, member.into_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// Adds `<prefix>duplicate field "…"` for each member that occurs again.
    pub(super) fn duplicates(&self, prefix: &str, path: &str, complaints: &mut Vec<String>) {
        match self {
            Self::Scalar(_) => {}
            Self::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    item.duplicates(prefix, &format!("{path}[{at}]"), complaints);
                }
            }
            Self::Object(members) => {
                let mut seen = HashSet::new();
                for (name, member) in members {
                    let path = child(path, name);
                    if !seen.insert(name) {
                        complain(complaints, format!("{prefix}duplicate field \"{path}\""));
                    }
                    member.duplicates(prefix, &path, complaints);
                }
            }
        }
    }
}

/// Path of a member.
pub(super) fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Adds a complaint that is not there yet, up to the limit.
pub(super) fn complain(complaints: &mut Vec<String>, complaint: String) {
    if complaints.len() < MAX_COMPLAINTS && !complaints.contains(&complaint) {
        complaints.push(complaint);
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
        Ok(Document::Scalar(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Document::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Document, A::Error> {
        let mut out = Vec::new();
        while let Some(member) = members.next_entry()? {
            out.push(member);
        }
        Ok(Document::Object(out))
    }
}
