//! A number that keeps an earlier holder from overwriting a later one.

use kube::{Resource, ResourceExt};

use crate::Unordered;
use crate::fence::version;

/// The annotation that holds the newest holder's token.
const ANNOTATION: &str = "optilock.dev/fence";

/// Which of two holders of a lease came later: the resourceVersion of the write that took it.
///
/// No lock that ends by time is safe alone: a holder that was asleep, or whose process was stopped, doesn't
/// know that it has lost it, and its next write comes after those of its successor. So let every write say
/// by whose lease it is made, and refuse those of earlier ones: [`stamp`](Self::stamp) does both, and since
/// the write insists on the version that was looked at, nobody comes in between.
///
/// Tokens of different leases can't be compared: an object belongs to one lease.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client.clone());
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "ledger"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// # let leases = kube::Api::default_namespaced(client.clone());
/// # let lock = optilock::LeaseLock::new(leases, "nightly-report", "report-0");
/// # let held = lock.try_acquire().await?.ok_or("nobody else is there")?;
/// let token = held.token();
/// optilock::update(&api, "ledger")
///     .apply(|ledger| {
///         token.stamp(ledger)?;
///         ledger.data.get_or_insert_default().insert("owner".into(), "me".into());
///         Ok(())
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(u64);

impl FencingToken {
    /// The token of whoever has made this version of the lease.
    pub(super) fn of<K: Resource>(lease: &K) -> Result<Self, Unordered> {
        version(lease).map(Self)
    }

    /// As a number, for systems other than Kubernetes that can compare it.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// Notes in the object that it is written by this holder.
    ///
    /// # Errors
    /// [`Fenced`] if a later holder has written it already; the object is as it was.
    pub fn stamp<K: Resource>(self, object: &mut K) -> Result<(), Fenced> {
        let known = object.annotations().get(ANNOTATION);
        let known = known.and_then(|known| known.parse().ok());
        match known {
            Some(newer) if newer > self.0 => Err(Fenced {
                ours: self,
                newer: Self(newer),
            }),
            _ => {
                let annotations = object.annotations_mut();
                annotations.insert(ANNOTATION.to_owned(), self.0.to_string());
                Ok(())
            }
        }
    }
}

/// A later holder of the lease has written the object, so that we don't.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let lock = optilock::LeaseLock::new(kube::Api::default_namespaced(client), "l", "a");
/// let mut ledger = ConfigMap::default();
/// let earlier = lock.acquire().await?;
/// let (old, _) = (earlier.token(), earlier.release().await?);
/// let later = lock.acquire().await?;
/// later.token().stamp(&mut ledger)?;
///
/// let fenced = old.stamp(&mut ledger).unwrap_err();
/// assert!(fenced.newer > fenced.ours);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a later holder of the lease has written the object (token {}, ours is {}); stop working as if it were \
     still held", .newer.0, .ours.0
)]
#[non_exhaustive]
pub struct Fenced {
    /// The token of the one who was kept from writing.
    pub ours: FencingToken,
    /// The token in the object.
    pub newer: FencingToken,
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[test]
    fn only_a_later_holder_writes() {
        let mut object = ConfigMap::default();
        let (old, new) = (FencingToken(9), FencingToken(10));
        old.stamp(&mut object).unwrap();
        old.stamp(&mut object).unwrap();
        new.stamp(&mut object).unwrap();
        let before = object.clone();
        let fenced = Fenced {
            ours: old,
            newer: new,
        };
        assert_eq!(old.stamp(&mut object), Err(fenced));
        assert_eq!(object, before);
    }
}
