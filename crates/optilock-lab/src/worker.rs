//! One of the workers that update the object of a run.

use std::sync::{Arc, OnceLock};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt, api::PostParams};
use optilock::{Combiner, Combiners};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{AttemptError, CounterError, EventKind, Events, transport::Ticket, workload};

/// The field manager of everything that the lab writes.
pub(crate) const FIELD_MANAGER: &str = "optilock-lab";

/// One of the workers that add one to the counter of an object, with a client of its own.
#[derive(Clone)]
pub struct Worker {
    pub(crate) index: usize,
    pub(crate) api: Api<Deployment>,
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) ticket: Arc<Ticket>,
    /// Where the workers of a run find what they share.
    pub(crate) combiner: Arc<OnceLock<Combiner<Deployment>>>,
    pub(crate) events: Events,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Where the object is.
    pub fn api(&self) -> &Api<Deployment> {
        &self.api
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
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

    /// The one handle that the workers of a run share; the first who asks makes it.
    pub fn combiner(
        &self,
        options: impl FnOnce(Api<Deployment>) -> Combiners<Deployment>,
    ) -> Combiner<Deployment> {
        let make = || options(self.api.clone()).object(&self.name);
        self.combiner.get_or_init(make).clone()
    }

    /// Takes part in the first round without a read of its own: the others do not wait for one.
    pub fn joins_without_reading(&self) {
        self.ticket.arrive();
    }

    /// Adds one to the counter of a copy that was read, and returns it.
    ///
    /// # Errors
    /// [`CounterError`] where there is no counter any more.
    pub fn increment(&self, object: &mut Deployment) -> Result<i64, CounterError> {
        let value = workload::increment(object)?;
        self.events.emit(EventKind::Read {
            worker: self.index,
            value,
            resource_version: version(object),
        });
        self.ticket.arrive();
        Ok(value)
    }

    /// The seed's `updateByGetAndUpdate`: get, add one, update, once.
    ///
    /// # Errors
    /// [`AttemptError`] where one of them fails; a conflict is one of the server's errors.
    pub async fn get_and_update(&self) -> Result<Update, AttemptError> {
        let mut object = self.api.get(&self.name).await.map_err(AttemptError::Api)?;
        let old = version(&object);
        let value = self.increment(&mut object)?;
        let object = self
            .api
            .replace(&self.name, &Self::post_params(), &object)
            .await
            .map_err(AttemptError::Api)?;
        Ok(Update {
            value,
            old,
            new: version(&object),
        })
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
