//! One attempt of an update: read, change, write.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::api::PostParams;
use kube::core::response::reason;
use kube::core::{ObjectMeta, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::error::{Doubt, Reason, Unresolved};
use super::identity::Base;
use super::merge::merge_patch;
use super::send::{Answer, send};
use super::{Effort, Endpoint, Event, Evidence, Winner};
use crate::conflict::{is_apply_conflict, is_conflict_status};
use crate::contention::{Contended, Handed, Source, Turn};
use crate::engine::{Engine, Flow, Pace};
use crate::limits::{Limits, after};
use crate::once::check_annotations;
use crate::{
    BoxError, Carrier, Feed, Interrupt, OpId, Outcome, Pending, PendingSlot, RetryError, Verb,
};

/// A conflict with an object that is remembered for longer says that somebody has written, and not that
/// anybody is writing.
const CONTENTION: Duration = Duration::from_millis(100);

/// An observer of events.
pub(crate) type Observer<'a, K> = Box<dyn FnMut(&Event<'_, K>) + Send + 'a>;

/// A look at an object: whether it is what it was at the first look.
pub(crate) type Look<'a, K> = Box<dyn FnMut(&K) -> bool + Send + 'a>;

/// Where an attempt starts.
pub(crate) enum Start<K> {
    /// From the object.
    Found(K),
    /// From nothing: this is to be created.
    Absent(K),
}

/// The work of an update, and its state between attempts.
pub(crate) struct Job<'a, K, F> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) name: &'a str,
    pub(crate) params: &'a PostParams,
    pub(crate) subresource: Option<&'a str>,
    /// The identity of the update.
    pub(crate) op_id: OpId,
    /// Whether the caller has given it, so that it may be in the object already.
    pub(crate) named: bool,
    /// How writes carry it; none if the update may be repeated when its outcome is unknown.
    pub(crate) carrier: Option<Carrier>,
    /// Where to keep the write that is under way.
    pub(crate) slot: PendingSlot,
    /// The write whose outcome isn't known.
    pub(crate) in_doubt: Option<InDoubt>,
    /// Whether the update ends when somebody else was faster.
    pub(crate) once: bool,
    /// Whether somebody else was faster in this attempt.
    pub(crate) overtaken: bool,
    /// What to create where there is no object.
    pub(crate) template: Option<K>,
    /// Whether an object is still what the update was decided upon.
    pub(crate) still: Option<Look<'a, K>>,
    pub(crate) limits: &'a Limits,
    pub(crate) attempt_timeout: Duration,
    pub(crate) change: F,
    pub(crate) observer: Observer<'a, K>,
    /// The object to start from, until it is used.
    pub(crate) at_hand: Option<K>,
    /// How long ago the object at hand was the newest, where that is told from memory.
    pub(crate) remembered: Option<Duration>,
    /// Whether the next attempt is to be made at once, because memory was to blame for the last.
    pub(crate) misremembered: bool,
    /// Where objects come from instead of reads, until it has misled us.
    pub(crate) feed: Option<Feed<K>>,
    /// Whether the next attempt reads all the same.
    pub(crate) reads: bool,
    /// Whether the attempt under way starts from there.
    pub(crate) fed: bool,
    /// What is known of the contention for the object.
    pub(crate) contended: Arc<Contended<K>>,
    /// Whether the pauses follow from that.
    pub(crate) steers: bool,
    /// Whether other updates share it.
    pub(crate) shared: bool,
    /// Our turn among them.
    pub(crate) turn: Option<Turn>,
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

/// An object that the update is in, and how one knows.
pub(crate) struct Done<K> {
    pub(crate) object: K,
    pub(crate) evidence: Evidence,
    pub(crate) written: bool,
}

/// A write whose outcome isn't known, and why.
pub(crate) struct InDoubt {
    pub(crate) pending: Arc<Pending>,
    pub(crate) doubt: Doubt,
}

