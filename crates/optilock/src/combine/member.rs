//! One caller's part of a batch.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kube::Resource;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Combined;
use crate::update::{Base, Reason, Target, UpdateError, Updated};
use crate::{BoxError, Effort, Evidence, OpId};

/// What became of a batch, as its members share it.
pub(super) enum Verdict<K> {
    Updated {
        object: Arc<K>,
        evidence: Evidence,
        members: usize,
        effort: Effort,
    },
    Failed(Arc<UpdateError>),
}

impl<K> Verdict<K> {
    pub(super) fn of(result: Result<Updated<K>, UpdateError>, members: usize) -> Self {
        match result {
            Ok(updated) => Self::Updated {
                object: Arc::new(updated.object),
                evidence: updated.evidence,
                members,
                effort: updated.effort,
            },
            Err(error) => Self::Failed(Arc::new(error)),
        }
    }
}

/// What a caller is told: the result, or the panic of its own closure.
pub(super) type Answer<K, T> = Result<Result<Combined<K, T>, UpdateError>, Box<dyn Any + Send>>;

/// One caller's update, whatever its closure returns.
pub(super) trait Member<K>: Send {
    /// The identity that the caller has given.
    fn op_id(&self) -> Option<&OpId>;

    /// Whether the caller still waits for the answer.
    fn is_wanted(&self) -> bool;

    /// Changes the object; false if the closure failed, and the object is as it was.
    fn apply(&mut self, base: &Base, object: &mut K) -> bool;

    /// Takes note that an earlier update with the same op-id is in the object.
    fn found(&mut self);

    /// Tells the caller.
    fn finish(self: Box<Self>, target: &Target, verdict: &Verdict<K>);
}

/// An identity that the caller has given, and what to return where the update is in the object already.
pub(super) struct Once<T> {
    pub(super) op_id: OpId,
    pub(super) found: fn() -> T,
}

/// A member with its closure.
pub(super) struct Change<K, T, F> {
    pub(super) change: F,
    pub(super) once: Option<Once<T>>,
    /// How the closure's last call ended; none before the first.
    pub(super) outcome: Option<Outcome<T>>,
    pub(super) reply: oneshot::Sender<Answer<K, T>>,
    /// The place in the queue, which is taken until the caller is told.
    pub(super) _place: OwnedSemaphorePermit,
}

/// How a call of the closure ended.
pub(super) enum Outcome<T> {
    Returned(T),
    Failed(Reason),
    Panicked(Box<dyn Any + Send>),
}

impl<K, T, F> Member<K> for Change<K, T, F>
where
    K: Resource + Clone + Send + Sync,
    T: Send,
    F: FnMut(&mut K) -> Result<T, BoxError> + Send,
{
    fn op_id(&self) -> Option<&OpId> {
        self.once.as_ref().map(|once| &once.op_id)
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn apply(&mut self, base: &Base, object: &mut K) -> bool {
        // On a copy: whatever the closure has done until it fails, the others never see it.
        let mut copy = object.clone();
        let change = AssertUnwindSafe(|| (self.change)(&mut copy));
        let outcome = match catch_unwind(change) {
            Ok(Ok(value)) => match base.check(copy.meta()) {
                Ok(()) => {
                    *object = copy;
                    Outcome::Returned(value)
                }
                Err(reason) => Outcome::Failed(reason),
            },
            Ok(Err(error)) => Outcome::Failed(Reason::Change(error)),
            Err(panic) => Outcome::Panicked(panic),
        };
        let returned = matches!(outcome, Outcome::Returned(_));
        self.outcome = Some(outcome);
        returned
    }

    fn found(&mut self) {
        self.outcome = self
            .once
            .as_ref()
            .map(|once| Outcome::Returned((once.found)()));
    }

    fn finish(self: Box<Self>, target: &Target, verdict: &Verdict<K>) {
        let failed = |effort, reason| Err(UpdateError::new(target.clone(), None, effort, reason));
        let effort = match verdict {
            Verdict::Updated { effort, .. } => *effort,
            Verdict::Failed(error) => error.effort(),
        };
        let answer = match (self.outcome, verdict) {
            // What is wrong with the closure is its own affair, whatever became of the others.
            (Some(Outcome::Panicked(panic)), _) => Err(panic),
            (Some(Outcome::Failed(reason)), _) => Ok(failed(effort, reason)),
            (_, Verdict::Failed(error)) => Ok(failed(effort, Reason::Combined(Arc::clone(error)))),
            (
                Some(Outcome::Returned(value)),
                Verdict::Updated {
                    object,
                    evidence,
                    members,
                    effort,
                },
            ) => Ok(Ok(Combined {
                value,
                object: Arc::clone(object),
                evidence: *evidence,
                members: *members,
                effort: *effort,
            })),
            // It wasn't called, because its caller had gone away.
            (None, Verdict::Updated { .. }) => return,
        };
        // A caller that has gone away in the meantime isn't told.
        drop(self.reply.send(answer));
    }
}
