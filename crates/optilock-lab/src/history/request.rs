//! What a request asks of which object.

use http::{Method, Request, StatusCode};
use serde::Deserialize;

use super::{Outcome, ResourceVersion, Verb};
use crate::workload::COUNTER;

/// A request for one object, by its verb and path.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) verb: Verb,
    /// The path of the object, without a subresource; of the collection, for a creation.
    pub(super) path: String,
    /// As `deployments`.
    pub(super) resource: String,
    /// None for a creation, whose body has it.
    pub(super) name: Option<String>,
    pub(super) is_subresource: bool,
    pub(super) cached: bool,
}

impl Asked {
    /// None for a list, a watch, and what isn't about objects.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let uri = request.uri();
        let segments: Vec<&str> = uri
            .path()
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        let mut at = match *segments.first()? {
            "apis" => 3,
            "api" => 2,
            _ => return None,
        };
        if segments.get(at) == Some(&"namespaces") && segments.len() > at + 2 {
            at += 2;
        }
        let resource = *segments.get(at)?;
        let name = segments.get(at + 1).copied();
        let is_subresource = segments.len() > at + 2;
        let asks = |pair: &str| {
            uri.query()
                .is_some_and(|query| query.split('&').any(|one| one == pair))
        };
        let method = request.method();
        let verb = match name {
            None if method == Method::POST => Verb::Create,
            Some(_) if method == Method::GET && !is_subresource => Verb::Get,
            Some(_) if method == Method::PUT => Verb::Update,
            Some(_) if method == Method::PATCH => Verb::Patch,
            Some(_) if method == Method::DELETE => Verb::Delete,
            _ => return None,
        };
        let end = segments.len().min(at + 2);
        Some(Self {
            verb,
            path: segments[..end].join("/"),
            resource: resource.to_owned(),
            name: name.map(str::to_owned),
            is_subresource,
            cached: asks("resourceVersion=0"),
        })
    }
}

/// What a history needs of an object, or of a Status.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Told {
    pub(super) kind: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) uid: Option<String>,
    resource_version: Option<String>,
    #[serde(default)]
    labels: Option<std::collections::HashMap<String, String>>,
}

impl Told {
    /// What a body says; nothing, where it is something else, as a JSON patch is.
    pub(super) fn by(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    pub(super) fn object_kind(&self) -> Option<&str> {
        self.kind.as_deref().filter(|kind| *kind != "Status")
    }

    pub(super) fn version(&self) -> Option<ResourceVersion> {
        let version = self.metadata.resource_version.as_ref()?;
        version.parse().ok().map(ResourceVersion)
    }

    pub(super) fn value(&self) -> Option<i64> {
        self.metadata.labels.as_ref()?.get(COUNTER)?.parse().ok()
    }

    /// What an answer of this kind means.
    pub(super) fn outcome(&self, status: StatusCode) -> Outcome {
        match status {
            status if status.is_success() => Outcome::Applied,
            StatusCode::CONFLICT if self.reason.as_deref() == Some("Conflict") => Outcome::Conflict,
            status if status.is_client_error() => Outcome::Refused,
            _ => Outcome::Unknown,
        }
    }
}
