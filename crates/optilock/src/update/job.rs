//! One attempt of an update: read, change, write.

use std::fmt::Debug;
use std::time::Duration;

use kube::api::PostParams;
use kube::core::{ObjectMeta, Status};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::error::{Doubt, Reason};
use super::identity::Base;
use super::put::{Answer, put};
use super::{Effort, Event, Winner};
use crate::conflict::{is_apply_conflict, is_conflict_status};
use crate::engine::{Engine, Flow, Pace};
use crate::limits::{Limits, after};
use crate::{BoxError, Interrupt, Outcome, RetryError};

/// An observer of events.
pub(crate) type Observer<'a, K> = Box<dyn FnMut(&Event<'_, K>) + Send + 'a>;

/// The work of an update, and its state between attempts.
pub(crate) struct Job<'a, K, F> {
    pub(crate) api: &'a Api<K>,
    pub(crate) name: &'a str,
    pub(crate) params: &'a PostParams,
    pub(crate) limits: &'a Limits,
    pub(crate) attempt_timeout: Duration,
    pub(crate) change: F,
    pub(crate) observer: Observer<'a, K>,
    /// The object to start from, until it is used.
    pub(crate) at_hand: Option<K>,
    /// The uid of the object that was given to start from.
    pub(crate) pinned: Option<String>,
    pub(crate) effort: Effort,
    /// The version that the last attempt started from.
    pub(crate) resource_version: Option<String>,
    /// The answer that asked for another attempt.
    pub(crate) last: Option<kube::Error>,
    /// The metadata that the refused write was computed from, until the object is read again.
    pub(crate) beaten: Option<ObjectMeta>,
    /// Who had written the object when it was read again, the last time that this could be told.
    pub(crate) winner: Option<Winner>,
}

/// An object and whether it was written.
pub(crate) struct Done<K> {
    pub(crate) object: K,
    pub(crate) written: bool,
}

