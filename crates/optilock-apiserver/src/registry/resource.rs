//! A resource: where its objects are kept, how they are decoded, which rules they follow.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::DeleteOptions;
use super::action;
use super::component;
use super::convert::{self, Conversion};
use super::custom::Custom;
use super::review;
use super::strategy::Strategy;
use crate::schema::{self, Schema, TypeRef};
use crate::selector::{SelectableFields, selectable_fields};

/// Which part of an object a request writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, through the object's own path.
    Main,
    /// The status, through `/status`.
    Status,
    /// What holds a namespace, through `/finalize`.
    Finalizers,
    /// Whether a certificate is to be issued, through `/approval`.
    Approval,
    /// Containers that look into a running Pod, through `/ephemeralcontainers`.
    EphemeralContainers,
    /// What the containers of a running Pod may use, through `/resize`.
    Resize,
}

impl Part {
    /// The part that a subresource shows; `None` when it shows no part of its object.
    pub(super) fn of(subresource: &str) -> Option<Self> {
        Some(match subresource {
            "" => Self::Main,
            "status" => Self::Status,
            "finalize" => Self::Finalizers,
            "approval" => Self::Approval,
            "ephemeralcontainers" => Self::EphemeralContainers,
            "resize" => Self::Resize,
            _ => return None,
        })
    }
}

/// One resource in one version.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Names, verbs and columns.
    pub(crate) api: Arc<schema::Resource>,
    /// Type of the objects in this version; `None` for a resource that stores nothing (reviews).
    pub(crate) ty: Option<TypeRef>,
    /// Rules.
    pub(super) strategy: Strategy,
    /// How objects are stored.
    pub(super) storage: Storage,
    /// What is particular about a custom resource; `None` for the built-in ones.
    pub(crate) custom: Option<Custom>,
}

/// The stored form of a resource, which versions and even groups may share.
#[derive(Debug)]
pub(super) struct Storage {
    /// `/registry/deployments/`
    pub(super) prefix: String,
    /// `apps/v1`
    pub(super) api_version: String,
    pub(super) ty: Option<TypeRef>,
    /// From the stored form and back, where that is not the resource's own.
    pub(super) conversion: Option<&'static Conversion>,
}

