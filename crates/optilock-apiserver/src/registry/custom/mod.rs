//! Custom resources: what a CustomResourceDefinition makes of the list of resources.
//!
//! Every write of a definition is followed, before it is answered, by what the controllers of apiextensions-apiserver
//! do: names are accepted, the definition is established, the list of resources is made anew, and what is marked for
//! deletion goes with all of its objects.

mod condition;
mod names;
mod resource;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

use super::object::{is_deleting, meta_str, root_mut, set, set_meta};
use super::{
    DeleteOptions, ListOptions, Part, Registry, Resource, Resources, Target, WriteOptions, codec,
    errors,
};
use crate::schema::{Schema, TypeRef};
use crate::status::{Reason, Status};
use crate::store::Range;

pub(super) use resource::Custom;
pub(crate) use resource::ScalePaths;

const GROUP: &str = "apiextensions.k8s.io";
const PLURAL: &str = "customresourcedefinitions";

/// Holds a definition back until its objects are gone.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The pause before definitions that could not be followed are looked at again.
const RETRY: Duration = Duration::from_secs(1);

/// Manager of what is written here.
const MANAGER: &str = "kube-apiserver";

/// What has been made of the definitions so far.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    /// One follows the definitions at a time.
    made: Mutex<Made>,
}

/// By name: the revision that was looked at, and what it defines.
type Made = HashMap<String, (u64, Vec<Arc<Resource>>)>;

/// Whether it is the resource of definitions.
pub(super) fn is_definition(resource: &Resource) -> bool {
    &*resource.api.group == GROUP && &*resource.api.plural == PLURAL
}

