//! Which names a definition gets: a name belongs to who had it first in its group.

use serde_json::{Map, Value, json};

use super::condition::{self, Condition, ESTABLISHED, INSTALLING, NAMES_ACCEPTED, NOT_ESTABLISHED};

/// The status that a definition should have next, given the other definitions; `None` when it has it.
pub(super) fn next_status<'a>(
    definition: &Value,
    others: impl Iterator<Item = &'a Value>,
    now: &str,
) -> Option<Value> {
    let group = &definition["spec"]["group"];
    let others = others.filter(|other| other["spec"]["group"] == *group);
    let taken = Taken::by(others);
    let (accepted, conflict) = taken.accept(definition);

    let mut next = definition.clone();
    next["status"]["acceptedNames"] = accepted;
    let was_established = condition::is_true(definition, "Established");
    let names_accepted = match &conflict {
        None => NAMES_ACCEPTED,
        Some((reason, message)) => Condition {
            kind: "NamesAccepted",
            status: false,
            reason,
            message: message.clone().into(),
        },
    };
    names_accepted.write(&mut next, now);
    if !was_established {
        // A definition is established in a step of its own, after it was seen to be installing.
        let installing = condition::reason(definition, "Established") == Some(INSTALLING.reason);
        let step = match (conflict.is_some(), installing) {
            (true, _) => NOT_ESTABLISHED,
            (false, false) => INSTALLING,
            (false, true) => ESTABLISHED,
        };
        step.write(&mut next, now);
    }
    let next = next["status"].take();
    (next != definition["status"]).then_some(next)
}

/// Names of a group that others have.
struct Taken {
    resources: Vec<String>,
    kinds: Vec<String>,
}

impl Taken {
    fn by<'a>(others: impl Iterator<Item = &'a Value>) -> Self {
        let mut taken = Self {
            resources: Vec::new(),
            kinds: Vec::new(),
        };
        for other in others {
            let names = &other["status"]["acceptedNames"];
            let text = |name: &str| names[name].as_str().map(str::to_owned);
            taken
                .resources
                .extend(["plural", "singular"].into_iter().filter_map(text));
            let short = names["shortNames"].as_array().into_iter().flatten();
            taken
                .resources
                .extend(short.filter_map(Value::as_str).map(str::to_owned));
            taken
                .kinds
                .extend(["kind", "listKind"].into_iter().filter_map(text));
        }
        taken
    }

    /// The names that the definition gets, and the first conflict in the order in which names are looked at.
    fn accept(&self, definition: &Value) -> (Value, Option<(&'static str, String)>) {
        let asked = &definition["spec"]["names"];
        let had = &definition["status"]["acceptedNames"];
        let mut accepted: Map<String, Value> = had.as_object().cloned().unwrap_or_default();
        let mut conflict = None;
        // kube-apiserver looks at the names in this order and tells the last one that it can't give.
        let single = [
            ("plural", &self.resources, "PluralConflict"),
            ("singular", &self.resources, "SingularConflict"),
            ("kind", &self.kinds, "KindConflict"),
            ("listKind", &self.kinds, "ListKindConflict"),
        ];
        let in_use = |name: &str| {
            format!(
                "{} is already in use",
                crate::validation::gofmt::quote(name)
            )
        };
        let mut list_kind = None;
        for (member, taken, reason) in single {
            let name = asked[member].as_str().unwrap_or_default();
            if taken.iter().any(|other| other == name) && !name.is_empty() {
                let found = (reason, in_use(name));
                if member == "listKind" {
                    list_kind = Some(found);
                } else {
                    conflict = Some(found);
                }
            } else if !name.is_empty() {
                accepted.insert(member.to_owned(), name.into());
            }
            if member == "singular" {
                let short: Vec<&str> = asked["shortNames"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let clashes: Vec<String> = short
                    .iter()
                    .filter(|name| self.resources.iter().any(|other| other == *name))
                    .map(|name| in_use(name))
                    .collect();
                if clashes.is_empty() {
                    keep(&mut accepted, "shortNames", json!(short));
                } else {
                    let message = match clashes.as_slice() {
                        [one] => one.clone(),
                        several => format!("[{}]", several.join(", ")),
                    };
                    conflict = Some(("ShortNamesConflict", message));
                }
            }
        }
        keep(&mut accepted, "categories", asked["categories"].clone());
        (Value::Object(accepted), list_kind.or(conflict))
    }
}

/// Sets a list, or leaves it out when there is nothing in it.
fn keep(names: &mut Map<String, Value>, member: &str, list: Value) {
    if list.as_array().is_some_and(|list| !list.is_empty()) {
        names.insert(member.to_owned(), list);
    } else {
        names.remove(member);
    }
}
