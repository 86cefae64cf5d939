//! Garbage collection: background, foreground and orphaning.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::graph::{Graph, OwnerReference};
use super::manager::Reconciler;
use crate::registry::{
    Change, DeleteOptions, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation, Registry, Target,
    finalizers, is_deleting,
};
use crate::status::{Reason, Status};

/// Deletes objects whose owners are all gone, and the dependents of owners that go in the foreground.
#[derive(Default)]
pub(super) struct GarbageCollector {
    graph: Graph,
    /// Uids of dependents whose owners have to be looked at.
    dependents: BTreeSet<String>,
    /// Owners that wait for their dependents: by uid.
    owners: BTreeMap<String, Target>,
    /// Those of them that have to be looked at.
    waiting: BTreeSet<String>,
}

/// What a look at an owner says.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// It is there and stays.
    Solid,
    /// It goes in the foreground.
    Waiting,
    /// It is gone.
    Gone,
}

#[async_trait]
impl Reconciler for GarbageCollector {
    fn observe(&mut self, change: &Change) {
        let uid = change.uid();
        if change.is_deletion() {
            self.dependents
                .extend(self.graph.dependents_of(uid).cloned());
            self.owners.remove(uid);
            self.waiting.remove(uid);
            // Owners that wait for this one may go on.
            let owners = self.graph.remove(uid).map(|dependent| dependent.owners);
            for owner in owners.into_iter().flatten() {
                if self.owners.contains_key(&owner.uid) {
                    self.waiting.insert(owner.uid);
                }
            }
            return;
        }
        // Most objects have neither owners nor a deletion under way; they are not even parsed.
        if change.mentions("ownerReferences") || self.graph.get(uid).is_some() {
            let owners = OwnerReference::all(&change.object());
            if self.graph.insert(uid, change, owners) {
                self.dependents.insert(uid.to_owned());
            }
        }
        if change.is_deleting()
            && (change.mentions(FOREGROUND_FINALIZER) || change.mentions(ORPHAN_FINALIZER))
        {
            self.owners.insert(uid.to_owned(), change.target());
            self.waiting.insert(uid.to_owned());
        }
    }

    async fn reconcile(&mut self, registry: &Registry) -> Result<(), Status> {
        while let Some(uid) = self.waiting.first().cloned() {
            self.look_at_owner(registry, &uid).await?;
            self.waiting.remove(&uid);
        }
        while let Some(uid) = self.dependents.first().cloned() {
            self.look_at_dependent(registry, &uid).await?;
            self.dependents.remove(&uid);
        }
        Ok(())
    }
}

impl GarbageCollector {
    /// Lets an owner go, or does what has to be done before.
    async fn look_at_owner(&mut self, registry: &Registry, uid: &str) -> Result<(), Status> {
        let Some(target) = self.owners.get(uid).cloned() else {
            return Ok(());
        };
        let Some(owner) = found(registry.object(&target).await)? else {
            return Ok(());
        };
        let has = |name: &str| is_deleting(&owner) && finalizers(&owner).contains(&name);
        let dependents: Vec<String> = self.graph.dependents_of(uid).cloned().collect();
        if has(ORPHAN_FINALIZER) {
            for dependent in dependents.iter().filter_map(|uid| self.graph.get(uid)) {
                disown(registry, &dependent.target(), &[uid]).await?;
            }
            return take_finalizer(registry, &target, ORPHAN_FINALIZER).await;
        }
        if has(FOREGROUND_FINALIZER) {
            let blocks = |dependent: &String| {
                let owners = self.graph.get(dependent).map(|dependent| &dependent.owners);
                owners
                    .into_iter()
                    .flatten()
                    .any(|owner| owner.uid == uid && owner.blocks)
            };
            if !dependents.iter().any(blocks) {
                return take_finalizer(registry, &target, FOREGROUND_FINALIZER).await;
            }
            self.dependents.extend(dependents);
        }
        Ok(())
    }

