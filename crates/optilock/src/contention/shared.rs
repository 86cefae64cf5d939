//! What the updates of one process share.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::lock;
use super::pace::Steered;
use super::steering::{Source, Steering};
use super::turn::{Turn, Turnstile};

/// What the updates of one process know of the objects that they contend for, so that they don't fight
/// each other and learn from each other.
///
/// Give the same handle to all updates of one kind of object in one cluster, by
/// [`Update::sharing`](crate::Update::sharing):
///
/// - Updates of the same object take turns, in order of arrival, and each starts from what the one before
///   has written: one PUT for an update, and a GET for every third, which lets writers elsewhere in. (A
///   [`Combiner`](crate::Combiner) is cheaper still, with one PUT for many.)
/// - With writers elsewhere the process behaves like one of them: who has the turn spreads its attempts
///   by what all have learnt of the contention.
/// - What is learnt is kept between updates and forgotten when the object isn't updated for some seconds.
///
/// A turn is a courtesy and no lock: an update whose outcome is in doubt gives its turn up, and where a
/// turn doesn't end, those who wait go without one. Deadlines and guarantees are those of each update.
///
/// Without a handle an update knows only what it sees itself. It can't be shared unasked: an `Api` doesn't
/// tell which cluster it belongs to.
///
/// Clones are the same handle.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # async fn example(api: kube::Api<ConfigMap>) -> Result<(), optilock::UpdateError> {
/// use optilock::Contention;
///
/// let contention = Contention::default();
/// let visit = |page: &'static str| {
///     optilock::update(&api, "visits").sharing(&contention).apply(move |map: &mut ConfigMap| {
///         map.data.get_or_insert_default().insert(page.into(), "visited".into());
///         Ok(())
///     })
/// };
/// let (one, other) = tokio::join!(visit("front"), visit("back"));
/// println!("{}; {}", one?.effort, other?.effort);
/// # Ok(())
/// # }
/// ```
pub struct Contention<K>(Arc<Mutex<Objects<K>>>);

/// The objects that are known.
struct Objects<K> {
    known: HashMap<Key, Arc<Contended<K>>>,
    /// At how many of them those that nobody uses are looked for.
    sweep_at: usize,
}

/// Namespace and name.
type Key = (Option<String>, String);

/// The first number of objects at which unused ones are looked for.
const SWEEP_AT: usize = 64;
/// How long an object is kept that nobody updates.
const KEPT: Duration = Duration::from_secs(30);

/// What is known of one object.
pub(crate) struct Contended<K> {
    steering: Arc<Mutex<Steering>>,
    turnstile: Turnstile,
    handed: Mutex<Handover<K>>,
}

/// What one update leaves to the next.
struct Handover<K> {
    object: Option<(K, Instant)>,
    /// How many updates in a row have started from what the one before has left.
    row: u32,
    /// The age up to which an object that was left is believed to be the newest.
    trusted: Duration,
    used: Instant,
}

/// What an update finds that the one before has left.
pub(crate) enum Handed<K> {
    /// An object, and how old it is.
    Object(K, Duration),
    /// Nothing that may still be the newest.
    Nothing,
    /// It is time to let others in: this one had better read, whatever else it could start from.
    Read,
}

/// How many updates in a row may start from what the one before has left. Who writes elsewhere can hardly
/// get in between and show nowhere, so every third reads, to let them in.
const ROW: u32 = 2;
/// The age up to which an object is trusted at first, and at most.
const TRUSTED: Duration = Duration::from_secs(1);
const TRUSTED_MOST: Duration = Duration::from_secs(5);
/// The age up to which it is trusted in any case: it has just been left.
const TRUSTED_LEAST: Duration = Duration::from_millis(10);

