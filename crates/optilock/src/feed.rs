//! Objects from a watch, so that an attempt needn't read.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::{Resource, ResourceExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::Contention;

/// The newest known versions of objects, for updates to [start from](crate::Update::fed_by) instead of
/// reading.
///
/// Feed it what a watch tells: the events of kube-runtime's reflector, say, or of
/// [`Api::watch`](kube::Api::watch). An update that is fed so costs one PUT as long as the feed is up to
/// date, and one more for each conflict, after which it waits for the version that it has lost against.
/// Its own answers are fed back, so that the next update sees what the last one has written, however late
/// the watch is. A feed that is silent or ends costs a read and nothing else.
///
/// A feed is for one kind of object in one cluster, and for one process: those of its updates that are for
/// the same object take turns and learn from each other, as with a [`Contention`].
///
/// Clones are the same feed.
///
/// ```
/// # use futures::{StreamExt, TryStreamExt};
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # async fn example(api: kube::Api<ConfigMap>) -> Result<(), Box<dyn std::error::Error>> {
/// use kube::api::{WatchEvent, WatchParams};
/// use optilock::Feed;
///
/// let feed = Feed::default();
/// let mut events = Box::pin(api.watch(&WatchParams::default(), "0").await?);
/// let fill = async {
///     while let Ok(Some(event)) = events.try_next().await {
///         match event {
///             WatchEvent::Added(object) | WatchEvent::Modified(object) => feed.saw(object),
///             WatchEvent::Deleted(object) => feed.removed(&object),
///             _ => {}
///         }
///     }
/// };
/// let update = optilock::update(&api, "settings").fed_by(&feed).apply(|config| {
///     config.data.get_or_insert_default().insert("level".into(), "debug".into());
///     Ok(())
/// });
/// tokio::select! {
///     updated = update => println!("{}", updated?.effort),
///     () = fill => println!("the watch has ended"),
/// }
/// # Ok(())
/// # }
/// ```
pub struct Feed<K>(Arc<Inner<K>>);

struct Inner<K> {
    objects: Mutex<Objects<K>>,
    changed: watch::Sender<()>,
    contention: Contention<K>,
}

/// What is known.
struct Objects<K> {
    known: HashMap<Key, Known<K>>,
    /// How much later than the answers to our writes the watch has told of them, the last time.
    late: Duration,
}

struct Known<K> {
    object: Arc<K>,
    /// When the answer to our write has told of this version, until the watch does.
    answered: Option<Instant>,
}

/// Namespace and name.
type Key = (Option<String>, String);

/// How long an update waits for the feed before it reads for itself.
const PATIENCE: Duration = Duration::from_secs(1);

impl<K: Resource> Feed<K> {
    /// There is an object, or a new version of it. An older version than the one known is ignored.
    pub fn saw(&self, object: impl Into<Arc<K>>) {
        self.learnt(object.into(), None);
    }

    /// One of our writes has left this.
    pub(crate) fn wrote(&self, object: K) {
        self.learnt(Arc::new(object), Some(Instant::now()));
    }

    fn learnt(&self, object: Arc<K>, answered: Option<Instant>) {
        let mut objects = self.0.objects();
        let key = (object.namespace(), object.name_any());
        let version = object.resource_version();
        if let Some(known) = objects.known.get_mut(&key)
            && !is_newer(&*object, known.object.resource_version().as_deref())
        {
            let late = match (known.answered, answered) {
                (Some(first), None) if version == known.object.resource_version() => {
                    known.answered = None;
                    first.elapsed()
                }
                // The watch has told of our write before the answer did.
                (None, Some(_)) => Duration::ZERO,
                _ => return,
            };
            objects.late = late;
            return;
        }
        objects.known.insert(key, Known { object, answered });
        drop(objects);
        self.0.changed.send_replace(());
    }

    /// An object is gone.
    pub fn removed(&self, object: &K) {
        let key = (object.namespace(), object.name_any());
        let mut objects = self.0.objects();
        // Unless it is another of the same name.
        let known = &mut objects.known;
        if known
            .get(&key)
            .is_some_and(|known| known.object.uid() == object.uid())
        {
            known.remove(&key);
        }
    }

