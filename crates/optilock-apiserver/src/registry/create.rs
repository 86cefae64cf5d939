//! create

use serde_json::Value;

use super::object::{meta_str, root_mut, set_meta};
use super::read::parse_unsigned;
use super::{
    Part, Registry, Stored, Target, WriteOptions, codec, errors, metadata, ownership, prepare,
    validate,
};
use crate::managed::Operation;
use crate::status::{Reason, Status};
use crate::store::{CommitError, Expected};

/// How often a new name is made from `generateName` when the last one was taken.
const NAME_TRIES: usize = 8;

/// `generateName` is cut to this, so that the name with its suffix is a DNS label.
const GENERATE_NAME_LIMIT: usize = 58;

impl Registry {
    /// Stores a new object. `object` is canonical, with defaults, in the version of the target's resource; the
    /// target's name is not looked at.
    ///
    /// # Errors
    /// 404 (no such namespace), 409 (the name is taken), 422 (a rule is broken), 500 (a resourceVersion is set).
    pub(crate) async fn create(
        &self,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Stored, Status> {
        let resource = &*target.resource;
        if resource.api.namespaced {
            set_meta(
                &mut object,
                "namespace",
                Some(target.namespace.as_str().into()),
            );
        } else {
            set_meta(&mut object, "namespace", None);
        }
        self.admit_custom(resource)?;
        self.admit_create(target, meta_str(&object, "name")).await?;

        prepare::on_write(resource, &mut object);
        set_meta(&mut object, "selfLink", None);
        if options.operation == Operation::Update {
            let now = self.ambient.now_text();
            ownership::after_write(resource, Part::Main, None, &mut object, options, &now)?;
        }
        let version = meta_str(&object, "resourceVersion").to_owned();
        set_meta(&mut object, "resourceVersion", None);
        if let Some(conversion) = resource.storage.conversion {
            object = (conversion.to_storage)(object);
        }
        self.prioritize(target, &mut object).await?;
        self.identify(target, &mut object);
        metadata::on_create(resource, &mut object, &self.ambient);

        let generated = if meta_str(&object, "name").is_empty() {
            meta_str(&object, "generateName").to_owned()
        } else {
            String::new()
        };
        let tries = if generated.is_empty() { 1 } else { NAME_TRIES };
        let mut sent = object;
        for attempt in 1..=tries {
            let mut object = if attempt == tries {
                std::mem::take(&mut sent)
            } else {
                sent.clone()
            };
            if !generated.is_empty() {
                let base: String = generated.chars().take(GENERATE_NAME_LIMIT).collect();
                let name = format!("{base}{}", self.ambient.suffix());
                set_meta(&mut object, "name", Some(name.into()));
            }
            prepare::on_create(resource, &mut object);
            let mut object = codec::canonical(resource, object)?;
            let lease = self
                .allocate(target, &mut object, None, options.dry_run)
                .await?;
            let name = meta_str(&object, "name").to_owned();
            let inserted = match validate::on_create(resource, &object) {
                Ok(()) => self.insert(target, object, &version, options).await,
                Err(status) => Err(status),
            };
            self.settle(lease, inserted.is_ok()).await;
            match inserted {
                Err(status) if status.reason == Reason::AlreadyExists && attempt < tries => {}
                Err(status) if status.reason == Reason::AlreadyExists && !generated.is_empty() => {
                    return Err(errors::name_not_generated(resource, &name));
                }
                result => return result,
            }
        }
        Err(errors::name_not_generated(resource, &generated))
    }

    /// Writes kind and apiVersion of the form in which the engine holds the object, which a body may leave out.
    pub(super) fn identify(&self, target: &Target, object: &mut Value) {
        let root = root_mut(object);
        root.insert("kind".into(), (*target.resource.api.kind).into());
        root.insert("apiVersion".into(), target.resource.held_version().into());
    }

    async fn insert(
        &self,
        target: &Target,
        mut object: Value,
        version: &str,
        options: &WriteOptions,
    ) -> Result<Stored, Status> {
        let target = Target {
            name: meta_str(&object, "name").to_owned(),
            ..target.clone()
        };
        let name = &*target.name;
        let bytes = codec::encode(&target.resource, &mut object)?;
        if options.dry_run {
            if let Some(live) = self.entry(&target).await? {
                let live = codec::decode_stored(&live)?;
                return Err(errors::already_exists(&target.resource, name, Some(&live)));
            }
            // kube-apiserver answers with the version that was sent.
            let revision = parse_unsigned(version).unwrap_or(0);
            return Ok(Stored { bytes, revision });
        }
        // Unparsable versions pass, as they do in kube-apiserver: only a number says that this object was read from a server.
        if parse_unsigned(version).is_ok_and(|version| version != 0) {
            return Err(Status::untyped(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let key = target.key();
        match self
            .store
            .commit(&key, Expected::Absent, Some(bytes.clone()))
            .await
        {
            Ok(revision) => {
                self.committed(&target.resource).await;
                Ok(Stored { bytes, revision })
            }
            Err(CommitError::Mismatch(live)) => {
                let live = live.and_then(|entry| serde_json::from_slice(&entry.value).ok());
                Err(errors::already_exists(
                    &target.resource,
                    name,
                    live.as_ref(),
                ))
            }
            Err(error) => Err(errors::unwritten(&error)),
        }
    }
}
