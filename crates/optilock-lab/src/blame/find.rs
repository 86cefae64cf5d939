//! Finds out which resource a user means.

use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
};

use crate::{ServerError, Target};

/// Why nobody can be blamed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlameError {
    /// The text names no object.
    #[error(
        "{text:?} names no object; write KIND/NAME, as in deploy/web or gadgets.shop.example.com/one"
    )]
    NoName {
        /// What was written.
        text: String,
    },
    /// The server has no such kind that can be watched.
    #[error(
        "the server has no resource {kind:?} that can be read and watched; `kubectl api-resources --verbs=get,watch` lists them"
    )]
    NoKind {
        /// What was written.
        kind: String,
    },
    /// Several groups have such a kind.
    #[error("{kind:?} may be {}; write RESOURCE.GROUP/NAME", .found.join(" or "))]
    Ambiguous {
        /// What was written.
        kind: String,
        /// What it may be.
        found: Vec<String>,
    },
    /// There is no such object.
    #[error("there is no {object}{}", .namespace.as_ref().map(|name| format!(" in namespace {name:?}; --namespace names another")).unwrap_or_default())]
    NotFound {
        /// What was looked for.
        object: String,
        /// Where, if it is in namespaces.
        namespace: Option<String>,
    },
    /// The server has forgotten the version that was seen last.
    #[error("the history of {object} is gone before it could be watched; try again")]
    Expired {
        /// What was watched.
        object: String,
    },
    /// The server doesn't answer, or not as an API server would.
    #[error(transparent)]
    Server(ServerError),
}

/// An object as a user writes it: `deploy/web`, `deployments.apps/web`, `Deployment/web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// Kind, singular, plural or short name, with or without the group.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
}

impl FromStr for ObjectRef {
    type Err = BlameError;

    fn from_str(text: &str) -> Result<Self, BlameError> {
        let parts = text.split_once('/').filter(|(kind, name)| {
            !kind.is_empty() && !name.is_empty() && !name.contains(['/', ' '])
        });
        let (kind, name) = parts.ok_or_else(|| BlameError::NoName {
            text: text.to_owned(),
        })?;
        Ok(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// A resource of the server.
pub(super) struct Found {
    pub(super) api: Api<DynamicObject>,
    /// `deployments.apps "web"`.
    pub(super) title: String,
    pub(super) namespace: Option<String>,
}

/// Asks the server's discovery what is meant. The preferred version of each group is taken.
pub(super) async fn find(
    target: &Target,
    object: &ObjectRef,
    namespace: Option<&str>,
) -> Result<Found, BlameError> {
    let client = target.client();
    let failed = |error| target.failed(error);
    let mut versions = vec!["v1".to_owned()];
    let groups = client.list_api_groups().await.map_err(failed)?;
    versions.extend(groups.groups.into_iter().filter_map(|group| {
        let version = group
            .preferred_version
            .or(group.versions.into_iter().next())?;
        Some(version.group_version)
    }));
    let mut found: Vec<(ApiResource, bool)> = Vec::new();
    for version in versions {
        let listed = if version == "v1" {
            client.list_core_api_resources(&version).await
        } else {
            client.list_api_group_resources(&version).await
        };
        let resources = match listed {
            Ok(list) => list.resources,
            // An aggregated API whose server is down is no reason to give up the others.
            Err(kube::Error::Api(status)) if status.code == 503 || status.code == 404 => continue,
            Err(error) => return Err(failed(error).into()),
        };
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        found.extend(
            resources
                .iter()
                .filter(|resource| is_meant(resource, group, &object.kind))
                .map(|resource| (api_resource(resource, &version), resource.namespaced)),
        );
    }
    // Both groups of events have the same objects.
    found.sort_by_key(|(resource, _)| !resource.group.is_empty());
    let exact = found
        .iter()
        .filter(|(resource, _)| resource.group.is_empty())
        .count();
    if exact == 1 {
        found.truncate(1);
    }
    let (resource, namespaced) = match found.as_slice() {
        [] => {
            return Err(BlameError::NoKind {
                kind: object.kind.clone(),
            });
        }
        [one] => one.clone(),
        several => {
            return Err(BlameError::Ambiguous {
                kind: object.kind.clone(),
                found: several
                    .iter()
                    .map(|(resource, _)| qualified(resource))
                    .collect(),
            });
        }
    };
    let namespace = namespaced
        .then(|| namespace.map_or_else(|| client.default_namespace().to_owned(), str::to_owned));
    let api = match &namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    Ok(Found {
        api,
        title: format!("{} {:?}", qualified(&resource), object.name),
        namespace,
    })
}

/// Whether a user's word means this resource.
fn is_meant(resource: &APIResource, group: &str, word: &str) -> bool {
    let can = |verb: &str| resource.verbs.iter().any(|known| known == verb);
    if resource.name.contains('/') || !can("get") || !can("watch") {
        return false;
    }
    let word = word.to_lowercase();
    let (name, of) = match word.split_once('.') {
        Some((name, of)) => (name, Some(of)),
        None => (word.as_str(), None),
    };
    if of.is_some_and(|of| of != group) {
        return false;
    }
    let short = resource.short_names.iter().flatten();
    let names = [&resource.name, &resource.singular_name, &resource.kind];
    names
        .into_iter()
        .chain(short)
        .any(|known| known.to_lowercase() == name)
}

fn api_resource(resource: &APIResource, version: &str) -> ApiResource {
    let (group, short) = version.split_once('/').unwrap_or(("", version));
    ApiResource {
        group: group.to_owned(),
        version: short.to_owned(),
        api_version: version.to_owned(),
        kind: resource.kind.clone(),
        plural: resource.name.clone(),
    }
}

/// `deployments.apps`, `pods`.
fn qualified(resource: &ApiResource) -> String {
    match resource.group.as_str() {
        "" => resource.plural.clone(),
        group => format!("{}.{group}", resource.plural),
    }
}
