//! Priority and fairness of requests.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{NONE, Row, at, condition, number, text};

pub(super) fn schema(row: Row<'_>) -> Vec<Value> {
    let method = row.at("/spec/distinguisherMethod");
    let method = if method.is_null() {
        NONE
    } else {
        text(&method["type"])
    };
    let dangling = condition(row.list("/status/conditions"), "Dangling");
    cells![
        row.name(),
        row.text("/spec/priorityLevelConfiguration/name"),
        row.number("/spec/matchingPrecedence"),
        method,
        row.age(),
        dangling.map_or("?", |found| text(&found["status"])),
    ]
}

/// In a list the schemas are in the order in which requests are matched.
pub(super) fn precedence(object: &Value) -> (i64, String) {
    let precedence = number(at(object, "/spec/matchingPrecedence"));
    (precedence, text(at(object, "/metadata/name")).to_owned())
}

pub(super) fn priority_level(row: Row<'_>) -> Vec<Value> {
    let none = Value::from(NONE);
    let limited = row.at("/spec/limited");
    let queuing = at(limited, "/limitResponse/queuing");
    let queues = |member: &str| {
        if queuing.is_null() {
            none.clone()
        } else {
            number(&queuing[member]).into()
        }
    };
    cells![
        row.name(),
        row.text("/spec/type"),
        if limited.is_null() {
            none.clone()
        } else {
            number(&limited["nominalConcurrencyShares"]).into()
        },
        queues("queues"),
        queues("handSize"),
        queues("queueLengthLimit"),
        row.age(),
    ]
}
