//! Priorities and devices.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::Row;

pub(super) fn priority_class(row: Row<'_>) -> Vec<Value> {
    cells![
        row.name(),
        row.number("/value"),
        row.flag("/globalDefault"),
        row.age(),
        row.text("/preemptionPolicy"),
    ]
}

pub(super) fn resource_claim(row: Row<'_>) -> Vec<Value> {
    let allocated = !row.at("/status/allocation").is_null();
    let reserved = !row.list("/status/reservedFor").is_empty();
    let states = [
        (row.is_deleted(), "deleted"),
        (!allocated && !row.is_deleted(), "pending"),
        (allocated, "allocated"),
        (allocated && reserved, "reserved"),
    ];
    let states: Vec<&str> = states
        .iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, state)| *state)
        .collect();
    cells![row.name(), states.join(","), row.age()]
}

pub(super) fn resource_slice(row: Row<'_>) -> Vec<Value> {
    cells![
        row.name(),
        row.text("/spec/nodeName"),
        row.text("/spec/driver"),
        row.text("/spec/pool/name"),
        row.age(),
    ]
}
