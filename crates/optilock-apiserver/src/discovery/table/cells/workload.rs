//! What runs pods.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{NONE, Row, flag, labels, text};
use crate::selector::LabelSelector;

const CONTAINERS: &str = "/spec/template/spec/containers";

pub(super) fn deployment(row: Row<'_>) -> Vec<Value> {
    let (names, images) = row.containers(CONTAINERS);
    // Unlike the selectors of others an empty one stays empty.
    let selector = match LabelSelector::from_meta(Some(row.at("/spec/selector"))) {
        Ok(selector) => selector.to_string(),
        Err(_) => "<invalid>".to_owned(),
    };
    cells![
        row.name(),
        ready_of_desired(row),
        row.number("/status/updatedReplicas"),
        row.number("/status/availableReplicas"),
        row.age(),
        names,
        images,
        selector,
    ]
}

fn ready_of_desired(row: Row<'_>) -> String {
    format!(
        "{}/{}",
        row.number("/status/readyReplicas"),
        row.number("/spec/replicas")
    )
}

pub(super) fn stateful_set(row: Row<'_>) -> Vec<Value> {
    let (names, images) = row.containers(CONTAINERS);
    cells![row.name(), ready_of_desired(row), row.age(), names, images]
}

pub(super) fn replica_set(row: Row<'_>) -> Vec<Value> {
    replicas(row, row.selector("/spec/selector"))
}

pub(super) fn replication_controller(row: Row<'_>) -> Vec<Value> {
    replicas(row, labels(row.at("/spec/selector")))
}

fn replicas(row: Row<'_>, selector: String) -> Vec<Value> {
    let (names, images) = row.containers(CONTAINERS);
    cells![
        row.name(),
        row.number("/spec/replicas"),
        row.number("/status/replicas"),
        row.number("/status/readyReplicas"),
        row.age(),
        names,
        images,
        selector,
    ]
}

pub(super) fn daemon_set(row: Row<'_>) -> Vec<Value> {
    let (names, images) = row.containers(CONTAINERS);
    cells![
        row.name(),
        row.number("/status/desiredNumberScheduled"),
        row.number("/status/currentNumberScheduled"),
        row.number("/status/numberReady"),
        row.number("/status/updatedNumberScheduled"),
        row.number("/status/numberAvailable"),
        labels(row.at("/spec/template/spec/nodeSelector")),
        row.age(),
        names,
        images,
        row.selector("/spec/selector"),
    ]
}

pub(super) fn pod_template(row: Row<'_>) -> Vec<Value> {
    let (names, images) = row.containers("/template/spec/containers");
    cells![
        row.name(),
        names,
        images,
        labels(row.at("/template/metadata/labels"))
    ]
}

pub(super) fn controller_revision(row: Row<'_>) -> Vec<Value> {
    let owners = row.list("/metadata/ownerReferences");
    let controller = owners.iter().find(|owner| flag(&owner["controller"]));
    let controller = controller.map_or_else(|| NONE.to_owned(), qualified);
    cells![row.name(), controller, row.number("/revision"), row.age()]
}

/// `statefulset.apps/web`.
fn qualified(owner: &Value) -> String {
    let (kind, name) = (text(&owner["kind"]), text(&owner["name"]));
    let qualified = match text(&owner["apiVersion"]).split_once('/') {
        Some((group, _)) => format!("{kind}.{group}"),
        None => kind.to_owned(),
    };
    format!("{}/{name}", qualified.to_lowercase())
}
