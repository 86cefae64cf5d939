//! The entries of `metadata.managedFields`.

use serde_json::{Value, json};

use super::set::FieldSet;

/// How a manager writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Operation {
    /// By server-side apply.
    Apply,
    /// By anything else.
    #[default]
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who writes, how, in which version, through which path. There is one entry for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manager {
    pub(crate) name: String,
    pub(crate) operation: Operation,
    /// E.g. `apps/v1`.
    pub(crate) api_version: String,
    /// Empty for the object's own path.
    pub(crate) subresource: String,
}

/// The fields of one manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) manager: Manager,
    /// Time of its last write that changed its fields, RFC 3339; empty where it is not known.
    pub(crate) time: String,
    pub(crate) fields: FieldSet,
}

/// Reads `metadata.managedFields`; `None` when it is none, or when an entry can't be read.
pub(crate) fn decode(list: Option<&Value>) -> Option<Vec<Entry>> {
    let entries = list?.as_array()?.iter().map(|entry| {
        let text = |member: &str| entry[member].as_str().unwrap_or_default().to_owned();
        Some(Entry {
            manager: Manager {
                name: text("manager"),
                operation: match entry["operation"].as_str()? {
                    "Apply" => Operation::Apply,
                    "Update" => Operation::Update,
                    _ => return None,
                },
                api_version: text("apiVersion"),
                subresource: text("subresource"),
            },
            time: text("time"),
            fields: FieldSet::from_fields_v1(&entry["fieldsV1"])?,
        })
    });
    entries.collect()
}

/// Writes `metadata.managedFields`: applies first, then by time and name; `None` when there are no entries.
pub(crate) fn encode(entries: &[Entry]) -> Option<Value> {
    let mut sorted: Vec<&Entry> = entries
        .iter()
        .filter(|entry| !entry.fields.is_empty())
        .collect();
    sorted.sort_by_key(|entry| {
        let manager = &entry.manager;
        (
            manager.operation,
            &entry.time,
            &manager.name,
            &manager.api_version,
            &manager.subresource,
        )
    });
    let list = sorted.into_iter().map(|entry| {
        let mut wire = json!({
            "manager": entry.manager.name,
            "operation": entry.manager.operation.name(),
            "apiVersion": entry.manager.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": entry.fields.to_fields_v1(),
        });
        if !entry.time.is_empty() {
            wire["time"] = entry.time.as_str().into();
        }
        if !entry.manager.subresource.is_empty() {
            wire["subresource"] = entry.manager.subresource.as_str().into();
        }
        wire
    });
    let list: Vec<Value> = list.collect();
    (!list.is_empty()).then_some(Value::Array(list))
}

/// Whether two lists differ in nothing but their times.
pub(crate) fn same_but_for_times(a: Option<&Value>, b: Option<&Value>) -> bool {
    let timeless = |list: Option<&Value>| {
        let mut entries = list.cloned().unwrap_or_default();
        for entry in entries.as_array_mut().into_iter().flatten() {
            entry["time"] = Value::Null;
        }
        let mut entries = entries.as_array().cloned().unwrap_or_default();
        entries.sort_by_key(Value::to_string);
        entries
    };
    timeless(a) == timeless(b)
}
