//! One of the workers that update the objects of a run.

use std::{
    fmt::{self, Debug},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use optilock::{Combiner, Combiners};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;

use crate::{
    AttemptError, CounterError, EventKind, Events,
    crew::Object,
    feed::Feed,
    transport::{Activity, Probe, Ticket},
    workload::{self, Change},
};

/// The field manager of everything that the lab writes.
pub(crate) const FIELD_MANAGER: &str = "optilock-lab";

/// One of the workers of a run, about to make one update of one object, with a client of its own.
#[derive(Clone)]
pub struct Worker {
    pub(crate) index: usize,
    pub(crate) api: Api<Deployment>,
    pub(crate) object: Arc<Object>,
    /// Which of the worker's updates this is, from 0.
    pub(crate) update: u64,
    /// Of this update.
    pub(crate) seed: u64,
    pub(crate) change: Change,
    pub(crate) ticket: Option<Arc<Ticket>>,
    pub(crate) probe: Probe,
    /// The change was not wanted: a quota is used up.
    pub(crate) declined: Arc<AtomicBool>,
    pub(crate) events: Events,
}

impl Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index)
            .field("name", &self.object.name)
            .field("update", &self.update)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Which worker, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Where the object is.
    pub fn api(&self) -> &Api<Deployment> {
        &self.api
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// The parameters that a worker's writes have.
    pub fn post_params() -> PostParams {
        PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        }
    }

    /// The worker's own random numbers, from 0 (included) to 1 (excluded): the same in every run with
    /// the same seed.
    pub fn random(&self) -> impl FnMut() -> f64 + Send + use<> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        move || rng.random()
    }

    /// The one handle that the workers of a run share; the first who asks makes it, on a client that
    /// is nobody's own.
    pub fn combiner(
        &self,
        options: impl FnOnce(Api<Deployment>) -> Combiners<Deployment>,
    ) -> Combiner<Deployment> {
        let object = &self.object;
        let make = || options(object.api.clone()).object(&object.name);
        object.combiner.get_or_init(make).clone()
    }

    /// The object as one watch tells it that all workers share, once it is another version than `base`.
    pub(crate) async fn watched(&self, base: Option<&str>) -> Result<Deployment, AttemptError> {
        let object = &self.object;
        let open = || Feed::open(object.api.clone(), object.name.clone());
        let feed = self.waiting(object.feed.get_or_try_init(open)).await?;
        Ok(self.waiting(feed.other_than(base)).await)
    }

    /// Waits for others, and books the time as that.
    pub(crate) async fn waiting<T>(&self, others: impl Future<Output = T>) -> T {
        self.probe.enter(Activity::Waiting);
        let done = others.await;
        self.probe.enter(Activity::Working);
        done
    }

    /// Takes part in the first round without a read of its own: the others do not wait for one.
    pub fn joins_without_reading(&self) {
        if let Some(ticket) = &self.ticket {
            ticket.arrive();
        }
    }

    /// Makes the workload's change to a copy that was read; the number of updates that it has in it then.
    ///
    /// # Errors
    /// [`CounterError`] where there is no counter any more, or a quota is used up.
    pub fn change(&self, object: &mut Deployment) -> Result<i64, CounterError> {
        self.declined.store(false, Ordering::Relaxed);
        let changed = self.change.apply(object, self.index, self.update);
        if let Err(CounterError::UsedUp { .. }) = changed {
            self.declined.store(true, Ordering::Relaxed);
        }
        let value = changed?;
        self.events.emit(EventKind::Read {
            worker: self.index,
            value,
            resource_version: version(object),
        });
        self.joins_without_reading();
        Ok(value)
    }

    /// Reads the object and changes the copy: as it was, as it is to be, and the number of updates in it then.
    ///
    /// # Errors
    /// [`AttemptError`] where one of them fails.
    pub async fn read_and_change(&self) -> Result<(Deployment, Deployment, i64), AttemptError> {
        let old = self.api.get(self.name()).await.map_err(AttemptError::Api)?;
        let mut new = old.clone();
        let value = self.change(&mut new)?;
        Ok((old, new, value))
    }

    /// The seed's `updateByGetAndUpdate`: get, change, update, once.
    ///
    /// # Errors
    /// [`AttemptError`] where one of them fails; a conflict is one of the server's errors.
    pub async fn get_and_update(&self) -> Result<Update, AttemptError> {
        let (_, object, value) = self.read_and_change().await?;
        self.put(&object, value).await
    }

    /// Writes a changed copy.
    ///
    /// # Errors
    /// [`AttemptError::Api`] where the server refuses it, or doesn't answer.
    pub async fn put(&self, object: &Deployment, value: i64) -> Result<Update, AttemptError> {
        let put = self
            .api
            .replace(self.name(), &Self::post_params(), object)
            .await;
        let new = version(&put.map_err(AttemptError::Api)?);
        let old = version(object);
        Ok(Update { value, old, new })
    }

    /// Patches the object, of which `old` was read, so that its counter becomes `value`.
    ///
    /// # Errors
    /// [`AttemptError::Api`] where the server refuses it, or doesn't answer.
    pub async fn patch<P: Serialize + Debug>(
        &self,
        patch: &Patch<P>,
        old: &Deployment,
        value: i64,
    ) -> Result<Update, AttemptError> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = self.api.patch(self.name(), &params, patch).await;
        let new = version(&patched.map_err(AttemptError::Api)?);
        let old = version(old);
        Ok(Update { value, old, new })
    }

    pub(crate) fn was_declined(&self) -> bool {
        self.declined.load(Ordering::Relaxed)
    }

    /// The counter in an object, as the workload counts.
    pub(crate) fn count(object: &Deployment) -> Result<i64, CounterError> {
        workload::count(object)
    }
}

/// An update that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The counter that was written.
    pub value: i64,
    /// The version that the update was computed from.
    pub old: String,
    /// The version that the update made.
    pub new: String,
}

/// An object's resourceVersion, empty where it has none.
pub(crate) fn version(object: &Deployment) -> String {
    object.resource_version().unwrap_or_default()
}
