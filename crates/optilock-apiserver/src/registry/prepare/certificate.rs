//! Certificate signing requests: who asks, and when it was decided.

use serde_json::{Value, json};

use super::super::User;
use super::super::object::{member_mut, root_mut};

/// The request is its sender's, whoever it says it is.
pub(super) fn on_create(request: &mut Value) {
    let spec = member_mut(root_mut(request), "spec");
    for member in ["extra", "uid"] {
        spec.remove(member);
    }
    let user = User::admin();
    spec.insert("username".to_owned(), user.name.as_str().into());
    spec.insert("groups".to_owned(), json!(user.groups));
}

/// Conditions have times.
pub(super) fn on_update(request: &mut Value, old: &Value, now: &str) {
    let before = old["status"]["conditions"].as_array();
    let conditions = request["status"]
        .get_mut("conditions")
        .and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        if condition["lastUpdateTime"].is_null() {
            condition["lastUpdateTime"] = now.into();
        }
        if condition["lastTransitionTime"].is_null() {
            let same = before.into_iter().flatten().find(|live| {
                live["type"] == condition["type"] && live["status"] == condition["status"]
            });
            condition["lastTransitionTime"] = match same {
                Some(live) => live["lastTransitionTime"].clone(),
                None => now.into(),
            };
        }
    }
}
