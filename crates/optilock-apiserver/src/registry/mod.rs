//! What a resource is, and the one engine that serves all of them.
//!
//! [`Resource`] says what is particular about a resource, as data; [`Registry`] has one function a verb that
//! works for every resource: `get`, `list`, `watch`, `create`, `update` (also for patches and subresources),
//! `delete`, `delete_collection`.

mod action;
mod admit;
mod allocate;
mod bootstrap;
mod changes;
mod codec;
mod component;
mod continuation;
mod convert;
mod counts;
mod create;
mod custom;
mod delete;
mod errors;
mod last_applied;
mod list;
mod metadata;
mod object;
mod options;
mod ownership;
mod prepare;
mod priority;
mod read;
mod recent;
mod resource;
mod resources;
mod review;
mod scale;
mod scale_write;
mod select;
mod strategy;
mod token;
mod update;
mod user;
mod validate;
mod view;
mod watch;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::ambient::Ambient;
use crate::status::{Details, Status};
use crate::store::Store;

pub(crate) use changes::Change;
pub(crate) use codec::{decode, splice_version};
pub(crate) use delete::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
pub(crate) use errors::{method_not_allowed, missing_resource, not_found};
pub(crate) use list::List;
pub(crate) use metadata::before_post;
pub(crate) use object::{finalizers, is_deleting};
pub(crate) use options::{DeleteOptions, FieldValidation, ListOptions, Propagation, WriteOptions};
pub(crate) use ownership::apply;
pub(crate) use prepare::quality_of_service;
pub(crate) use resource::{Part, Resource};
pub(crate) use resources::Resources;
pub(crate) use review::{Asker, review, reviews_tokens};
pub(crate) use scale::scales;
pub(crate) use user::User;
pub(crate) use view::View;
pub(crate) use watch::{WatchEvent, WatchEventType};

/// All resources of one server over one store.
#[derive(Debug)]
pub(crate) struct Registry {
    store: Arc<dyn Store>,
    resources: RwLock<Arc<Resources>>,
    definitions: custom::Definitions,
    token_key: token::Key,
    recent: recent::Recent,
    ambient: Arc<Ambient>,
}

/// One object as it is stored: canonical JSON of the storage version, and its version.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// JSON without the resourceVersion.
    pub(crate) bytes: Bytes,
    /// The resourceVersion; 0 for an object that was never stored (a dry run).
    pub(crate) revision: u64,
}

/// The answer to a write that leaves an object.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) stored: Stored,
    /// The object did not exist before.
    pub(crate) created: bool,
}

/// The answer to a deletion.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object stays for now (finalizers, grace), or its kind returns the object that went.
    Object(Stored),
    /// It is gone; this is what it was.
    Gone(Details),
}

/// Which object, or which collection, a request is about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// Empty for all namespaces, and for resources that have none.
    pub(crate) namespace: String,
    /// Empty for a collection.
    pub(crate) name: String,
}

impl Target {
    /// Key of the object in the store.
    fn key(&self) -> String {
        self.resource.key(&self.namespace, &self.name)
    }
}

impl Registry {
    /// The resources of kube-apiserver 1.36 over `store`.
    pub(crate) fn new(store: Arc<dyn Store>, ambient: Arc<Ambient>) -> Self {
        Self {
            store,
            resources: RwLock::new(Arc::new(Resources::new(resource::builtin()))),
            definitions: custom::Definitions::default(),
            token_key: token::Key::default(),
            recent: recent::Recent::default(),
            ambient,
        }
    }

    /// All resources as they are now, in the order of discovery.
    pub(crate) fn resources(&self) -> Arc<Resources> {
        Arc::clone(&self.resources.read())
    }

    /// The resource of that group, version and plural name.
    pub(crate) fn resource(
        &self,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Option<Arc<Resource>> {
        self.resources.read().find(group, version, plural)
    }

    /// Whether the group is one of Kubernetes itself, and not one of custom resources.
    pub(crate) fn is_built_in(&self, group: &str) -> bool {
        let resources = self.resources.read();
        let mut of_group = resources
            .iter()
            .filter(|resource| &*resource.api.group == group);
        of_group.any(|resource| resource.custom.is_none())
    }

    /// Where the objects are, for who takes all of them along.
    #[cfg(feature = "redb")]
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Whether other servers may write to the store.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    async fn entry(&self, target: &Target) -> Result<Option<Stored>, Status> {
        let found = self.store.get(&target.key()).await;
        let found = found.map_err(|error| errors::read(&error))?;
        Ok(found.map(|entry| Stored {
            bytes: entry.value,
            revision: entry.revision,
        }))
    }
}
