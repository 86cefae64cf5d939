//! How holding a lease fails or ends.

use std::sync::Arc;
use std::time::Duration;

use super::Fenced;
use crate::{Unordered, UpdateError};

/// Why a lease could not be had.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let leases = kube::Api::default_namespaced(client);
/// use std::time::Duration;
/// use optilock::{LeaseError, LeaseLock};
///
/// let lock = LeaseLock::new(leases, "nightly-report", "report-0")
///     .lease_duration(Duration::from_millis(2500));
/// let error = lock.try_acquire().await.unwrap_err();
/// assert!(matches!(error, LeaseError::LeaseDuration(_))); // whole seconds, please
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Nobody could tell who holds it. Nothing was sent.
    #[error("a candidate for a lease needs an identity; give one that no other candidate has")]
    NoIdentity,
    /// A lease's duration is told in whole seconds, from 1. Nothing was sent.
    #[error("a lease can't last {0:?}; give `lease_duration` whole seconds, from 1 on")]
    LeaseDuration(Duration),
    /// A holder would go on when others may take the lease. Nothing was sent.
    #[error(
        "a holder that gives up after {renew_deadline:?} would hold a lease of {lease_duration:?} too \
         long; make `renew_deadline` shorter than `lease_duration`"
    )]
    #[non_exhaustive]
    RenewDeadline {
        /// After how long without renewal a holder gives up.
        renew_deadline: Duration,
        /// After how long without renewal others take the lease.
        lease_duration: Duration,
    },
    /// A holder would give up before it tries to renew. Nothing was sent.
    #[error(
        "a holder that renews every {retry_period:?}, or 1.2 times that, can't do so within \
         {renew_deadline:?}; make `retry_period` shorter, and longer than nothing"
    )]
    #[non_exhaustive]
    RetryPeriod {
        /// How often a holder renews, and others look.
        retry_period: Duration,
        /// After how long without renewal a holder gives up.
        renew_deadline: Duration,
    },
    /// The Lease object could not be read or written. Where the outcome is unknown, it is found out in the
    /// background, and the lease given back if it was taken.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The server's resourceVersions are no numbers, so that there is no telling which holder is newer.
    #[error(transparent)]
    Unordered(#[from] Unordered),
    /// The lease was lost while the work was being done.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// A newer holder has written the object.
    #[error(transparent)]
    Fenced(#[from] Fenced),
}

/// Why a lease is no longer held.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let leases = kube::Api::default_namespaced(client);
/// # let lock = optilock::LeaseLock::new(leases, "nightly-report", "report-0");
/// use optilock::Lost;
///
/// let held = lock.acquire().await?;
/// let tenure = held.tenure().clone();
/// held.release().await?;
/// assert!(matches!(tenure.lost().await, Lost::Released));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// Somebody else has it.
    #[error("the lease is held by {}", .0.as_deref().unwrap_or("nobody"))]
    Taken(Option<String>),
    /// The Lease object was deleted.
    #[error("the lease was deleted")]
    Deleted,
    /// It couldn't be renewed in time. Others may take it soon.
    #[error(
        "the lease was not renewed in time{}",
        .0.as_ref().map(|error| format!("; the last try: {error}")).unwrap_or_default()
    )]
    NotRenewed(#[source] Option<Arc<UpdateError>>),
    /// It was given back.
    #[error("the lease was given back")]
    Released,
}
