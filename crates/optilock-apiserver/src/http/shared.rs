//! What all requests of one server share.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::asked::Asked;
use super::output::Frames;
use crate::ambient::Ambient;
use crate::audit::{AuditLog, Counters};
use crate::controllers::{Controllers, Manager, RootCa};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::status::Status;

/// What all requests of one server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) ambient: Arc<Ambient>,
    pub(crate) metrics: Metrics,
    pub(super) audit: Option<AuditLog>,
    pub(super) frames: Frames,
    /// The watches that are open; `None` where nobody may see them.
    pub(super) watchers: Option<Arc<Watchers>>,
    controllers: Controllers,
    root_ca: RootCa,
    /// What follows other servers, on a store that is shared.
    restored: OnceCell<JoinSet<()>>,
    manager: OnceCell<Manager>,
}

impl Shared {
    pub(crate) fn new(
        registry: Registry,
        ambient: Arc<Ambient>,
        (controllers, root_ca): (Controllers, RootCa),
        audit: Option<AuditLog>,
        debug: bool,
    ) -> Self {
        let none = Counters::new();
        let counters = audit.as_ref().map_or(&none, AuditLog::counters);
        Self {
            registry: Arc::new(registry),
            ambient,
            metrics: Metrics::new(counters),
            audit,
            frames: Frames::default(),
            watchers: debug.then(Arc::default),
            controllers,
            root_ca,
            restored: OnceCell::new(),
            manager: OnceCell::new(),
        }
    }

    /// Takes up what the store has from an earlier server, before the first request: discovery shows it, too.
    pub(super) async fn restored(&self) -> Result<(), Status> {
        // Requests that come later don't carry room for it.
        let restore = || {
            Box::pin(async {
                self.registry.restore().await?;
                let mut following = JoinSet::new();
                if self.registry.is_shared() {
                    following.spawn(Arc::clone(&self.registry).follow_others());
                }
                Ok::<_, Status>(following)
            })
        };
        self.restored.get_or_try_init(restore).await?;
        Ok(())
    }

    /// Creates what every cluster has and starts the controllers, before the first request on a resource is served. A
    /// failure is the answer to that request; the next one tries again.
    pub(super) async fn ready(&self) -> Result<(), Status> {
        let start = || {
            Box::pin(async {
                self.registry.bootstrap().await?;
                let registry = Arc::clone(&self.registry);
                Manager::start(registry, &self.controllers, &self.root_ca).await
            })
        };
        self.manager.get_or_try_init(start).await?;
        Ok(())
    }

    /// Lists a watch that begins, where anybody may see the list.
    pub(super) fn watching(&self, user: &str, asked: &Asked<'_>) -> Option<Listed> {
        let watchers = self.watchers.as_ref()?;
        let watching = Watching {
            user: user.to_owned(),
            what: asked.to_string(),
            since: self.ambient.now(),
        };
        let mut list = watchers.0.lock();
        let number = list.last_key_value().map_or(0, |(last, _)| last + 1);
        list.insert(number, watching);
        Some(Listed(Arc::clone(watchers), number))
    }
}

/// The watches that are open.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<BTreeMap<u64, Watching>>);

#[derive(Debug)]
struct Watching {
    user: String,
    what: String,
    since: Timestamp,
}

/// A watch in the list of those that are open, from which it is taken when this goes.
#[derive(Debug)]
pub(super) struct Listed(Arc<Watchers>, u64);

impl Watchers {
    pub(super) fn to_json(&self) -> Value {
        let list = self.0.lock();
        let shown = list.values().map(|watching| {
            json!({
                "user": watching.user,
                "watch": watching.what,
                "since": watching.since.to_string(),
            })
        });
        shown.collect()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}
