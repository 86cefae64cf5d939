//! update: one loop for PUT, PATCH and every subresource.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::allocate::Lease;
use super::object::{member_mut, meta_str, metadata_mut, root_mut, set, set_meta};
use super::read::parse_unsigned;
use super::resource::Part;
use super::strategy::StatusUpdate;
use super::{
    Registry, Resource, Stored, Target, WriteOptions, Written, codec, custom, errors, metadata,
    ownership, prepare, scale, validate,
};
use crate::managed::{Operation, same_but_for_times};
use crate::status::Status;
use crate::store::{CommitError, Expected};

/// Makes the new object from the current one (both in the version of the target's resource, with resourceVersion), or
/// from nothing when it does not exist and the resource allows creation by update. Called again when
/// another writer was faster.
pub(crate) type Build<'a> = dyn FnMut(Option<&Value>) -> Result<Value, Status> + Send + 'a;

impl Registry {
    /// Replaces the object by what `build` makes of it.
    ///
    /// `uid` is the precondition of a PUT (empty is none). The version that `build` returns is the precondition that
    /// this project is about: a stale one is a conflict, and it is looked at before validation and before it is
    /// known whether anything changes. An object that stays the same, byte for byte, is not
    /// written and keeps its version.
    ///
    /// # Errors
    /// 404, 409, 422, and 500 for a version that is no number.
    pub(crate) async fn update(
        &self,
        target: &Target,
        part: Part,
        uid: &str,
        build: &mut Build<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let written = self
            .update_object(target, part, uid, build, options)
            .await?;
        self.committed(&target.resource).await;
        Ok(written)
    }

    /// The same, without what the write brings along.
    pub(super) async fn update_object(
        &self,
        target: &Target,
        part: Part,
        uid: &str,
        build: &mut Build<'_>,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let resource = &*target.resource;
        let key = target.key();
        loop {
            let Some(current) = self.entry(target).await? else {
                let creates =
                    resource.strategy.create_on_update || options.operation == Operation::Apply;
                if !(creates && part == Part::Main) {
                    return Err(errors::not_found(resource, &target.name));
                }
                if !uid.is_empty() {
                    return Err(errors::wrong_uid(resource, &target.name, &key, uid, ""));
                }
                let mut object = build(None)?;
                parse_unsigned(meta_str(&object, "resourceVersion")).map_err(Status::untyped)?;
                set_meta(&mut object, "resourceVersion", None);
                match self.create(target, object, options).await {
                    Err(status) if status.reason == crate::Reason::AlreadyExists => continue,
                    Err(status) => return Err(status),
                    Ok(stored) => {
                        return Ok(Written {
                            stored,
                            created: true,
                        });
                    }
                }
            };
            let (old, is_sound) = self.known(target, &current)?;
            let old = &*old;
            if !uid.is_empty() && uid != meta_str(old, "uid") {
                let live = meta_str(old, "uid");
                return Err(errors::wrong_uid(resource, &target.name, &key, uid, live));
            }
            let converted = match resource.storage.conversion {
                None => None,
                Some(_) => Some(codec::decode(resource, &current)?),
            };
            let live = converted.as_ref().unwrap_or(old);
            let mut new = build(Some(live))?;
            check_version(resource, target, &new, current.revision)?;
            prepare::on_write(resource, &mut new);
            let now = self.ambient.now_text();
            // What an apply or a scale makes has its managers.
            if options.operation == Operation::Update && options.subresource != scale::SUBRESOURCE {
                ownership::after_write(resource, part, Some(live), &mut new, options, &now)?;
            }
            if let Some(conversion) = resource.storage.conversion {
                new = (conversion.to_storage)(new);
            }
            self.identify(target, &mut new);
            let mut new = codec::canonical(resource, prepared(resource, part, new, old, &now))?;
            let lease = match part {
                Part::Main => {
                    self.allocate(target, &mut new, Some(old), options.dry_run)
                        .await?
                }
                _ => Lease::default(),
            };
            let replaced = self
                .replace(target, part, new, (old, is_sound), &current, options)
                .await;
            self.settle(lease, matches!(replaced, Ok(Some(_)))).await;
            // Somebody was faster: the loop reads again. Whether that is a conflict is for the version to say.
            if let Some(stored) = replaced? {
                return Ok(Written {
                    stored,
                    created: false,
                });
            }
        }
    }

