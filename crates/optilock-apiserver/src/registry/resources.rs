//! The list of resources at one moment.

use std::ops::Deref;
use std::sync::Arc;

use super::Resource;
use crate::discovery::Discovery;

/// All resources at one moment, in the order of discovery, and what clients are told about them. A change of the list
/// is a new list.
#[derive(Debug)]
pub(crate) struct Resources {
    list: Vec<Arc<Resource>>,
    discovery: Discovery,
}

impl Resources {
    pub(super) fn new(list: Vec<Arc<Resource>>) -> Self {
        Self {
            discovery: Discovery::new(list.clone()),
            list,
        }
    }

    /// What clients are told about the resources.
    pub(crate) fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// The resource of that group, version and plural name.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let fits = |r: &&Arc<Resource>| {
            &*r.api.plural == plural && &*r.api.group == group && &*r.api.version == version
        };
        self.list.iter().find(fits).cloned()
    }
}

impl Deref for Resources {
    type Target = [Arc<Resource>];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}
