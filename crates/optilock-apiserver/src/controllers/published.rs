//! Objects that every namespace has.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::manager::Reconciler;
use crate::registry::{Change, Registry, Target, WriteOptions};
use crate::status::{Reason, Status};

/// Keeps one object in every namespace that is not going away.
pub(super) struct Publisher {
    plural: &'static str,
    name: &'static str,
    /// Members that the object has to have, whatever others write into it.
    content: Value,
    /// Namespaces that have to be looked at.
    queue: BTreeSet<String>,
}

impl Publisher {
    /// The ServiceAccount of Pods that name none.
    pub(super) fn service_account() -> Self {
        Self::new("serviceaccounts", "default", json!({}))
    }

    /// The certificate (PEM) by which Pods know the server.
    pub(super) fn root_ca(certificate: &str) -> Self {
        Self::new(
            "configmaps",
            "kube-root-ca.crt",
            json!({
                "metadata": {"annotations": {"kubernetes.io/description": "Certificate authority of this API server."}},
                "data": {"ca.crt": certificate},
            }),
        )
    }

    fn new(plural: &'static str, name: &'static str, content: Value) -> Self {
        Self {
            plural,
            name,
            content,
            queue: BTreeSet::new(),
        }
    }

    async fn publish(&self, registry: &Registry, namespace: &str) -> Result<(), Status> {
        let Some(resource) = registry.resource("", "v1", self.plural) else {
            return Ok(());
        };
        let target = Target {
            resource,
            namespace: namespace.to_owned(),
            name: self.name.to_owned(),
        };
        let mut object = self.content.clone();
        object["metadata"]["name"] = self.name.into();
        let object = target.resource.complete(&object)?;
        match registry.create(&target, object, &WriteOptions::own()).await {
            Ok(_) => Ok(()),
            Err(status) if status.reason == Reason::AlreadyExists => {
                self.restore(registry, &target).await
            }
            // The namespace is gone or going: nothing to do.
            Err(status) if matches!(status.reason, Reason::NotFound | Reason::Forbidden) => Ok(()),
            Err(status) => Err(status),
        }
    }

    async fn restore(&self, registry: &Registry, target: &Target) -> Result<(), Status> {
        let Some(data) = self.content.get("data") else {
            return Ok(());
        };
        let restored = registry
            .modify(target, |object| object["data"] = data.clone())
            .await;
        match restored {
            Err(status) if status.reason != Reason::NotFound => Err(status),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Reconciler for Publisher {
    fn observe(&mut self, change: &Change) {
        if change.is("", "namespaces") && !change.is_deletion() {
            self.queue.insert(change.name.clone());
        }
        if change.is("", self.plural) && change.name == self.name {
            self.queue.insert(change.namespace.clone());
        }
    }

    async fn reconcile(&mut self, registry: &Registry) -> Result<(), Status> {
        while let Some(namespace) = self.queue.first().cloned() {
            self.publish(registry, &namespace).await?;
            self.queue.remove(&namespace);
        }
        Ok(())
    }
}
