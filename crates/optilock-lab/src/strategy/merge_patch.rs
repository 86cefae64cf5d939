use futures::future::BoxFuture;
use kube::api::Patch;
use optilock::Backoff;
use serde_json::{Map, Value};

use super::{
    Strategy,
    retry_on_conflict::{describe, retry},
};
use crate::{AttemptError, Update, Worker, worker::version};

/// Get, change, and a merge patch of what has changed, with the resourceVersion that was read; again after a conflict.
#[derive(Debug, Clone, Copy)]
pub struct MergePatch {
    /// How often to try and how long to wait in between.
    pub backoff: Backoff,
}

impl MergePatch {
    /// Its [`Strategy::id`].
    pub const ID: &'static str = "merge-patch";
}

impl Strategy for MergePatch {
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
    let mut patch = difference(&as_json(&old)?, &as_json(&new)?);
    patch["metadata"]["resourceVersion"] = version(&old).into();
    worker.patch(&Patch::Merge(patch), &old, value).await
}

/// The merge patch (RFC 7386) that makes `new` of `old`, both objects.
fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return new.clone();
    };
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let mut patch: Map<_, _> = gone.map(|key| (key.clone(), Value::Null)).collect();
    for (key, value) in new {
        match old.get(key) {
            Some(before) if before == value => {}
            Some(before) => _ = patch.insert(key.clone(), difference(before, value)),
            None => _ = patch.insert(key.clone(), value.clone()),
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::difference;

    #[test]
    fn a_merge_patch_says_what_differs_and_no_more() {
        let old = json!({"a": 1, "b": {"c": [1], "d": 2, "e": 3}, "f": {}});
        let new = json!({"a": 1, "b": {"c": [2], "d": 2}, "f": {}, "g": {"h": 4}});
        let patch = json!({"b": {"c": [2], "e": null}, "g": {"h": 4}});
        assert_eq!(difference(&old, &new), patch);
        assert_eq!(difference(&old, &old), json!({}));
    }
}
