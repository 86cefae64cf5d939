use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use optilock::is_conflict;
use tokio::time::Instant;

use super::Strategy;
use crate::{AttemptError, Update, Worker};

/// Pessimistic: a worker takes a Lease, gets, changes and updates the object, and gives the Lease back.
///
/// Who finds the Lease taken looks again after a random part of `poll`. A holder that doesn't give it back for
/// [`LeaseLock::DURATION`] is taken for dead.
#[derive(Debug, Clone, Copy)]
pub struct LeaseLock {
    /// The longest time between two looks.
    pub poll: Duration,
}

impl LeaseLock {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "lease";

    /// How long a holder may be silent. By its own clock, of the time that it sees the Lease unchanged, as
    /// client-go does, another takes it over then.
    pub const DURATION: Duration = Duration::from_secs(15);
}

impl Strategy for LeaseLock {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn parameters(&self) -> String {
        format!("poll {:?}", self.poll)
    }

    /// Three for the Lease (look, take, give back) and two for the object.
    fn least_requests(&self, _: usize) -> f64 {
        5.0
    }

    fn needs_lease(&self) -> bool {
        true
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(async move {
            // One at a time reads: nobody can wait for the others' reads.
            worker.joins_without_reading();
            let api = worker.api();
            let namespace = api.namespace().unwrap_or_default();
            let leases: Api<Lease> = Api::namespaced(api.clone().into_client(), namespace);
            let held = self.take(worker, &leases).await?;
            let updated = worker.get_and_update().await;
            // A conflict: somebody thought this worker dead, and the resourceVersion has kept the update safe. After any other
            // failure the others wait for the Lease to run out. What became of the update is the same.
            drop(put(&leases, worker, with_holder(held, None)).await);
            updated
        })
    }
}

impl LeaseLock {
    /// The Lease, once this worker is its holder.
    async fn take(&self, worker: &Worker, leases: &Api<Lease>) -> Result<Lease, AttemptError> {
        let mut random = worker.random();
        let mut seen: Option<(Option<String>, Instant)> = None;
        loop {
            let lease = leases.get(worker.name()).await.map_err(AttemptError::Api)?;
            let now = Instant::now();
            let lease_version = lease.metadata.resource_version.clone();
            let since = match &seen {
                Some((version, since)) if *version == lease_version => *since,
                _ => now,
            };
            seen = Some((lease_version, since));
            let holder = lease
                .spec
                .as_ref()
                .and_then(|spec| spec.holder_identity.as_deref());
            let is_free = holder.is_none_or(str::is_empty) || now - since >= Self::DURATION;
            if is_free {
                let mine = format!("worker-{}", worker.index());
                match put(leases, worker, with_holder(lease, Some(mine))).await {
                    Ok(lease) => return Ok(lease),
                    Err(error) if is_conflict(&error) => {}
                    Err(error) => return Err(AttemptError::Api(error)),
                }
            }
            let pause = self.poll.mul_f64(random());
            worker.waiting(tokio::time::sleep(pause)).await;
        }
    }
}

async fn put(leases: &Api<Lease>, worker: &Worker, lease: Lease) -> kube::Result<Lease> {
    leases
        .replace(worker.name(), &Worker::post_params(), &lease)
        .await
}

fn with_holder(mut lease: Lease, holder: Option<String>) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    if holder.is_some() {
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
    }
    spec.holder_identity = Some(holder.unwrap_or_default());
    lease
}

/// The Lease that nobody holds yet.
pub(crate) fn free_lease() -> LeaseSpec {
    let seconds = i32::try_from(LeaseLock::DURATION.as_secs()).unwrap_or(i32::MAX);
    LeaseSpec {
        lease_duration_seconds: Some(seconds),
        ..LeaseSpec::default()
    }
}
