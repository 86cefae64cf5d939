//! Rules of priority classes.

use serde_json::Value;

use super::field::{Error, ErrorList};
use super::path::Path;
use super::walk::Scope;

/// The highest priority that is not the system's.
const HIGHEST: i64 = 1_000_000_000;

/// The classes of the system, and their priorities.
const SYSTEM: [(&str, i64); 2] = [
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
];

/// Names that begin with `system-`, and high priorities, are the system's own.
pub(super) fn class(class: &Scope<'_>, errors: &mut ErrorList) {
    let name = class.at(&["metadata", "name"]).as_str().unwrap_or_default();
    let value = class.int("value").unwrap_or(0);
    if name.starts_with("system-") {
        let why = match SYSTEM.iter().find(|(system, _)| *system == name) {
            None => format!("{name} is not a known system priority class"),
            Some((_, own)) if *own != value => {
                format!("value of {name} PriorityClass must be {own}")
            }
            Some(_) => return,
        };
        let detail = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
        );
        let path = class.path.child("metadata");
        errors.push(Error::forbidden(&path.child("name"), detail));
    } else if value > HIGHEST {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        errors.push(Error::forbidden(&class.path.child("value"), detail));
    }
}

/// Pods keep the value, so it stays.
pub(super) fn update(new: &Value, old: &Value, errors: &mut ErrorList) {
    if new["value"] != old["value"] {
        let detail = "may not be changed in an update.";
        errors.push(Error::forbidden(&Path::new("value"), detail));
    }
}
