//! Finalizers.

use std::fmt::Debug;

use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::update::{Reason, Unresolved, UpdateError, Updated, update};

/// Adds a finalizer to an object, unless it is there already: the object then stays, even if it is deleted,
/// until the finalizer is removed.
///
/// With an `Api` of [`PartialObjectMeta`](kube::core::PartialObjectMeta) nothing but metadata is sent, either
/// way. It may be repeated, so it needs no op-id.
///
/// # Errors
/// As [`Update::apply`](crate::Update::apply). The server refuses to add a finalizer to an object that is
/// being deleted.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let existing: kube::Api<ConfigMap> = kube::Api::default_namespaced(client.clone());
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # existing.create(&Default::default(), &object).await?;
/// use kube::Api;
/// use kube::core::PartialObjectMeta;
///
/// let api: Api<PartialObjectMeta<ConfigMap>> = Api::default_namespaced(client);
/// optilock::add_finalizer(&api, "settings", "example.com/backup").await?;
/// // Somebody deletes it; then, when the backup is done:
/// optilock::remove_finalizer(&api, "settings", "example.com/backup").await?;
/// # Ok(())
/// # }
/// ```
pub async fn add_finalizer<K>(
    api: &Api<K>,
    name: &str,
    finalizer: &str,
) -> Result<Updated<K>, UpdateError>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    let added = update(api, name).idempotent().apply(|object| {
        let finalizers = object.meta_mut().finalizers.get_or_insert_default();
        if !finalizers.iter().any(|known| known == finalizer) {
            finalizers.push(finalizer.to_owned());
        }
        Ok(())
    });
    added.await
}

/// Removes a finalizer from an object, if it is there. None if there is no such object any more: if it was
/// being deleted, and this was the last finalizer, then it is gone.
///
/// # Errors
/// As [`Update::apply`](crate::Update::apply).
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// let hold = "example.com/backup";
/// optilock::add_finalizer(&api, "settings", hold).await?;
/// api.delete("settings", &Default::default()).await?;
/// assert!(api.get_opt("settings").await?.is_some()); // it is held
///
/// optilock::remove_finalizer(&api, "settings", hold).await?;
/// assert!(api.get_opt("settings").await?.is_none());
/// assert!(optilock::remove_finalizer(&api, "settings", hold).await?.is_none());
/// # Ok(())
/// # }
/// ```
pub async fn remove_finalizer<K>(
    api: &Api<K>,
    name: &str,
    finalizer: &str,
) -> Result<Option<Updated<K>>, UpdateError>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    let removed = update(api, name).idempotent().apply(|object| {
        let finalizers = &mut object.meta_mut().finalizers;
        if let Some(known) = finalizers {
            known.retain(|known| known != finalizer);
        }
        if finalizers.as_ref().is_some_and(Vec::is_empty) {
            *finalizers = None;
        }
        Ok(())
    });
    match removed.await {
        Ok(updated) => Ok(Some(updated)),
        Err(error) if is_gone(error.reason()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the update ended because there is no such object, whatever became of an earlier write.
fn is_gone(reason: &Reason) -> bool {
    match reason {
        Reason::Read(kube::Error::Api(status)) | Reason::Refused(kube::Error::Api(status)) => {
            status.code == 404
        }
        Reason::Unknown {
            unresolved: Some(unresolved),
            ..
        } => matches!(&**unresolved, Unresolved::Ended(reason) if is_gone(reason)),
        _ => false,
    }
}
