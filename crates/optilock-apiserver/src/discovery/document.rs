//! The documents of discovery, each made when it is first asked for.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use sha2::{Digest, Sha512};

use super::aggregated::{self, ListVersion};
use super::openapi::{self, Part};
use super::{groups, paths, version};
use crate::registry::Resource;

/// What a document is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// `/`: all paths.
    Paths,
    /// `/version`.
    Version,
    /// `/api`: the versions of the core group.
    CoreVersions,
    /// `/apis`: all groups but the core one.
    Groups,
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/VERSION`, `/apis/GROUP/VERSION`: the resources of a version.
    Resources { group: String, version: String },
    /// `/api` or `/apis` with everything behind it.
    Aggregated { core: bool, version: ListVersion },
    /// `/openapi/v3`: which documents of OpenAPI there are.
    OpenApiIndex,
    /// `/openapi/v3/…`: one of them.
    OpenApi(Part),
    /// `/openapi/v2`: all of them as one document of an older version; in protobuf or in JSON.
    OpenApiV2 { protobuf: bool },
}

/// A document of discovery: JSON in the member order of kube-apiserver, but for one in protobuf.
#[derive(Debug)]
pub(crate) struct Document {
    body: Bytes,
    hash: OnceLock<String>,
}

impl Document {
    pub(super) fn new(body: Vec<u8>) -> Self {
        Self {
            body: body.into(),
            hash: OnceLock::new(),
        }
    }

    /// One line, as most answers are.
    pub(super) fn line(value: &impl Serialize) -> Self {
        let mut body = json(value);
        body.push(b'\n');
        Self::new(body)
    }

    /// Indented, whoever asks.
    pub(super) fn indented(value: &impl Serialize) -> Self {
        // Plain structs and strings can always be written.
        Self::new(serde_json::to_vec_pretty(value).unwrap_or_default())
    }

    /// The document itself.
    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// SHA-512 of it in hexadecimal, upper case: what an `ETag` and a link carry.
    pub(crate) fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            Sha512::digest(&self.body)
                .iter()
                .fold(String::with_capacity(128), |mut text, byte| {
                    // Writing to a String does not fail.
                    let _ = write!(text, "{byte:02X}");
                    text
                })
        })
    }
}

/// A plain struct as JSON, members in declared order.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    // Plain structs and strings can always be written.
    serde_json::to_vec(value).unwrap_or_default()
}

type Cell = Arc<OnceLock<Arc<Document>>>;

/// The documents about a list of resources. A changed list is a new `Discovery`.
#[derive(Debug)]
pub(crate) struct Discovery {
    resources: Vec<Arc<Resource>>,
    documents: Mutex<HashMap<Subject, Cell>>,
}

impl Discovery {
    /// Discovery of these resources, which are in the order in which groups, versions and resources are to be listed.
    pub(crate) fn new(resources: Vec<Arc<Resource>>) -> Self {
        Self {
            resources,
            documents: Mutex::default(),
        }
    }

    /// The document about a subject, unless there is no such group or version.
    pub(crate) fn document(&self, subject: &Subject) -> Option<Arc<Document>> {
        if !self.has(subject) {
            return None;
        }
        let cell = Arc::clone(self.documents.lock().entry(subject.clone()).or_default());
        // Outside the lock: others need not wait for one that is long in the making.
        Some(Arc::clone(
            cell.get_or_init(|| Arc::new(self.make(subject))),
        ))
    }

    /// Whether a group has any resource.
    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.resources
            .iter()
            .any(|resource| &*resource.api.group == group)
    }

    fn has(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Group(group) | Subject::OpenApi(Part::Group(group)) => {
                !group.is_empty() && self.has_group(group)
            }
            Subject::Resources { group, version }
            | Subject::OpenApi(Part::Version { group, version }) => self
                .resources
                .iter()
                .any(|resource| &*resource.api.group == group && &*resource.api.version == version),
            _ => true,
        }
    }

    fn make(&self, subject: &Subject) -> Document {
        let resources = &self.resources;
        match subject {
            Subject::Paths => Document::indented(&paths::root(resources)),
            Subject::Version => Document::indented(&version::VERSION),
            Subject::CoreVersions => Document::line(&groups::core_versions(resources)),
            Subject::Groups => Document::line(&groups::groups(resources)),
            Subject::Group(group) => Document::line(&groups::group(resources, group)),
            Subject::Resources { group, version } => {
                Document::line(&groups::resources(resources, group, version))
            }
            Subject::Aggregated { core, version } => {
                Document::line(&aggregated::list(resources, *core, *version))
            }
            Subject::OpenApiIndex => Document::line(&self.openapi_index()),
            Subject::OpenApi(part) => Document::new(json(&openapi::document(resources, part))),
            Subject::OpenApiV2 { protobuf } => {
                let document = openapi::v2_document(resources);
                Document::new(if *protobuf {
                    openapi::v2_protobuf(&document)
                } else {
                    json(&document)
                })
            }
        }
    }

    /// The index needs the hash of every document, which makes it the most expensive thing to ask for.
    fn openapi_index(&self) -> openapi::Index {
        let parts = openapi::parts(&self.resources).into_iter();
        openapi::index(parts.filter_map(|part| {
            let path = part.path();
            let document = self.document(&Subject::OpenApi(part))?;
            Some((path, document.hash().to_owned()))
        }))
    }
}

/// Groups in the order of the resources, each with its versions, preferred first.
pub(super) fn versions_by_group(resources: &[Arc<Resource>]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for resource in resources {
        let (group, version) = (&*resource.api.group, &*resource.api.version);
        match groups.iter_mut().find(|(name, _)| *name == group) {
            None => groups.push((group, vec![version])),
            Some((_, versions)) if !versions.contains(&version) => versions.push(version),
            Some(_) => {}
        }
    }
    groups
}
