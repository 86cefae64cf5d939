//! What happens during an update.

use std::time::Duration;

use kube::core::Status;

use super::{Doubt, Evidence};

/// A step of an update, told to [`Update::observe`](crate::Update::observe).
///
/// `attempt` counts from 1.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::Event;
///
/// let mut written = None;
/// optilock::update(&api, "settings")
///     .observe(|event| {
///         if let Event::Written { base, resource_version, .. } = event {
///             written = Some(format!("{base} -> {resource_version}"));
///         }
///     })
///     .apply(|config| {
///         config.data.get_or_insert_default().insert("level".into(), "debug".into());
///         Ok(())
///     })
///     .await?;
/// assert!(written.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, K> {
    /// The object is there: it was read, or given [to start from](crate::Update::from).
    #[non_exhaustive]
    Read {
        /// The attempt it is for.
        attempt: u32,
        /// Its version.
        resource_version: &'a str,
        /// The object, before the closure changes it.
        object: &'a K,
    },
    /// The closure has changed the object; the write is about to be sent.
    #[non_exhaustive]
    Write {
        /// The attempt it belongs to.
        attempt: u32,
        /// The version that the change was computed from, and that the server will insist on.
        base: &'a str,
        /// The object, as changed by the closure.
        object: &'a K,
    },
    /// The server has carried out the write.
    #[non_exhaustive]
    Written {
        /// The attempt it belongs to.
        attempt: u32,
        /// The version that the change was computed from.
        base: &'a str,
        /// The version that the write made.
        resource_version: &'a str,
        /// The object as the server has it now.
        object: &'a K,
    },
    /// The closure has changed nothing, so that there is nothing to write.
    #[non_exhaustive]
    Unchanged {
        /// The attempt it belongs to.
        attempt: u32,
        /// The version at hand.
        resource_version: &'a str,
        /// The object.
        object: &'a K,
    },
    /// The server has refused the write, because the object had changed in the meantime.
    #[non_exhaustive]
    Conflict {
        /// The attempt it belongs to.
        attempt: u32,
        /// The version that the change was computed from.
        base: &'a str,
        /// The server's answer.
        status: &'a Status,
    },
    /// The write has ended in a way that leaves open whether it was carried out.
    ///
    /// What follows is no attempt but the search for the outcome, unless the update is
    /// [idempotent](crate::Update::idempotent).
    #[non_exhaustive]
    Unknown {
        /// The attempt it belongs to.
        attempt: u32,
        /// The version that the change was computed from.
        base: &'a str,
        /// Why it is open.
        doubt: &'a Doubt,
    },
    /// The outcome of a write that was unknown has been found out.
    #[non_exhaustive]
    Resolved {
        /// The attempt it belongs to.
        attempt: u32,
        /// The version that the change was computed from.
        base: &'a str,
        /// What tells that it was applied; none if it wasn't, and never will be.
        applied: Option<Evidence>,
    },
    /// The server has asked for patience: too many requests, or a time after which to try again.
    #[non_exhaustive]
    Throttled {
        /// The attempt it belongs to.
        attempt: u32,
        /// The server's answer.
        status: &'a Status,
    },
    /// There is a sleep before the next attempt.
    #[non_exhaustive]
    Sleep {
        /// The attempt that has failed; 0 where contention is known of before the first.
        attempt: u32,
        /// How long.
        delay: Duration,
    },
}

impl<K> Event<'_, K> {
    /// Writes the event to the log, at the level debug: conflicts are everyday life. Unknown
    /// outcomes are not.
    pub(crate) fn log(&self) {
        match self {
            Self::Read {
                attempt,
                resource_version,
                ..
            } => tracing::debug!(attempt, resource_version, "read"),
            Self::Write { attempt, base, .. } => tracing::debug!(attempt, base, "writing"),
            Self::Written {
                attempt,
                base,
                resource_version,
                ..
            } => tracing::debug!(attempt, base, resource_version, "written"),
            Self::Unchanged {
                attempt,
                resource_version,
                ..
            } => tracing::debug!(attempt, resource_version, "nothing to write"),
            Self::Conflict {
                attempt,
                base,
                status,
            } => tracing::debug!(attempt, base, answer = status.message, "conflict"),
            Self::Unknown {
                attempt,
                base,
                doubt,
            } => tracing::info!(attempt, base, %doubt, "the outcome of the write is unknown"),
            Self::Resolved {
                attempt,
                base,
                applied,
            } => tracing::info!(attempt, base, ?applied, "the outcome of the write is known"),
            Self::Throttled { attempt, status } => {
                tracing::debug!(attempt, answer = status.message, "throttled");
            }
            Self::Sleep { attempt, delay } => tracing::debug!(attempt, ?delay, "sleeping"),
        }
    }
}
