//! Handles for many objects.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kube::Api;
use tokio::sync::Semaphore;

use super::Combiner;
use super::combiner::{Common, Settings, Shared};
use crate::Carrier;

/// A [`Combiner`] for each object of an `Api`, and the options of all of them.
///
/// An object that nobody updates costs nothing: it is known here only while somebody has its handle or
/// writes it. Clones are the same.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "team-a"}, "data": {"left": "5"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::Combiners;
///
/// let quotas = Combiners::new(api).field_manager("quota");
/// let taken = quotas
///     .object("team-a")
///     .apply(|quota| {
///         let left = quota.data.get_or_insert_default().entry("left".into()).or_default();
///         let count: u64 = left.parse()?;
///         let count = count.checked_sub(1).ok_or("the quota is used up")?;
///         *left = count.to_string();
///         Ok(count)
///     })
///     .await?;
/// println!("{} left, after a write for {}", taken.value, taken.members);
/// # Ok(())
/// # }
/// ```
pub struct Combiners<K> {
    common: Arc<Common<K>>,
    registry: Arc<Registry<K>>,
}

/// The handles in use.
pub(super) struct Registry<K>(Mutex<HashMap<Box<str>, Weak<Shared<K>>>>);

impl<K> Registry<K> {
    fn known(&self) -> MutexGuard<'_, HashMap<Box<str>, Weak<Shared<K>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a handle that is gone, unless it has a successor.
    pub(super) fn forget(&self, name: &str) {
        let mut known = self.known();
        if known
            .get(name)
            .is_some_and(|shared| shared.strong_count() == 0)
        {
            known.remove(name);
        }
    }
}

impl<K> Combiners<K> {
    /// Combiners for the objects of this `Api`.
    pub fn new(api: Api<K>) -> Self {
        Self::with(api, Settings::default())
    }

    fn with(api: Api<K>, settings: Settings) -> Self {
        Self {
            common: Arc::new(Common { api, settings }),
            registry: Arc::new(Registry(Mutex::new(HashMap::new()))),
        }
    }

    /// The handle of the object of this name.
    pub fn object(&self, name: &str) -> Combiner<K> {
        let mut known = self.registry.known();
        if let Some(shared) = known.get(name).and_then(Weak::upgrade) {
            return Combiner::of(shared);
        }
        let registry = Arc::downgrade(&self.registry);
        let combiner = Combiner::with(Arc::clone(&self.common), name.to_owned(), registry);
        known.insert(name.into(), Arc::downgrade(combiner.shared()));
        combiner
    }

    /// How many objects are known because somebody has their handle or writes them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registry.known().len()
    }

    /// Whether no object is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The options: for the handles to come.
impl<K: Clone> Combiners<K> {
    /// The name under which managedFields list the changes.
    #[must_use]
    pub fn field_manager(self, manager: impl Into<String>) -> Self {
        self.set(|settings| settings.field_manager = Some(manager.into()))
    }

    /// How writes carry the op-ids; as [`Update::carrier`](crate::Update::carrier).
    #[must_use]
    pub fn carrier(self, carrier: Carrier) -> Self {
        self.set(|settings| settings.carrier = Some(carrier))
    }

    /// How many updates of one object may wait or be under way; more have to wait for a place.
    /// 10,000 without it, and one at least.
    #[must_use]
    pub fn capacity(self, updates: usize) -> Self {
        self.set(|settings| settings.capacity = updates.clamp(1, Semaphore::MAX_PERMITS))
    }

    /// How many updates share a write at most. 1,000 without it.
    #[must_use]
    pub fn batch(self, updates: usize) -> Self {
        self.set(|settings| settings.batch = updates.max(1))
    }

    /// How long an object is remembered after the last update, so that the next one needn't read it.
    /// 5 seconds without it.
    #[must_use]
    pub fn linger(self, time: Duration) -> Self {
        self.set(|settings| settings.linger = time)
    }

    /// How long the write of one batch may take with all its attempts; as
    /// [`Update::timeout`](crate::Update::timeout).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.timeout = timeout)
    }

    /// How long one attempt may take; as [`Update::attempt_timeout`](crate::Update::attempt_timeout).
    #[must_use]
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.attempt_timeout = timeout)
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.common.settings.clone();
        change(&mut settings);
        Self::with(self.common.api.clone(), settings)
    }
}

impl<K> Clone for Combiners<K> {
    fn clone(&self) -> Self {
        Self {
            common: Arc::clone(&self.common),
            registry: Arc::clone(&self.registry),
        }
    }
}

impl<K> Debug for Combiners<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Combiners")
            .field("settings", &self.common.settings)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
