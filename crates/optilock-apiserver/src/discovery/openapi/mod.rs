//! OpenAPI: what paths, operations and types there are. `/openapi/v3` has a document for each group and version, `/openapi/v2`
//! one for all.
//!
//! The documents have no descriptions. They are made of the resources and of the types of their kinds.

mod component;
mod index;
mod operation;
mod parameter;
mod paths;
mod schema;
mod v2;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::document::versions_by_group;
use crate::registry::Resource;
use component::Components;
use operation::{Operation, PathItem};
use schema::Definition;

pub(super) use index::{Index, index};
pub(super) use v2::{document as v2_document, encode as v2_protobuf};

/// Version of OpenAPI.
const OPENAPI: &str = "3.0.0";

#[derive(Serialize)]
pub(super) struct OpenApi {
    openapi: &'static str,
    info: Info,
    paths: BTreeMap<String, PathItem>,
    components: ComponentsSection,
}

#[derive(Serialize)]
struct Info {
    title: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ComponentsSection {
    schemas: BTreeMap<String, Definition>,
    security_schemes: BTreeMap<&'static str, SecurityScheme>,
}

#[derive(Serialize)]
struct SecurityScheme {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    #[serde(rename = "in")]
    place: &'static str,
}

/// What a document is about: all that is at and directly below a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// `api`: the versions of the core group.
    Core,
    /// `apis`: the groups.
    Groups,
    /// `apis/GROUP`: the versions of a group.
    Group(String),
    /// `api/VERSION`, `apis/GROUP/VERSION`: the resources of a version.
    Version { group: String, version: String },
}

impl Part {
    /// The part at a path of `/openapi/v3`, whether it is there or not.
    pub(crate) fn at(words: &[&str]) -> Option<Self> {
        match words {
            ["api"] => Some(Self::Core),
            ["apis"] => Some(Self::Groups),
            ["api", version] => Some(Self::Version {
                group: String::new(),
                version: (*version).to_owned(),
            }),
            ["apis", group] => Some(Self::Group((*group).to_owned())),
            ["apis", group, version] => Some(Self::Version {
                group: (*group).to_owned(),
                version: (*version).to_owned(),
            }),
            _ => None,
        }
    }

    /// Where the part is: `apis/apps/v1`.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Core => "api".to_owned(),
            Self::Groups => "apis".to_owned(),
            Self::Group(group) => format!("apis/{group}"),
            Self::Version { group, version } if group.is_empty() => format!("api/{version}"),
            Self::Version { group, version } => format!("apis/{group}/{version}"),
        }
    }
}

/// All parts of these resources.
pub(super) fn parts(resources: &[Arc<Resource>]) -> Vec<Part> {
    let mut parts = vec![Part::Core, Part::Groups];
    for (group, versions) in versions_by_group(resources) {
        if !group.is_empty() {
            parts.push(Part::Group(group.to_owned()));
        }
        parts.extend(versions.into_iter().map(|version| Part::Version {
            group: group.to_owned(),
            version: version.to_owned(),
        }));
    }
    parts
}

/// The document of a part that is there.
pub(super) fn document(resources: &[Arc<Resource>], part: &Part) -> OpenApi {
    let mut components = Components::new(resources);
    let mut paths = BTreeMap::new();
    let path = format!("/{}/", part.path());
    let root = match part {
        Part::Core => {
            Operation::about(&mut components, "core", "getCoreAPIVersions", "APIVersions")
        }
        Part::Groups => Operation::about(&mut components, "apis", "getAPIVersions", "APIGroupList"),
        Part::Group(group) => {
            let name = operation::group_name(group);
            let id = format!("get{name}APIGroup");
            Operation::about(&mut components, &operation::tag(&name), &id, "APIGroup")
        }
        Part::Version { group, version } => {
            let of_version: Vec<&Resource> = resources
                .iter()
                .filter(|r| &*r.api.group == group && &*r.api.version == version)
                .map(|resource| &**resource)
                .collect();
            components.set_version(group, version);
            for resource in &of_version {
                paths::add(resource, &mut components, &mut paths);
            }
            let (group, version) = (
                operation::group_name(group),
                operation::capitalised(version),
            );
            let id = format!("get{group}{version}APIResources");
            let tag = format!("{}_{}", operation::tag(&group), version.to_lowercase());
            Operation::about(&mut components, &tag, &id, "APIResourceList")
        }
    };
    paths.insert(path, PathItem::get(root));
    OpenApi {
        openapi: OPENAPI,
        info: Info {
            title: "Kubernetes",
            version: "1.36",
        },
        paths,
        components: ComponentsSection {
            schemas: components.schemas(),
            security_schemes: BTreeMap::from([(
                "BearerToken",
                SecurityScheme {
                    kind: "apiKey",
                    name: "authorization",
                    place: "header",
                },
            )]),
        },
    }
}
