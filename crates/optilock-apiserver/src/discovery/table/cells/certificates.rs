//! Requests for certificates.

use jiff::SignedDuration;
use serde_json::Value;

use super::cells;
use crate::discovery::table::duration;
use crate::discovery::table::row::{NONE, Row, condition, or};

pub(super) fn signing_request(row: Row<'_>) -> Vec<Value> {
    let lifetime = row.at("/spec/expirationSeconds").as_i64();
    cells![
        row.name(),
        row.age(),
        or(row.text("/spec/signerName"), NONE),
        row.text("/spec/username"),
        lifetime.map_or_else(
            || NONE.to_owned(),
            |seconds| duration::human(SignedDuration::from_secs(seconds))
        ),
        status(row),
    ]
}

fn status(row: Row<'_>) -> String {
    let has = |kind| condition(row.list("/status/conditions"), kind).is_some();
    let mut words = vec![match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }];
    if has("Failed") {
        words.push("Failed");
    }
    if !row.text("/status/certificate").is_empty() {
        words.push("Issued");
    }
    words.join(",")
}
