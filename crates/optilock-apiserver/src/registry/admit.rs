//! What is checked between decoding and storing, whatever the resource.
//!
//! Today: the life cycle of namespaces. Webhooks, policies and quota take their place here.

use serde_json::Value;

use super::errors;
use super::object::is_deleting;
use super::prepare::is_namespace;
use super::{Part, Registry, Target, codec};
use crate::status::Status;
use crate::validation::gofmt::quote;

impl Registry {
    /// Refuses a creation in a namespace that does not exist or is going away.
    pub(super) async fn admit_create(&self, target: &Target, name: &str) -> Result<(), Status> {
        if !target.resource.api.namespaced {
            return Ok(());
        }
        let Some(namespaces) = self.resource("", "v1", "namespaces") else {
            return Ok(());
        };
        let namespace = Target {
            resource: namespaces,
            namespace: String::new(),
            name: target.namespace.clone(),
        };
        let Some(stored) = self.entry(&namespace).await? else {
            return Err(errors::not_found(&namespace.resource, &namespace.name));
        };
        if is_deleting(&codec::decode_stored(&stored)?) {
            return Err(errors::terminating(
                &target.resource,
                name,
                &target.namespace,
            ));
        }
        Ok(())
    }
}

impl Registry {
    /// Refuses to resize a Pod on a node that nobody knows.
    pub(super) async fn admit_update(
        &self,
        target: &Target,
        part: Part,
        old: &Value,
    ) -> Result<(), Status> {
        let node = old["spec"]["nodeName"].as_str().unwrap_or_default();
        if part != Part::Resize || node.is_empty() {
            return Ok(());
        }
        let Some(nodes) = self.resource("", "v1", "nodes") else {
            return Ok(());
        };
        let place = Target {
            resource: nodes,
            namespace: String::new(),
            name: node.to_owned(),
        };
        if self.entry(&place).await?.is_none() {
            let why = format!("node {} not found", quote(node));
            return Err(errors::forbidden(&target.resource, &target.name, &why));
        }
        Ok(())
    }
}

/// Refuses the deletion of a namespace without which a cluster does not work.
pub(super) fn admit_delete(target: &Target) -> Result<(), Status> {
    const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];
    if is_namespace(&target.resource) && IMMORTAL.contains(&&*target.name) {
        let why = "this namespace may not be deleted";
        return Err(errors::forbidden(&target.resource, &target.name, why));
    }
    Ok(())
}

/// Whether nothing holds a deleting object but its finalizers: a namespace also waits for `spec.finalizers`, which the
/// namespace controller takes away when the content is deleted.
pub(super) fn content_is_gone(object: &Value) -> bool {
    object["kind"] != "Namespace"
        || object["spec"]["finalizers"]
            .as_array()
            .is_none_or(Vec::is_empty)
}
