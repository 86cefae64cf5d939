//! Events, in the form of core/v1, in which those of events.k8s.io are stored too.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{Row, at, number, or};

pub(super) fn event(row: Row<'_>) -> Vec<Value> {
    let series = row.at("/series");
    let first = or_else(row.at("/firstTimestamp"), row.at("/eventTime"));
    let (last, count) = if series.is_null() {
        // An event of the new API that happened once has no count.
        (
            or_else(row.at("/lastTimestamp"), first),
            row.number("/count").max(1),
        )
    } else {
        (at(series, "/lastObservedTime"), number(&series["count"]))
    };
    cells![
        row.since(last),
        row.text("/type"),
        row.text("/reason"),
        subject(row),
        row.text("/involvedObject/fieldPath"),
        source(row),
        row.text("/message").trim(),
        row.since(first),
        count,
        row.name(),
    ]
}

fn or_else<'a>(value: &'a Value, other: &'a Value) -> &'a Value {
    if value.is_null() { other } else { value }
}

fn subject(row: Row<'_>) -> String {
    let kind = row.text("/involvedObject/kind").to_lowercase();
    match row.text("/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn source(row: Row<'_>) -> String {
    let component = or(
        row.text("/source/component"),
        row.text("/reportingComponent"),
    );
    match or(row.text("/source/host"), row.text("/reportingInstance")) {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    }
}
