//! The name of an object, as people read it.

use std::fmt;

use super::Endpoint;

/// Which object an update is about.
///
/// Shown as the API server names objects in its own messages: `deployments.apps "web"`.
///
/// ```
/// # use k8s_openapi::api::apps::v1::Deployment;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<Deployment> = kube::Api::default_namespaced(client);
/// let error = optilock::update(&api, "web").apply(|_| Ok(())).await.unwrap_err();
/// let target = error.target();
/// assert_eq!((&*target.resource, &*target.name), ("deployments.apps", "web"));
/// assert_eq!(target.to_string(), "deployments.apps \"web\" in namespace \"default\"");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Target {
    /// The resource: the plural of the kind, with the API group unless that is the core group.
    pub resource: String,
    /// The namespace; none for cluster-wide resources.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl Target {
    /// What `name` means there.
    ///
    /// The resource is taken from the URL, which every `Api` has: the kind of a dynamic one is not to
    /// be had from outside.
    pub(crate) fn new(endpoint: &Endpoint, name: &str) -> Self {
        let mut path = endpoint.url.trim_matches('/').split('/');
        let group = match path.next() {
            Some("apis") => path.next(),
            _ => None,
        };
        let plural = path.next_back().unwrap_or_default();
        Self {
            resource: match group {
                Some(group) => format!("{plural}.{group}"),
                None => plural.to_owned(),
            },
            namespace: endpoint.namespace.clone(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.resource, self.name)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace:?}"),
            None => Ok(()),
        }
    }
}
