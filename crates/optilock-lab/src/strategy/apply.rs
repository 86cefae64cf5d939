use futures::future::BoxFuture;
use kube::api::{Patch, PatchParams};

use super::Strategy;
use crate::{AttemptError, Change, Update, Worker, worker, workload};

/// Server-side apply with a field, and a field manager, of each worker's own: nothing is read, and nobody is in
/// another's way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Apply;

impl Apply {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "apply";
}

impl Strategy for Apply {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn least_requests(&self, _: usize) -> f64 {
        1.0
    }

    /// A counter can be split into one for each worker; what depends on the others' updates can't.
    fn can_make(&self, change: Change) -> bool {
        matches!(change, Change::Counter | Change::Disjoint)
    }

    fn writes_in_turn(&self) -> bool {
        false
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(async move {
            worker.joins_without_reading();
            let (index, name) = (worker.index(), worker.name());
            let count = worker.object.own.lock().get(&index).copied().unwrap_or(0) + 1;
            let field = workload::field(index);
            let object = serde_json::json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "annotations": {(&field): count.to_string()}},
            });
            let params = PatchParams::apply(&format!("{}-{index}", worker::FIELD_MANAGER));
            let applied = worker
                .api()
                .patch(name, &params, &Patch::Apply(object))
                .await;
            let object = applied.map_err(AttemptError::Api)?;
            worker.object.own.lock().insert(index, count);
            Ok(Update {
                value: Worker::count(&object)?,
                old: String::new(),
                new: worker::version(&object),
            })
        })
    }
}
