//! As much of a kubeconfig as is needed to reach a server with one cluster and one user.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::error::{Error, Result};

#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: Option<String>,
    certificate_authority: Option<String>,
}

#[derive(Deserialize)]
struct NamedUser {
    user: User,
}

#[derive(Deserialize)]
struct User {
    token: String,
}

/// How to reach a server.
pub(super) struct Access {
    /// Host and port.
    pub(super) address: String,
    /// Its certificate authority.
    pub(super) ca: Vec<u8>,
    pub(super) token: String,
}

impl Access {
    /// The first cluster, as the first user.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let malformed = |message: &str| Error::malformed("kubeconfig", message);
        let config: Kubeconfig =
            crate::yaml::parse(text).map_err(|error| malformed(&error.to_string()))?;
        let cluster = config.clusters.into_iter().next();
        let cluster = cluster.ok_or_else(|| malformed("no cluster"))?.cluster;
        let user = config.users.into_iter().next();
        let user = user.ok_or_else(|| malformed("no user"))?.user;
        let address = cluster.server.strip_prefix("https://");
        let ca = match (
            cluster.certificate_authority_data,
            cluster.certificate_authority,
        ) {
            (Some(data), _) => STANDARD
                .decode(data)
                .map_err(|error| malformed(&error.to_string()))?,
            (None, Some(path)) => std::fs::read(&path).map_err(Error::file(Path::new(&path)))?,
            (None, None) => return Err(malformed("no certificate authority")),
        };
        Ok(Self {
            address: address
                .ok_or_else(|| malformed("the server is not https"))?
                .to_owned(),
            ca,
            token: user.token,
        })
    }
}