    /// The object that is stored, in the version in which the engine holds it, and whether this server has found it to keep all rules.
    fn known(&self, target: &Target, current: &Stored) -> Result<(Arc<Value>, bool), Status> {
        let read = || codec::decode_held(&target.resource, current).map(Arc::new);
        let Some(known) = self.recent.get(&target.key(), current.revision) else {
            return Ok((read()?, false));
        };
        #[cfg(debug_assertions)]
        debug_assert_eq!(Ok(&known), read().as_ref());
        Ok((known, true))
    }

    /// Keeps an object that was written, and so keeps all rules, for the next who writes it.
    fn remember(&self, target: &Target, stored: &Stored, mut object: Value) {
        // Numbers of custom resources, and of the schemas of theirs, are not read back as they were written: 1.0 as 1.
        if target.resource.custom.is_none() && !custom::is_definition(&target.resource) {
            let version = stored.revision.to_string().into();
            set_meta(&mut object, "resourceVersion", Some(version));
            let size = stored.bytes.len();
            self.recent.put(target.key(), stored.revision, size, object);
        }
    }

    /// Writes `new` in the place of `old`; `None` when that is no longer what is there.
    async fn replace(
        &self,
        target: &Target,
        part: Part,
        mut new: Value,
        (old, is_sound): (&Value, bool),
        current: &Stored,
        options: &WriteOptions,
    ) -> Result<Option<Stored>, Status> {
        let resource = &*target.resource;
        let mut told = Vec::new();
        let valid = validate::on_update(resource, part, &new, (old, is_sound), &mut told);
        options.told.set(told);
        valid?;
        self.admit_update(target, part, old).await?;
        let finished = metadata::is_finished(&new);
        let bytes = encoded(resource, &mut new, old, current, options)?;
        let stored = |revision| Stored {
            bytes: bytes.clone(),
            revision,
        };
        if options.dry_run || (bytes == current.bytes && !finished) {
            return Ok(Some(stored(current.revision)));
        }
        let expected = Expected::Revision(current.revision);
        let value = (!finished).then(|| bytes.clone());
        match self.store.commit(&target.key(), expected, value).await {
            // The last finalizer went: the answer is the object as it would have been written.
            Ok(_) if finished => {
                self.release(target, old).await;
                Ok(Some(stored(current.revision)))
            }
            Ok(revision) => {
                let stored = stored(revision);
                self.remember(target, &stored, new);
                Ok(Some(stored))
            }
            Err(CommitError::Mismatch(_)) => Ok(None),
            Err(error) => Err(errors::unwritten(&error)),
        }
    }
}

/// The bytes to store. A write that changes nothing but the times of its managers changes nothing; one of a scale has none
/// to change.
fn encoded(
    resource: &Resource,
    new: &mut Value,
    old: &Value,
    current: &Stored,
    options: &WriteOptions,
) -> Result<Bytes, Status> {
    let bytes = codec::encode(resource, new)?;
    if options.subresource == scale::SUBRESOURCE
        || differs_before(&bytes, &current.bytes, b"\"managedFields\":")
    {
        return Ok(bytes);
    }
    let before = managed(old);
    let after = managed(new);
    if before != after && same_but_for_times(before, after) {
        let after = after.cloned();
        set_meta(new, "managedFields", before.cloned());
        let quiet = codec::encode(resource, new)?;
        if quiet == current.bytes {
            return Ok(quiet);
        }
        set_meta(new, "managedFields", after);
    }
    Ok(bytes)
}

/// Whether two texts differ before a word first occurs in the second.
fn differs_before(a: &[u8], b: &[u8], word: &[u8]) -> bool {
    let end = memchr::memmem::find(b, word).unwrap_or(0);
    a.get(..end) != b.get(..end)
}

fn managed(object: &Value) -> Option<&Value> {
    super::object::metadata(object)?.get("managedFields")
}

