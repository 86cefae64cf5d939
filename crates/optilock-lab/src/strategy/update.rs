use std::time::Duration;

use futures::future::BoxFuture;

use super::Strategy;
use crate::{AttemptError, Update, Worker, worker};

/// optilock's own update, with the pace that it chooses itself.
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
        Box::pin(async move {
            let mut value = 0;
            let mut base = String::new();
            let updated = optilock::update(worker.api(), worker.name())
                .field_manager(worker::FIELD_MANAGER)
                .random(worker.random())
                // An attempt includes the wait for the throttle, which many workers make as long as
                // it likes, and no other strategy has a deadline.
                .timeout(Duration::MAX)
                .attempt_timeout(Duration::MAX)
                .observe(|event| {
                    if let optilock::Event::Written { base: version, .. } = event {
                        base = (*version).to_owned();
                    }
                })
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
        })
    }
}
