//! Reading an object for a row. What is missing reads as its zero, as in a Go struct.

use jiff::Timestamp;
use serde_json::Value;

use super::duration;
use crate::selector::LabelSelector;

pub(super) const NONE: &str = "<none>";
pub(super) const UNKNOWN: &str = "<unknown>";
pub(super) const UNSET: &str = "<unset>";

/// An object that becomes a row, and the time at which it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) object: &'a Value,
    pub(super) now: Timestamp,
}

impl<'a> Row<'a> {
    /// The value at a JSON pointer, `null` where there is none.
    pub(super) fn at(self, pointer: &str) -> &'a Value {
        at(self.object, pointer)
    }

    pub(super) fn text(self, pointer: &str) -> &'a str {
        text(self.at(pointer))
    }

    pub(super) fn number(self, pointer: &str) -> i64 {
        number(self.at(pointer))
    }

    pub(super) fn flag(self, pointer: &str) -> bool {
        flag(self.at(pointer))
    }

    pub(super) fn list(self, pointer: &str) -> &'a [Value] {
        list(self.at(pointer))
    }

    pub(super) fn name(self) -> &'a str {
        self.text("/metadata/name")
    }

    pub(super) fn age(self) -> String {
        self.since(self.at("/metadata/creationTimestamp"))
    }

    pub(super) fn is_deleted(self) -> bool {
        !self.at("/metadata/deletionTimestamp").is_null()
    }

    /// The annotation of that name, whose slashes no JSON pointer has to escape here.
    pub(super) fn annotation(self, name: &str) -> Option<&'a str> {
        self.at("/metadata/annotations").get(name)?.as_str()
    }

    /// How long ago a time was.
    pub(super) fn since(self, time: &Value) -> String {
        match instant(time) {
            Some(time) => duration::human(self.now.duration_since(time)),
            None => UNKNOWN.to_owned(),
        }
    }

    /// Names and images of the containers of a pod template, behind commas.
    pub(super) fn containers(self, pointer: &str) -> (String, String) {
        let containers = self.list(pointer);
        (joined(containers, "/name"), joined(containers, "/image"))
    }

    /// A `metav1.LabelSelector` as text.
    pub(super) fn selector(self, pointer: &str) -> String {
        match LabelSelector::from_meta(Some(self.at(pointer))) {
            Ok(selector) => or(&selector.to_string(), NONE).to_owned(),
            Err(_) => "<error>".to_owned(),
        }
    }
}

static NULL: Value = Value::Null;

/// The value at a JSON pointer, `null` where there is none.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&NULL)
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

pub(super) fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A time, unless there is none.
pub(super) fn instant(time: &Value) -> Option<Timestamp> {
    time.as_str()?.parse().ok()
}

/// `fallback` instead of an empty text.
pub(super) fn or<'a>(text: &'a str, fallback: &'a str) -> &'a str {
    if text.is_empty() { fallback } else { text }
}

/// A text that is held by pointer: an empty one is a value.
pub(super) fn optional<'a>(value: &'a Value, fallback: &'a str) -> &'a str {
    value.as_str().unwrap_or(fallback)
}

/// A quantity that is held by pointer; Go prints a missing one so.
pub(super) fn quantity(value: &Value) -> &str {
    optional(value, "<nil>")
}

/// The texts at `pointer` of each item, behind commas.
pub(super) fn joined(items: &[Value], pointer: &str) -> String {
    let texts: Vec<&str> = items.iter().map(|item| text(at(item, pointer))).collect();
    texts.join(",")
}

/// Labels as `a=b,c=d`.
pub(super) fn labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect();
    or(&pairs.join(","), NONE).to_owned()
}

/// The first condition of that type.
pub(super) fn condition<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// Texts with a separator between them, of which no more than `most` are shown.
pub(super) fn shortened(texts: &[String], most: usize, separator: &str) -> String {
    match texts.get(..most) {
        Some(first) if texts.len() > most => {
            format!("{} + {} more...", first.join(separator), texts.len() - most)
        }
        _ => texts.join(separator),
    }
}
