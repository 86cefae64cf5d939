//! Namespaces that are going away.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::manager::Reconciler;
use crate::registry::{
    Change, DeleteOptions, ListOptions, Part, Propagation, Registry, Target, WriteOptions,
};
use crate::status::{Reason, Status};

/// The finalizer of a namespace that this controller takes away.
const FINALIZER: &str = "kubernetes";

/// Deletes everything in a namespace whose deletion has begun, then lets the namespace go.
#[derive(Default)]
pub(super) struct NamespaceController {
    /// Namespaces whose deletion has begun.
    terminating: BTreeSet<String>,
    /// Those that have to be looked at.
    queue: BTreeSet<String>,
}

#[async_trait]
impl Reconciler for NamespaceController {
    fn observe(&mut self, change: &Change) {
        if change.is("", "namespaces") {
            if change.is_deletion() {
                self.terminating.remove(&change.name);
                self.queue.remove(&change.name);
            } else if change.is_deleting() {
                self.terminating.insert(change.name.clone());
                self.queue.insert(change.name.clone());
            }
        } else if change.is_deletion() && self.terminating.contains(&change.namespace) {
            // What held the namespace may be gone.
            self.queue.insert(change.namespace.clone());
        }
    }

    async fn reconcile(&mut self, registry: &Registry) -> Result<(), Status> {
        while let Some(namespace) = self.queue.first().cloned() {
            if delete_content(registry, &namespace).await? {
                finalize(registry, &namespace).await?;
            }
            self.queue.remove(&namespace);
        }
        Ok(())
    }
}

/// Deletes what is in a namespace; whether nothing is left.
async fn delete_content(registry: &Registry, namespace: &str) -> Result<bool, Status> {
    let options = DeleteOptions {
        propagation: Some(Propagation::Background),
        ..DeleteOptions::default()
    };
    let mut empty = true;
    let resources = registry.resources();
    let namespaced = resources.iter();
    for resource in namespaced.filter(|resource| resource.api.namespaced && resource.is_stored()) {
        let collection = Target {
            resource: resource.clone(),
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        let everything = ListOptions::default();
        registry
            .delete_collection(&collection, &everything, &options)
            .await?;
        empty &= registry
            .list(&collection, &everything)
            .await?
            .items
            .is_empty();
    }
    Ok(empty)
}

async fn finalize(registry: &Registry, name: &str) -> Result<(), Status> {
    let Some(resource) = registry.resource("", "v1", "namespaces") else {
        return Ok(());
    };
    let target = Target {
        resource,
        namespace: String::new(),
        name: name.to_owned(),
    };
    let mut build = |current: Option<&Value>| {
        let mut object = current.cloned().unwrap_or_default();
        if let Some(finalizers) = object["spec"]["finalizers"].as_array() {
            let left: Vec<Value> = finalizers
                .iter()
                .filter(|name| *name != FINALIZER)
                .cloned()
                .collect();
            object["spec"]["finalizers"] = json!(left);
        }
        Ok(object)
    };
    let written = registry
        .update(
            &target,
            Part::Finalizers,
            "",
            &mut build,
            &WriteOptions::own(),
        )
        .await;
    match written {
        Err(status) if status.reason != Reason::NotFound => Err(status),
        _ => Ok(()),
    }
}
