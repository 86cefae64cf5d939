//! `/api`, `/apis` and what is below them, in the form of meta/v1.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::document::versions_by_group;
use crate::registry::Resource;

/// `metav1.APIVersions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiVersions<'a> {
    kind: &'static str,
    versions: Vec<&'a str>,
    /// Empty: under which address a client reaches this server is the client's to know.
    #[serde(rename = "serverAddressByClientCIDRs")]
    server_addresses: [(); 0],
}

/// `metav1.APIGroupList`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupList<'a> {
    kind: &'static str,
    api_version: &'static str,
    groups: Vec<Group<'a>>,
}

/// `metav1.APIGroup`. Inside a list kind and version go without saying.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    name: &'a str,
    versions: Vec<GroupVersion<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_version: Option<GroupVersion<'a>>,
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
struct GroupVersion<'a> {
    group_version: String,
    version: &'a str,
}

/// `metav1.APIResourceList`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceList<'a> {
    kind: &'static str,
    /// Missing in the list of the core group, as ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<&'static str>,
    group_version: String,
    resources: Vec<ResourceEntry<'a>>,
}

/// `metav1.APIResource`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceEntry<'a> {
    name: String,
    singular_name: &'a str,
    namespaced: bool,
    /// Group and version of the kind, where they are not those of the list.
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    kind: &'a str,
    verbs: &'a [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    short_names: &'a [Box<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    categories: &'a [Box<str>],
    #[serde(skip_serializing_if = "String::is_empty")]
    storage_version_hash: String,
}

pub(super) fn core_versions(resources: &[Arc<Resource>]) -> ApiVersions<'_> {
    let groups = versions_by_group(resources);
    ApiVersions {
        kind: "APIVersions",
        versions: groups
            .into_iter()
            .find_map(|(group, versions)| group.is_empty().then_some(versions))
            .unwrap_or_default(),
        server_addresses: [],
    }
}

pub(super) fn groups(resources: &[Arc<Resource>]) -> GroupList<'_> {
    let groups = versions_by_group(resources);
    GroupList {
        kind: "APIGroupList",
        api_version: "v1",
        groups: groups
            .into_iter()
            .filter(|(group, _)| !group.is_empty())
            .map(|(name, versions)| entry(name, &versions))
            .collect(),
    }
}

/// A group that has resources.
pub(super) fn group<'a>(resources: &'a [Arc<Resource>], group: &str) -> Option<Group<'a>> {
    let groups = versions_by_group(resources);
    let (name, versions) = groups.into_iter().find(|(name, _)| *name == group)?;
    Some(Group {
        kind: Some("APIGroup"),
        api_version: Some("v1"),
        ..entry(name, &versions)
    })
}

fn entry<'a>(name: &'a str, versions: &[&'a str]) -> Group<'a> {
    let versions: Vec<GroupVersion<'a>> = versions
        .iter()
        .map(|version| GroupVersion {
            group_version: format!("{name}/{version}"),
            version,
        })
        .collect();
    Group {
        kind: None,
        api_version: None,
        name,
        preferred_version: versions.first().cloned(),
        versions,
    }
}

pub(super) fn resources<'a>(
    resources: &'a [Arc<Resource>],
    group: &str,
    version: &str,
) -> ResourceList<'a> {
    let of_version = resources
        .iter()
        .filter(|r| &*r.api.group == group && &*r.api.version == version);
    ResourceList {
        kind: "APIResourceList",
        api_version: (!group.is_empty()).then_some("v1"),
        group_version: match group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        },
        resources: of_version.flat_map(|resource| entries(resource)).collect(),
    }
}

/// A resource and its subresources.
fn entries(resource: &Resource) -> Vec<ResourceEntry<'_>> {
    let api = &resource.api;
    let itself = ResourceEntry {
        name: api.plural.to_string(),
        singular_name: &api.singular,
        namespaced: api.namespaced,
        group: "",
        version: "",
        kind: &api.kind,
        verbs: &api.verbs,
        short_names: &api.short_names,
        categories: &api.categories,
        storage_version_hash: storage_version_hash(resource),
    };
    let below = api.subresources.iter().map(|subresource| {
        let gvk = &subresource.gvk;
        let own = gvk.group == api.group && gvk.version == api.version;
        ResourceEntry {
            name: format!("{}/{}", api.plural, subresource.name),
            singular_name: "",
            namespaced: api.namespaced,
            group: if own { "" } else { &gvk.group },
            version: if own { "" } else { &gvk.version },
            kind: &gvk.kind,
            verbs: &subresource.verbs,
            short_names: &[],
            categories: &[],
            storage_version_hash: String::new(),
        }
    });
    std::iter::once(itself).chain(below).collect()
}

/// The first 8 bytes of the SHA-256 of `GROUP/VERSION/KIND` of the stored objects, in base64: equal hashes mean equal
/// storage. Empty for what is not stored.
fn storage_version_hash(resource: &Resource) -> String {
    if !resource.api.verbs.iter().any(|verb| &**verb == "watch") {
        return String::new();
    }
    let version = resource.storage_version();
    let separator = if version.contains('/') { "" } else { "/" };
    let digest = Sha256::digest(format!("{separator}{version}/{}", resource.api.kind));
    STANDARD.encode(&digest[..8])
}