impl Resource {
    /// `apps/v1`, or `v1` for core.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.api.group, &self.api.version)
    }

    /// The group of the stored form, by which some refusals name the kind.
    pub(super) fn storage_group(&self) -> &str {
        let version = &self.storage.api_version;
        version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// `deployments.apps`, or `pods` for core.
    pub(crate) fn qualified(&self) -> String {
        qualified(&self.api.plural, &self.api.group)
    }

    /// What whoever uses the resource is told, in a `Warning` header.
    pub(crate) fn warning(&self) -> Option<&str> {
        let deprecation = self.custom.as_ref().and_then(|c| c.deprecation.as_deref());
        deprecation.or(self.strategy.warning)
    }

    /// Which fields of its objects a selector may name.
    pub(crate) fn selectable(&self) -> &SelectableFields {
        match &self.custom {
            Some(custom) => &custom.selectable,
            None => selectable_fields(&self.api.group, &self.api.plural),
        }
    }

    /// Type of objects while the engine writes them: the stored one, but of custom resources that of their own version,
    /// because each version has a schema, rules and owners of its own.
    pub(super) fn held_type(&self) -> Option<&TypeRef> {
        let ty = match self.custom {
            Some(_) => &self.ty,
            None => &self.storage.ty,
        };
        ty.as_ref()
    }

    /// `apiVersion` of objects while the engine writes them.
    pub(super) fn held_version(&self) -> Cow<'_, str> {
        match self.custom {
            Some(_) => self.api_version().into(),
            None => self.storage.api_version.as_str().into(),
        }
    }

    /// Whether what the engine holds is in another version than what is stored.
    pub(super) fn is_held_converted(&self) -> bool {
        self.custom
            .as_ref()
            .is_some_and(|custom| !custom.storage_version)
    }

    /// Whether stored objects are what clients of this version are to see.
    pub(crate) fn reads_as_stored(&self) -> bool {
        match &self.custom {
            Some(custom) => custom.as_stored,
            None => self.storage.conversion.is_none(),
        }
    }

    /// What whoever deletes an object is told, in a `Warning` header.
    pub(crate) fn deletion_warning(&self, options: &DeleteOptions) -> Option<&'static str> {
        self.strategy
            .deletion_warning
            .filter(|_| options.propagation.is_none())
    }

    /// Whether the status is written through a path of its own.
    pub(crate) fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// The subresource of that name.
    pub(crate) fn subresource(&self, name: &str) -> Option<&schema::Subresource> {
        self.api.subresources.iter().find(|s| &*s.name == name)
    }

    /// Whether objects of this resource are stored at all, and in this resource's own version.
    pub(crate) fn is_stored(&self) -> bool {
        self.has_objects() && self.is_storage_version()
    }

    /// Whether this server answers for the resource: it stores its objects, or answers its reviews.
    pub(crate) fn is_served(&self) -> bool {
        self.has_objects()
            || review::is_review(self)
            || action::of(self, "").is_some()
            || component::is_component(self)
    }

    /// Whether there are objects: reviews and bindings are only ever created, and what `componentstatuses` shows is
    /// nowhere written.
    pub(crate) fn has_objects(&self) -> bool {
        let lists = self.api.verbs.iter().any(|verb| &**verb == "list");
        lists && self.api.verbs.iter().any(|verb| &**verb == "create")
    }

    /// Whether stored objects are in this resource's own version.
    pub(crate) fn is_storage_version(&self) -> bool {
        match &self.custom {
            Some(custom) => custom.storage_version,
            None => self.storage.conversion.is_none(),
        }
    }

    /// `apps/v1`: the version in which objects are stored.
    pub(crate) fn storage_version(&self) -> &str {
        &self.storage.api_version
    }

    /// Whether a deletion is answered with the object, not with a Status.
    pub(crate) fn returns_deleted(&self) -> bool {
        self.strategy.returns_deleted
    }

    /// An object of this version in the form in which it is stored.
    pub(crate) fn to_storage<'a>(&self, object: &'a Value) -> Cow<'a, Value> {
        match self.storage.conversion {
            None => Cow::Borrowed(object),
            Some(conversion) => Cow::Owned((conversion.to_storage)(object.clone())),
        }
    }

    /// Key of an object; of a namespace's objects with an empty name; of all objects with both empty.
    pub(super) fn key(&self, namespace: &str, name: &str) -> String {
        let prefix = &self.storage.prefix;
        match (self.api.namespaced, namespace.is_empty()) {
            (true, false) => format!("{prefix}{namespace}/{name}"),
            _ => format!("{prefix}{name}"),
        }
    }
}

pub(super) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

pub(super) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

/// Every resource of kube-apiserver 1.36, in the order of discovery.
pub(super) fn builtin() -> Vec<Arc<Resource>> {
    schema::builtin_resources()
        .iter()
        .map(|api| Arc::new(resource(Arc::clone(api))))
        .collect()
}

pub(super) fn resource(api: Arc<schema::Resource>) -> Resource {
    let types = Schema::builtin();
    let strategy = Strategy::of(&api.group, &api.plural);
    let ty = types.kind(&api.group, &api.version, &api.kind);
    let prefix = format!("/registry/{}/", strategy.storage.unwrap_or(&api.plural));
    let conversion = convert::conversion(&api.group, &api.version, &api.kind);
    let storage = match conversion {
        None => Storage {
            prefix,
            api_version: api_version(&api.group, &api.version),
            ty: ty.clone(),
            conversion,
        },
        Some(to) => Storage {
            prefix,
            api_version: api_version(to.storage_group, to.storage_version),
            ty: types.kind(to.storage_group, to.storage_version, &api.kind),
            conversion,
        },
    };
    Resource {
        api,
        ty,
        strategy,
        storage,
        custom: None,
    }
}
