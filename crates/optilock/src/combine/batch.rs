//! One write for many, and the task that makes them.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::combiner::Shared;
use super::member::{Member, Verdict};
use crate::update::{Base, Endpoint, Reason, Target, UpdateError, update};
use crate::{BoxError, measure};

/// Keeps writing for whoever comes, until nobody has come for a while.
pub(super) async fn drive<K>(shared: Arc<Shared<K>>)
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let abandoned = Abandoned(&shared);
    let target = Target::new(&Endpoint::of(&shared.common.api), &shared.name);
    let mut object = None;
    loop {
        // All who are ready now come along.
        tokio::task::yield_now().await;
        let batch = shared.queue.take(shared.common.settings.batch);
        if !batch.is_empty() {
            object = write(&shared, &target, batch, object).await;
        } else if timeout(shared.common.settings.linger, shared.queue.arrival())
            .await
            .is_err()
            && shared.queue.retire()
        {
            std::mem::forget(abandoned);
            return;
        }
    }
}

/// Tells the queue if the task goes away in the middle of its work.
struct Abandoned<'a, K>(&'a Shared<K>);

impl<K> Drop for Abandoned<'_, K> {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

/// Writes for a batch and tells its members; gives what the object is then, as far as that is known.
///
/// What the server refuses may be one member's fault. Such a batch is written in two halves, and so on,
/// until those who are at fault are alone.
async fn write<K>(
    shared: &Shared<K>,
    target: &Target,
    batch: Vec<Box<dyn Member<K>>>,
    mut object: Option<Arc<K>>,
) -> Option<Arc<K>>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let mut parts = vec![batch];
    while let Some(mut batch) = parts.pop() {
        let verdict = write_part(shared, &mut batch, object.take()).await;
        match verdict {
            Verdict::Failed(error) if batch.len() > 1 && is_somebodys_fault(&error) => {
                let rest = batch.split_off(batch.len() / 2);
                parts.push(rest);
                parts.push(batch);
                continue;
            }
            Verdict::Updated {
                object: ref written,
                ..
            } => object = Some(Arc::clone(written)),
            Verdict::Failed(_) => {}
        }
        measure::combined(&target.resource, batch.len());
        for member in batch {
            member.finish(target, &verdict);
        }
    }
    object
}

fn is_somebodys_fault(error: &UpdateError) -> bool {
    match error.reason() {
        Reason::Refused(kube::Error::Api(status)) => matches!(status.code, 400 | 403 | 413 | 422),
        Reason::Encode(_) | Reason::AnnotationsTooLarge(_) => true,
        _ => false,
    }
}

async fn write_part<K>(
    shared: &Shared<K>,
    batch: &mut [Box<dyn Member<K>>],
    object: Option<Arc<K>>,
) -> Verdict<K>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let settings = &shared.common.settings;
    let mut update = update(&shared.common.api, &*shared.name)
        .timeout(settings.timeout)
        .attempt_timeout(settings.attempt_timeout);
    if let Some(manager) = &settings.field_manager {
        update = update.field_manager(manager);
    }
    if let Some(carrier) = &settings.carrier {
        update = update.carrier(carrier.clone());
    }
    if let Some(object) = object {
        update = update.cached(Arc::unwrap_or_clone(object));
    }
    let carrier = update.chosen_carrier();
    let mut members = 0;
    let result = update
        .apply_for(|object| {
            let base = Base::of(object.meta(), &shared.name).map_err(BoxError::from)?;
            let mut ids = HashSet::new();
            members = 0;
            for member in &mut *batch {
                let found = |id| ids.contains(id) || carrier.found_in(&base.metadata, id);
                if member.op_id().is_some_and(found) {
                    member.found();
                } else if member.is_wanted() && member.apply(&base, object) {
                    members += 1;
                    ids.extend(member.op_id().cloned());
                }
            }
            Ok(ids.into_iter().collect())
        })
        .await;
    Verdict::of(result, members)
}
