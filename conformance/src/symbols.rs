//! What no two servers can have in common, replaced by symbols.
//!
//! | in an answer | symbol |
//! |---|---|
//! | a UUID | `<uid N>`, N in order of appearance in the sequence |
//! | an object's resourceVersion | `<version N>`, likewise |
//! | a list's or bookmark's resourceVersion | `<version N or later>`, N the newest one seen that is not newer: other writes than the sequence's move it |
//! | a time of day within a day of now | `<time>`, with a point and so many zeros as it has digits below seconds |
//! | the random end of a generated name | `<name N>` |
//! | the sequence's namespace | `<namespace>` |
//! | a Service's address and its ports of nodes | `<address>`, `<port>`: one that was given back may come again |
//! | the order of `managedFields` | operation, manager, version, subresource: theirs is by seconds |
//! | a continue token | `<continue>` |
//! | what discovery makes of a resource's names | `<hash>` |
//! | an age in a Table | `<age>` |

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use regex::{Captures, Regex};
use serde_json::{Map, Number, Value};

/// Times that a sequence sends itself are further away than this.
const NEAR: SignedDuration = SignedDuration::from_hours(24);
/// The annotation of the bookmark that ends the initial events.
pub(crate) const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
/// How many characters kube-apiserver adds to a `generateName`.
const GENERATED: usize = 5;
/// The ports of nodes that Services get.
const NODE_PORTS: RangeInclusive<u64> = 30000..=32767;
/// Of a longer `generateName` the rest is cut off.
const LONGEST_BASE: usize = 58;
/// The columns of Tables that show how long ago something was.
const AGES: [&str; 4] = ["Age", "Last Seen", "First Seen", "Last Schedule"];

/// A pattern of this file.
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well-formed")
}

static UID: LazyLock<Regex> =
    LazyLock::new(|| pattern("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"));
static AGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\d+[smhdy])+$"));
static TOKEN: LazyLock<Regex> = LazyLock::new(|| pattern("(continue=)[^&]+"));
/// Where a text names an address that nobody got.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(IPAddress\.networking\.k8s\.io \\*")([0-9.]+)"#));
/// Where texts name an object's version.
static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?<before>resourceVersion=|resource version: ",
        r"|ResourceVersion in precondition: |ResourceVersion in object meta: ",
        r"|ResourceVersion in the precondition \(|ResourceVersion in record \(",
        // in a document that a text quotes
        r#"|resourceVersion\\*":\\*")(?<version>\d+)"#
    ))
});
/// Where texts name how far the server is.
static PROGRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?<before>, current: |too old resource version: [^(]+ \()(?<version>\d+)")
});

/// The symbols of one sequence.
#[derive(Debug)]
pub(crate) struct Symbols {
    namespace: String,
    /// Numbers that the sequence sends itself.
    sent: HashSet<u64>,
    uids: Vec<String>,
    versions: Vec<u64>,
    /// Generated names, and what of them was asked for.
    names: Vec<(String, String)>,
    addresses: BTreeSet<String>,
    ports: BTreeSet<u64>,
    /// What was asked for of the next name.
    base: Option<String>,
}

