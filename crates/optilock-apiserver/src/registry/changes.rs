//! The changes of all objects, as the controllers read them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::codec;
use super::errors;
use super::object::{is_deleting, root_mut, set_meta};
use super::{Part, Registry, Resource, Target, WriteOptions};
use crate::schema::Schema;
use crate::status::Status;
use crate::store::{Cursor, Event, Range};

/// What all keys begin with.
const ROOT: &str = "/registry/";

/// One object as it is now, or as it last was.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    bytes: Bytes,
    deletion: bool,
}

/// A place in the log of all changes.
#[derive(Debug)]
pub(crate) struct Changes {
    registry: Arc<Registry>,
    cursor: Cursor,
}

impl Change {
    fn new(registry: &Registry, key: &str, bytes: Bytes, deletion: bool) -> Option<Self> {
        let resources = registry.resources();
        let (resource, rest) = resources.of_key(key)?;
        let (namespace, name) = if resource.api.namespaced {
            rest.split_once('/')?
        } else {
            ("", rest)
        };
        Some(Self {
            resource: Arc::clone(resource),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            bytes,
            deletion,
        })
    }

    /// Whether it is about an object of that resource.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        &*self.resource.api.group == group && &*self.resource.api.plural == plural
    }

    /// Whether the object is gone.
    pub(crate) fn is_deletion(&self) -> bool {
        self.deletion
    }

    /// Whether the object waits for its deletion.
    pub(crate) fn is_deleting(&self) -> bool {
        self.mentions("deletionTimestamp") && is_deleting(&self.object())
    }

    /// Whether a word occurs in the object at all; cheaper than looking properly.
    pub(crate) fn mentions(&self, word: &str) -> bool {
        memchr::memmem::find(&self.bytes, word.as_bytes()).is_some()
    }

    /// The uid.
    pub(crate) fn uid(&self) -> &str {
        codec::uid(&self.bytes)
    }

    /// The object; null when what is stored is damaged.
    pub(crate) fn object(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The object's place.
    pub(crate) fn target(&self) -> Target {
        Target {
            resource: Arc::clone(&self.resource),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

impl Changes {
    /// Waits for changes. A log that has moved on too far is read again from its end: the controllers look at live objects
    /// before they act.
    pub(crate) async fn next(&mut self) -> Vec<Change> {
        match self.cursor.next().await {
            Ok(events) => events
                .iter()
                .filter_map(|event| self.change(event))
                .collect(),
            Err(error) => {
                tracing::warn!(%error, "the controllers fell behind and start again");
                match Registry::changes(&self.registry).await {
                    Ok((changes, state)) => {
                        *self = changes;
                        state
                    }
                    Err(_) => Vec::new(),
                }
            }
        }
    }

    fn change(&self, event: &Event) -> Option<Change> {
        let deletion = event.value.is_none();
        let bytes = event
            .value
            .as_ref()
            .or(event.previous.as_ref().map(|previous| &previous.value))?;
        Change::new(&self.registry, &event.key, bytes.clone(), deletion)
    }
}

impl Registry {
    /// All objects as they are, and the changes from there on.
    pub(crate) async fn changes(self: &Arc<Self>) -> Result<(Changes, Vec<Change>), Status> {
        let range = Range::all(ROOT);
        let page = self
            .store
            .range(range)
            .await
            .map_err(|error| errors::read(&error))?;
        let cursor = self
            .store
            .watch(ROOT, page.revision)
            .map_err(|error| errors::read(&error))?;
        let changes = Changes {
            registry: Arc::clone(self),
            cursor,
        };
        let state = page.entries.into_iter();
        let state = state.filter_map(|entry| Change::new(self, &entry.key, entry.value, false));
        Ok((changes, state.collect()))
    }

    /// One object, decoded.
    pub(crate) async fn object(&self, target: &Target) -> Result<Value, Status> {
        codec::decode(&target.resource, &self.get(target, "").await?)
    }

    /// Changes an object whatever its version; the object afterwards.
    pub(crate) async fn modify(
        &self,
        target: &Target,
        change: impl Fn(&mut Value) + Send + Sync,
    ) -> Result<Value, Status> {
        let mut build = |current: Option<&Value>| {
            let mut object = current.cloned().unwrap_or_default();
            change(&mut object);
            target.resource.normalize(&object)
        };
        let options = WriteOptions::own();
        let written = self
            .update(target, Part::Main, "", &mut build, &options)
            .await?;
        codec::decode(&target.resource, &written.stored)
    }

    /// The resource of a kind, given as an owner reference gives it.
    pub(crate) fn resource_of_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let fits = |resource: &&Arc<Resource>| {
            &*resource.api.kind == kind
                && &*resource.api.group == group
                && &*resource.api.version == version
        };
        self.resources()
            .iter()
            .filter(|resource| resource.is_stored())
            .find(fits)
            .cloned()
    }
}

impl Resource {
    /// Canonical form of a document that this program has made or changed.
    ///
    /// # Errors
    /// 500 when it is no object of the resource.
    pub(crate) fn normalize(&self, document: &Value) -> Result<Value, Status> {
        let Some(ty) = &self.ty else {
            return Ok(document.clone());
        };
        let decoded = Schema::builtin().normalize(ty, document);
        decoded
            .map(|decoded| decoded.value)
            .map_err(|error| Status::untyped(format!("this is no {}: {error}", self.api.kind)))
    }

    /// A document that this program has made, as if a client had sent it: with kind, canonical, with defaults.
    ///
    /// # Errors
    /// 500 when it is no object of the resource.
    pub(crate) fn complete(&self, document: &Value) -> Result<Value, Status> {
        let mut object = document.clone();
        root_mut(&mut object).insert("kind".into(), (*self.api.kind).into());
        root_mut(&mut object).insert("apiVersion".into(), self.api_version().into());
        set_meta(&mut object, "resourceVersion", None);
        let mut object = self.normalize(&object)?;
        if let Some(ty) = &self.ty {
            crate::defaults::apply(ty, &mut object);
        }
        Ok(object)
    }
}
