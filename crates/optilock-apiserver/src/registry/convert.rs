//! Resources that share what another version or group stores: the conversion functions.
//!
//! kube-apiserver writes v1's annotations of an autoscaler in the form of an alpha version that is long gone; here they hold
//! the members of v2 as they are.

use serde_json::{Map, Value, json};

use super::object::{member_mut, metadata_mut, root_mut};

/// How a kind is stored when not in its own version. Kind and apiVersion are written by the caller.
#[derive(Debug)]
pub(crate) struct Conversion {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    pub(super) storage_group: &'static str,
    pub(super) storage_version: &'static str,
    pub(super) from_storage: fn(Value) -> Value,
    pub(super) to_storage: fn(Value) -> Value,
}

static CONVERSIONS: &[Conversion] = &[
    Conversion {
        group: "events.k8s.io",
        version: "v1",
        kind: "Event",
        storage_group: "",
        storage_version: "v1",
        from_storage: |event| rename(event, EVENT_FIELDS.iter().map(|(core, new)| (*core, *new))),
        to_storage: |event| rename(event, EVENT_FIELDS.iter().map(|(core, new)| (*new, *core))),
    },
    Conversion {
        group: "autoscaling",
        version: "v1",
        kind: "HorizontalPodAutoscaler",
        storage_group: "autoscaling",
        storage_version: "v2",
        from_storage: autoscaler_to_v1,
        to_storage: autoscaler_to_v2,
    },
];

/// The conversion of a kind that is not stored in its own version.
pub(super) fn conversion(group: &str, version: &str, kind: &str) -> Option<&'static Conversion> {
    CONVERSIONS
        .iter()
        .find(|row| row.group == group && row.version == version && row.kind == kind)
}

/// (core/v1, events.k8s.io/v1)
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename<'a>(mut object: Value, names: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let root = root_mut(&mut object);
    for (from, to) in names {
        if let Some(value) = root.remove(from) {
            root.insert(to.to_owned(), value);
        }
    }
    object
}

/// Where v1 keeps what it has no field for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// (annotation, part of the object, member of it)
const CARRIED: &[(&str, &str, &str)] = &[
    (METRICS, "spec", "metrics"),
    (BEHAVIOR, "spec", "behavior"),
    (CURRENT_METRICS, "status", "currentMetrics"),
    (CONDITIONS, "status", "conditions"),
];

/// (part of the object, member of it in v2, member in v1, how v2 says the number of per cent)
const CPU: &[(&str, &str, &str, &str)] = &[
    (
        "spec",
        "metrics",
        "targetCPUUtilizationPercentage",
        "target",
    ),
    (
        "status",
        "currentMetrics",
        "currentCPUUtilizationPercentage",
        "current",
    ),
];

fn autoscaler_to_v1(mut object: Value) -> Value {
    for (part, list, field, number) in CPU {
        let part = member_mut(root_mut(&mut object), part);
        let Some(Value::Array(metrics)) = part.get_mut(*list) else {
            continue;
        };
        let percent = |metric: &Value| {
            (metric["type"] == "Resource" && metric["resource"]["name"] == "cpu")
                .then(|| metric["resource"][number]["averageUtilization"].as_i64())
                .flatten()
        };
        if let Some((at, percent)) = metrics
            .iter()
            .enumerate()
            .find_map(|(i, m)| Some((i, percent(m)?)))
        {
            metrics.remove(at);
            part.insert((*field).to_owned(), percent.into());
        }
    }
    for (annotation, part, member) in CARRIED {
        let carried = member_mut(root_mut(&mut object), part).remove(*member);
        let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty) || value.is_null();
        if let Some(value) = carried.filter(|value| !empty(value)) {
            member_mut(metadata_mut(&mut object), "annotations")
                .insert((*annotation).to_owned(), value.to_string().into());
        }
    }
    object
}

fn autoscaler_to_v2(mut object: Value) -> Value {
    for (annotation, part, member) in CARRIED {
        let annotations = member_mut(metadata_mut(&mut object), "annotations");
        let carried = annotations.remove(*annotation);
        if annotations.is_empty() {
            metadata_mut(&mut object).remove("annotations");
        }
        let carried = carried
            .as_ref()
            .and_then(Value::as_str)
            .and_then(|text| serde_json::from_str(text).ok());
        if let Some(value) = carried {
            member_mut(root_mut(&mut object), part).insert((*member).to_owned(), value);
        }
    }
    for (part, list, field, number) in CPU {
        let part = member_mut(root_mut(&mut object), part);
        let Some(percent) = part.remove(*field) else {
            continue;
        };
        let mut utilization = Map::new();
        utilization.insert("averageUtilization".into(), percent);
        if *number == "target" {
            utilization.insert("type".into(), "Utilization".into());
        }
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", *number: utilization}});
        match part.entry(*list).or_insert_with(|| json!([])) {
            Value::Array(metrics) => metrics.insert(0, metric),
            other => *other = json!([metric]),
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_autoscaler_survives_the_way_through_v1() {
        let v2 = json!({
            "metadata": {"name": "a"},
            "spec": {"maxReplicas": 3, "behavior": {"scaleUp": {}}, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
                {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 60}}},
            ]},
            "status": {},
        });
        let v1 = autoscaler_to_v1(v2.clone());
        assert_eq!(v1["spec"]["targetCPUUtilizationPercentage"], 50);
        assert!(v1["spec"].get("metrics").is_none());
        assert_eq!(autoscaler_to_v2(v1), v2);
    }
}