impl Symbols {
    /// For a sequence in `namespace` that itself sends these numbers in places of versions.
    pub(crate) fn new(namespace: &str, sent: HashSet<u64>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            sent,
            uids: Vec::new(),
            versions: Vec::new(),
            names: Vec::new(),
            addresses: BTreeSet::new(),
            ports: BTreeSet::new(),
            base: None,
        }
    }

    /// Takes notice of a document that is about to be sent.
    pub(crate) fn send(&mut self, document: &Value) {
        let metadata = &document["metadata"];
        let base = metadata["generateName"].as_str();
        self.base = base
            .filter(|_| metadata["name"].is_null())
            .map(str::to_owned);
    }

    /// A document with symbols.
    pub(crate) fn document(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.document(item)).collect(),
            Value::Object(members) => self.object(members),
            plain => plain.clone(),
        }
    }

    /// A text with symbols.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (place, (name, base)) in self.names.iter().enumerate() {
            text = text.replace(name, &format!("{base}<name {}>", place + 1));
        }
        // The longer one first: it may begin like another.
        for address in self.addresses.iter().rev() {
            text = text.replace(address, "<address>");
        }
        for port in &self.ports {
            text = text.replace(&format!(":{port}/"), ":<port>/");
        }
        text = text.replace(&self.namespace, "<namespace>");
        text = replace(&ADDRESS, &text, |found| format!("{}<address>", &found[1]));
        text = replace(&UID, &text, |found| self.uid(&found[0]));
        text = replace(&TIME, &text, time);
        text = replace(&TOKEN, &text, |found| format!("{}<continue>", &found[1]));
        let text = replace(&VERSION, &text, |found| {
            let version = &found["version"];
            let symbol = version.parse().map(|version| self.mentioned(version));
            format!(
                "{}{}",
                &found["before"],
                symbol.unwrap_or_else(|_| version.to_owned())
            )
        });
        replace(&PROGRESS, &text, |found| {
            let version = &found["version"];
            let symbol = version.parse().map(|version| self.not_older(version));
            format!(
                "{}{}",
                &found["before"],
                symbol.unwrap_or_else(|_| version.to_owned())
            )
        })
    }

    fn object(&mut self, members: &Map<String, Value>) -> Value {
        self.learn_name(members);
        if let Some(Value::Object(details)) = members.get("details") {
            // The message before them names it too.
            self.learn_name(details);
        }
        let kind = members
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let table = kind == "Table";
        // No other bookmark is recorded; in a Table it is the object of a row.
        let bookmark = members
            .get("metadata")
            .is_some_and(|metadata| !metadata["annotations"][INITIAL_EVENTS_END].is_null());
        let list = bookmark || table || kind.ends_with("List");
        // In an order that no feature of serde_json changes.
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        if let Some(Ok(address)) = members
            .get("clusterIP")
            .and_then(Value::as_str)
            .map(str::parse::<IpAddr>)
        {
            self.addresses.insert(address.to_string());
        }
        let member = |(name, value): (&String, &Value)| {
            let value = match value {
                Value::Object(metadata) if name == "metadata" => self.metadata(metadata, list),
                Value::Number(port) if name == "nodePort" => self.port(port),
                // It is made of names, and some of them have the sequence's namespace in them.
                Value::String(_) if name == "storageVersionHash" => "<hash>".into(),
                Value::Array(causes) if name == "causes" => self.document(&by_manager(causes)),
                other => self.document(other),
            };
            (self.text(name), value)
        };
        let mut members: Map<_, _> = sorted.into_iter().map(member).collect();
        if table {
            hide_ages(&mut members);
        }
        Value::Object(members)
    }

    fn metadata(&mut self, metadata: &Map<String, Value>, list: bool) -> Value {
        let mut metadata = metadata.clone();
        let version = metadata.get("resourceVersion").and_then(Value::as_str);
        if let Some(version) = version.and_then(|text| text.parse().ok())
            && version > 0
        {
            let symbol = if list {
                self.not_older(version)
            } else {
                self.version(version)
            };
            metadata.insert("resourceVersion".to_owned(), symbol.into());
        }
        if let Some(token) = metadata.get_mut("continue") {
            *token = "<continue>".into();
        }
        if let Some(Value::Array(entries)) = metadata.get_mut("managedFields") {
            entries.sort_by_cached_key(writer);
        }
        self.object(&metadata)
    }

    /// Remembers a name that was generated, of an object or of one that was refused.
    fn learn_name(&mut self, members: &Map<String, Value>) {
        let base = members.get("generateName").and_then(Value::as_str);
        let base = base.map(str::to_owned).or_else(|| self.base.clone());
        let (Some(base), Some(name)) = (base, members.get("name").and_then(Value::as_str)) else {
            return;
        };
        let kept = &base[..base.len().min(LONGEST_BASE)];
        if name
            .strip_prefix(kept)
            .is_some_and(|end| end.len() == GENERATED)
        {
            let known = (name.to_owned(), kept.to_owned());
            place(&mut self.names, known);
        }
    }

    fn uid(&mut self, uid: &str) -> String {
        format!("<uid {}>", place(&mut self.uids, uid.to_owned()))
    }

    fn port(&mut self, port: &Number) -> Value {
        match port.as_u64() {
            Some(port) if NODE_PORTS.contains(&port) => {
                self.ports.insert(port);
                "<port>".into()
            }
            _ => Value::Number(port.clone()),
        }
    }

    fn version(&mut self, version: u64) -> String {
        format!("<version {}>", place(&mut self.versions, version))
    }

    /// A version that a text names.
    fn mentioned(&mut self, version: u64) -> String {
        if self.versions.contains(&version) {
            self.version(version)
        } else if self.sent.contains(&version) {
            version.to_string()
        } else {
            self.not_older(version)
        }
    }

    /// A version that may be newer than the sequence's own writes.
    fn not_older(&self, version: u64) -> String {
        let known = self.versions.iter().enumerate();
        let older = known.filter(|(_, known)| **known <= version);
        match older.max_by_key(|(_, known)| **known) {
            Some((place, _)) => format!("<version {} or later>", place + 1),
            None => "<version>".to_owned(),
        }
    }
}

/// The conflicts of an apply, by manager: kube-apiserver lists them as they come out of a Go map, in another order each
/// time. Other causes stay as they are.
fn by_manager(causes: &[Value]) -> Value {
    let mut causes = causes.to_vec();
    if causes
        .iter()
        .all(|cause| cause["reason"] == "FieldManagerConflict")
    {
        causes.sort_by_cached_key(|cause| cause["message"].as_str().map(str::to_owned));
    }
    Value::Array(causes)
}

/// Who wrote, of an entry of `managedFields`. The entries come in the order of their times, which go by seconds.
fn writer(entry: &Value) -> [String; 4] {
    ["operation", "manager", "apiVersion", "subresource"].map(|name| entry[name].to_string())
}

/// The place of an item, counted from 1; one that is new is added.
fn place<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    let known = items.iter().position(|known| *known == item);
    known.unwrap_or_else(|| {
        items.push(item);
        items.len() - 1
    }) + 1
}

