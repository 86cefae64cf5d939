//! Nodes and what is known about machines.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{NONE, Row, UNKNOWN, condition, or, text};

pub(super) fn node(row: Row<'_>) -> Vec<Value> {
    let info = |member: &str| row.text(&format!("/status/nodeInfo/{member}"));
    let mut kernel = or(info("kernelVersion"), UNKNOWN).to_owned();
    let architecture = info("architecture");
    if !architecture.is_empty() {
        kernel = format!("{kernel} ({architecture})");
    }
    cells![
        row.name(),
        status(row),
        or(&roles(row), NONE),
        row.age(),
        info("kubeletVersion"),
        address(row, "InternalIP"),
        address(row, "ExternalIP"),
        or(info("osImage"), UNKNOWN),
        kernel,
        or(info("containerRuntimeVersion"), UNKNOWN),
    ]
}

fn status(row: Row<'_>) -> String {
    // The last one counts, should there be several.
    let ready = row
        .list("/status/conditions")
        .iter()
        .rfind(|condition| condition["type"] == "Ready");
    let status = match ready.map(|condition| text(&condition["status"])) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if row.flag("/spec/unschedulable") {
        format!("{status},SchedulingDisabled")
    } else {
        status.to_owned()
    }
}

/// Roles, from labels `node-role.kubernetes.io/ROLE` and `kubernetes.io/role: ROLE`.
fn roles(row: Row<'_>) -> String {
    let labels = row.at("/metadata/labels").as_object();
    let roles: BTreeSet<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(label, value)| match label.as_str() {
            "kubernetes.io/role" => Some(text(value)),
            label => label.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn address<'a>(row: Row<'a>, kind: &str) -> &'a str {
    condition(row.list("/status/addresses"), kind).map_or(NONE, |address| text(&address["address"]))
}

pub(super) fn component_status(row: Row<'_>) -> Vec<Value> {
    match condition(row.list("/conditions"), "Healthy") {
        Some(found) => {
            let status = if found["status"] == "True" {
                "Healthy"
            } else {
                "Unhealthy"
            };
            cells![
                row.name(),
                status,
                text(&found["message"]),
                text(&found["error"])
            ]
        }
        None => cells![row.name(), "Unknown", "", ""],
    }
}

pub(super) fn runtime_class(row: Row<'_>) -> Vec<Value> {
    cells![row.name(), row.text("/handler"), row.age()]
}
