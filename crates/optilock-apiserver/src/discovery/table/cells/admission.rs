//! Webhooks and admission policies.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{Row, UNSET, list, text};

pub(super) fn webhooks(row: Row<'_>) -> Vec<Value> {
    cells![row.name(), row.list("/webhooks").len(), row.age()]
}

pub(super) fn validating_policy(row: Row<'_>) -> Vec<Value> {
    policy(row, row.list("/spec/validations").len())
}

pub(super) fn mutating_policy(row: Row<'_>) -> Vec<Value> {
    policy(row, row.list("/spec/mutations").len())
}

fn policy(row: Row<'_>, rules: usize) -> Vec<Value> {
    let kind = row.at("/spec/paramKind");
    let kind = if kind.is_null() {
        UNSET.to_owned()
    } else {
        format!("{}/{}", text(&kind["apiVersion"]), text(&kind["kind"]))
    };
    cells![row.name(), rules, kind, row.age()]
}

pub(super) fn binding(row: Row<'_>) -> Vec<Value> {
    let parameter = row.at("/spec/paramRef");
    let shown = match (text(&parameter["name"]), text(&parameter["namespace"])) {
        ("", _) => match &parameter["selector"] {
            Value::Null => UNSET.to_owned(),
            selector => go_selector(selector),
        },
        // Whether the parameter lives in a namespace is not known here.
        (name, "") => format!("*/{name}"),
        (name, namespace) => format!("{namespace}/{name}"),
    };
    cells![row.name(), row.text("/spec/policyName"), shown, row.age()]
}

/// A `metav1.LabelSelector` as the `String` method of its protobuf message has it.
fn go_selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels: String = labels
        .map(|(name, value)| format!("{name}: {},", text(value)))
        .collect();
    let expressions: String = list(&selector["matchExpressions"])
        .iter()
        .map(|expression| {
            let values: Vec<&str> = list(&expression["values"]).iter().map(text).collect();
            format!(
                "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},",
                text(&expression["key"]),
                text(&expression["operator"]),
                values.join(" ")
            )
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}