    /// How much later than the answer to a write the watch tells of it, as far as is known.
    pub(crate) fn late(&self) -> Duration {
        self.0.objects().late
    }

    /// The object, in a version after the one that is `known`. None if it doesn't come soon.
    pub(crate) async fn after(
        &self,
        namespace: Option<&str>,
        name: &str,
        known: Option<&str>,
    ) -> Option<Arc<K>> {
        let key = (namespace.map(str::to_owned), name.to_owned());
        let mut changed = self.0.changed.subscribe();
        let newer = async {
            loop {
                let object = self
                    .0
                    .objects()
                    .known
                    .get(&key)
                    .map(|known| Arc::clone(&known.object));
                match object {
                    Some(object) if is_newer(&*object, known) => return Some(object),
                    // There is nothing to wait for unless something is known.
                    None if known.is_none() => return None,
                    _ => changed.changed().await.ok()?,
                }
            }
        };
        timeout(PATIENCE, newer).await.ok().flatten()
    }
}

impl<K> Feed<K> {
    /// What the updates that are fed by this share.
    pub(crate) fn contention(&self) -> &Contention<K> {
        &self.0.contention
    }
}

impl<K> Inner<K> {
    fn objects(&self) -> MutexGuard<'_, Objects<K>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an object's version comes after another. Versions that are no numbers have no order: then any
/// other one counts.
fn is_newer<K: Resource>(object: &K, than: Option<&str>) -> bool {
    let Some(than) = than else {
        return true;
    };
    let version = object.resource_version().unwrap_or_default();
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
    }
}

impl<K> Default for Feed<K> {
    fn default() -> Self {
        Self(Arc::new(Inner {
            objects: Mutex::new(Objects {
                known: HashMap::new(),
                late: Duration::ZERO,
            }),
            changed: watch::Sender::new(()),
            contention: Contention::default(),
        }))
    }
}

impl<K> Clone for Feed<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Debug for Feed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("len", &self.0.objects().known.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(uid: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some("counter".to_owned());
        object.metadata.uid = Some(uid.to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    async fn after(feed: &Feed<ConfigMap>, known: Option<&str>) -> Option<String> {
        let object = feed.after(None, "counter", known).await?;
        object.resource_version()
    }

    #[tokio::test(start_paused = true)]
    async fn it_has_the_newest() {
        let feed = Feed::default();
        assert_eq!(after(&feed, None).await, None);
        feed.saw(object("a", "10"));
        feed.saw(object("a", "9"));
        assert_eq!(after(&feed, None).await.as_deref(), Some("10"));
        feed.removed(&object("b", "11"));
        assert_eq!(after(&feed, None).await.as_deref(), Some("10"));
        feed.removed(&object("a", "11"));
        assert_eq!(after(&feed, None).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn how_late_the_watch_is_shows_by_our_own_writes() {
        let feed = Feed::default();
        feed.saw(object("a", "9"));
        feed.wrote(object("a", "10"));
        tokio::time::advance(Duration::from_millis(7)).await;
        // Of the others' it doesn't show.
        feed.saw(object("a", "9"));
        assert_eq!(feed.late(), Duration::ZERO);
        feed.saw(object("a", "10"));
        assert_eq!(feed.late(), Duration::from_millis(7));
        // A watch that starts again tells it once more.
        tokio::time::advance(Duration::from_secs(7)).await;
        feed.saw(object("a", "10"));
        assert_eq!(feed.late(), Duration::from_millis(7));
        feed.saw(object("a", "11"));
        feed.wrote(object("a", "11"));
        assert_eq!(feed.late(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_is_waited_for_but_not_for_ever() {
        let feed = Feed::default();
        feed.saw(object("a", "9"));
        let mut waiting = Box::pin(after(&feed, Some("9")));
        assert_eq!((&mut waiting).now_or_never(), None);
        feed.saw(object("a", "10"));
        assert_eq!(waiting.await.as_deref(), Some("10"));
        assert_eq!(after(&feed, Some("10")).await, None);
    }
}
