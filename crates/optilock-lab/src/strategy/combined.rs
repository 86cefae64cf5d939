use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment;

use super::Strategy;
use crate::{AttemptError, Update, Worker, worker};

/// optilock's combiner: the workers of a run share one handle, as the tasks of one process would.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptilockCombined;

impl OptilockCombined {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "combined";
}

impl Strategy for OptilockCombined {
    fn id(&self) -> &'static str {
        Self::ID
    }

    /// Everybody's update in one PUT, whose answer is what the next one starts from.
    fn least_requests(&self, workers: usize) -> f64 {
        1.0 / workers.max(1) as f64
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(async move {
            // One read is for all who share the handle: nobody can wait for the others' reads.
            worker.joins_without_reading();
            let combiner = worker.combiner(|api| {
                optilock::Combiners::new(api)
                    .field_manager(worker::FIELD_MANAGER)
                    .timeout(Duration::MAX)
                    .attempt_timeout(Duration::MAX)
            });
            let member = worker.clone();
            let combined = combiner.apply(move |object: &mut Deployment| {
                let base = worker::version(object);
                let value = member.change(object)?;
                Ok::<_, optilock::BoxError>((value, base))
            });
            let combined = worker.waiting(combined).await?;
            let (value, old) = combined.value;
            Ok(Update {
                value,
                old,
                new: worker::version(&combined.object),
            })
        })
    }
}
