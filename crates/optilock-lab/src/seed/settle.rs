//! Waiting until controllers have done with a new object.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{WatchEvent, WatchParams},
};
use tokio::time::{Instant, timeout_at};

use crate::{Error, Target, worker::version};

/// Unchanged for so long, an object is at rest.
const QUIET: Duration = Duration::from_secs(1);
/// A controller that hasn't written an object's status for so long isn't there.
const NO_CONTROLLER: Duration = Duration::from_secs(3);
/// The longest wait for rest.
const PATIENCE: Duration = Duration::from_secs(30);
/// A server that ends watches at once is not asked for the next one in a tight loop.
const BEFORE_NEXT_WATCH: Duration = Duration::from_millis(100);

/// How the wait ended.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The object as it was last seen.
    pub(crate) object: Deployment,
    /// Whether it came to rest.
    pub(crate) at_rest: bool,
    /// Whether a controller took notice of it.
    pub(crate) controlled: bool,
}

/// Waits until the object's controller has seen it (observedGeneration) and its version hasn't changed for a second, for
/// 30 s at most. Where it is not known whether there is a controller (`controlled`), none within 3 s is none at all.
pub(crate) async fn settle(
    target: &Target,
    api: &Api<Deployment>,
    object: Deployment,
    controlled: Option<bool>,
) -> Result<Settled, Error> {
    let started = Instant::now();
    let mut state = State {
        object,
        changed: started,
        started,
        controlled,
    };
    let params = WatchParams::default().fields(&format!(
        "metadata.name={}",
        state.object.metadata.name.as_deref().unwrap_or_default()
    ));
    loop {
        let events = api
            .watch(&params, &version(&state.object))
            .await
            .map_err(|error| target.failed(error))?;
        pin_mut!(events);
        loop {
            let event = match timeout_at(state.next_decision(), events.next()).await {
                Err(_) => match state.decide(Instant::now()) {
                    Some(at_rest) => return Ok(state.end(at_rest)),
                    None => continue,
                },
                Ok(event) => event,
            };
            match event {
                Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                    state.saw(object);
                }
                // It is gone, which the workers will find out.
                Some(Ok(WatchEvent::Deleted(_))) => return Ok(state.end(false)),
                Some(Ok(WatchEvent::Bookmark(_))) => {}
                // The server ended the watch, or has forgotten the version: look and watch again.
                Some(Ok(WatchEvent::Error(_)) | Err(_)) | None => break,
            }
        }
        tokio::time::sleep(BEFORE_NEXT_WATCH).await;
        let name = state.object.metadata.name.clone().unwrap_or_default();
        let object = api.get(&name).await.map_err(|error| target.failed(error))?;
        state.saw(object);
        if state.decide(Instant::now()) == Some(false) {
            return Ok(state.end(false));
        }
    }
}

struct State {
    object: Deployment,
    changed: Instant,
    started: Instant,
    controlled: Option<bool>,
}

impl State {
    fn saw(&mut self, object: Deployment) {
        if version(&object) != version(&self.object) {
            self.changed = Instant::now();
        }
        self.object = object;
    }

    fn observed(&self) -> Option<i64> {
        self.object.status.as_ref()?.observed_generation
    }

    fn is_observed(&self) -> bool {
        self.observed() >= self.object.metadata.generation.or(Some(0))
    }

    /// When the next decision is due if nothing happens until then.
    fn next_decision(&self) -> Instant {
        let quiet = self.changed + QUIET;
        let rest = match self.controlled {
            _ if self.is_observed() => quiet,
            Some(false) => quiet,
            Some(true) => self.started + PATIENCE,
            None => quiet.max(self.started + NO_CONTROLLER),
        };
        rest.min(self.started + PATIENCE)
    }

    /// Whether the object is at rest, once that can be said.
    fn decide(&self, now: Instant) -> Option<bool> {
        if now < self.next_decision() {
            return None;
        }
        let quiet = now >= self.changed + QUIET;
        let unattended = self.observed().is_none() && self.controlled != Some(true);
        Some(quiet && (self.is_observed() || unattended))
    }

    fn end(self, at_rest: bool) -> Settled {
        Settled {
            controlled: self.observed().is_some(),
            object: self.object,
            at_rest,
        }
    }
}
