//! `/api` and `/apis` with everything behind them in one document: `apidiscovery.k8s.io`.

use std::sync::Arc;

use serde::Serialize;

use super::document::versions_by_group;
use crate::registry::Resource;
use crate::schema::Gvk;

/// Version of the list. They differ in nothing but their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ListVersion {
    V2,
    /// What client-go asked for before 0.30. kube-apiserver 1.36 has dropped it.
    V2Beta1,
}

impl ListVersion {
    /// The version of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::V2, Self::V2Beta1]
            .into_iter()
            .find(|version| version.name() == name)
    }

    /// `v2`
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Beta1 => "v2beta1",
        }
    }
}

/// `APIGroupDiscoveryList`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    kind: &'static str,
    api_version: String,
    metadata: Metadata,
    items: Vec<Group>,
}

/// `metav1.ObjectMeta` with at most a name.
#[derive(Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'static str,
}

#[derive(Serialize)]
struct Group {
    metadata: Metadata,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    resources: Vec<Entry>,
    freshness: &'static str,
}

/// `APIResourceDiscovery`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    resource: &'static str,
    response_kind: Kind,
    scope: &'static str,
    singular_resource: &'static str,
    verbs: &'static [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'static [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'static [Box<str>],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<Subresource>,
}

/// `APISubresourceDiscovery`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subresource {
    subresource: &'static str,
    response_kind: Kind,
    verbs: &'static [Box<str>],
}

/// A kind. Group and version are empty where they are those of the resource.
#[derive(Serialize)]
struct Kind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
}

impl Kind {
    fn own(kind: &'static str) -> Self {
        Self {
            group: "",
            version: "",
            kind,
        }
    }

    fn beside(resource: &Resource, gvk: &'static Gvk) -> Self {
        if gvk.group == resource.api.group && gvk.version == resource.api.version {
            return Self::own(&gvk.kind);
        }
        Self {
            group: &gvk.group,
            version: &gvk.version,
            kind: &gvk.kind,
        }
    }
}

/// The core group, or all others.
pub(super) fn list(resources: &[Arc<Resource>], core: bool, version: ListVersion) -> List {
    let groups = versions_by_group(resources);
    List {
        kind: "APIGroupDiscoveryList",
        api_version: format!("apidiscovery.k8s.io/{}", version.name()),
        metadata: Metadata { name: "" },
        items: groups
            .into_iter()
            .filter(|(group, _)| group.is_empty() == core)
            .map(|(group, versions)| Group {
                metadata: Metadata { name: group },
                versions: versions
                    .into_iter()
                    .map(|version| entries(resources, group, version))
                    .collect(),
            })
            .collect(),
    }
}

fn entries(resources: &[Arc<Resource>], group: &str, version: &'static str) -> Version {
    let of_version = resources
        .iter()
        .filter(|r| &*r.api.group == group && &*r.api.version == version);
    Version {
        version,
        resources: of_version.map(|resource| entry(resource)).collect(),
        freshness: "Current",
    }
}

fn entry(resource: &Resource) -> Entry {
    let api = resource.api;
    Entry {
        resource: &api.plural,
        response_kind: Kind::own(&api.kind),
        scope: if api.namespaced {
            "Namespaced"
        } else {
            "Cluster"
        },
        singular_resource: &api.singular,
        verbs: &api.verbs,
        short_names: &api.short_names,
        categories: &api.categories,
        subresources: api
            .subresources
            .iter()
            .map(|subresource| Subresource {
                subresource: &subresource.name,
                response_kind: Kind::beside(resource, &subresource.gvk),
                verbs: &subresource.verbs,
            })
            .collect(),
    }
}
