//! What became of a write whose answer is lost.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use kube::core::ObjectMeta;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::endpoint::SCALE;
use super::error::{Reason, Unresolved};
use super::job::{Done, Job, in_time, retry_after};
use super::send::Answer;
use super::{Event, Evidence, Update, UpdateError, Winner, update, update_scale};
use crate::engine::Flow;
use crate::once::{Claim, First, first_after};
use crate::{BoxError, OpId, Outcome, Pending, Verb};

/// Finds out what became of a write, in another process and a day later if need be.
///
/// The identical write is sent again: at most one copy of it can ever be carried out, and once the
/// object is at another version, none can any more. So where the write hadn't been carried out and
/// nobody has written the object since, it is carried out now, and the answer is
/// [`Outcome::Applied`]. [`Outcome::Refused`] means that it wasn't and never will be. It is never
/// [`Outcome::Unknown`]: that is an error.
///
/// It tries for two minutes at most. To go on with the update after that, use
/// [`Update::resume`](crate::Update::resume) instead.
///
/// # Errors
/// [`Reason::Unknown`] says why it can't be told; what is pending is still pending then.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use optilock::{Outcome, Pending};
///
/// /// What a process does first that may have been stopped in the middle of an update.
/// async fn recover(api: &kube::Api<ConfigMap>, left: Pending) -> Result<(), optilock::UpdateError> {
///     match optilock::resolve(api, &left).await? {
///         Outcome::Applied => println!("{} is in the object", left.op_id),
///         _ => println!("{} has to be made again", left.op_id),
///     }
///     Ok(())
/// }
/// # let slot = optilock::PendingSlot::default();
/// # let update = optilock::update(&api, "settings").pending(&slot).apply(|config| {
/// #     config.data.get_or_insert_default().insert("level".into(), "debug".into());
/// #     Ok(())
/// # });
/// # tokio::time::timeout(std::time::Duration::ZERO, update).await.ok();
/// # if let Some(left) = slot.take() {
/// #     recover(&api, left).await?;
/// # }
/// # Ok(())
/// # }
/// ```
pub async fn resolve<K>(api: &Api<K>, pending: &Pending) -> Result<Outcome, UpdateError>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    if pending.subresource.as_deref() == Some(SCALE) {
        outcome(update_scale(api, &pending.name), pending).await
    } else {
        outcome(update(api, &pending.name), pending).await
    }
}

async fn outcome<K>(update: Update<'_, K>, pending: &Pending) -> Result<Outcome, UpdateError>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    let resolution = update
        .resume(pending.clone())
        .once()
        // The resolution ends before any change is asked for.
        .apply(|_| Err(BoxError::from("nothing is to be changed")));
    match resolution.await {
        Ok(_) => Ok(Outcome::Applied),
        Err(error) if matches!(error.reason(), Reason::Overtaken { .. }) => Ok(Outcome::Refused),
        Err(error) => Err(error),
    }
}

