//! Limits and budgets.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{Row, optional};

pub(super) fn disruption_budget(row: Row<'_>) -> Vec<Value> {
    cells![
        row.name(),
        int_or_text(row.at("/spec/minAvailable")),
        int_or_text(row.at("/spec/maxUnavailable")),
        row.number("/status/disruptionsAllowed"),
        row.age(),
    ]
}

fn int_or_text(value: &Value) -> String {
    match value {
        Value::Null => "N/A".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn resource_quota(row: Row<'_>) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let used = row.at("/status/used");
    for (resource, hard) in row.at("/status/hard").as_object().into_iter().flatten() {
        let column = if resource.starts_with("limits.") {
            &mut limits
        } else {
            &mut requests
        };
        let used = used.get(resource).unwrap_or(&Value::Null);
        column.push(format!(
            "{resource}: {}/{}",
            optional(used, "0"),
            optional(hard, "0")
        ));
    }
    cells![
        row.name(),
        requests.join(", "),
        limits.join(", "),
        row.age()
    ]
}