impl<K, F> Job<'_, K, F>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
    F: FnMut(&mut K) -> Result<(), BoxError>,
{
    /// Why the update is given up, in the light of what was seen so far.
    pub(crate) fn interrupted(&mut self, interrupt: Interrupt) -> Reason {
        Reason::Interrupted {
            interrupt,
            last: self.last.take(),
            winner: self.winner.take().map(Box::new),
        }
    }

    /// The object at hand, or a fresh one.
    async fn read(&mut self, deadline: Option<Instant>) -> Result<Flow<K>, Reason> {
        if let Some(object) = self.at_hand.take() {
            return Ok(Flow::Done(object));
        }
        self.effort.requests += 1;
        let read = self
            .limits
            .guard(in_time(deadline, self.api.get(self.name)));
        let object = match read.await {
            Ok(Some(Ok(object))) => object,
            Ok(Some(Err(error))) => return self.read_failed(error),
            Ok(None) => return Err(Reason::ReadTimeout(self.attempt_timeout)),
            Err(interrupt) => return Err(self.interrupted(interrupt)),
        };
        if let Some(beaten) = self.beaten.take() {
            self.winner = Winner::since(&beaten, object.meta()).or(self.winner.take());
        }
        Ok(Flow::Done(object))
    }

    /// Tells the observer and the log.
    fn tell(&mut self, event: &Event<'_, K>) {
        event.log();
        (self.observer)(event);
    }

    /// A read can be repeated whenever the server asks for it.
    fn read_failed(&mut self, error: kube::Error) -> Result<Flow<K>, Reason> {
        match &error {
            kube::Error::Api(status) if status.code == 429 || retry_after(status).is_some() => {
                let status = status.clone();
                Ok(self.throttled(&status, error))
            }
            _ => Err(Reason::Read(error)),
        }
    }

    fn throttled<T>(&mut self, status: &Status, error: kube::Error) -> Flow<T> {
        self.tell(&Event::Throttled {
            attempt: self.effort.attempts,
            status,
        });
        self.last = Some(error);
        Flow::Again {
            at_least: retry_after(status).unwrap_or_default(),
        }
    }

    /// Attempts, and sleeps in between, until one attempt ends it.
    pub(crate) async fn run(
        &mut self,
        mut engine: Engine<'_, impl Pace>,
    ) -> Result<Done<K>, RetryError<Reason>> {
        loop {
            engine.begin()?;
            self.effort.attempts += 1;
            let at_least = match self.try_once().await.map_err(RetryError::Failed)? {
                Flow::Done(done) => return Ok(done),
                Flow::Again { at_least } => at_least,
            };
            let delay = engine.pause(at_least)?;
            self.tell(&Event::Sleep {
                attempt: self.effort.attempts,
                delay,
            });
            let asleep = Instant::now();
            let rested = engine.sleep(delay).await;
            self.effort.waited += asleep.elapsed();
            rested?;
        }
    }

    async fn try_once(&mut self) -> Result<Flow<Done<K>>, Reason> {
        let attempt = self.effort.attempts;
        let deadline = after(self.attempt_timeout);
        let mut object = match self.read(deadline).await? {
            Flow::Done(object) => object,
            Flow::Again { at_least } => return Ok(Flow::Again { at_least }),
        };
        let base = Base::of(object.meta(), self.name)?;
        if let Some(expected) = self.pinned.as_ref().filter(|uid| *uid != base.uid()) {
            return Err(Reason::Recreated {
                expected: expected.clone(),
                found: base.uid().to_owned(),
            });
        }
        self.resource_version = Some(base.resource_version().to_owned());
        self.tell(&Event::Read {
            attempt,
            resource_version: base.resource_version(),
            object: &object,
        });

        let before = encode(&object)?;
        (self.change)(&mut object).map_err(Reason::Change)?;
        base.check(object.meta())?;
        let changed = encode(&object)?;
        if before == changed {
            self.tell(&Event::Unchanged {
                attempt,
                resource_version: base.resource_version(),
                object: &object,
            });
            return Ok(Flow::Done(Done {
                object,
                written: false,
            }));
        }
        self.tell(&Event::Write {
            attempt,
            base: base.resource_version(),
            object: &object,
        });
        self.write(base, &changed, deadline).await
    }

    async fn write(
        &mut self,
        base: Base,
        object: &serde_json::Value,
        deadline: Option<Instant>,
    ) -> Result<Flow<Done<K>>, Reason> {
        let body = serde_json::to_vec(object)
            .map_err(|error| Reason::Encode(kube::Error::SerdeError(error)))?;
        self.effort.requests += 1;
        let write = put(self.api, self.name, self.params, body);
        let answer = match self.limits.guard(in_time(deadline, write)).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Err(Reason::Unknown(Doubt::AttemptTimeout(self.attempt_timeout))),
            Err(interrupt) => return Err(Reason::Unknown(Doubt::Interrupted(interrupt))),
        };
        self.answered(base, answer)
    }

    fn answered(
        &mut self,
        base: Base,
        Answer { result, repeated }: Answer<K>,
    ) -> Result<Flow<Done<K>>, Reason> {
        let attempt = self.effort.attempts;
        let error = match result {
            Ok(object) => {
                self.tell(&Event::Written {
                    attempt,
                    base: base.resource_version(),
                    resource_version: object
                        .meta()
                        .resource_version
                        .as_deref()
                        .unwrap_or_default(),
                    object: &object,
                });
                return Ok(Flow::Done(Done {
                    object,
                    written: true,
                }));
            }
            Err(error) => error,
        };
        if repeated {
            return Err(Reason::Unknown(Doubt::Repeated(error)));
        }
        if Outcome::of_error(&error) != Outcome::Refused {
            return Err(Reason::Unknown(Doubt::Answer(error)));
        }
        let kube::Error::Api(status) = &error else {
            return Err(Reason::Refused(error));
        };
        if is_conflict_status(status) && !is_apply_conflict(status) {
            self.effort.conflicts += 1;
            self.tell(&Event::Conflict {
                attempt,
                base: base.resource_version(),
                status,
            });
            let at_least = retry_after(status).unwrap_or_default();
            self.last = Some(error);
            self.beaten = Some(base.metadata);
            Ok(Flow::Again { at_least })
        } else if status.code == 429 {
            let status = status.clone();
            Ok(self.throttled(&status, error))
        } else {
            Err(Reason::Refused(error))
        }
    }
}

/// The object as a value: unlike text it compares equal whatever the order of a map.
fn encode<K: Serialize>(object: &K) -> Result<serde_json::Value, Reason> {
    serde_json::to_value(object).map_err(|error| Reason::Encode(kube::Error::SerdeError(error)))
}

/// The future's output, or none if it is not there at the deadline.
async fn in_time<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// How long the server asks to wait, where it does.
fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}
