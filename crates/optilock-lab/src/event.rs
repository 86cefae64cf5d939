//! What happens in a run, as it happens.

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};

use crate::{FieldManager, Rate, Update};

/// Something that happened, and when.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// On tokio's clock, so that a run in virtual time has virtual times.
    pub at: Instant,
    /// What happened.
    pub kind: EventKind,
}

/// What can happen in a run of a seed experiment, in the order in which it usually does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A run begins.
    Started {
        /// [`Strategy::id`](crate::Strategy::id).
        strategy: &'static str,
        /// The client-side throttle that is in effect.
        throttle: Option<Rate>,
        /// How many workers there will be.
        workers: usize,
    },
    /// The object is about to be created.
    Creating,
    /// The object is there.
    Created {
        /// Its name.
        name: String,
    },
    /// The object is left alone until controllers have done with it.
    Settling,
    /// Controllers have done with the object, or are not there.
    Settled {
        /// The version from which the workers start.
        resource_version: String,
    },
    /// Controllers are still writing, but the wait is over.
    StillBusy {
        /// The version from which the workers start, most likely not for long.
        resource_version: String,
    },
    /// The workers begin.
    WorkersStarted {
        /// How many.
        workers: usize,
    },
    /// A worker has read the object and added one to the counter in its copy.
    Read {
        /// Which worker, from 0.
        worker: usize,
        /// The counter in the copy.
        value: i64,
        /// The version that was read.
        resource_version: String,
    },
    /// A worker's update was accepted.
    Written {
        /// Which worker, from 0.
        worker: usize,
        /// What it wrote.
        update: Update,
    },
    /// A worker is done and its update is in.
    Succeeded {
        /// Which worker, from 0.
        worker: usize,
    },
    /// A worker has given up.
    Failed {
        /// Which worker, from 0.
        worker: usize,
        /// Why, as the server said it where it was the server.
        error: String,
    },
    /// All workers are done and the final value was read.
    Finished {
        /// The counter.
        value: i64,
        /// From the start of the workers to the final read.
        took: std::time::Duration,
    },
    /// Somebody else wrote the object during the run.
    ForeignWrite {
        /// Who, by the object's managedFields.
        writers: Vec<FieldManager>,
    },
    /// A foreign write spoilt the run, which is done once more.
    Repeating {
        /// The number of the next try, from 2.
        attempt: u32,
        /// The number of the last try.
        of: u32,
    },
}

/// Where a run tells its [`Event`]s.
///
/// ```
/// use optilock_lab::Events;
///
/// let (events, mut received) = Events::channel();
/// // Give `events` to a `Runner`, read `received` elsewhere; it ends when the last sender is gone.
/// drop(events);
/// assert!(received.blocking_recv().is_none());
/// ```
#[derive(Debug, Clone)]
pub struct Events(UnboundedSender<Event>);

impl Events {
    /// A sender and its receiver. Events of a receiver that was dropped are lost without harm.
    pub fn channel() -> (Self, UnboundedReceiver<Event>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    pub(crate) fn emit(&self, kind: EventKind) {
        let event = Event {
            at: Instant::now(),
            kind,
        };
        // Nobody listens: not the run's business.
        let _ = self.0.send(event);
    }
}
