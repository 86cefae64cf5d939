//! Read your writes: wait until a cache has seen what was written.

use std::sync::Arc;

use kube::{Resource, ResourceExt};
use tokio::sync::watch;

/// Waits until a cache of one resource, such as kube-runtime's reflector, has seen a write.
///
/// A controller that acts on its cache right after it has written sees the past, and does again what it
/// has just done. The fence is told of every object that the cache takes in or removes, and makes whoever
/// asks wait for a version of their own. Clones are the same fence.
///
/// A watch tells of the changes of a resource in the order of their resourceVersions, which are numbers
/// that grow (Kubernetes promises it since 1.35, and etcd has always made it true). So once the cache has
/// seen a version, it has seen all before it, and the fence keeps no more than one number. In the first
/// list of a reflector objects come in any order: tell the fence of those once the list is complete.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// # let cached = api.list(&Default::default()).await?.items;
/// use optilock::Fence;
///
/// let fence = Fence::default();
/// // Where the cache is fed:
/// for object in &cached {
///     fence.saw(object);
/// }
/// // Where one writes:
/// let updated = optilock::update(&api, "settings").apply(|_| Ok(())).await?;
/// fence.wait_for(&updated.object).await?;
/// // The cache is as new as the write.
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fence(Arc<watch::Sender<u64>>);

impl Fence {
    /// The cache has taken in or removed an object.
    pub fn saw<K: Resource>(&self, object: &K) {
        if let Ok(version) = version(object) {
            self.0.send_if_modified(|seen| {
                let newer = version > *seen;
                *seen = version.max(*seen);
                newer
            });
        }
    }

    /// Waits until the cache has seen this version of the object, or a later one of any.
    ///
    /// Without an end if it never does: put a timeout around it.
    ///
    /// # Errors
    /// [`Unordered`] if the object's resourceVersion is no number, so that there is no telling.
    pub async fn wait_for<K: Resource>(&self, object: &K) -> Result<(), Unordered> {
        let version = version(object)?;
        let mut seen = self.0.subscribe();
        // It only fails without a sender, and we are one.
        drop(seen.wait_for(|seen| *seen >= version).await);
        Ok(())
    }
}

impl Default for Fence {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

pub(crate) fn version<K: Resource>(object: &K) -> Result<u64, Unordered> {
    let version = object.resource_version().unwrap_or_default();
    version.parse().map_err(|_| Unordered(version))
}

/// A resourceVersion that can't be compared.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use k8s_openapi::api::core::v1::ConfigMap;
///
/// // It was never stored, so that it has no version.
/// let error = optilock::Fence::default().wait_for(&ConfigMap::default()).await.unwrap_err();
/// assert!(error.to_string().contains("is no number"));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the resourceVersion {0:?} is no number, so nobody can tell what comes before it")]
pub struct Unordered(String);

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    #[test]
    fn it_opens_at_the_version() {
        let fence = Fence::default();
        let written = object("10");
        let mut waiting = Box::pin(fence.wait_for(&written));
        assert_eq!((&mut waiting).now_or_never(), None);
        // Numbers, not texts.
        fence.saw(&object("9"));
        assert_eq!((&mut waiting).now_or_never(), None);
        fence.saw(&object("11"));
        assert_eq!(waiting.now_or_never(), Some(Ok(())));
        // It doesn't close again.
        fence.saw(&object("3"));
        assert_eq!(fence.wait_for(&object("11")).now_or_never(), Some(Ok(())));
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let fence = Fence::default();
        let told = fence.wait_for(&object("a")).now_or_never();
        assert_eq!(told, Some(Err(Unordered("a".to_owned()))));
    }
}
