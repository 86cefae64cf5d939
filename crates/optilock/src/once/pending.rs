//! A write whose outcome isn't known yet.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use kube::core::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::{Carrier, OpId};

/// A write that was sent and whose outcome isn't known: all that it takes to find out later, in another
/// process if need be.
///
/// It comes with [`Reason::Unknown`](crate::Reason::Unknown), and from a [`PendingSlot`] after a future
/// was dropped. [`resolve`](crate::resolve()) finds out; so does
/// [`Update::resume`](crate::Update::resume), which then goes on. It can be stored: as JSON, say.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::{Pending, PendingSlot};
///
/// let slot = PendingSlot::default();
/// let update = optilock::update(&api, "settings").pending(&slot).apply(|config| {
///     config.data.get_or_insert_default().insert("level".into(), "debug".into());
///     Ok(())
/// });
/// // Given up while it is under way, as by a process that ends.
/// tokio::time::timeout(std::time::Duration::ZERO, update).await.ok();
/// if let Some(pending) = slot.take() {
///     let stored = serde_json::to_string(&pending)?;
///
///     // The next process:
///     let pending: Pending = serde_json::from_str(&stored)?;
///     println!("{}: {:?}", pending.op_id, optilock::resolve(&api, &pending).await?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// The update that the write belongs to.
    pub op_id: OpId,
    /// The object's name.
    pub name: String,
    /// What the write does.
    pub verb: Verb,
    /// The object's uid, which the write insists on; empty where it creates the object.
    pub uid: String,
    /// The resourceVersion that the write was computed from, and insists on; empty where it creates the
    /// object.
    pub base: String,
    /// The metadata that the write was computed from.
    pub read: Box<ObjectMeta>,
    /// Whether the server removes the object when it carries this out: the last finalizer of an object
    /// that is being deleted goes.
    pub removes: bool,
    /// How the write carries the op-id; none if it doesn't, because the update was
    /// [idempotent](crate::Update::idempotent).
    pub carrier: Option<Carrier>,
    /// The field manager that the write was sent with.
    pub field_manager: Option<String>,
    /// The subresource that was written, such as `status`.
    pub subresource: Option<String>,
    /// The request's body, byte for byte.
    pub body: String,
}

/// What a write does.
///
/// ```
/// use optilock::Verb;
///
/// let verb: Verb = serde_json::from_str("\"update\"")?;
/// assert_eq!(verb, Verb::Update);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verb {
    /// Makes the object: a POST.
    Create,
    /// Replaces the object: a PUT.
    Update,
    /// Changes the object's metadata: a merge patch that insists on uid and resourceVersion, as a PUT
    /// does.
    Patch,
}

/// Without the body, which may be long and may hold secrets.
impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("op_id", &self.op_id)
            .field("name", &self.name)
            .field("verb", &self.verb)
            .field("uid", &self.uid)
            .field("base", &self.base)
            .field("subresource", &self.subresource)
            .finish_non_exhaustive()
    }
}

/// A place that remembers the write that is under way, also when the update's future is dropped.
///
/// Clones are the same place. It is filled just before a write is sent, and empty again as soon as the
/// write's outcome is known.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::{Outcome, PendingSlot};
///
/// let slot = PendingSlot::default();
/// let update = optilock::update(&api, "settings").pending(&slot).apply(|config| {
///     config.data.get_or_insert_default().insert("level".into(), "debug".into());
///     Ok(())
/// });
/// if tokio::time::timeout(Duration::from_secs(1), update).await.is_err()
///     && let Some(pending) = slot.take()
/// {
///     // The future is gone, and it may have left a write behind.
///     match optilock::resolve(&api, &pending).await? {
///         Outcome::Applied => println!("it was, or is now, applied"),
///         _ => println!("it never will be applied"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct PendingSlot(Arc<Mutex<Option<Arc<Pending>>>>);

impl PendingSlot {
    /// Takes what is there: a write whose outcome isn't known. None if there is no such write.
    #[must_use]
    pub fn take(&self) -> Option<Pending> {
        self.swap(None).map(Arc::unwrap_or_clone)
    }

    pub(crate) fn swap(&self, pending: Option<Arc<Pending>>) -> Option<Arc<Pending>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *slot, pending)
    }
}
