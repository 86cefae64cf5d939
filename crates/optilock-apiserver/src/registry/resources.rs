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
    /// Places in the list, by plural name, group and version.
    by_name: Vec<u32>,
    /// Places of those that store objects, by what the keys of these begin with: of several versions the first.
    by_prefix: Vec<u32>,
    discovery: Discovery,
}

impl Resources {
    pub(super) fn new(list: Vec<Arc<Resource>>) -> Self {
        let at = |place: &u32| &*list[*place as usize];
        let mut by_name: Vec<u32> = (0..).zip(&list).map(|(place, _)| place).collect();
        let mut by_prefix = by_name.clone();
        by_name.sort_by(|a, b| name(at(a)).cmp(&name(at(b))));
        by_prefix.retain(|place| at(place).is_stored());
        by_prefix.sort_by(|a, b| at(a).storage.prefix.cmp(&at(b).storage.prefix));
        by_prefix.dedup_by(|b, a| at(a).storage.prefix == at(b).storage.prefix);
        Self {
            discovery: Discovery::new(list.clone()),
            by_name,
            by_prefix,
            list,
        }
    }

    /// What clients are told about the resources.
    pub(crate) fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// The resource of that group, version and plural name.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let wanted = (plural, group, version);
        let found = self
            .by_name
            .binary_search_by(|place| name(self.at(*place)).cmp(&wanted));
        Some(Arc::clone(self.at(self.by_name[found.ok()?])))
    }

    /// The resource whose object has that key, and what of the key is behind the resource's own part.
    pub(super) fn of_key<'k>(&self, key: &'k str) -> Option<(&Arc<Resource>, &'k str)> {
        // No prefix is that of another one: what the key begins with is the last that is not behind it.
        let behind = self
            .by_prefix
            .partition_point(|place| *self.at(*place).storage.prefix <= *key);
        let resource = self.at(self.by_prefix[behind.checked_sub(1)?]);
        Some((resource, key.strip_prefix(&*resource.storage.prefix)?))
    }

    /// Those that store objects; of several versions the first.
    pub(super) fn stored(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.by_prefix.iter().map(|place| self.at(*place))
    }

    fn at(&self, place: u32) -> &Arc<Resource> {
        &self.list[place as usize]
    }
}

fn name(resource: &Resource) -> (&str, &str, &str) {
    let api = &resource.api;
    (&api.plural, &api.group, &api.version)
}

impl Deref for Resources {
    type Target = [Arc<Resource>];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}