    /// Deletes a dependent that has no owner any more, or takes the lost ones off its list.
    async fn look_at_dependent(&self, registry: &Registry, uid: &str) -> Result<(), Status> {
        let Some(dependent) = self.graph.get(uid) else {
            return Ok(());
        };
        let target = dependent.target();
        let Some(object) = found(registry.object(&target).await)? else {
            return Ok(());
        };
        if object["metadata"]["uid"] != uid || is_deleting(&object) {
            return Ok(());
        }
        let mut lost = Vec::new();
        let (mut solid, mut waiting) = (false, false);
        let references = OwnerReference::all(&object);
        for reference in &references {
            match look_up(registry, reference, &target.namespace).await? {
                Owner::Solid => solid = true,
                Owner::Waiting => {
                    waiting |= reference.blocks;
                    lost.push(reference.uid.as_str());
                }
                Owner::Gone => lost.push(reference.uid.as_str()),
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        if solid {
            return disown(registry, &target, &lost).await;
        }
        let has_dependents = self.graph.dependents_of(uid).next().is_some();
        let propagation = match (
            waiting && has_dependents,
            finalizers(&object).contains(&ORPHAN_FINALIZER),
        ) {
            (true, _) => Propagation::Foreground,
            (false, true) => Propagation::Orphan,
            (false, false) => Propagation::Background,
        };
        let options = DeleteOptions {
            uid: Some(uid.to_owned()),
            propagation: Some(propagation),
            ..DeleteOptions::default()
        };
        match registry.delete(&target, &options).await {
            // Another one was faster, or the object is not the one that was meant.
            Err(status) if matches!(status.reason, Reason::NotFound | Reason::Conflict) => Ok(()),
            Err(status) => Err(status),
            Ok(_) => Ok(()),
        }
    }
}

/// Whether an owner is there. Kinds that this server does not have count as there: nobody knows.
async fn look_up(
    registry: &Registry,
    reference: &OwnerReference,
    namespace: &str,
) -> Result<Owner, Status> {
    let Some(resource) = registry.resource_of_kind(&reference.api_version, &reference.kind) else {
        return Ok(Owner::Solid);
    };
    let target = Target {
        namespace: if resource.api.namespaced {
            namespace.to_owned()
        } else {
            String::new()
        },
        name: reference.name.clone(),
        resource,
    };
    Ok(match found(registry.object(&target).await)? {
        Some(owner) if owner["metadata"]["uid"] != reference.uid.as_str() => Owner::Gone,
        Some(owner)
            if is_deleting(&owner) && finalizers(&owner).contains(&FOREGROUND_FINALIZER) =>
        {
            Owner::Waiting
        }
        Some(_) => Owner::Solid,
        None => Owner::Gone,
    })
}

fn found(object: Result<Value, Status>) -> Result<Option<Value>, Status> {
    match object {
        Ok(object) => Ok(Some(object)),
        Err(status) if status.reason == Reason::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

/// Takes owners off a dependent's list.
async fn disown(registry: &Registry, target: &Target, owners: &[&str]) -> Result<(), Status> {
    modify(registry, target, |object| {
        retain(object, "ownerReferences", |reference| {
            !owners.iter().any(|uid| reference["uid"] == *uid)
        });
    })
    .await
}

async fn take_finalizer(registry: &Registry, target: &Target, name: &str) -> Result<(), Status> {
    modify(registry, target, |object| {
        retain(object, "finalizers", |finalizer| finalizer != name);
    })
    .await
}

async fn modify(
    registry: &Registry,
    target: &Target,
    change: impl Fn(&mut Value) + Send + Sync,
) -> Result<(), Status> {
    found(registry.modify(target, change).await).map(|_| ())
}

fn retain(object: &mut Value, member: &str, keep: impl Fn(&Value) -> bool) {
    if let Some(list) = object["metadata"][member].as_array_mut() {
        list.retain(|item| keep(item));
        if list.is_empty() {
            object["metadata"][member] = json!(null);
        }
    }
}