impl<K, F> Job<'_, K, F>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
    F: FnMut(&mut K) -> Result<Vec<OpId>, BoxError>,
{
    /// One step of finding out: sends the identical write again, and if that doesn't tell, looks at the
    /// object, and if that doesn't either, at its history.
    pub(crate) async fn resolve(
        &mut self,
        pending: &Arc<Pending>,
        deadline: Option<Instant>,
    ) -> Result<Flow<Done<K>>, Reason> {
        let error = match self.send(pending, deadline).await {
            Ok(Some(Answer {
                result: Ok(object), ..
            })) => {
                return Ok(self.applied(pending, object, Evidence::Resent));
            }
            Ok(Some(Answer {
                result: Err(error), ..
            })) => Some(error),
            Ok(None) => None,
            Err(interrupt) => return Err(self.interrupted(interrupt)),
        };
        // Whatever the server said, an earlier copy may be what it is about. Its answer isn't even needed
        // to be sure that no copy is carried out any more: an object at another version is.
        let patience = patience(error.as_ref());
        let read = self.look(&pending.name, true, deadline);
        let found = match read.await {
            Ok(Some(Ok(found))) => Some(found),
            Ok(Some(Err(kube::Error::Api(status)))) if status.code == 404 => None,
            Ok(Some(Err(error))) => {
                let at_least = patience.max(self::patience(Some(&error)));
                return Ok(Flow::Again { at_least });
            }
            Ok(None) => return Ok(Flow::Again { at_least: patience }),
            Err(interrupt) => return Err(self.interrupted(interrupt)),
        };
        let creates = pending.verb == Verb::Create;
        let live = found
            .as_ref()
            .filter(|object| creates || object.meta().uid.as_deref() == Some(&pending.uid));
        if let Some(object) = live {
            if let Some(carrier) = &pending.carrier
                && carrier.found_in(object.meta(), &pending.op_id)
            {
                let object = object.clone();
                return Ok(self.applied(pending, object, Evidence::OpId));
            }
            if object.meta().resource_version.as_deref() == Some(&pending.base) {
                return Ok(Flow::Again { at_least: patience });
            }
        }
        // What comes before the first version can't be asked for.
        if creates {
            return match live {
                Some(_) => Err(self.unresolved(Unresolved::Untold)),
                None => Ok(Flow::Again { at_least: patience }),
            };
        }
        let live = live.cloned();
        self.effort.requests += 1;
        let history = in_time(deadline, first_after::<K>(self.endpoint, pending));
        let first = match self.limits.guard(history).await {
            Ok(first) => first.unwrap_or(First::Untold),
            Err(interrupt) => return Err(self.interrupted(interrupt)),
        };
        match first {
            First::Written(first) => {
                let claim = match &pending.carrier {
                    Some(carrier) => carrier.claim(pending, first.meta()),
                    None => Claim::Untold,
                };
                match claim {
                    Claim::Ours => {
                        let object = live.unwrap_or(*first);
                        Ok(self.applied(pending, object, Evidence::History))
                    }
                    Claim::Foreign => Ok(self.refused(pending, found)),
                    Claim::Untold => Err(self.unresolved(Unresolved::Untold)),
                }
            }
            First::Deleted if pending.removes => Err(self.unresolved(Unresolved::Deleted)),
            First::Deleted => Ok(self.refused(pending, found)),
            First::Gone => Err(self.unresolved(Unresolved::HistoryGone)),
            First::Forbidden(error) => Err(self.unresolved(Unresolved::WatchForbidden(error))),
            First::Untold => Ok(Flow::Again { at_least: patience }),
        }
    }

    fn applied(&mut self, pending: &Pending, object: K, evidence: Evidence) -> Flow<Done<K>> {
        self.resolved(pending, Some(evidence));
        Flow::Done(self.written(pending, object, evidence))
    }

    /// The write wasn't and never will be applied. What was read meanwhile is what to go on with.
    fn refused(&mut self, pending: &Pending, found: Option<K>) -> Flow<Done<K>> {
        self.resolved(pending, None);
        self.slot.swap(None);
        self.in_doubt = None;
        if let Some(object) = &found {
            self.winner = Winner::since(&pending.read, object.meta()).or(self.winner.take());
        }
        let flow = self.overtaken(ObjectMeta::default(), Duration::ZERO);
        self.beaten = None;
        self.at_hand = found;
        flow
    }

    fn resolved(&mut self, pending: &Pending, applied: Option<Evidence>) {
        self.tell(&Event::Resolved {
            attempt: self.effort.attempts,
            base: &pending.base,
            applied,
        });
    }

    /// It can't be found out, now or later.
    fn unresolved(&mut self, why: Unresolved) -> Reason {
        match self.in_doubt.take() {
            Some(in_doubt) => in_doubt.unknown(Some(why)),
            // There is one, or nothing would be resolved.
            None => Reason::Outdated,
        }
    }
}

/// How long the server asks to wait, where it does.
fn patience(error: Option<&kube::Error>) -> Duration {
    match error {
        Some(kube::Error::Api(status)) => retry_after(status).unwrap_or_default(),
        _ => Duration::ZERO,
    }
}