impl<K> Contention<K> {
    /// What is known of an object.
    pub(crate) fn of(&self, namespace: Option<&str>, name: &str) -> Arc<Contended<K>> {
        let mut objects = lock(&self.0);
        let key = (namespace.map(str::to_owned), name.to_owned());
        if let Some(known) = objects.known.get(&key) {
            return Arc::clone(known);
        }
        if objects.known.len() >= objects.sweep_at {
            objects
                .known
                .retain(|_, object| Arc::strong_count(object) > 1 || object.idle() < KEPT);
            objects.sweep_at = (objects.known.len() * 2).max(SWEEP_AT);
        }
        let contended = Arc::new(Contended::new());
        objects.known.insert(key, Arc::clone(&contended));
        contended
    }

    /// How many objects are known: those that were updated lately.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.0).known.len()
    }

    /// Whether no object is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K> Contended<K> {
    pub(crate) fn new() -> Self {
        Self {
            steering: Arc::default(),
            turnstile: Turnstile::new(),
            handed: Mutex::new(Handover {
                object: None,
                row: 0,
                trusted: TRUSTED,
                used: Instant::now(),
            }),
        }
    }

    fn steering(&self) -> MutexGuard<'_, Steering> {
        lock(&self.steering)
    }

    /// The pace for an update that nobody has given a backoff.
    pub(crate) fn pace<R: FnMut() -> f64>(
        &self,
        random: R,
        deadline: Option<Instant>,
    ) -> Steered<R> {
        Steered::new(Arc::clone(&self.steering), random, deadline)
    }

    fn idle(&self) -> Duration {
        lock(&self.handed).used.elapsed()
    }

    /// Waits for the turn. None where the others don't get on.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        let turn = self.turnstile.wait().await;
        self.steering().wake(Instant::now());
        turn
    }

    /// Takes what the update before has left.
    pub(crate) fn take(&self) -> Handed<K> {
        let mut steering = self.steering();
        let mut handed = lock(&self.handed);
        handed.used = Instant::now();
        let Some((object, left)) = handed.object.take() else {
            return Handed::Nothing;
        };
        let age = left.elapsed();
        if age > handed.trusted {
            handed.row = 0;
            return Handed::Nothing;
        }
        if handed.row >= ROW {
            handed.row = 0;
            return Handed::Read;
        }
        handed.row += 1;
        steering.handed();
        Handed::Object(object, age)
    }

    /// Leaves the object to the next update.
    pub(crate) fn leave(&self, object: K) {
        let now = Instant::now();
        let mut handed = lock(&self.handed);
        handed.object = Some((object, now));
        handed.used = now;
    }

    /// What was left at this age was the newest, or it wasn't.
    pub(crate) fn judge(&self, age: Duration, newest: bool) {
        let mut handed = lock(&self.handed);
        if newest {
            handed.trusted = handed.trusted.max(age * 2).min(TRUSTED_MOST);
        } else {
            handed.trusted = handed.trusted.min(age / 2).max(TRUSTED_LEAST);
            handed.row = 0;
        }
    }

    /// An attempt starts from an object that isn't known to be the newest.
    pub(crate) fn handed(&self) {
        self.steering().handed();
    }

    /// There is an object to start from, which is the newest as far as we know.
    pub(crate) fn read(&self, source: Source, version: &str) {
        self.steering()
            .read(Instant::now(), source, version.parse().ok());
    }

    /// The object tells the range of whoever has written it.
    pub(crate) fn heard(&self, range: Duration) {
        self.steering().heard(range);
    }

    /// The range to tell others.
    pub(crate) fn told(&self) -> Option<Duration> {
        self.steering().told()
    }

    /// The write was carried out, and the object has this version now.
    pub(crate) fn won(&self, took: Duration, version: &str) {
        self.steering().won(took, version.parse().ok());
    }

    /// The write was refused: somebody else was faster.
    pub(crate) fn lost(&self, took: Duration) {
        self.steering().lost(took);
    }
}

impl<K> Default for Contention<K> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Objects {
            known: HashMap::new(),
            sweep_at: SWEEP_AT,
        })))
    }
}

impl<K> Clone for Contention<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Debug for Contention<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contention")
            .field("len", &self.len())
            .finish()
    }
}
