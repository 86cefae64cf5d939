//! Whether a run's server is still there.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use tokio::time::{Instant, sleep, timeout};

use crate::{ServerError, Target};

/// How often a server is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Asks a server again and again for an object of the run, past the faults of the network. An object, because an API server
/// tells its version also where it can't get at its storage any more.
#[derive(Debug)]
pub(super) struct Pulse {
    target: Target,
    namespace: String,
    name: String,
    has_stopped: AtomicBool,
}

impl Pulse {
    pub(super) fn new(target: &Target, namespace: &str, name: &str) -> Self {
        Self {
            target: target.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            has_stopped: AtomicBool::new(false),
        }
    }

    /// Whether [`stops`](Self::stops) has come back.
    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped.load(Ordering::Relaxed)
    }

    /// Resolves when the server is gone: it can't be reached twice in a row, it leaves a question unanswered for as long
    /// as the target's patience is, or it has failed for so long.
    pub(super) async fn stops(&self) -> ServerError {
        let error = self.look().await;
        self.has_stopped.store(true, Ordering::Relaxed);
        error
    }

    async fn look(&self) -> ServerError {
        let api: Api<Deployment> = Api::namespaced(self.target.client().clone(), &self.namespace);
        let patience = self.target.patience();
        let mut is_suspect = false;
        let mut well = Instant::now();
        loop {
            sleep(EVERY).await;
            let asked = timeout(patience, api.get(&self.name)).await;
            let error = match asked {
                Ok(Ok(_)) => None,
                // Whoever refuses is there.
                Ok(Err(kube::Error::Api(status))) if status.code < 500 => None,
                Ok(Err(error)) => Some(self.target.failed(error)),
                Err(_) => {
                    return ServerError::Unreachable {
                        server: self.target.address().to_owned(),
                        reason: format!("a read was not answered for {patience:?}"),
                    };
                }
            };
            match error {
                None => (is_suspect, well) = (false, Instant::now()),
                Some(error @ ServerError::Unreachable { .. }) if is_suspect => return error,
                Some(error) if well.elapsed() > patience => return error,
                Some(error) => is_suspect = matches!(error, ServerError::Unreachable { .. }),
            }
        }
    }
}
