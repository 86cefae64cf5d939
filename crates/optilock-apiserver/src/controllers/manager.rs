//! The one task in which the controllers run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::AbortHandle;

use super::garbage::GarbageCollector;
use super::namespace::NamespaceController;
use super::published::Publisher;
use super::{Controller, Controllers};
use crate::registry::{Change, Registry};
use crate::status::Status;

/// What failed is tried again after this, and after twice as long each time that it fails again.
const RETRY: Duration = Duration::from_millis(50);
/// The longest wait before another try.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Gives the certificate (PEM) by which clients know the server, when it is needed: making one takes time.
pub(crate) struct RootCa(pub(crate) Box<dyn Fn() -> Result<String, Status> + Send + Sync>);

impl fmt::Debug for RootCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootCa")
    }
}

/// One controller: it notes what changes mean to it, and does what there is to do.
#[async_trait]
pub(super) trait Reconciler: Send {
    /// Takes note of a change.
    fn observe(&mut self, change: &Change);

    /// Does what is to be done. What fails stays to be done.
    async fn reconcile(&mut self, registry: &Registry) -> Result<(), Status>;
}

/// The controllers of one server. They stop when this is dropped.
pub(crate) struct Manager(AbortHandle);

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").finish_non_exhaustive()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Manager {
    /// Brings the state in order, then goes on in the background.
    ///
    /// The first round is over when this returns, so that a client never sees a server without the ServiceAccount of
    /// its default namespace.
    pub(crate) async fn start(
        registry: Arc<Registry>,
        controllers: &Controllers,
        root_ca: &RootCa,
    ) -> Result<Self, Status> {
        let mut reconcilers: Vec<Box<dyn Reconciler>> = Vec::new();
        for controller in controllers {
            reconcilers.push(match controller {
                Controller::GarbageCollector => Box::new(GarbageCollector::default()),
                Controller::Namespace => Box::new(NamespaceController::default()),
                Controller::RootCaCertificatePublisher => {
                    Box::new(Publisher::root_ca(&(root_ca.0)()?))
                }
                Controller::ServiceAccount => Box::new(Publisher::service_account()),
            });
        }
        let (mut changes, state) = registry.changes().await?;
        for change in &state {
            for reconciler in &mut reconcilers {
                reconciler.observe(change);
            }
        }
        for reconciler in &mut reconcilers {
            reconciler.reconcile(&registry).await?;
        }
        let task = tokio::spawn(async move {
            let mut failures: u32 = 0;
            loop {
                let wait = retry_after(failures);
                let batch = tokio::select! {
                    batch = changes.next() => batch,
                    () = tokio::time::sleep(wait), if failures > 0 => Vec::new(),
                };
                let mut failed = false;
                for reconciler in &mut reconcilers {
                    for change in &batch {
                        reconciler.observe(change);
                    }
                    if let Err(error) = reconciler.reconcile(&registry).await {
                        tracing::warn!(%error, "a controller will try again");
                        failed = true;
                    }
                }
                failures = if failed { failures + 1 } else { 0 };
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

fn retry_after(failures: u32) -> Duration {
    RETRY
        .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST_RETRY)
}
