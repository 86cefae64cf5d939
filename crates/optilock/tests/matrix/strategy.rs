//! How an update is made, and what its caller is told.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures::future::{Either, poll_fn, select};
use kube::{Api, Resource, ResourceExt};
use optilock::{
    Backoff, BoxError, Combiners, OpId, Outcome, Pending, PendingSlot, Reason, Retry, Unresolved,
    Update, UpdateError, update, update_scale,
};
use rand::Rng;
use rand::rngs::StdRng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::subject::{Part, Subject};

/// Who updates, and on what client.
#[derive(Debug)]
pub(crate) struct Strategy {
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    /// Whether kube's own retry layer is below.
    pub(crate) layer: bool,
}

/// The ways to update an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Get, change, replace, and again after any error.
    Loop,
    /// Get, change, replace, and again after a conflict, as client-go's helper has it.
    RetryOnConflict,
    Update,
    Combiner,
}

pub(crate) const STRATEGIES: [Strategy; 8] = [
    Strategy {
        name: "get and replace, again after any error",
        way: Way::Loop,
        layer: false,
    },
    Strategy {
        name: "the same on kube's default client",
        way: Way::Loop,
        layer: true,
    },
    Strategy {
        name: "RetryOnConflict",
        way: Way::RetryOnConflict,
        layer: false,
    },
    Strategy {
        name: "RetryOnConflict on kube's default client",
        way: Way::RetryOnConflict,
        layer: true,
    },
    Strategy {
        name: "optilock",
        way: Way::Update,
        layer: false,
    },
    Strategy {
        name: "optilock on kube's default client",
        way: Way::Update,
        layer: true,
    },
    Strategy {
        name: "optilock's combiner",
        way: Way::Combiner,
        layer: false,
    },
    Strategy {
        name: "optilock's combiner on kube's default client",
        way: Way::Combiner,
        layer: true,
    },
];

impl Strategy {
    /// Whether it is one of ours, which have to be right.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.way, Way::Update | Way::Combiner)
    }

    /// Whether it can update that: combiners write whole objects and metadata. Who shares a write that
    /// removes the object can't ask for it again.
    pub(crate) fn can_update(&self, subject: &Subject) -> bool {
        self.way != Way::Combiner || subject.subresource.is_none() && !subject.finalizers
    }
}

/// What a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Applied,
    /// What the caller takes for "it didn't happen".
    Failed,
    /// Nobody knows; with a reason that may be good, or without.
    Unknown(Option<Excuse>),
}

/// Why nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// The history that would tell is gone.
    HistoryGone,
    /// The object is gone, which may be the write's own doing.
    Deleted,
}

impl From<UpdateError> for Told {
    fn from(error: UpdateError) -> Self {
        match (error.outcome(), error.reason()) {
            (Outcome::Unknown, Reason::Combined(error)) => Self::unknown(error.reason()),
            (Outcome::Unknown, reason) => Self::unknown(reason),
            _ => Self::Failed,
        }
    }
}

impl Told {
    fn unknown(reason: &Reason) -> Self {
        let Reason::Unknown { unresolved, .. } = reason else {
            return Self::Unknown(None);
        };
        Self::Unknown(match unresolved.as_deref() {
            Some(Unresolved::HistoryGone) => Some(Excuse::HistoryGone),
            Some(Unresolved::Deleted) => Some(Excuse::Deleted),
            _ => None,
        })
    }

    fn of<T>(result: Result<T, UpdateError>) -> Self {
        result.map_or_else(Self::from, |_| Self::Applied)
    }
}

/// One writer's way to one object.
#[derive(Clone)]
pub(crate) struct Writer<K> {
    pub(crate) subject: &'static Subject,
    pub(crate) way: Way,
    pub(crate) api: Api<K>,
    pub(crate) combiners: Combiners<K>,
    pub(crate) name: String,
    /// How long to wait for an answer.
    pub(crate) patience: Duration,
    pub(crate) random: Arc<Mutex<StdRng>>,
}

