use futures::future::BoxFuture;
use json_patch::{Patch as Operations, PatchOperation, TestOperation, diff};
use kube::api::Patch;
use optilock::Backoff;

use super::{
    Strategy,
    retry_on_conflict::{describe, retry},
};
use crate::{AttemptError, Update, Worker};

/// Get, change, and a JSON patch that tests the old value of every field that it replaces; again after a `test` has
/// failed. Others may write other fields meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct JsonPatch {
    /// How often to try and how long to wait in between.
    pub backoff: Backoff,
}

impl JsonPatch {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "json-patch";
}

impl Strategy for JsonPatch {
    fn id(&self) -> &'static str {
        Self::ID
    }

    fn parameters(&self) -> String {
        describe(&self.backoff)
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(retry(worker, self.backoff, || attempt(worker)))
    }
}

async fn attempt(worker: &Worker) -> Result<Update, AttemptError> {
    let (old, new, value) = worker.read_and_change().await?;
    let as_json = |object| serde_json::to_value(object).map_err(AttemptError::Encode);
    let (before, after) = (as_json(&old)?, as_json(&new)?);
    let mut operations = Vec::new();
    for operation in diff(&before, &after).0 {
        // What is added has no old value that could be tested.
        if matches!(
            operation,
            PatchOperation::Replace(_) | PatchOperation::Remove(_)
        ) && let Some(value) = before.pointer(operation.path().as_str())
        {
            operations.push(PatchOperation::Test(TestOperation {
                path: operation.path().to_owned(),
                value: value.clone(),
            }));
        }
        operations.push(operation);
    }
    let patch: Patch<()> = Patch::Json(Operations(operations));
    match worker.patch(&patch, &old, value).await {
        Err(AttemptError::Api(kube::Error::Api(status))) if status.code == 422 => {
            Err(AttemptError::TestFailed(kube::Error::Api(status)))
        }
        ended => ended,
    }
}
