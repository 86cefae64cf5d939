//! Autoscalers and their metrics.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{NONE, Row, UNKNOWN, UNSET, at, or, quantity, shortened, text};

/// So many metrics are shown.
const SHOWN: usize = 2;

pub(super) fn autoscaler(row: Row<'_>) -> Vec<Value> {
    let target = row.at("/spec/scaleTargetRef");
    let minimum = row.at("/spec/minReplicas").as_i64();
    cells![
        row.name(),
        format!("{}/{}", text(&target["kind"]), text(&target["name"])),
        metrics(row),
        minimum.map_or_else(|| UNSET.to_owned(), |minimum| minimum.to_string()),
        row.number("/spec/maxReplicas"),
        row.number("/status/currentReplicas"),
        row.age(),
    ]
}

pub(super) fn scale(row: Row<'_>) -> Vec<Value> {
    cells![
        row.name(),
        row.number("/spec/replicas"),
        row.number("/status/replicas"),
        row.age(),
    ]
}

fn metrics(row: Row<'_>) -> String {
    let current = row.list("/status/currentMetrics");
    let specs = row.list("/spec/metrics");
    let texts: Vec<String> = specs
        .iter()
        .enumerate()
        .map(|(index, spec)| metric(spec, current.get(index)))
        .collect();
    or(&shortened(&texts, SHOWN, ", "), NONE).to_owned()
}

/// `current/target` of one metric.
fn metric(spec: &Value, status: Option<&Value>) -> String {
    let (source, is_resource) = match text(&spec["type"]) {
        "External" => ("external", false),
        "Object" => ("object", false),
        "Pods" => ("pods", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let target = at(&spec[source], "/target");
    let current = status
        .map(|status| &status[source])
        .filter(|metric| !metric.is_null());
    let current = current.map(|metric| at(metric, "/current"));
    let average = &target["averageValue"];
    if is_resource {
        let name = text(&spec[source]["name"]);
        if !average.is_null() {
            let current = current.map_or(UNKNOWN, |current| quantity(&current["averageValue"]));
            return format!("{name}: {current}/{}", quantity(average));
        }
        let per_cent = |value: &Value| value.as_i64().map(|number| format!("{number}%"));
        let current = current.and_then(|current| per_cent(&current["averageUtilization"]));
        let target = per_cent(&target["averageUtilization"]);
        let (current, target) = (
            current.as_deref().unwrap_or(UNKNOWN),
            target.as_deref().unwrap_or("<auto>"),
        );
        return format!("{name}: {current}/{target}");
    }
    if source == "pods" {
        let current = current.map_or(UNKNOWN, |current| quantity(&current["averageValue"]));
        return format!("{current}/{}", quantity(average));
    }
    if average.is_null() {
        let current = current.map_or(UNKNOWN, |current| quantity(&current["value"]));
        return format!("{current}/{}", quantity(&target["value"]));
    }
    let current = current.and_then(|current| current["averageValue"].as_str());
    format!("{}/{} (avg)", current.unwrap_or(UNKNOWN), quantity(average))
}
