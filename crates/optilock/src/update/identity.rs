//! What makes a write safe: it says which version of which object it was computed from.

use kube::Resource;
use kube::core::ObjectMeta;

use super::error::Reason;

/// The object and version that an attempt starts from.
///
/// A PUT that lacks the resourceVersion overwrites whatever is there, and one that lacks the uid
/// creates the object anew where the kind allows that, so neither is ever sent without.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// The metadata that were read, in which name, uid and resourceVersion are set; where the object is
    /// to be created, only the first is.
    pub(crate) metadata: ObjectMeta,
}

impl Base {
    /// Takes the base from an object, which must be the one of this name.
    pub(crate) fn of(metadata: &ObjectMeta, name: &str) -> Result<Self, Reason> {
        if metadata.name.as_deref() != Some(name) {
            let found = metadata.name.clone().unwrap_or_default();
            return Err(Reason::Misnamed { found });
        }
        if matches!(metadata.uid.as_deref(), None | Some("")) {
            let field = "metadata.uid";
            return Err(Reason::Incomplete { field });
        }
        // To the server "0" is no version, so that it wouldn't look for conflicts.
        if matches!(metadata.resource_version.as_deref(), None | Some("" | "0")) {
            let field = "metadata.resourceVersion";
            return Err(Reason::Incomplete { field });
        }
        Ok(Self {
            metadata: metadata.clone(),
        })
    }

    /// Makes an object one that doesn't exist yet.
    pub(crate) fn none<K: Resource>(object: &mut K, name: &str, namespace: Option<&str>) -> Self {
        let metadata = object.meta_mut();
        metadata.name = Some(name.to_owned());
        metadata.namespace = namespace.map(str::to_owned);
        metadata.uid = None;
        metadata.resource_version = None;
        Self {
            metadata: metadata.clone(),
        }
    }

    pub(crate) fn resource_version(&self) -> &str {
        self.metadata
            .resource_version
            .as_deref()
            .unwrap_or_default()
    }

    pub(crate) fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Checks that the closure has left alone what makes the write refer to the base.
    pub(crate) fn check(&self, changed: &ObjectMeta) -> Result<(), Reason> {
        let base = &self.metadata;
        let identity = [
            ("metadata.name", &base.name, &changed.name),
            ("metadata.namespace", &base.namespace, &changed.namespace),
            ("metadata.uid", &base.uid, &changed.uid),
            (
                "metadata.resourceVersion",
                &base.resource_version,
                &changed.resource_version,
            ),
        ];
        match identity
            .into_iter()
            .find(|(_, before, after)| before != after)
        {
            Some((field, _, _)) => Err(Reason::IdentityChanged { field }),
            None => Ok(()),
        }
    }
}
