//! Which stored objects a list or a watch is about.

use std::sync::Arc;

use super::{ListOptions, Resource, Stored, Target, codec};
use crate::selector::{FieldSelector, LabelSelector};
use crate::status::Status;

/// Label and field selector of one request on one resource.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    resource: Arc<Resource>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    pub(super) fn new(target: &Target, options: &ListOptions) -> Self {
        Self {
            resource: Arc::clone(&target.resource),
            labels: options.labels.clone(),
            fields: options.fields.clone(),
        }
    }

    /// Whether nothing is left out.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// Whether the object is meant. Objects are decoded only where there is something to look at.
    ///
    /// # Errors
    /// 500 when the stored object is damaged.
    pub(super) fn matches(&self, stored: &Stored) -> Result<bool, Status> {
        if self.is_everything() {
            return Ok(true);
        }
        let object = codec::decode(&self.resource, stored)?;
        Ok(self.labels.matches_object(&object)
            && self.resource.selectable().matches(&self.fields, &object))
    }

    /// Whether the selector names the one object that it can match.
    pub(super) fn is_one_object(&self, target: &Target) -> bool {
        let homeless = target.namespace.is_empty() && self.resource.api.namespaced;
        !homeless && self.fields.exact("metadata.name").is_some()
    }

    /// What the keys of all selected objects begin with.
    pub(super) fn prefix(&self, target: &Target) -> String {
        // `metadata.name=x` is how clients watch one object: its key is all that has to be read.
        let name = self.fields.exact("metadata.name").unwrap_or_default();
        if target.namespace.is_empty() && self.resource.api.namespaced {
            return self.resource.key("", "");
        }
        self.resource.key(&target.namespace, name)
    }
}
