//! delete and deletecollection

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::object::{finalizers, is_deleting, meta_str, metadata, set_meta};
use super::read::parse_unsigned;
use super::strategy::Dependents;
use super::{
    DeleteOptions, Deleted, ListOptions, Propagation, Registry, Stored, Target, admit, codec,
    errors, metadata as server_metadata, prepare,
};
use crate::ambient::time_text;
use crate::status::{Reason, Status};
use crate::store::{CommitError, Expected};

/// Finalizer of a deletion that leaves the dependents.
pub(crate) const ORPHAN_FINALIZER: &str = "orphan";
/// Finalizer of a deletion that waits for the dependents.
pub(crate) const FOREGROUND_FINALIZER: &str = "foregroundDeletion";

/// `spec.terminationGracePeriodSeconds` of a Pod that does not say.
const DEFAULT_GRACE_SECONDS: i64 = 30;

impl Registry {
    /// Deletes one object, or marks it for deletion while something holds it (a finalizer, a Pod's containers).
    ///
    /// Without preconditions a deletion never conflicts: when another writer is faster it is tried on the new
    /// object.
    ///
    /// # Errors
    /// 404; 409 when a precondition does not hold.
    pub(crate) async fn delete(
        &self,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        let deleted = self.delete_object(target, options).await?;
        self.committed(&target.resource).await;
        Ok(deleted)
    }

    /// The same, without what the deletion brings along.
    async fn delete_object(
        &self,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        let resource = &*target.resource;
        let key = target.key();
        loop {
            let current = self
                .entry(target)
                .await?
                .ok_or_else(|| errors::not_found(resource, &target.name))?;
            let old = codec::decode_held(resource, &current)?;
            admit::admit_delete(target)?;
            check_preconditions(target, &old, options)?;

            let mut marked = codec::canonical(resource, self.marked(target, &old, options))?;
            let holds = !finalizers(&marked).is_empty()
                || !admit::content_is_gone(&marked)
                || grace(&marked) > 0;
            let bytes = codec::encode(resource, &mut marked)?;
            // Who watches Pods sees the mark of the deletion before the Pod goes, however short the grace.
            let in_two_steps = resource.strategy.graceful && !holds && bytes != current.bytes;
            let stored = |revision| Stored {
                bytes: bytes.clone(),
                revision,
            };
            if holds && (bytes == current.bytes || options.dry_run) {
                return Ok(Deleted::Object(stored(current.revision)));
            }
            if options.dry_run {
                let last = if in_two_steps {
                    stored(current.revision)
                } else {
                    current
                };
                return Ok(errors::gone(resource, &old, last));
            }
            let value = (holds || in_two_steps).then(|| bytes.clone());
            match self
                .store
                .commit(&key, Expected::Revision(current.revision), value)
                .await
            {
                Ok(_) if in_two_steps => {}
                Ok(revision) if holds => return Ok(Deleted::Object(stored(revision))),
                Ok(revision) => {
                    self.release(target, &old).await;
                    let last = Stored {
                        revision,
                        ..current
                    };
                    return Ok(errors::gone(resource, &old, last));
                }
                Err(CommitError::Mismatch(_)) => {}
                Err(error) => return Err(errors::unwritten(&error)),
            }
        }
    }