impl<K, F> Job<'_, K, F>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
    F: FnMut(&mut K) -> Result<Vec<OpId>, BoxError>,
{
    /// Why the update is given up, in the light of what was seen so far.
    pub(crate) fn interrupted(&mut self, interrupt: Interrupt) -> Reason {
        Reason::Interrupted {
            interrupt,
            last: self.last.take(),
            winner: self.winner.take().map(Box::new),
        }
    }

    /// How the update ends. While a write is in doubt, nothing that happens after it makes that certain.
    pub(crate) fn ended(&mut self, error: RetryError<Reason>) -> Reason {
        let reason = match error {
            RetryError::Interrupted(interrupt) => self.interrupted(interrupt),
            RetryError::Failed(reason) => reason,
        };
        match self.in_doubt.take() {
            Some(in_doubt) => in_doubt.unknown(Some(Unresolved::Ended(Box::new(reason)))),
            None => reason,
        }
    }

    /// The object at hand, or a fresh one, or what to create in its place.
    async fn read(&mut self, deadline: Option<Instant>) -> Result<Flow<Start<K>>, Reason> {
        if let Some(object) = self.at_hand.take() {
            self.contended.handed();
            return Ok(Flow::Done(Start::Found(object)));
        }
        self.fed = false;
        if let Some((object, source)) = self.feed_on(deadline).await? {
            self.fed = true;
            return Ok(Flow::Done(Start::Found(self.seen(object, source))));
        }
        let asked = Instant::now();
        // Ours is in it only if it was there before, or a layer below has sent our write again.
        let telling = self.carrier.is_some() && (self.named || self.effort.conflicts > 0);
        let read = self.look(self.name, telling, deadline);
        let object = match read.await {
            Ok(Some(Ok(object))) => object,
            Ok(Some(Err(error))) => {
                return match (&error, &self.template) {
                    (kube::Error::Api(status), Some(template)) if status.code == 404 => {
                        Ok(Flow::Done(Start::Absent(template.clone())))
                    }
                    _ => self.read_failed(error),
                };
            }
            Ok(None) => return Err(Reason::ReadTimeout(self.attempt_timeout)),
            Err(interrupt) => return Err(self.interrupted(interrupt)),
        };
        let source = Source::Read(asked.elapsed());
        Ok(Flow::Done(Start::Found(self.seen(object, source))))
    }

    /// Reads what the update changes, and what tells which updates are in it if that is asked for.
    pub(crate) async fn look(
        &mut self,
        name: &str,
        telling: bool,
        deadline: Option<Instant>,
    ) -> Result<Option<kube::Result<K>>, Interrupt> {
        if telling {
            self.effort.requests += self.endpoint.requests_for_telling();
            let read = in_time(deadline, self.endpoint.get_telling(name));
            self.limits.guard(read).await
        } else {
            self.effort.requests += 1;
            let read = in_time(deadline, self.endpoint.get(name));
            self.limits.guard(read).await
        }
    }

    /// The newest object of the feed, if there is one that hasn't led to a conflict already.
    async fn feed_on(&mut self, deadline: Option<Instant>) -> Result<Option<(K, Source)>, Reason> {
        let Some(feed) = self.feed.as_ref().filter(|_| !self.reads) else {
            self.reads = false;
            return Ok(None);
        };
        let beaten = self.beaten.as_ref();
        let known = beaten.and_then(|beaten| beaten.resource_version.as_deref());
        let newer = feed.after(self.endpoint.namespace.as_deref(), self.name, known);
        match self.limits.guard(in_time(deadline, newer)).await {
            Ok(found) => {
                let source = Source::Watch(feed.late());
                Ok(found.flatten().map(|object| (K::clone(&object), source)))
            }
            Err(interrupt) => Err(self.interrupted(interrupt)),
        }
    }

    /// Takes note of an object that is the newest, as far as we know.
    fn seen(&mut self, object: K, source: Source) -> K {
        let version = object.meta().resource_version.as_deref();
        self.contended.read(source, version.unwrap_or_default());
        if let Some(carrier) = &self.carrier
            && let Some(range) = carrier.told(object.meta())
        {
            self.contended.heard(range);
        }
        if let Some(beaten) = self.beaten.take() {
            self.winner = Winner::since(&beaten, object.meta()).or(self.winner.take());
        }
        object
    }

    /// Tells the observer and the log.
    pub(crate) fn tell(&mut self, event: &Event<'_, K>) {
        event.log();
        (self.observer)(event);
    }

    /// A read can be repeated whenever the server asks for it.
    fn read_failed<T>(&mut self, error: kube::Error) -> Result<Flow<T>, Reason> {
        match &error {
            kube::Error::Api(status) if status.code == 429 || retry_after(status).is_some() => {
                let status = status.clone();
                Ok(self.throttled(&status, error))
            }
            _ => Err(Reason::Read(error)),
        }
    }

    fn throttled<T>(&mut self, status: &Status, error: kube::Error) -> Flow<T> {
        // This may take long.
        self.turn = None;
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
        engine.begin()?;
        if self.shared && self.in_doubt.is_none() {
            self.queue().await?;
        }
        let mut queued = self.effort.waited;
        if self.at_hand.is_none() {
            let started = engine
                .start(|delay| self.tell(&Event::Sleep { attempt: 0, delay }))
                .await;
            self.effort.waited = queued + engine.waited();
            started?;
        }
        queued = self.effort.waited - engine.waited();
        loop {
            engine.begin()?;
            let result = self.try_once().await;
            let on_sleep = |delay| {
                if self.once && self.overtaken {
                    return Err(Reason::Overtaken { delay });
                }
                self.tell(&Event::Sleep {
                    attempt: self.effort.attempts,
                    delay,
                });
                Ok(())
            };
            let turn = engine.turn(result, on_sleep).await;
            self.effort.waited = queued + engine.waited();
            if let Some(done) = turn? {
                if !self.params.dry_run {
                    self.leave(&done.object);
                }
                return Ok(done);
            }
        }
    }

    /// Leaves the object as it is now to the updates that come after this one.
    fn leave(&self, object: &K) {
        if self.shared {
            self.contended.leave(object.clone());
        }
        if let Some(feed) = &self.feed {
            feed.wrote(object.clone());
        }
    }

    /// Waits for the turn among the updates of this process, and takes what the one before has left.
    async fn queue(&mut self) -> Result<(), Interrupt> {
        let asked = Instant::now();
        let turn = self.limits.guard(self.contended.turn()).await;
        self.effort.waited = asked.elapsed();
        self.turn = turn?;
        if self.at_hand.is_some() {
            return Ok(());
        }
        match self.contended.take() {
            Handed::Object(object, age) => {
                self.at_hand = Some(object);
                self.remembered = Some(age);
            }
            Handed::Nothing => {}
            Handed::Read => self.reads = true,
        }
        Ok(())
    }

    async fn try_once(&mut self) -> Result<Flow<Done<K>>, Reason> {
        let deadline = after(self.attempt_timeout);
        match &self.in_doubt {
            Some(in_doubt) if self.carrier.is_some() => {
                let pending = Arc::clone(&in_doubt.pending);
                self.resolve(&pending, deadline).await
            }
            _ => loop {
                self.effort.attempts += 1;
                let flow = self.attempt(deadline).await?;
                if !std::mem::take(&mut self.misremembered) {
                    return Ok(flow);
                }
            },
        }
    }

    async fn attempt(&mut self, deadline: Option<Instant>) -> Result<Flow<Done<K>>, Reason> {
        let attempt = self.effort.attempts;
        let (mut object, verb) = match self.read(deadline).await? {
            Flow::Done(Start::Found(object)) if K::metadata_api() => (object, Verb::Patch),
            Flow::Done(Start::Found(object)) => (object, Verb::Update),
            Flow::Done(Start::Absent(object)) => (object, Verb::Create),
            Flow::Again { at_least } => return Ok(Flow::Again { at_least }),
        };
        let base = match verb {
            Verb::Create => {
                let namespace = self.endpoint.namespace.as_deref();
                Base::none(&mut object, self.name, namespace)
            }
            _ => Base::of(object.meta(), self.name)?,
        };
        if let Some(expected) = self.pinned.as_ref().filter(|uid| *uid != base.uid()) {
            return Err(Reason::Recreated {
                expected: expected.clone(),
                found: base.uid().to_owned(),
            });
        }
        if self.still.as_mut().is_some_and(|still| !still(&object)) {
            return Err(Reason::Outdated);
        }
        self.resource_version = base.metadata.resource_version.clone();
        self.tell(&Event::Read {
            attempt,
            resource_version: base.resource_version(),
            object: &object,
        });

        if let Some(carrier) = &self.carrier
            && carrier.found_in(&base.metadata, &self.op_id)
        {
            return Ok(Flow::Done(Done {
                object,
                evidence: Evidence::OpId,
                // Where this update has tried before, a layer below has sent its write again.
                written: self.effort.conflicts > 0,
            }));
        }

        let before = encode(&object)?;
        let members = (self.change)(&mut object).map_err(Reason::Change)?;
        base.check(object.meta())?;
        let mut changed = encode(&object)?;
        if before == changed && verb != Verb::Create {
            self.tell(&Event::Unchanged {
                attempt,
                resource_version: base.resource_version(),
                object: &object,
            });
            return Ok(Flow::Done(Done {
                object,
                evidence: Evidence::Unchanged,
                written: false,
            }));
        }
        if let Some(carrier) = &self.carrier {
            let mut ids = members;
            ids.push(self.op_id.clone());
            carrier.stamp(&base.metadata, &mut changed, &ids, self.told());
        }
        check_annotations(&changed).map_err(Reason::AnnotationsTooLarge)?;
        self.tell(&Event::Write {
            attempt,
            base: base.resource_version(),
            object: &object,
        });
        if self.endpoint.scale
            && let Some(metadata) = changed["metadata"].as_object_mut()
        {
            // They are the object's, and the server takes them for its own.
            metadata.remove("managedFields");
        }
        let body = match verb {
            Verb::Patch => {
                let mut patch = merge_patch(&before["metadata"], &changed["metadata"]);
                patch["uid"] = base.uid().into();
                patch["resourceVersion"] = base.resource_version().into();
                serde_json::json!({"metadata": patch})
            }
            _ => changed,
        };
        let pending = self.pending(verb, &base, object.meta(), &body);
        self.write(base, pending, deadline).await
    }

    /// The range to tell others with the write.
    fn told(&self) -> Option<Duration> {
        self.contended.told().filter(|_| self.steers)
    }

    /// The write that is about to be sent, as it would be resolved.
    fn pending(
        &self,
        verb: Verb,
        base: &Base,
        changed: &ObjectMeta,
        body: &serde_json::Value,
    ) -> Arc<Pending> {
        let asked = self.params.field_manager.as_deref();
        let finalizers = changed.finalizers.as_deref().unwrap_or_default();
        Arc::new(Pending {
            verb,
            read: Box::new(base.metadata.clone()),
            removes: base.metadata.deletion_timestamp.is_some() && finalizers.is_empty(),
            op_id: self.op_id.clone(),
            name: self.name.to_owned(),
            uid: base.uid().to_owned(),
            base: base.resource_version().to_owned(),
            field_manager: match &self.carrier {
                Some(carrier) => carrier.manager(asked, &self.op_id, self.told()),
                None => asked.map(str::to_owned),
            },
            carrier: self.carrier.clone(),
            subresource: self.subresource.map(str::to_owned),
            body: body.to_string(),
        })
    }

    /// Sends a write. None where there is no answer in time.
    pub(crate) async fn send(
        &mut self,
        pending: &Pending,
        deadline: Option<Instant>,
    ) -> Result<Option<Answer<K>>, Interrupt> {
        self.effort.requests += 1;
        let write = send(self.endpoint, pending, self.params.dry_run);
        self.limits.guard(in_time(deadline, write)).await
    }

    async fn write(
        &mut self,
        base: Base,
        pending: Arc<Pending>,
        deadline: Option<Instant>,
    ) -> Result<Flow<Done<K>>, Reason> {
        if self.carrier.is_some() {
            // Where this future is dropped in the next await, the write is all that is left of it.
            self.slot.swap(Some(Arc::clone(&pending)));
        }
        let sent = Instant::now();
        let answer = match self.send(&pending, deadline).await {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                return Ok(self.doubted(pending, Doubt::AttemptTimeout(self.attempt_timeout)));
            }
            Err(interrupt) => {
                let doubt = Doubt::Interrupted(interrupt);
                return Err(InDoubt { pending, doubt }.unknown(None));
            }
        };
        self.answered(base, pending, answer, sent.elapsed())
    }

    fn answered(
        &mut self,
        base: Base,
        pending: Arc<Pending>,
        Answer { result, repeated }: Answer<K>,
        took: Duration,
    ) -> Result<Flow<Done<K>>, Reason> {
        let remembered = self.remembered.take();
        let error = match result {
            Ok(object) => {
                let version = object.meta().resource_version.as_deref();
                self.contended.won(took, version.unwrap_or_default());
                if let Some(age) = remembered {
                    self.contended.judge(age, true);
                }
                return Ok(Flow::Done(self.written(&pending, object, Evidence::Answer)));
            }
            Err(error) => error,
        };
        if repeated {
            return Ok(self.doubted(pending, Doubt::Repeated(error)));
        }
        if Outcome::of_error(&error) != Outcome::Refused {
            return Ok(self.doubted(pending, Doubt::Answer(error)));
        }
        self.slot.swap(None);
        let kube::Error::Api(status) = &error else {
            return Err(Reason::Refused(error));
        };
        let outdated = is_conflict_status(status) && !is_apply_conflict(status);
        if outdated || (pending.verb == Verb::Create && status.reason == reason::ALREADY_EXISTS) {
            self.tell(&Event::Conflict {
                attempt: self.effort.attempts,
                base: base.resource_version(),
                status,
            });
            let at_least = retry_after(status).unwrap_or_default();
            self.last = Some(error);
            if let Some(age) = remembered {
                self.contended.judge(age, false);
                // Somebody has written at some time: that is no contention yet.
                self.misremembered = age > CONTENTION && at_least.is_zero();
            }
            if !self.misremembered {
                self.contended.lost(took);
            }
            let flow = self.overtaken(base.metadata, at_least);
            self.overtaken &= !self.misremembered;
            Ok(flow)
        } else if status.code == 404 && (remembered.is_some() || self.fed) {
            // What was remembered is gone; there may be another.
            self.feed = None;
            self.misremembered = true;
            Ok(Flow::AGAIN)
        } else if status.code == 429 {
            let status = status.clone();
            Ok(self.throttled(&status, error))
        } else {
            Err(Reason::Refused(error))
        }
    }

    /// The write is in the object, and nothing is in doubt any more.
    pub(crate) fn written(&mut self, pending: &Pending, object: K, evidence: Evidence) -> Done<K> {
        self.slot.swap(None);
        self.in_doubt = None;
        let resource_version = object.meta().resource_version.as_deref();
        self.tell(&Event::Written {
            attempt: self.effort.attempts,
            base: &pending.base,
            resource_version: resource_version.unwrap_or_default(),
            object: &object,
        });
        Done {
            object,
            evidence,
            written: true,
        }
    }

    /// Somebody else was faster: the write that was computed from `base` never will be applied.
    pub(crate) fn overtaken<T>(&mut self, base: ObjectMeta, at_least: Duration) -> Flow<T> {
        self.effort.conflicts += 1;
        self.overtaken = true;
        self.beaten = Some(base);
        Flow::Again { at_least }
    }

    /// The write may have been carried out. The closure isn't called again before that is known.
    fn doubted<T>(&mut self, pending: Arc<Pending>, doubt: Doubt) -> Flow<T> {
        // To find out may take long.
        self.turn = None;
        self.effort.unknowns += 1;
        self.tell(&Event::Unknown {
            attempt: self.effort.attempts,
            base: &pending.base,
            doubt: &doubt,
        });
        self.in_doubt = Some(InDoubt { pending, doubt });
        Flow::AGAIN
    }
}

impl InDoubt {
    /// The end of an update that leaves a write in doubt.
    pub(crate) fn unknown(self, unresolved: Option<Unresolved>) -> Reason {
        Reason::Unknown {
            doubt: Box::new(self.doubt),
            unresolved: unresolved.map(Box::new),
            pending: self.pending,
        }
    }
}

/// The object as a value: unlike text it compares equal whatever the order of a map.
fn encode<K: Serialize>(object: &K) -> Result<serde_json::Value, Reason> {
    serde_json::to_value(object).map_err(|error| Reason::Encode(kube::Error::SerdeError(error)))
}

/// The future's output, or none if it is not there at the deadline.
pub(crate) async fn in_time<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// How long the server asks to wait, where it does.
pub(crate) fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}
