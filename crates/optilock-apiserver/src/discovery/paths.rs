//! `/`: the paths that are worth a look.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::document::versions_by_group;
use super::health::Probe;
use crate::registry::Resource;

/// `metav1.RootPaths`.
#[derive(Serialize)]
pub(super) struct RootPaths {
    paths: BTreeSet<String>,
}

/// What is there whatever the resources are.
const FIXED: [&str; 9] = [
    "/.well-known/openid-configuration",
    "/api",
    "/apis",
    "/apis/",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/",
    "/openid/v1/jwks",
    "/version",
];

pub(super) fn root(resources: &[Arc<Resource>]) -> RootPaths {
    let mut paths: BTreeSet<String> = FIXED.map(str::to_owned).into();
    for (group, versions) in versions_by_group(resources) {
        let prefix = match group {
            "" => "/api".to_owned(),
            group => format!("/apis/{group}"),
        };
        paths.extend(
            versions
                .into_iter()
                .map(|version| format!("{prefix}/{version}")),
        );
        paths.insert(prefix);
    }
    paths.extend(Probe::ALL.into_iter().flat_map(Probe::paths));
    RootPaths { paths }
}
