//! A handle for one object.

use std::fmt::{self, Debug};
use std::panic::resume_unwind;
use std::sync::{Arc, Weak};
use std::time::Duration;

use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, TryAcquireError, oneshot};

use super::Combined;
use super::batch::drive;
use super::keyed::Registry;
use super::member::{Change, Once};
use super::queue::Queue;
use crate::update::{ATTEMPT_TIMEOUT, Endpoint, Reason, TIMEOUT, Target, UpdateError};
use crate::{BoxError, Carrier, Effort, OpId};

/// Many tasks update one object through one handle: their closures are applied in order of arrival to
/// one copy, and written with one PUT.
///
/// One write is under way at a time, and whoever comes meanwhile is in the next. The answer to a write is
/// what the next one starts from, so that nothing is read as long as nobody else writes the object. With
/// others around, all who share the handle behave like one writer. Each update is applied exactly once,
/// as by [`update`](crate::update()), and has its own result: a closure that fails or panics leaves no
/// trace and doesn't hurt the others, and what the server refuses hurts only those whose fault it is.
///
/// Clones are the same handle. A handle that nobody uses costs its memory and nothing else: the task that
/// writes ends a while after the last update, and forgets the object.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "counters"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::Combiner;
///
/// let counters = Combiner::new(api, "counters");
/// let visit = |map: &mut ConfigMap| {
///     let visits = map.data.get_or_insert_default().entry("visits".into()).or_default();
///     let count = visits.parse().unwrap_or(0) + 1;
///     *visits = count.to_string();
///     Ok::<u64, optilock::BoxError>(count)
/// };
/// let (one, other) = tokio::join!(counters.apply(visit), counters.apply(visit));
/// println!("visitors {} and {}", one?.value, other?.value);
/// # Ok(())
/// # }
/// ```
pub struct Combiner<K>(Arc<Shared<K>>);

/// What belongs to one object.
pub(super) struct Shared<K> {
    pub(super) common: Arc<Common<K>>,
    pub(super) name: Box<str>,
    pub(super) queue: Queue<K>,
    places: Arc<Semaphore>,
    /// Where handles are looked up, if anywhere.
    registry: Weak<Registry<K>>,
}

/// What the objects of one [`Combiners`](crate::Combiners) have in common.
#[derive(Clone)]
pub(super) struct Common<K> {
    pub(super) api: Api<K>,
    pub(super) settings: Settings,
}

/// The options.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) field_manager: Option<String>,
    pub(super) carrier: Option<Carrier>,
    pub(super) capacity: usize,
    pub(super) batch: usize,
    pub(super) linger: Duration,
    pub(super) timeout: Duration,
    pub(super) attempt_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            field_manager: None,
            carrier: None,
            capacity: 10_000,
            batch: 1_000,
            linger: Duration::from_secs(5),
            timeout: TIMEOUT,
            attempt_timeout: ATTEMPT_TIMEOUT,
        }
    }
}

impl<K> Combiner<K> {
    /// A handle for the object of this name.
    pub fn new(api: Api<K>, name: impl Into<String>) -> Self {
        let common = Common {
            api,
            settings: Settings::default(),
        };
        Self::with(Arc::new(common), name.into(), Weak::new())
    }

    pub(super) fn with(common: Arc<Common<K>>, name: String, registry: Weak<Registry<K>>) -> Self {
        let places = Arc::new(Semaphore::new(common.settings.capacity));
        Self(Arc::new(Shared {
            common,
            name: name.into(),
            queue: Queue::new(),
            places,
            registry,
        }))
    }

    pub(super) fn shared(&self) -> &Arc<Shared<K>> {
        &self.0
    }

    pub(super) fn of(shared: Arc<Shared<K>>) -> Self {
        Self(shared)
    }

    /// Makes an update, together with those of others.
    ///
    /// `change` may be called any number of times, as by [`Update::apply`](crate::Update::apply): it should
    /// compute the change from the object that it is given, and have no other effect. It runs in the
    /// task that writes, so it should be quick.
    ///
    /// Waits while the [queue](crate::Combiners::capacity) is full.
    ///
    /// # Errors
    /// As [`Update::apply`](crate::Update::apply). What all members of a batch have in common is
    /// [`Reason::Combined`].
    ///
    /// # Panics
    /// If `change` does; the panic is passed on. Outside of a Tokio runtime.
    ///
    /// # Cancellation
    /// Dropping the future while the update waits takes it out of the queue. Once it is being written,
    /// it is written; [`apply_once`](Self::apply_once) may be repeated all the same.
    pub async fn apply<T, F>(&self, change: F) -> Result<Combined<K, T>, UpdateError>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
        T: Send + 'static,
        F: FnMut(&mut K) -> Result<T, BoxError> + Send + 'static,
    {
        self.submit(None, change, true).await
    }

    /// [`apply`](Self::apply), but fails with [`Reason::QueueFull`] instead of waiting while the queue is
    /// full.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and [`Reason::QueueFull`].
    pub async fn try_apply<T, F>(&self, change: F) -> Result<Combined<K, T>, UpdateError>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
        T: Send + 'static,
        F: FnMut(&mut K) -> Result<T, BoxError> + Send + 'static,
    {
        self.submit(None, change, false).await
    }

    /// [`apply`](Self::apply) with an identity, so that it may be repeated: where an update with the same
    /// op-id is in the object already, the closure isn't called, and there is no value.
    ///
    /// [`Update::op_id`](crate::Update::op_id) says how long the object remembers.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn apply_once<T, F>(
        &self,
        op_id: OpId,
        mut change: F,
    ) -> Result<Combined<K, Option<T>>, UpdateError>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
        T: Send + 'static,
        F: FnMut(&mut K) -> Result<T, BoxError> + Send + 'static,
    {
        let once = Once {
            op_id,
            found: || None,
        };
        let change = move |object: &mut K| change(object).map(Some);
        self.submit(Some(once), change, true).await
    }

    async fn submit<T, F>(
        &self,
        once: Option<Once<T>>,
        change: F,
        wait: bool,
    ) -> Result<Combined<K, T>, UpdateError>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
        T: Send + 'static,
        F: FnMut(&mut K) -> Result<T, BoxError> + Send + 'static,
    {
        let shared = &self.0;
        let failed = |reason| {
            let target = Target::new(&Endpoint::of(&shared.common.api), &shared.name);
            UpdateError::new(target, None, Effort::default(), reason)
        };
        let places = Arc::clone(&shared.places);
        let place = match places.try_acquire_owned() {
            Err(TryAcquireError::NoPermits) if wait => {
                Arc::clone(&shared.places).acquire_owned().await.ok()
            }
            place => place.ok(),
        };
        // The semaphore is never closed.
        let Some(place) = place else {
            return Err(failed(Reason::QueueFull(shared.common.settings.capacity)));
        };
        let (reply, answer) = oneshot::channel();
        let member = Change {
            change,
            once,
            outcome: None,
            reply,
            _place: place,
        };
        if shared.queue.push(Box::new(member)) {
            tokio::spawn(drive(Arc::clone(shared)));
        }
        match answer.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(failed(Reason::Stopped)),
        }
    }
}

impl<K> Drop for Shared<K> {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(&self.name);
        }
    }
}

impl<K> Clone for Combiner<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Debug for Combiner<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Combiner")
            .field("name", &self.0.name)
            .field("settings", &self.0.common.settings)
            .finish_non_exhaustive()
    }
}
