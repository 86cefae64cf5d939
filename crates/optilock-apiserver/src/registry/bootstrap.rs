//! What is there before the first request: the namespaces of every cluster.

use serde_json::json;

use super::{Registry, Target, WriteOptions};
use crate::defaults;
use crate::schema::Schema;
use crate::status::{Reason, Status};

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

impl Registry {
    /// Creates what is missing.
    pub(crate) async fn bootstrap(&self) -> Result<(), Status> {
        let Some(resource) = self.resource("", "v1", "namespaces") else {
            return Ok(());
        };
        let Some(ty) = resource.ty.clone() else {
            return Ok(());
        };
        for name in NAMESPACES {
            let target = Target {
                resource: resource.clone(),
                namespace: String::new(),
                name: name.to_owned(),
            };
            let object =
                json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}});
            let mut object = Schema::builtin()
                .normalize(&ty, &object)
                .map_err(|error| Status::untyped(error.to_string()))?
                .value;
            defaults::apply(&ty, &mut object);
            match self.create(&target, object, &WriteOptions::own()).await {
                Err(status) if status.reason != Reason::AlreadyExists => return Err(status),
                _ => {}
            }
        }
        Ok(())
    }
}
