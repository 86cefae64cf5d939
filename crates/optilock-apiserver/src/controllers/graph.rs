//! Who depends on whom.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use crate::registry::{Change, Resource, Target};

/// A reference of a dependent to an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnerReference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    /// The owner may not go in the foreground while the dependent is there.
    pub(super) blocks: bool,
}

impl OwnerReference {
    /// The references of an object.
    pub(super) fn all(object: &Value) -> Vec<Self> {
        let list = object["metadata"]["ownerReferences"].as_array();
        let read = |reference: &Value| {
            let text = |member: &str| reference[member].as_str().unwrap_or_default().to_owned();
            Self {
                api_version: text("apiVersion"),
                kind: text("kind"),
                name: text("name"),
                uid: text("uid"),
                blocks: reference["blockOwnerDeletion"] == true,
            }
        };
        list.into_iter().flatten().map(read).collect()
    }
}

/// An object with owners.
#[derive(Debug, Clone)]
pub(super) struct Dependent {
    pub(super) resource: Arc<Resource>,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) owners: Vec<OwnerReference>,
}

impl Dependent {
    pub(super) fn target(&self) -> Target {
        Target {
            resource: Arc::clone(&self.resource),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// All dependents by uid, and which of them an owner has. Objects without owners are not in it.
#[derive(Debug, Default)]
pub(super) struct Graph {
    dependents: HashMap<String, Dependent>,
    by_owner: HashMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Takes note of an object as it is now; whether its owners are new.
    pub(super) fn insert(
        &mut self,
        uid: &str,
        change: &Change,
        owners: Vec<OwnerReference>,
    ) -> bool {
        if self
            .dependents
            .get(uid)
            .is_some_and(|known| known.owners == owners)
        {
            return false;
        }
        self.remove(uid);
        if owners.is_empty() {
            return false;
        }
        for owner in &owners {
            self.by_owner
                .entry(owner.uid.clone())
                .or_default()
                .insert(uid.to_owned());
        }
        let dependent = Dependent {
            resource: Arc::clone(&change.resource),
            namespace: change.namespace.clone(),
            name: change.name.clone(),
            owners,
        };
        self.dependents.insert(uid.to_owned(), dependent);
        true
    }

    /// Forgets an object; what it was.
    pub(super) fn remove(&mut self, uid: &str) -> Option<Dependent> {
        let dependent = self.dependents.remove(uid)?;
        for owner in &dependent.owners {
            if let Some(uids) = self.by_owner.get_mut(&owner.uid) {
                uids.remove(uid);
                if uids.is_empty() {
                    self.by_owner.remove(&owner.uid);
                }
            }
        }
        Some(dependent)
    }

    pub(super) fn get(&self, uid: &str) -> Option<&Dependent> {
        self.dependents.get(uid)
    }

    /// Uids of the dependents of an owner.
    pub(super) fn dependents_of(&self, owner: &str) -> impl Iterator<Item = &String> {
        self.by_owner.get(owner).into_iter().flatten()
    }
}
