//! Jobs.

use serde_json::Value;

use super::cells;
use crate::discovery::table::duration;
use crate::discovery::table::row::{NONE, Row, UNSET, condition, instant, optional};

pub(super) fn job(row: Row<'_>) -> Vec<Value> {
    let (names, images) = row.containers("/spec/template/spec/containers");
    cells![
        row.name(),
        status(row),
        completions(row),
        elapsed(row),
        row.age(),
        names,
        images,
        row.selector("/spec/selector"),
    ]
}

fn completions(row: Row<'_>) -> String {
    let succeeded = row.number("/status/succeeded");
    let parallelism = row.number("/spec/parallelism");
    match row.at("/spec/completions").as_i64() {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    }
}

/// From the start to the end, or to now; empty for a job that has not started.
fn elapsed(row: Row<'_>) -> String {
    let Some(start) = instant(row.at("/status/startTime")) else {
        return String::new();
    };
    let end = instant(row.at("/status/completionTime")).unwrap_or(row.now);
    duration::human(end.duration_since(start))
}

fn status(row: Row<'_>) -> &'static str {
    let conditions = row.list("/status/conditions");
    let holds = |kind| condition(conditions, kind).is_some_and(|found| found["status"] == "True");
    // A deletion goes before all but the two ends.
    if let Some(end) = ["Complete", "Failed"].into_iter().find(|kind| holds(kind)) {
        return end;
    }
    if row.is_deleted() {
        return "Terminating";
    }
    ["Suspended", "FailureTarget", "SuccessCriteriaMet"]
        .into_iter()
        .find(|kind| holds(kind))
        .unwrap_or("Running")
}

pub(super) fn cron_job(row: Row<'_>) -> Vec<Value> {
    let (names, images) = row.containers("/spec/jobTemplate/spec/template/spec/containers");
    let last = row.at("/status/lastScheduleTime");
    cells![
        row.name(),
        row.text("/spec/schedule"),
        optional(row.at("/spec/timeZone"), NONE),
        match row.at("/spec/suspend").as_bool() {
            Some(true) => "True",
            Some(false) => "False",
            None => UNSET,
        },
        row.list("/status/active").len(),
        if last.is_null() {
            NONE.to_owned()
        } else {
            row.since(last)
        },
        row.age(),
        names,
        images,
        row.selector("/spec/jobTemplate/spec/selector"),
    ]
}
