use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment;
use optilock::Contention;

use super::Strategy;
use crate::{AttemptError, Update, Worker, worker};

/// optilock's own update, with the pace that it chooses itself. The workers know nothing of each other, as if each were a
/// process of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptilockUpdate;

impl OptilockUpdate {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "optilock";
}

impl Strategy for OptilockUpdate {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(update(worker, None))
    }
}

/// The same where the workers are tasks of one process, which share a [`Contention`].
#[derive(Debug, Clone, Copy, Default)]
pub struct OptilockSharing;

impl OptilockSharing {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "optilock-sharing";
}

impl Strategy for OptilockSharing {
    fn id(&self) -> &'static str {
        Self::ID
    }

    /// Whoever has its turn may start from what the one before has written: one PUT is enough.
    fn least_requests(&self, _: usize) -> f64 {
        1.0
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        // Somebody else may be the one who reads: nobody can wait for the others' reads.
        worker.joins_without_reading();
        // Until its first request it waits for its turn.
        Box::pin(worker.waiting(update(worker, Some(&worker.object.contention))))
    }
}

async fn update(
    worker: &Worker,
    contention: Option<&Contention<Deployment>>,
) -> Result<Update, AttemptError> {
    let mut value = 0;
    let mut base = String::new();
    let mut update = optilock::update(worker.api(), worker.name())
        .field_manager(worker::FIELD_MANAGER)
        .random(worker.random())
        // An attempt includes the wait for the throttle, which many workers make as long as it
        // likes, and no other strategy has a deadline.
        .timeout(Duration::MAX)
        .attempt_timeout(Duration::MAX)
        .observe(|event| {
            if let optilock::Event::Written { base: version, .. } = event {
                base = (*version).to_owned();
            }
        });
    if let Some(contention) = contention {
        update = update.sharing(contention);
    }
    let updated = update
        .apply(|object| {
            value = worker.change(object)?;
            Ok(())
        })
        .await?;
    Ok(Update {
        value,
        old: base,
        new: worker::version(&updated.object),
    })
}
