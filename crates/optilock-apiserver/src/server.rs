//! The server: a store, a registry and the ways to reach them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::controllers::{Controller, Controllers, RootCa};
use crate::http::{ApiService, Shared};
#[cfg(feature = "tls")]
use crate::http::{Authentication, Guard};
#[cfg(feature = "tls")]
use crate::listen::Authority;
#[cfg(feature = "tls")]
use crate::metrics::Metrics;
use crate::registry::Registry;
#[cfg(feature = "tls")]
use crate::status::Status;
use crate::store::{MemoryStore, Retention, Store};

/// A Kubernetes API server.
///
/// It is a handle: clones are the same server. Its controllers start with the first request and stop with the last
/// handle.
///
/// ```
/// use optilock_apiserver::Server;
///
/// let server = Server::new();
/// let service = server.service(); // a tower::Service; with feature `kube` there is `server.client()` too
/// # let _ = service;
/// ```
#[derive(Debug, Clone)]
pub struct Server {
    shared: Arc<Shared>,
    #[cfg(feature = "tls")]
    authority: Arc<Authority>,
}

/// Settings of a [`Server`].
#[derive(Default)]
pub struct ServerBuilder {
    store: Option<Arc<dyn Store>>,
    retention: Retention,
    seed: Option<u64>,
    controllers: Option<Controllers>,
    clock: Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>,
    audit: Option<AuditLog>,
    debug: bool,
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("store", &self.store)
            .field("retention", &self.retention)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server with the usual settings, in memory, with the namespaces that every cluster has.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A server with settings of your own.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The server as a [`tower::Service`] for callers in this process: no socket, no credential.
    #[must_use]
    pub fn service(&self) -> ApiService {
        ApiService::in_process(Arc::clone(&self.shared))
    }

    /// A client that talks to the server in process. It has no retry layer of its own.
    ///
    /// # Panics
    /// Outside of a Tokio runtime: [`kube::Client::new`] spawns a task.
    #[cfg(feature = "kube")]
    #[must_use]
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.service(), "default")
    }

    #[cfg(feature = "tls")]
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The service on a port.
    #[cfg(feature = "tls")]
    pub(crate) fn guarded_service(&self, token: &str, guard: Guard) -> ApiService {
        let authentication = Authentication::token(token);
        ApiService::guarded(Arc::clone(&self.shared), authentication, guard)
    }

    #[cfg(feature = "tls")]
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerBuilder {
    /// Where objects are kept. In memory, when this is not called.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use optilock_apiserver::Server;
    /// use optilock_apiserver::store::{MemoryStore, Retention};
    ///
    /// // Two servers that show the same objects, one after the other.
    /// let store = Arc::new(MemoryStore::new(Retention::default()));
    /// let first = Server::builder().store(store.clone()).build();
    /// drop(first);
    /// let second = Server::builder().store(store).build();
    /// # let _ = second;
    /// ```
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// How long changes are kept for watches and for lists at an older version. The default is
    /// 5 minutes, as kube-apiserver compacts etcd. A store that is given by [`store`](Self::store) has a
    /// [`Retention`] of its own.
    #[must_use]
    pub fn compact_after(mut self, age: Duration) -> Self {
        self.retention.age = age;
        self
    }

    /// The controllers to run. All of them, when this is not called.
    ///
    /// ```
    /// use optilock_apiserver::{Controller, Server};
    ///
    /// // Nothing but what clients write.
    /// let bare = Server::builder().controllers([]).build();
    /// let collecting = Server::builder().controllers([Controller::GarbageCollector]).build();
    /// # let _ = (bare, collecting);
    /// ```
    #[must_use]
    pub fn controllers(mut self, controllers: impl IntoIterator<Item = Controller>) -> Self {
        self.controllers = Some(controllers.into_iter().collect());
        self
    }

    /// Seeds all randomness (uids, generated names), so that a run can be repeated.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The time of day that the server writes into objects.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Writes down who asks for what: every request, on a port or in process. Nothing is written, when this is not called.
    #[must_use]
    pub fn audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// Answers `/debug/limits`, `/debug/watchers` and `/debug/store`: who is served and waits, which watches are open, what is
    /// stored. They name users and objects, and are 404, when this is not called.
    #[must_use]
    pub fn debug(mut self, answers: bool) -> Self {
        self.debug = answers;
        self
    }

    /// The server.
    #[must_use]
    pub fn build(self) -> Server {
        let ambient = Arc::new(Ambient::new(self.clock, self.seed));
        let retention = self.retention;
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(MemoryStore::new(retention)));
        let registry = Registry::new(store, Arc::clone(&ambient));
        let controllers = self.controllers.unwrap_or_else(|| Controller::ALL.into());
        #[cfg(feature = "tls")]
        let authority = Arc::new(Authority::default());
        #[cfg(feature = "tls")]
        let root_ca = {
            let authority = Arc::clone(&authority);
            move || {
                let made = authority.get();
                made.map(|made| made.pem.clone())
                    .map_err(|error| Status::untyped(error.to_string()))
            }
        };
        // Without a port there is nothing to know the server by.
        #[cfg(not(feature = "tls"))]
        let root_ca = || Ok(String::new());
        let root_ca = RootCa(Box::new(root_ca));
        Server {
            shared: Arc::new(Shared::new(
                registry,
                ambient,
                (controllers, root_ca),
                self.audit,
                self.debug,
            )),
            #[cfg(feature = "tls")]
            authority,
        }
    }
}
