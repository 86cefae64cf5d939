//! Namespaces and what is little more than a name.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::Row;

pub(super) fn name_and_age(row: Row<'_>) -> Vec<Value> {
    cells![row.name(), row.age()]
}

pub(super) fn namespace(row: Row<'_>) -> Vec<Value> {
    cells![row.name(), row.text("/status/phase"), row.age()]
}

pub(super) fn config_map(row: Row<'_>) -> Vec<Value> {
    cells![
        row.name(),
        members(row, "/data") + members(row, "/binaryData"),
        row.age()
    ]
}

pub(super) fn secret(row: Row<'_>) -> Vec<Value> {
    cells![
        row.name(),
        row.text("/type"),
        members(row, "/data"),
        row.age()
    ]
}

pub(super) fn lease(row: Row<'_>) -> Vec<Value> {
    cells![row.name(), row.text("/spec/holderIdentity"), row.age()]
}

fn members(row: Row<'_>, pointer: &str) -> usize {
    row.at(pointer).as_object().map_or(0, serde_json::Map::len)
}
