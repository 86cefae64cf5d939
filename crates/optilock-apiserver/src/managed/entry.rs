//! The entries of `metadata.managedFields`.

use serde_json::{Map, Value, json};

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

impl Manager {
    /// The manager as structured-merge-diff names it, which is how conflicts are sorted.
    pub(super) fn identifier(&self) -> String {
        // Members in the order of the Go struct.
        let api_version = match self.operation {
            Operation::Apply => "",
            Operation::Update => &self.api_version,
        };
        let members = [
            ("manager", &*self.name),
            ("operation", self.operation.name()),
            ("apiVersion", api_version),
            ("subresource", &self.subresource),
        ];
        let members = members.iter().filter(|(_, value)| !value.is_empty());
        let members = members.map(|(name, value)| format!("\"{name}\":{}", Value::from(*value)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    /// Whether the two are one. An applier is the same whatever the version in which it applies.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// Whether an entry of `managedFields` is the manager's.
    pub(super) fn wrote(&self, entry: &Value) -> bool {
        text(entry, "manager") == self.name
            && text(entry, "operation") == self.operation.name()
            && text(entry, "apiVersion") == self.api_version
            && text(entry, "subresource") == self.subresource
    }
}

/// The fields of one manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) manager: Manager,
    /// Time of its last write that changed its fields, RFC 3339; empty where it is not known.
    pub(crate) time: String,
    pub(crate) fields: FieldSet,
}

/// Reads `metadata.managedFields`; `None` when it is none, or when an entry can't be read. Of several entries of one
/// manager the last counts.
pub(crate) fn decode(list: Option<&Value>) -> Option<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for entry in list?.as_array()? {
        let text = |member: &str| text(entry, member).to_owned();
        let entry = Entry {
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
        };
        match entries
            .iter_mut()
            .find(|known| known.manager.is_same(&entry.manager))
        {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
    }
    Some(entries)
}

/// Whether a manager has more than one entry of `managedFields`, which a write of a scale can leave.
pub(super) fn is_doubled(entries: &[Value]) -> bool {
    let who = |entry| ["manager", "subresource", "operation"].map(|member| text(entry, member));
    let mut places = 1..entries.len();
    places.any(|at| {
        entries[..at]
            .iter()
            .any(|other| who(other) == who(&entries[at]))
    })
}

/// Writes `metadata.managedFields`: applies first, then by time and name; `None` when there are no entries.
pub(crate) fn encode(entries: &[Entry]) -> Option<Value> {
    let list = entries.iter().filter(|entry| !entry.fields.is_empty());
    let list = list.map(|entry| {
        let mut wire = json!({
            "manager": entry.manager.name,
            "operation": entry.manager.operation.name(),
            "apiVersion": entry.manager.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": entry.fields.to_fields_v1(),
        });
        set_time(&mut wire, &entry.time);
        if !entry.manager.subresource.is_empty() {
            wire["subresource"] = entry.manager.subresource.as_str().into();
        }
        wire
    });
    let mut list: Vec<Value> = list.collect();
    sort(&mut list);
    (!list.is_empty()).then_some(Value::Array(list))
}

/// Sets the time of an entry of `managedFields`; empty where it is not known.
pub(super) fn set_time(entry: &mut Value, time: &str) {
    if !time.is_empty() {
        entry["time"] = time.into();
    } else if let Some(members) = entry.as_object_mut() {
        members.remove("time");
    }
}

/// Brings entries of `managedFields` into their order.
pub(super) fn sort(entries: &mut [Value]) {
    fn key(entry: &Value) -> [&str; 5] {
        // In the alphabet applies are before updates too.
        ["operation", "time", "manager", "apiVersion", "subresource"].map(|name| text(entry, name))
    }
    entries.sort_by(|a, b| key(a).cmp(&key(b)));
}

fn text<'v>(entry: &'v Value, member: &str) -> &'v str {
    entry[member].as_str().unwrap_or_default()
}

/// Whether two lists differ in nothing but their times.
pub(crate) fn same_but_for_times(a: Option<&Value>, b: Option<&Value>) -> bool {
    fn entries(list: Option<&Value>) -> &[Value] {
        let list = list.and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }
    let (a, mut b) = (entries(a), entries(b).iter().collect::<Vec<_>>());
    // Times are what they are sorted by: an entry may be anywhere.
    a.len() == b.len()
        && a.iter().all(|entry| {
            let same = b
                .iter()
                .position(|other| is_same_but_for_time(entry, other));
            same.map(|at| b.swap_remove(at)).is_some()
        })
}

fn is_same_but_for_time(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else {
        return a == b;
    };
    let size = |entry: &Map<String, Value>| entry.keys().filter(|name| *name != "time").count();
    let is_in_b = |(name, value): (&String, &Value)| name == "time" || b.get(name) == Some(value);
    size(a) == size(b) && a.iter().all(is_in_b)
}
