//! What a combined update gives.

use std::sync::Arc;

use crate::{Effort, Evidence};

/// A successful update that may have shared its write with others.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "counters"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// let counters = optilock::Combiner::new(api, "counters");
/// let combined = counters
///     .apply(|map| Ok(map.data.get_or_insert_default().insert("seen".into(), "yes".into())))
///     .await?;
/// assert_eq!((combined.value, combined.members), (None, 1));
/// println!("{:?} after {}", combined.object.data, combined.effort);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Combined<K, T> {
    /// What the closure returned.
    pub value: T,
    /// The object after the write; all who shared it get the same one.
    pub object: Arc<K>,
    /// What tells that the update is in the object.
    pub evidence: Evidence,
    /// How many updates the write was for, this one included.
    pub members: usize,
    /// What the write took, for all of them together.
    pub effort: Effort,
}