/// The status of a new definition.
pub(super) fn on_create(definition: &mut Value) {
    let stored: Vec<Value> = versions(definition)
        .iter()
        .find(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .into_iter()
        .collect();
    let status = serde_json::json!({
        "conditions": null,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": stored,
    });
    set(root_mut(definition), "status", Some(status));
}

/// What an update of a definition brings along: a new storage version is one more in which objects may be stored.
pub(super) fn on_update(definition: &mut Value) {
    let storage = versions(definition)
        .iter()
        .find(|version| version["storage"] == true)
        .map(|version| version["name"].clone());
    if let (Some(storage), Some(Value::Array(stored))) =
        (storage, definition.pointer_mut("/status/storedVersions"))
        && !stored.contains(&storage)
    {
        stored.push(storage);
    }
}

/// The marks of a definition whose deletion begins. It has no grace period, and its generation stays.
pub(super) fn on_delete(definition: &mut Value, old: &Value) {
    set_meta(definition, "deletionGracePeriodSeconds", None);
    let generation = old["metadata"].get("generation").cloned();
    set_meta(definition, "generation", generation);
    let mut finalizers: Vec<Value> = definition["metadata"]["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if !finalizers.iter().any(|name| name == CLEANUP) {
        finalizers.push(CLEANUP.into());
    }
    set_meta(definition, "finalizers", Some(finalizers.into()));
    let now = meta_str(definition, "deletionTimestamp").to_owned();
    condition::TERMINATING_PENDING.write(definition, &now);
}

fn versions(definition: &Value) -> &[Value] {
    definition["spec"]["versions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

impl Registry {
    /// Does what a committed write of an object of `resource` brings along. The write stands whatever comes of it.
    pub(super) async fn committed(&self, resource: &Resource) {
        let follows = is_definition(resource)
            // The last object of a definition that goes lets the definition go.
            || resource.custom.is_some()
                && self
                    .resource(&resource.api.group, &resource.api.version, &resource.api.plural)
                    .is_some_and(|now| now.custom.as_ref().is_some_and(|custom| custom.terminating));
        if follows {
            // A future that may come back here has to be boxed.
            if let Err(error) = Box::pin(self.follow_definitions()).await {
                tracing::warn!(%error, "the definitions of custom resources are followed with the next write");
            }
        }
    }

    /// Takes up the definitions that a store from an earlier server holds.
    pub(crate) async fn restore(&self) -> Result<(), Status> {
        self.follow_definitions().await
    }

    /// Takes up the definitions that other servers write to a shared store, for ever.
    pub(crate) async fn follow_others(self: Arc<Self>) {
        loop {
            let followed = self.follow_changes().await;
            if let Err(error) = followed {
                tracing::warn!(%error, "the definitions of other servers are looked at again");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn follow_changes(&self) -> Result<(), Status> {
        let Some(resource) = self.resource(GROUP, "v1", PLURAL) else {
            return Ok(());
        };
        let prefix = &resource.storage.prefix;
        let read = |error| errors::read(&error);
        let mut cursor = self
            .store
            .watch(prefix, self.store.revision())
            .map_err(read)?;
        loop {
            self.follow_definitions().await?;
            cursor.next().await.map_err(read)?;
        }
    }

    /// Brings names, conditions and the list of resources in line with the definitions.
    async fn follow_definitions(&self) -> Result<(), Status> {
        let mut made = self.definitions.made.lock().await;
        let Some(resource) = self.resource(GROUP, "v1", PLURAL) else {
            return Ok(());
        };
        self.accept_names(&resource).await?;
        self.list_resources(&resource, &mut made).await?;
        let mut removed = false;
        for (definition, _) in self.definitions(&resource).await? {
            if is_deleting(&definition) {
                removed |= self.clean_up(&resource, &definition).await?;
            }
        }
        if removed {
            // Names that nobody has any more may be somebody else's now.
            self.accept_names(&resource).await?;
        }
        self.list_resources(&resource, &mut made).await
    }

    /// All definitions with their revisions, in the order of their creation.
    async fn definitions(&self, resource: &Resource) -> Result<Vec<(Value, u64)>, Status> {
        let range = Range::all(&resource.storage.prefix);
        let page = self.store.range(range).await;
        let page = page.map_err(|error| errors::read(&error))?;
        let mut all = Vec::with_capacity(page.entries.len());
        for entry in page.entries {
            let stored = super::Stored {
                bytes: entry.value,
                revision: entry.revision,
            };
            all.push((codec::decode_stored(&stored)?, stored.revision));
        }
        Ok(all)
    }

    /// Accepts names, one definition after the other, until nothing changes: a name that one gives up is another's.
    async fn accept_names(&self, resource: &Arc<Resource>) -> Result<(), Status> {
        loop {
            let all = self.definitions(resource).await?;
            let now = self.ambient.now_text();
            let changed = all.iter().enumerate().find_map(|(at, (definition, _))| {
                let others = all
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != at)
                    .map(|(_, (other, _))| other);
                names::next_status(definition, others, &now)
                    .map(|status| (meta_str(definition, "name").to_owned(), status))
            });
            match changed {
                None => return Ok(()),
                Some((name, status)) => self.write_status(resource, &name, status).await?,
            }
        }
    }

    async fn write_status(
        &self,
        resource: &Arc<Resource>,
        name: &str,
        status: Value,
    ) -> Result<(), Status> {
        let mut build = |current: Option<&Value>| {
            let mut object = current.cloned().unwrap_or_default();
            set(root_mut(&mut object), "status", Some(status.clone()));
            Ok(object)
        };
        self.write(resource, name, Part::Status, "status", &mut build)
            .await
    }

    async fn write(
        &self,
        resource: &Arc<Resource>,
        name: &str,
        part: Part,
        subresource: &str,
        build: &mut super::update::Build<'_>,
    ) -> Result<(), Status> {
        let target = Target {
            resource: Arc::clone(resource),
            namespace: String::new(),
            name: name.to_owned(),
        };
        let options = WriteOptions {
            manager: MANAGER.to_owned(),
            subresource: subresource.to_owned(),
            ..WriteOptions::own()
        };
        let written = self.update_object(&target, part, "", build, &options).await;
        match written {
            Err(status) if status.reason != Reason::NotFound => Err(status),
            _ => Ok(()),
        }
    }

    /// Makes the list of resources of what is established.
    async fn list_resources(
        &self,
        resource: &Resource,
        made: &mut HashMap<String, (u64, Vec<Arc<Resource>>)>,
    ) -> Result<(), Status> {
        let mut all: BTreeMap<String, (u64, Vec<Arc<Resource>>)> = BTreeMap::new();
        let mut changed = false;
        for (definition, revision) in self.definitions(resource).await? {
            let name = meta_str(&definition, "name").to_owned();
            let entry = match made.remove(&name) {
                Some((seen, resources)) if seen == revision => (seen, resources),
                _ => {
                    changed = true;
                    let resources = resource::of_definition(&definition);
                    (revision, resources.into_iter().map(Arc::new).collect())
                }
            };
            all.insert(name, entry);
        }
        changed |= !made.is_empty();
        if changed {
            let resources = all.values().flat_map(|(_, resources)| resources).cloned();
            let list = resource::in_order(&self.resources(), resources.collect());
            *self.resources.write() = Arc::new(Resources::new(list));
        }
        *made = all.into_iter().collect();
        Ok(())
    }

    /// Deletes the objects of a definition, and lets it go when none is left; whether it went.
    async fn clean_up(
        &self,
        definitions: &Arc<Resource>,
        definition: &Value,
    ) -> Result<bool, Status> {
        let name = meta_str(definition, "name");
        let now = self.ambient.now_text();
        let mut marked = definition.clone();
        if condition::TERMINATING_IN_PROGRESS.write(&mut marked, &now) {
            self.write_status(definitions, name, marked["status"].clone())
                .await?;
        }
        if let Some(resource) = resource::stored(definition) {
            let collection = Target {
                resource: Arc::new(resource),
                namespace: String::new(),
                name: String::new(),
            };
            let everything = ListOptions::default();
            self.delete_objects(&collection, &everything, &DeleteOptions::default())
                .await?;
            if !self.list(&collection, &everything).await?.items.is_empty() {
                return Ok(false);
            }
        }
        let mut build = |current: Option<&Value>| {
            let mut object = current.cloned().unwrap_or_default();
            let finalizers = object["metadata"]["finalizers"].as_array();
            let left: Vec<Value> = finalizers
                .into_iter()
                .flatten()
                .filter(|name| *name != CLEANUP)
                .cloned()
                .collect();
            set_meta(&mut object, "finalizers", Some(left.into()));
            Ok(object)
        };
        self.write(definitions, name, Part::Main, "", &mut build)
            .await?;
        Ok(true)
    }

    /// Refuses a creation while the definition of the resource is going away.
    pub(super) fn admit_custom(&self, resource: &Resource) -> Result<(), Status> {
        let going = resource
            .custom
            .as_ref()
            .is_some_and(|custom| custom.terminating);
        if going {
            return Err(errors::definition_terminating(resource));
        }
        Ok(())
    }
}

/// An object of a custom resource as the resource's version shows it, made of how it is stored: defaults are those of the
/// version in which it is stored.
pub(super) fn from_storage(resource: &Resource, object: Value) -> Result<Value, Status> {
    let mut object = to_storage(resource, object)?;
    if let Some(ty) = &resource.storage.ty {
        crate::defaults::apply(ty, &mut object);
    }
    let own = resource.api_version();
    if own == resource.storage.api_version {
        return Ok(object);
    }
    in_version(resource.ty.as_ref(), &own, object)
}

/// The same in the version in which it is stored, pruned to that.
pub(super) fn to_storage(resource: &Resource, object: Value) -> Result<Value, Status> {
    let storage = &resource.storage;
    in_version(storage.ty.as_ref(), &storage.api_version, object)
}

/// Without defaults.
fn in_version(ty: Option<&TypeRef>, api_version: &str, mut object: Value) -> Result<Value, Status> {
    root_mut(&mut object).insert("apiVersion".into(), api_version.into());
    let Some(ty) = ty else {
        return Ok(object);
    };
    let decoded = Schema::builtin().normalize(ty, &object);
    let decoded =
        decoded.map_err(|error| Status::untyped(format!("a stored object is damaged: {error}")))?;
    Ok(decoded.value)
}
