use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde::Serialize;

/// Somebody who writes an object, as managedFields know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct FieldManager {
    /// `metadata.managedFields[].manager`; several programs may share one.
    pub manager: String,
    /// `Apply` for server-side apply, `Update` for everything else: PUT, and the other patches.
    pub operation: String,
    /// The subresource, as `status`; empty for the object itself.
    pub subresource: String,
}

impl fmt::Display for FieldManager {
    /// `kube-controller-manager (Update of status)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            manager,
            operation,
            subresource,
        } = self;
        match subresource.as_str() {
            "" => write!(f, "{manager} ({operation})"),
            name => write!(f, "{manager} ({operation} of {name})"),
        }
    }
}

impl From<&ManagedFieldsEntry> for FieldManager {
    fn from(entry: &ManagedFieldsEntry) -> Self {
        Self {
            manager: entry.manager.clone().unwrap_or_default(),
            operation: entry.operation.clone().unwrap_or_default(),
            subresource: entry.subresource.clone().unwrap_or_default(),
        }
    }
}
