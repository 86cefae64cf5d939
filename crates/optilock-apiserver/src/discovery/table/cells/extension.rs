//! What extends the API.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{Row, condition, text};

pub(super) fn api_service(row: Row<'_>) -> Vec<Value> {
    let service = row.at("/spec/service");
    let service = if service.is_null() {
        "Local".to_owned()
    } else {
        format!("{}/{}", text(&service["namespace"]), text(&service["name"]))
    };
    let available = condition(row.list("/status/conditions"), "Available");
    let available = match available.map(|found| (text(&found["status"]), text(&found["reason"]))) {
        None => "Unknown".to_owned(),
        Some((status, "") | (status @ "True", _)) => status.to_owned(),
        Some((status, reason)) => format!("{status} ({reason})"),
    };
    cells![row.name(), service, available, row.age()]
}
