//! What makes a write safe: it says which version of which object it was computed from.

use kube::core::ObjectMeta;

use super::error::Reason;

/// The object and version that an attempt starts from.
///
/// A PUT that lacks the resourceVersion overwrites whatever is there, and one that lacks the uid
/// creates the object anew where the kind allows that, so neither is ever sent without.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    name: String,
    namespace: Option<String>,
}

impl Base {
    /// Takes the base from an object, which must be the one of this name.
    pub(crate) fn of(metadata: &ObjectMeta, name: &str) -> Result<Self, Reason> {
        let required = |field: &'static str, value: &Option<String>| match value {
            Some(value) if !value.is_empty() => Ok(value.clone()),
            _ => Err(Reason::Incomplete { field }),
        };
        let base = Self {
            uid: required("metadata.uid", &metadata.uid)?,
            resource_version: required("metadata.resourceVersion", &metadata.resource_version)?,
            name: required("metadata.name", &metadata.name)?,
            namespace: metadata.namespace.clone(),
        };
        if base.name != name {
            return Err(Reason::Misnamed { found: base.name });
        }
        // To the server "0" is no version, so that it wouldn't look for conflicts.
        if base.resource_version == "0" {
            return Err(Reason::Incomplete {
                field: "metadata.resourceVersion",
            });
        }
        Ok(base)
    }

    /// Checks that the closure has left alone what makes the write refer to the base.
    pub(crate) fn check(&self, metadata: &ObjectMeta) -> Result<(), Reason> {
        let kept = [
            ("metadata.name", Some(&self.name), &metadata.name),
            (
                "metadata.namespace",
                self.namespace.as_ref(),
                &metadata.namespace,
            ),
            ("metadata.uid", Some(&self.uid), &metadata.uid),
            (
                "metadata.resourceVersion",
                Some(&self.resource_version),
                &metadata.resource_version,
            ),
        ];
        match kept
            .into_iter()
            .find(|(_, before, after)| *before != after.as_ref())
        {
            Some((field, _, _)) => Err(Reason::IdentityChanged { field }),
            None => Ok(()),
        }
    }
}
