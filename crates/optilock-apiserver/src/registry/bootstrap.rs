//! What is there before the first request, as kube-apiserver makes it without any controller.

use serde_json::{Value, json};

use super::{Part, Registry, Target, WriteOptions};
use crate::status::{Reason, Status};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Classes of the Pods without which a cluster does not work: name, priority, description.
const PRIORITY_CLASSES: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

impl Registry {
    /// Creates what is missing.
    pub(crate) async fn bootstrap(&self) -> Result<(), Status> {
        for name in NAMESPACES {
            let namespace = json!({"metadata": {"name": name}});
            self.ensure("", "namespaces", "", namespace).await?;
        }
        for (name, value, description) in PRIORITY_CLASSES {
            let class =
                json!({"metadata": {"name": name}, "value": value, "description": description});
            self.ensure("scheduling.k8s.io", "priorityclasses", "", class)
                .await?;
        }
        self.ensure_service_range().await?;
        self.ensure("", "services", "default", own_service()).await
    }

    /// The range of the addresses of Services, ready.
    async fn ensure_service_range(&self) -> Result<(), Status> {
        const GROUP: &str = "networking.k8s.io";
        const NAME: &str = "kubernetes";
        let range = json!({"metadata": {"name": NAME}, "spec": {"cidrs": ["10.0.0.0/24"]}});
        self.ensure(GROUP, "servicecidrs", "", range).await?;
        let Some(target) = self.place(GROUP, "servicecidrs", "", NAME) else {
            return Ok(());
        };
        let now = self.ambient.now_text();
        let mut ready = |current: Option<&Value>| {
            let mut range = current.cloned().unwrap_or_default();
            if range["status"]["conditions"]
                .as_array()
                .is_none_or(Vec::is_empty)
            {
                range["status"]["conditions"] = json!([{
                    "type": "Ready",
                    "status": "True",
                    "lastTransitionTime": now,
                    "reason": "",
                    "message": "Kubernetes default Service CIDR is ready",
                }]);
            }
            Ok(range)
        };
        let options = WriteOptions {
            manager: "kubernetes-service-cidr-controller".to_owned(),
            subresource: "status".to_owned(),
            ..WriteOptions::default()
        };
        self.update(&target, Part::Status, "", &mut ready, &options)
            .await?;
        Ok(())
    }

    async fn ensure(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        object: Value,
    ) -> Result<(), Status> {
        let Some(target) = self.place(group, plural, namespace, "") else {
            return Ok(());
        };
        let object = target.resource.complete(&object)?;
        let present = Target {
            name: super::object::meta_str(&object, "name").to_owned(),
            ..target.clone()
        };
        // In a store that outlives servers it is there, with an address that can't be taken twice.
        if self.entry(&present).await?.is_some() {
            return Ok(());
        }
        match self
            .create(&target, object, &WriteOptions::kube_apiserver())
            .await
        {
            Err(status) if status.reason != Reason::AlreadyExists => Err(status),
            _ => Ok(()),
        }
    }

    fn place(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Target> {
        Some(Target {
            resource: self.resource(group, "v1", plural)?,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// The Service by which Pods know the API server.
fn own_service() -> Value {
    json!({
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": "10.0.0.1",
            "ports": [{"name": "https", "port": 443, "targetPort": 6443}],
        },
    })
}
