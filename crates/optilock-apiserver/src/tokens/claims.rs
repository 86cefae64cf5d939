//! What a token says.

use serde::{Deserialize, Serialize};

/// The claims of a token, in the order in which kube-apiserver writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Audiences.
    pub(crate) aud: Vec<String>,
    /// When it ends, in seconds since the Unix epoch.
    pub(crate) exp: i64,
    /// When it was issued.
    pub(crate) iat: i64,
    /// Issuer.
    pub(crate) iss: String,
    /// Identity of the token.
    pub(crate) jti: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Kubernetes,
    /// When it begins.
    pub(crate) nbf: i64,
    /// `system:serviceaccount:NAMESPACE:NAME`
    pub(crate) sub: String,
}

/// Whose token it is, and what it ends with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Kubernetes {
    pub(crate) namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Bound>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Bound>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Bound>,
    pub(crate) serviceaccount: Bound,
}

/// One certain object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) name: String,
    /// Empty for a node that there is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
}
