//! Volumes.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{NONE, Row, UNSET, joined, optional, or, text};

/// Older than the field; it still goes before it.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) fn volume(row: Row<'_>) -> Vec<Value> {
    let claim = row.at("/spec/claimRef");
    let claim = if claim.is_null() {
        String::new()
    } else {
        format!("{}/{}", text(&claim["namespace"]), text(&claim["name"]))
    };
    cells![
        row.name(),
        optional(row.at("/spec/capacity/storage"), "0"),
        access_modes(row.list("/spec/accessModes")),
        row.text("/spec/persistentVolumeReclaimPolicy"),
        phase(row),
        claim,
        storage_class(row),
        optional(row.at("/spec/volumeAttributesClassName"), UNSET),
        row.text("/status/reason"),
        row.age(),
        optional(row.at("/spec/volumeMode"), UNSET),
    ]
}

pub(super) fn claim(row: Row<'_>) -> Vec<Value> {
    let volume = row.text("/spec/volumeName");
    let (capacity, modes) = if volume.is_empty() {
        ("", String::new())
    } else {
        let capacity = optional(row.at("/status/capacity/storage"), "0");
        (capacity, access_modes(row.list("/status/accessModes")))
    };
    cells![
        row.name(),
        phase(row),
        volume,
        capacity,
        modes,
        storage_class(row),
        optional(row.at("/spec/volumeAttributesClassName"), UNSET),
        row.age(),
        optional(row.at("/spec/volumeMode"), UNSET),
    ]
}

fn phase<'a>(row: Row<'a>) -> &'a str {
    if row.is_deleted() {
        "Terminating"
    } else {
        row.text("/status/phase")
    }
}

fn storage_class<'a>(row: Row<'a>) -> &'a str {
    row.annotation(CLASS_ANNOTATION)
        .unwrap_or(row.text("/spec/storageClassName"))
}

/// Access modes in short, always in this order.
fn access_modes(modes: &[Value]) -> String {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let there = short
        .iter()
        .filter(|(mode, _)| modes.iter().any(|m| m == mode));
    there.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

pub(super) fn class(row: Row<'_>) -> Vec<Value> {
    let is_default = |kind: &str| {
        row.annotation(&format!("storageclass.{kind}/is-default-class")) == Some("true")
    };
    let default = is_default("kubernetes.io") || is_default("beta.kubernetes.io");
    let name = format!("{}{}", row.name(), if default { " (default)" } else { "" });
    cells![
        name,
        row.text("/provisioner"),
        optional(row.at("/reclaimPolicy"), "Delete"),
        optional(row.at("/volumeBindingMode"), "Immediate"),
        row.flag("/allowVolumeExpansion"),
        row.age(),
    ]
}

pub(super) fn attributes_class(row: Row<'_>) -> Vec<Value> {
    cells![row.name(), row.text("/driverName"), row.age()]
}

pub(super) fn attachment(row: Row<'_>) -> Vec<Value> {
    cells![
        row.name(),
        row.text("/spec/attacher"),
        row.text("/spec/source/persistentVolumeName"),
        row.text("/spec/nodeName"),
        row.flag("/status/attached"),
        row.age(),
    ]
}

pub(super) fn driver(row: Row<'_>) -> Vec<Value> {
    let modes: Vec<&str> = row
        .list("/spec/volumeLifecycleModes")
        .iter()
        .map(text)
        .collect();
    let tokens = match row.at("/spec/tokenRequests") {
        Value::Array(requests) => joined(requests, "/audience"),
        _ => UNSET.to_owned(),
    };
    cells![
        row.name(),
        row.at("/spec/attachRequired").as_bool().unwrap_or(true),
        row.flag("/spec/podInfoOnMount"),
        row.flag("/spec/storageCapacity"),
        tokens,
        row.flag("/spec/requiresRepublish"),
        or(&modes.join(","), NONE),
        row.age(),
    ]
}

pub(super) fn driver_node(row: Row<'_>) -> Vec<Value> {
    cells![row.name(), row.list("/spec/drivers").len(), row.age()]
}