/// Compares the version that the writer saw with the one that is there.
fn check_version(
    resource: &Resource,
    target: &Target,
    new: &Value,
    current: u64,
) -> Result<(), Status> {
    let sent = parse_unsigned(meta_str(new, "resourceVersion")).map_err(Status::untyped)?;
    match sent {
        0 if resource.strategy.unconditional_update => Ok(()),
        0 => Err(errors::version_required(resource, &target.name)),
        sent if sent == current => Ok(()),
        _ => Err(errors::modified(resource, &target.name)),
    }
}

/// The object that the update may store: what the writer sent, without what it may not change through this path.
fn prepared(resource: &Resource, part: Part, new: Value, old: &Value, now: &str) -> Value {
    let mut new = restricted(resource, part, new, old);
    metadata::on_update(&mut new, old);
    if !resource.api.namespaced {
        set_meta(&mut new, "namespace", None);
    }
    let keeps_status = part == Part::Main && resource.has_status();
    if keeps_status && new.get("status") != old.get("status") {
        set(root_mut(&mut new), "status", old.get("status").cloned());
    }
    prepare::on_update(resource, part, &mut new, old, now);
    // What `/status` takes of the metadata is nothing that has to be observed.
    if part != Part::Status {
        metadata::advance_generation(resource, &mut new, old);
    }
    new
}

/// What the writer sent, as far as the path changes it, and for the rest the old object.
fn restricted(resource: &Resource, part: Part, mut new: Value, old: &Value) -> Value {
    let mut object = match part {
        Part::Main => return new,
        Part::Status => status_only(resource, &new, old),
        Part::Finalizers => finalizers_only(&new, old),
        Part::Approval => approval_only(&new, old),
        Part::EphemeralContainers => ephemeral_containers_only(&new, old),
        Part::Resize => resources_only(&new, old),
    };
    let managed = metadata_mut(&mut new).remove("managedFields");
    set_meta(&mut object, "managedFields", managed);
    object
}

/// The old object with the new `spec.finalizers`.
fn finalizers_only(new: &Value, old: &Value) -> Value {
    let mut object = old.clone();
    let finalizers = new["spec"].get("finalizers").cloned();
    set(
        member_mut(root_mut(&mut object), "spec"),
        "finalizers",
        finalizers,
    );
    object
}

/// The old object with the new metadata and conditions.
fn approval_only(new: &Value, old: &Value) -> Value {
    let mut object = old.clone();
    if let Some(Value::Object(metadata)) = new.get("metadata").cloned() {
        *metadata_mut(&mut object) = metadata;
    }
    let conditions = new["status"].get("conditions").cloned();
    set(
        member_mut(root_mut(&mut object), "status"),
        "conditions",
        conditions,
    );
    object
}

/// The old Pod with the new ephemeral containers.
fn ephemeral_containers_only(new: &Value, old: &Value) -> Value {
    const MEMBER: &str = "ephemeralContainers";
    let mut object = old.clone();
    let containers = new["spec"].get(MEMBER).cloned();
    set(
        member_mut(root_mut(&mut object), "spec"),
        MEMBER,
        containers,
    );
    object
}

/// The old Pod with what its containers are to have now.
fn resources_only(new: &Value, old: &Value) -> Value {
    let mut object = old.clone();
    for list in ["containers", "initContainers"] {
        // Indexing would put a null where there is no such list.
        let containers = object["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let sent = new["spec"][list].as_array().into_iter().flatten();
            let sent = sent
                .into_iter()
                .find(|sent| sent["name"] == container["name"]);
            let container = root_mut(container);
            for member in ["resources", "resizePolicy"] {
                if let Some(sent) = sent {
                    set(container, member, sent.get(member).cloned());
                }
            }
        }
    }
    object
}

/// The old object with the new status, and as much of the new metadata as the kind takes through `/status`.
fn status_only(resource: &Resource, new: &Value, old: &Value) -> Value {
    let mut object = old.clone();
    set(root_mut(&mut object), "status", new.get("status").cloned());
    if resource.strategy.status != StatusUpdate::StatusOnly
        && let Some(Value::Object(mut metadata)) = new.get("metadata").cloned()
    {
        if resource.strategy.status == StatusUpdate::MetadataWithoutLabels {
            let labels = super::object::metadata(old)
                .and_then(|m| m.get("labels"))
                .cloned();
            set(&mut metadata, "labels", labels);
        }
        *metadata_mut(&mut object) = metadata;
    }
    object
}