    /// Deletes every object of a collection that the selectors match; the objects that were there, in the order of a
    /// list, and the version of that list. Not atomic, as in kube-apiserver.
    ///
    /// # Errors
    /// Those of a list, and of the first deletion that fails for another reason than that the object is gone.
    pub(crate) async fn delete_collection(
        &self,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<super::List, Status> {
        let found = self.delete_objects(target, list, options).await?;
        self.committed(&target.resource).await;
        Ok(found)
    }

    /// The same, without what the deletions bring along.
    pub(super) async fn delete_objects(
        &self,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<super::List, Status> {
        let found = self.list(target, list).await?;
        for stored in &found.items {
            let object = codec::decode_stored(stored)?;
            let one = Target {
                namespace: meta_str(&object, "namespace").to_owned(),
                name: meta_str(&object, "name").to_owned(),
                ..target.clone()
            };
            match self.delete_object(&one, options).await {
                Err(status) if status.reason == Reason::NotFound => {}
                Err(status) => return Err(status),
                Ok(_) => {}
            }
        }
        Ok(found)
    }

    /// The object with all the marks of its deletion.
    fn marked(&self, target: &Target, old: &Value, options: &DeleteOptions) -> Value {
        let mut object = old.clone();
        let propagation = match target.resource.strategy.dependents {
            Dependents::Deleted => options.propagation,
            Dependents::Orphaned => options.propagation.or(Some(Propagation::Orphan)),
            Dependents::None => None,
        };
        if let Some(propagation) = propagation {
            let mut kept: Vec<&str> = finalizers(old)
                .into_iter()
                .filter(|name| *name != ORPHAN_FINALIZER && *name != FOREGROUND_FINALIZER)
                .collect();
            match propagation {
                Propagation::Background => {}
                Propagation::Orphan => kept.push(ORPHAN_FINALIZER),
                Propagation::Foreground => kept.push(FOREGROUND_FINALIZER),
            }
            let kept = (!kept.is_empty()).then(|| kept.into());
            set_meta(&mut object, "finalizers", kept);
        }
        let seconds = if target.resource.strategy.graceful {
            pod_grace(old, options.grace_seconds)
        } else {
            0
        };
        let now = self.ambient.now();
        let ends = now
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap_or(now);
        if !is_deleting(old) {
            set_meta(
                &mut object,
                "deletionTimestamp",
                Some(time_text(ends).into()),
            );
            set_meta(
                &mut object,
                "deletionGracePeriodSeconds",
                Some(seconds.into()),
            );
            server_metadata::bump_generation(&mut object);
            prepare::on_delete(&target.resource, &mut object, old);
        } else if seconds < grace(old) {
            // A repeated deletion may only shorten the wait.
            let begun = meta_str(old, "deletionTimestamp")
                .parse::<Timestamp>()
                .unwrap_or(ends);
            set_meta(
                &mut object,
                "deletionTimestamp",
                Some(time_text(ends.min(begun)).into()),
            );
            set_meta(
                &mut object,
                "deletionGracePeriodSeconds",
                Some(seconds.into()),
            );
        }
        object
    }
}

fn grace(object: &Value) -> i64 {
    metadata(object)
        .and_then(|metadata| metadata.get("deletionGracePeriodSeconds"))
        .and_then(Value::as_i64)
        .unwrap_or(0)
}

/// How long a Pod may take to end. One that no kubelet has, or that has ended, goes at once.
fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    let unscheduled = pod["spec"]["nodeName"]
        .as_str()
        .unwrap_or_default()
        .is_empty();
    let ended = matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    if unscheduled || ended {
        return 0;
    }
    match asked.or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_i64()) {
        Some(seconds) if seconds < 0 => 1,
        Some(seconds) => seconds,
        None => DEFAULT_GRACE_SECONDS,
    }
}

fn check_preconditions(
    target: &Target,
    old: &Value,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let (resource, name) = (&target.resource, &target.name);
    let live = meta_str(old, "uid");
    if let Some(sent) = options.uid.as_deref().filter(|sent| *sent != live) {
        return Err(errors::precondition(
            resource,
            name,
            "UID",
            sent,
            live,
            "deleted and then recreated",
        ));
    }
    let live = meta_str(old, "resourceVersion");
    let same =
        |sent: &str| sent == live || parse_unsigned(sent).is_ok_and(|v| v.to_string() == live);
    if let Some(sent) = options
        .resource_version
        .as_deref()
        .filter(|sent| !same(sent))
    {
        return Err(errors::precondition(
            resource,
            name,
            "ResourceVersion",
            sent,
            live,
            "modified",
        ));
    }
    Ok(())
}
