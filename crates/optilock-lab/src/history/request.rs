//! What a request asks of which object.

use std::collections::HashMap;

use http::{Request, StatusCode};
use serde::Deserialize;

use super::{Outcome, ResourceVersion, Verb};
use crate::{
    route::{Asks, Route, has},
    workload,
};

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
        let route = Route::of(request.method(), request.uri())?;
        let verb = match (route.asks, &route.name) {
            (Asks::Create, None) => Verb::Create,
            (Asks::Get, Some(_)) if !route.is_subresource => Verb::Get,
            (Asks::Update, Some(_)) => Verb::Update,
            (Asks::Patch, Some(_)) => Verb::Patch,
            (Asks::Delete, Some(_)) => Verb::Delete,
            _ => return None,
        };
        Some(Self {
            verb,
            path: route.path,
            resource: route.resource,
            name: route.name,
            is_subresource: route.is_subresource,
            cached: has(request.uri(), "resourceVersion", &["0"]),
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
    labels: Option<HashMap<String, String>>,
    #[serde(default)]
    annotations: Option<HashMap<String, String>>,
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
        let Metadata {
            labels,
            annotations,
            ..
        } = &self.metadata;
        let nothing = HashMap::new();
        workload::count_in(labels.as_ref()?, annotations.as_ref().unwrap_or(&nothing))
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
