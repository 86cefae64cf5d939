//! Conditions of a definition.

use serde_json::{Value, json};

use crate::registry::object::{member_mut, root_mut};

/// A condition that may be written.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) kind: &'static str,
    pub(super) status: bool,
    pub(super) reason: &'static str,
    pub(super) message: std::borrow::Cow<'static, str>,
}

const fn condition(
    kind: &'static str,
    status: bool,
    reason: &'static str,
    message: &'static str,
) -> Condition {
    Condition {
        kind,
        status,
        reason,
        message: std::borrow::Cow::Borrowed(message),
    }
}

pub(super) const NAMES_ACCEPTED: Condition =
    condition("NamesAccepted", true, "NoConflicts", "no conflicts found");
pub(super) const NOT_ESTABLISHED: Condition = condition(
    "Established",
    false,
    "NotAccepted",
    "not all names are accepted",
);
pub(super) const INSTALLING: Condition = condition(
    "Established",
    false,
    "Installing",
    "the initial names have been accepted",
);
pub(super) const ESTABLISHED: Condition = condition(
    "Established",
    true,
    "InitialNamesAccepted",
    "the initial names have been accepted",
);
pub(super) const TERMINATING_PENDING: Condition = condition(
    "Terminating",
    true,
    "InstanceDeletionPending",
    "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
);
pub(super) const TERMINATING_IN_PROGRESS: Condition = condition(
    "Terminating",
    true,
    "InstanceDeletionInProgress",
    "CustomResource deletion is in progress",
);

/// Whether a condition of that type is true.
pub(super) fn is_true(definition: &Value, kind: &str) -> bool {
    find(definition, kind).is_some_and(|found| found["status"] == "True")
}

/// The reason of the condition of that type.
pub(super) fn reason<'a>(definition: &'a Value, kind: &str) -> Option<&'a str> {
    find(definition, kind)?["reason"].as_str()
}

fn find<'a>(definition: &'a Value, kind: &str) -> Option<&'a Value> {
    definition["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
}

impl Condition {
    /// Writes the condition; whether that changes anything. The time of the transition stays when the status does.
    pub(super) fn write(&self, definition: &mut Value, now: &str) -> bool {
        let status = if self.status { "True" } else { "False" };
        let conditions = member_mut(root_mut(definition), "status")
            .entry("conditions")
            .or_insert_with(|| json!([]));
        if !conditions.is_array() {
            *conditions = json!([]);
        }
        let Some(conditions) = conditions.as_array_mut() else {
            return false;
        };
        let mut new = json!({
            "type": self.kind,
            "status": status,
            "lastTransitionTime": now,
            "reason": self.reason,
            "message": self.message,
        });
        match conditions
            .iter_mut()
            .find(|condition| condition["type"] == self.kind)
        {
            None => conditions.push(new),
            Some(old) => {
                if old["status"] == status {
                    new["lastTransitionTime"] = old["lastTransitionTime"].clone();
                }
                if *old == new {
                    return false;
                }
                *old = new;
            }
        }
        true
    }
}
