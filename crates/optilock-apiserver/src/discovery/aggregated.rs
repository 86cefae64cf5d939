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
pub(super) struct List<'a> {
    kind: &'static str,
    api_version: String,
    metadata: Metadata<'a>,
    items: Vec<Group<'a>>,
}

/// `metav1.ObjectMeta` with at most a name.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

#[derive(Serialize)]
struct Group<'a> {
    metadata: Metadata<'a>,
    versions: Vec<Version<'a>>,
}

#[derive(Serialize)]
struct Version<'a> {
    version: &'a str,
    resources: Vec<Entry<'a>>,
    freshness: &'static str,
}

/// `APIResourceDiscovery`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    resource: &'a str,
    response_kind: Kind<'a>,
    scope: &'static str,
    singular_resource: &'a str,
    verbs: &'a [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'a [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'a [Box<str>],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<Subresource<'a>>,
}

/// `APISubresourceDiscovery`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subresource<'a> {
    subresource: &'a str,
    response_kind: Kind<'a>,
    verbs: &'a [Box<str>],
}

/// A kind. Group and version are empty where they are those of the resource.
#[derive(Serialize)]
struct Kind<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

impl<'a> Kind<'a> {
    fn own(kind: &'a str) -> Self {
        Self {
            group: "",
            version: "",
            kind,
        }
    }

    fn beside(resource: &Resource, gvk: &'a Gvk) -> Self {
        let own = gvk.group == resource.api.group && gvk.version == resource.api.version;
        // Those of custom resources say it all the same.
        if own && resource.custom.is_none() {
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
pub(super) fn list(resources: &[Arc<Resource>], core: bool, version: ListVersion) -> List<'_> {
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

fn entries<'a>(resources: &'a [Arc<Resource>], group: &str, version: &'a str) -> Version<'a> {
    let of_version = resources
        .iter()
        .filter(|r| &*r.api.group == group && &*r.api.version == version);
    Version {
        version,
        resources: of_version.map(|resource| entry(resource)).collect(),
        freshness: "Current",
    }
}

fn entry(resource: &Resource) -> Entry<'_> {
    let api = &resource.api;
    Entry {
        resource: &api.plural,
        response_kind: if resource.custom.is_some() {
            Kind {
                group: &api.group,
                version: &api.version,
                kind: &api.kind,
            }
        } else {
            Kind::own(&api.kind)
        },
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