fn replace(pattern: &Regex, text: &str, mut symbol: impl FnMut(&Captures<'_>) -> String) -> String {
    pattern
        .replace_all(text, |found: &Captures<'_>| symbol(found))
        .into_owned()
}

fn time(found: &Captures<'_>) -> String {
    let near = |time: Timestamp| time.duration_since(Timestamp::now()).abs() < NEAR;
    if !found[0].parse().is_ok_and(near) {
        return found[0].to_owned();
    }
    match found.get(1) {
        Some(fraction) => format!("<time.{}>", "0".repeat(fraction.len() - 1)),
        None => "<time>".to_owned(),
    }
}

fn hide_ages(table: &mut Map<String, Value>) {
    let columns = table.get("columnDefinitions").and_then(Value::as_array);
    let is_age = |column: &Value| AGES.iter().any(|name| column["name"] == *name);
    let places: Vec<usize> = columns
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, column)| is_age(column))
        .map(|(place, _)| place)
        .collect();
    let rows = table.get_mut("rows").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten() {
        for place in &places {
            if let Some(cell) = row.pointer_mut(&format!("/cells/{place}"))
                && cell.as_str().is_some_and(|age| AGE.is_match(age))
            {
                *cell = "<age>".into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn symbols() -> Symbols {
        Symbols::new("ns-7", HashSet::from([9999]))
    }

    #[test]
    fn versions_are_numbered_and_lists_are_not_older() {
        let mut symbols = symbols();
        let list = json!({
            "kind": "ConfigMapList",
            "items": [{"metadata": {"resourceVersion": "40"}}, {"metadata": {"resourceVersion": "30"}}],
            "metadata": {"resourceVersion": "44", "continue": "abc"},
        });
        let expected = json!({
            "kind": "ConfigMapList",
            "items": [{"metadata": {"resourceVersion": "<version 1>"}}, {"metadata": {"resourceVersion": "<version 2>"}}],
            "metadata": {"resourceVersion": "<version 1 or later>", "continue": "<continue>"},
        });
        assert_eq!(symbols.document(&list), expected);
        let text = symbols.text("too old resource version: 30 (35)");
        assert_eq!(
            text,
            "too old resource version: <version 2> (<version 2 or later>)"
        );
        let text = symbols.text("Too large resource version: 9999, current: 12");
        assert_eq!(text, "Too large resource version: 9999, current: <version>");
        assert_eq!(
            symbols.document(&json!({"metadata": {"resourceVersion": "0"}}))["metadata"]["resourceVersion"],
            "0"
        );
    }

    /// The server may have moved on since the sequence's last write, however the bookmark is shown.
    #[test]
    fn the_bookmark_in_a_row_is_not_a_version_of_its_own() {
        let mut symbols = symbols();
        symbols.document(&json!({"metadata": {"resourceVersion": "30"}}));
        let end = json!({"metadata": {
            "resourceVersion": "35", "annotations": {INITIAL_EVENTS_END: "true"},
        }});
        let event =
            json!({"type": "BOOKMARK", "object": {"kind": "Table", "rows": [{"object": end}]}});
        let event = symbols.document(&event);
        assert_eq!(
            event["object"]["rows"][0]["object"]["metadata"]["resourceVersion"],
            "<version 1 or later>"
        );
        let next = symbols.document(&json!({"metadata": {"resourceVersion": "36"}}));
        assert_eq!(next["metadata"]["resourceVersion"], "<version 2>");
    }

    #[test]
    fn names_uids_and_times_are_symbols_in_texts_too() {
        let mut symbols = symbols();
        let object = json!({"metadata": {
            "generateName": "a-", "name": "a-bcdfg", "namespace": "ns-7",
            "uid": "01234567-89ab-4def-8123-456789abcdef",
            "creationTimestamp": Timestamp::now().to_string(),
            "deletionTimestamp": "2020-01-01T00:00:00Z",
        }});
        let object = symbols.document(&object);
        let metadata = &object["metadata"];
        assert_eq!(metadata["name"], "a-<name 1>");
        assert_eq!(metadata["namespace"], "<namespace>");
        assert_eq!(metadata["uid"], "<uid 1>");
        assert!(
            metadata["creationTimestamp"]
                .as_str()
                .unwrap()
                .starts_with("<time")
        );
        assert_eq!(metadata["deletionTimestamp"], "2020-01-01T00:00:00Z");
        let text = symbols.text("x \"a-bcdfg\" of ns-7: 01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(text, "x \"a-<name 1>\" of <namespace>: <uid 1>");
    }

    #[test]
    fn ages_in_tables_are_symbols() {
        let table = json!({
            "kind": "Table",
            "columnDefinitions": [{"name": "Name"}, {"name": "Age"}],
            "rows": [{"cells": ["5s", "5s"]}, {"cells": ["a", "<unknown>"]}],
        });
        let table = symbols().document(&table);
        assert_eq!(table["rows"][0]["cells"], json!(["5s", "<age>"]));
        assert_eq!(table["rows"][1]["cells"], json!(["a", "<unknown>"]));
    }
}
