//! What an update gives, and what it took.

use std::fmt;
use std::time::Duration;

use crate::OpId;

/// A successful update.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// let updated = optilock::update(&api, "settings")
///     .apply(|config| {
///         config.data.get_or_insert_default().insert("level".into(), "debug".into());
///         Ok(())
///     })
///     .await?;
/// assert!(updated.written);
/// println!("{:?}, known from {:?}", updated.object.metadata.resource_version, updated.evidence);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Updated<K> {
    /// The object as it is now: the server's answer to the write, or the object that was read where
    /// nothing was written or the answer was lost.
    pub object: K,
    /// Whether there was a write. There is none where the closure changed nothing.
    ///
    /// The server may still keep the resourceVersion, where it finds nothing that has changed.
    pub written: bool,
    /// What tells that the update is in the object.
    pub evidence: Evidence,
    /// The identity of the update, as the write carried it.
    pub op_id: OpId,
    /// What it took.
    pub effort: Effort,
}

/// What tells that an update is in the object.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::Evidence;
///
/// let unchanged = optilock::update(&api, "settings").apply(|_| Ok(())).await?;
/// assert_eq!(unchanged.evidence, Evidence::Unchanged);
/// assert!(!unchanged.written);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The closure found nothing to change.
    Unchanged,
    /// The server's answer to the write.
    Answer,
    /// The server's answer to the identical write, sent again after the first answer was lost.
    Resent,
    /// The op-id in the object as it was read.
    ///
    /// The write's answer was lost; or, where nothing was written, an earlier update with the same
    /// [op-id](crate::Update::op_id) has done it.
    OpId,
    /// The first change after the base in the object's history. The write's answer was lost, and others
    /// have written since.
    History,
}

/// What an update took, whether it came to a good end or not.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// let updated = optilock::update(&api, "settings")
///     .apply(|config| {
///         config.data.get_or_insert_default().insert("level".into(), "debug".into());
///         Ok(())
///     })
///     .await?;
/// assert_eq!(updated.effort.to_string(), "attempts: 1, conflicts: 0, requests: 2, waited: 0ns");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effort {
    /// How often the change was tried: once, and once more after each conflict or throttling.
    pub attempts: u32,
    /// How many writes were refused because the object had changed in the meantime.
    pub conflicts: u32,
    /// The requests that were sent, reads and writes.
    pub requests: u32,
    /// How many writes ended in a way that left open whether they were carried out.
    pub unknowns: u32,
    /// The time spent asleep between attempts, and waiting for the [turn](crate::Contention).
    pub waited: Duration,
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            attempts,
            conflicts,
            requests,
            unknowns,
            waited,
        } = self;
        write!(
            f,
            "attempts: {attempts}, conflicts: {conflicts}, requests: {requests}, "
        )?;
        if *unknowns > 0 {
            write!(f, "unknown outcomes: {unknowns}, ")?;
        }
        write!(f, "waited: {waited:?}")
    }
}