impl<K: Part> Writer<K> {
    fn random(&self) -> impl FnMut() -> f64 + Send + 'static {
        let random = Arc::clone(&self.random);
        move || random.lock().unwrap().random()
    }

    /// Makes one update. Where it is cancelled after so many polls, the caller does what it can.
    pub(crate) async fn act(&self, op: &str, cancel: Option<u32>) -> Told {
        match self.way {
            Way::Loop => match dropped_at(cancel, self.retry(op, |error| !is_gone(error))).await {
                Some(told) => told,
                // The caller knows nothing, and starts again.
                None => self.retry(op, |error| !is_gone(error)).await,
            },
            Way::RetryOnConflict => dropped_at(cancel, self.retry(op, optilock::is_conflict))
                .await
                .unwrap_or(Told::Failed),
            Way::Update => {
                let slot = PendingSlot::default();
                let started = self.exactly_once(op, None, &slot);
                if let Some(told) = dropped_at(cancel, started).await {
                    return told;
                }
                self.exactly_once(op, slot.take(), &slot).await
            }
            Way::Combiner => match dropped_at(cancel, self.combined(op)).await {
                Some(told) => told,
                None => self.combined(op).await,
            },
        }
    }

    async fn replace(&self, op: &str) -> kube::Result<()> {
        let write = self.subject.replace(&self.api, &self.name, op);
        // Without that a lost answer is waited for until the end of time.
        let elapsed = tokio::time::sleep(self.patience);
        match select(pin!(write), pin!(elapsed)).await {
            Either::Left((written, _)) => written,
            Either::Right(_) => Err(kube::Error::Service("no answer in time".into())),
        }
    }

    async fn retry(&self, op: &str, retriable: fn(&kube::Error) -> bool) -> Told {
        let backoff = Backoff::new(i64::MAX, Duration::from_millis(10)).with_jitter(3.0);
        let result = Retry::new(backoff)
            .random(self.random())
            .on_error(retriable, || self.replace(op))
            .await;
        result.map_or(Told::Failed, |_| Told::Applied)
    }

    /// Makes an update, or goes on with the one that was left behind.
    async fn exactly_once(&self, op: &str, left: Option<Pending>, slot: &PendingSlot) -> Told {
        if self.subject.is_scale() {
            let update = update_scale(&self.api, &self.name);
            return self.make(update, op, left, slot).await;
        }
        let mut update = update(&self.api, &self.name);
        if let Some(part) = self.subject.subresource {
            update = update.subresource(part);
        }
        self.make(update, op, left, slot).await
    }

    async fn make<T>(
        &self,
        mut update: Update<'_, T>,
        op: &str,
        left: Option<Pending>,
        slot: &PendingSlot,
    ) -> Told
    where
        T: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        update = update
            .op_id(OpId::new(op).unwrap())
            .random(self.random())
            .timeout(Duration::MAX)
            .attempt_timeout(self.patience)
            .pending(slot);
        if let Some(pending) = left {
            update = update.resume(pending);
        }
        let change = |object: &mut T| -> Result<(), BoxError> {
            assert_eq!(object.name_any(), self.name);
            self.subject.change(object, op)
        };
        Told::of(update.apply(change).await)
    }

    async fn combined(&self, op: &str) -> Told {
        let combiner = self.combiners.object(&self.name);
        let id = OpId::new(op).unwrap();
        let (subject, op) = (self.subject, op.to_owned());
        let result = combiner.apply_once(id, move |object| subject.change(object, &op));
        Told::of(result.await)
    }
}

/// Whether the object isn't there, so that it is no use to try again.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Runs a future until it is done, or drops it where it waits for that many a time.
pub(crate) async fn dropped_at<F: Future>(polls: Option<u32>, future: F) -> Option<F::Output> {
    let mut future = Some(Box::pin(future));
    let mut left = polls;
    poll_fn(move |context| {
        let Some(running) = future.as_mut() else {
            return Poll::Ready(None);
        };
        match running.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => match &mut left {
                Some(0) => {
                    future = None;
                    Poll::Ready(None)
                }
                Some(left) => {
                    *left -= 1;
                    Poll::Pending
                }
                None => Poll::Pending,
            },
        }
    })
    .await
}
