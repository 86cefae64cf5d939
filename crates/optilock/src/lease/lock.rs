//! A candidate for a lease.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Api, ResourceExt};
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep};

use super::held::{Grant, Held, Tenure};
use super::record::{Observed, give_back, holder, take};
use super::{FencingToken, LeaseError};
use crate::random::thread_random;
use crate::update::{Reason, Update, UpdateError, update};
use crate::{Backoff, BoxError, Outcome, Pending, PendingSlot, resolve};

/// client-go's usual settings.
const LEASE_DURATION: Duration = Duration::from_secs(15);
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// How much longer than the retry period a candidate may wait, and how much shorter than the renew deadline
/// the retry period must be.
const JITTER: f64 = 1.2;

/// A lock that is a Lease object: one candidate holds it at a time, in the whole cluster.
///
/// It is the lock of client-go's leader election, field by field, so that programs in Go and in Rust can be
/// candidates for the same lease. Who [holds](Held) it renews it in the background, and gives it back when
/// the [`Held`] is dropped. [`lead`](Self::lead) does some work only as long as the lease is held.
///
/// Clones are the same candidate, of which one at a time can hold the lease.
///
/// - *Times.* Nobody compares the times in the lease with the own clock: a candidate takes it when it hasn't
///   seen it change for its duration. Clocks may be hours apart, but must run equally fast: the
///   [renew deadline](Self::renew_deadline) is two thirds of the [duration](Self::lease_duration) for that.
/// - *Lost answers.* Taking the lease is exactly once, like any update of this crate. A future that is
///   dropped leaves no lease behind, and a renewal that is still under way doesn't keep the lease from being
///   given back.
/// - *Its limit.* A process that is stopped for longer than the lease lasts doesn't know that it has lost it
///   when it goes on. Where that matters, let writes carry the [token](Held::token).
///
/// ```
/// # use k8s_openapi::api::coordination::v1::Lease;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let pod = "report-0";
/// use kube::Api;
/// use optilock::LeaseLock;
///
/// let leases: Api<Lease> = Api::default_namespaced(client);
/// let lock = LeaseLock::new(leases, "nightly-report", pod);
/// if let Some(held) = lock.try_acquire().await? {
///     println!("writing the report, as holder {}", held.token().number());
///     held.release().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LeaseLock {
    core: Core,
    turn: Arc<tokio::sync::Mutex<()>>,
    random: Arc<Mutex<dyn FnMut() -> f64 + Send>>,
}

/// What it takes to write the lease.
#[derive(Clone)]
pub(super) struct Core {
    api: Api<Lease>,
    name: Arc<str>,
    identity: Arc<str>,
    lease_duration: Duration,
    pub(super) renew_deadline: Duration,
    pub(super) retry_period: Duration,
    field_manager: Option<Arc<str>>,
    /// What the clocks were when this was made.
    began: (Instant, Timestamp),
}

/// The closure's word for "somebody else has it".
#[derive(Debug, thiserror::Error)]
#[error("the lease is held by {0:?}")]
pub(super) struct Taken(pub(super) Option<String>);

impl LeaseLock {
    /// A candidate of this identity for the lease of this name.
    ///
    /// No other candidate may have the identity: a pod's name and a random number are a good one. One of the
    /// same identity takes over, as after a restart.
    pub fn new(api: Api<Lease>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            core: Core {
                api,
                name: name.into().into(),
                identity: identity.into().into(),
                lease_duration: LEASE_DURATION,
                renew_deadline: RENEW_DEADLINE,
                retry_period: RETRY_PERIOD,
                field_manager: None,
                began: (Instant::now(), Timestamp::now()),
            },
            turn: Arc::default(),
            random: Arc::new(Mutex::new(thread_random)),
        }
    }

    /// How long others wait after they have last seen the lease change. Without it, 15 seconds.
    #[must_use]
    pub fn lease_duration(mut self, duration: Duration) -> Self {
        self.core.lease_duration = duration;
        self
    }

    /// How long after its last renewal a holder gives up. Without it, 10 seconds.
    #[must_use]
    pub fn renew_deadline(mut self, deadline: Duration) -> Self {
        self.core.renew_deadline = deadline;
        self
    }

    /// How often a holder renews, and others look, with jitter. Without it, 2 seconds.
    #[must_use]
    pub fn retry_period(mut self, period: Duration) -> Self {
        self.core.retry_period = period;
        self
    }

    /// The name under which managedFields list the changes of the lease.
    #[must_use]
    pub fn field_manager(mut self, manager: impl Into<String>) -> Self {
        self.core.field_manager = Some(manager.into().into());
        self
    }

    /// Takes the random numbers of the waits, from 0 (included) to 1 (excluded), from here.
    #[must_use]
    pub fn random(mut self, random: impl FnMut() -> f64 + Send + 'static) -> Self {
        self.random = Arc::new(Mutex::new(random));
        self
    }

    /// Takes the lease if it is free, or if nobody has renewed it for as long as this call has looked.
    ///
    /// A single look can't tell for how long the lease hasn't been renewed, so a lease whose holder went away
    /// without giving it back is only ever taken by [`acquire`](Self::acquire). None too while a clone holds it.
    ///
    /// # Errors
    /// [`LeaseError`].
    ///
    /// # Cancellation
    /// Dropping the future gives back what it may have taken, in the background.
    pub async fn try_acquire(&self) -> Result<Option<Held>, LeaseError> {
        self.core.check()?;
        let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() else {
            return Ok(None);
        };
        let mut attempt = Attempt::new(&self.core, turn);
        attempt.make(&mut Observed::default()).await
    }

    /// Waits until the lease can be taken.
    ///
    /// Whatever may pass, such as a server that can't be reached, is waited for too: put a timeout around it.
    /// Of the clones of a candidate the one comes first that has waited longest.
    ///
    /// # Errors
    /// [`LeaseError`], where waiting doesn't help.
    ///
    /// # Cancellation
    /// As for [`try_acquire`](Self::try_acquire).
    pub async fn acquire(&self) -> Result<Held, LeaseError> {
        self.core.check()?;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let mut attempt = Attempt::new(&self.core, turn);
        let mut observed = Observed::default();
        loop {
            match attempt.make(&mut observed).await {
                Ok(Some(held)) => return Ok(held),
                Ok(None) => {}
                Err(LeaseError::Update(error)) if may_pass(error.reason()) => {
                    tracing::warn!(lease = &*self.core.name, %error, "the lease can't be taken yet");
                    // It is found out before anything else is tried.
                    attempt.settle().await;
                }
                Err(error) => return Err(error),
            }
            let jitter = {
                let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
                random() * JITTER
            };
            sleep(self.core.retry_period.mul_f64(1.0 + jitter)).await;
        }
    }

    /// Does some work as the lease's holder: waits for the lease, does the work, and gives the lease back.
    ///
    /// If the lease is lost meanwhile, the work's future is dropped where it waits. It may look at its
    /// [`Tenure`] at any time.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), optilock::BoxError> {
    /// # let client = optilock_apiserver::Server::new().client();
    /// # let leases = kube::Api::default_namespaced(client.clone());
    /// # let lock = optilock::LeaseLock::new(leases, "nightly-report", "report-0");
    /// use std::time::Duration;
    ///
    /// lock.lead(|tenure| async move {
    ///     println!("leading, with token {}", tenure.token().number());
    ///     tokio::time::sleep(Duration::from_millis(60)).await;
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), and [`LeaseError::Lost`].
    #[doc(alias = "RunOrDie")]
    pub async fn lead<F, Fut>(&self, work: F) -> Result<Fut::Output, LeaseError>
    where
        F: FnOnce(Tenure) -> Fut,
        Fut: Future,
    {
        let held = self.acquire().await?;
        let output = tokio::select! {
            biased;
            lost = held.lost() => return Err(lost.into()),
            output = work(held.tenure().clone()) => output,
        };
        if let Err(error) = held.release().await {
            // The work is done, and the lease runs out by itself.
            tracing::warn!(lease = &*self.core.name, %error, "the lease couldn't be given back");
        }
        Ok(output)
    }
}

impl fmt::Debug for LeaseLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseLock")
            .field("name", &self.core.name)
            .field("identity", &self.core.identity)
            .field("lease_duration", &self.core.lease_duration)
            .field("renew_deadline", &self.core.renew_deadline)
            .field("retry_period", &self.core.retry_period)
            .finish_non_exhaustive()
    }
}

/// An attempt to take the lease; dropped, it gives back what it may have taken.
struct Attempt<'a> {
    core: &'a Core,
    slot: PendingSlot,
    /// Gone with the lease, or with what gives it back.
    turn: Option<OwnedMutexGuard<()>>,
}

impl<'a> Attempt<'a> {
    fn new(core: &'a Core, turn: OwnedMutexGuard<()>) -> Self {
        Self {
            core,
            slot: PendingSlot::default(),
            turn: Some(turn),
        }
    }

    async fn make(&mut self, observed: &mut Observed) -> Result<Option<Held>, LeaseError> {
        let core = self.core;
        let mut tried_at = Instant::now();
        let update = core
            .update(core.renew_deadline)
            .or_create(Lease::default())
            .pending(&self.slot)
            .apply(|lease| {
                tried_at = Instant::now();
                let spec = lease.spec.get_or_insert_default();
                observed.look(spec, tried_at);
                if let Some(holder) = observed.holder(&core.identity, tried_at) {
                    return Err(Taken(Some(holder.to_owned())).into());
                }
                take(spec, &core.identity, core.seconds()?, core.now());
                Ok(())
            });
        let lease = match update.await {
            Ok(updated) => updated.object,
            Err(error) if taken(error.reason()).is_some() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let grant = Grant {
            until: tried_at + core.renew_deadline,
            token: FencingToken::of(&lease)?,
            lease,
        };
        // The turn is there until the lease is.
        Ok(self
            .turn
            .take()
            .map(|turn| Held::new(core.clone(), grant, turn)))
    }

    /// Finds out whether a write whose answer was lost has taken the lease, and gives it back if so.
    async fn settle(&mut self) {
        if let Some(pending) = self.slot.take() {
            self.core.undo(&pending).await;
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let (Some(pending), Ok(runtime)) = (self.slot.take(), Handle::try_current()) {
            let (core, turn) = (self.core.clone(), self.turn.take());
            runtime.spawn(async move {
                core.undo(&pending).await;
                drop(turn);
            });
        }
    }
}

impl Core {
    /// Whether the settings make sense together: client-go's conditions.
    fn check(&self) -> Result<(), LeaseError> {
        let Self {
            lease_duration,
            renew_deadline,
            retry_period,
            ..
        } = *self;
        if self.identity.is_empty() {
            return Err(LeaseError::NoIdentity);
        }
        if self.seconds().is_err() {
            return Err(LeaseError::LeaseDuration(lease_duration));
        }
        if renew_deadline >= lease_duration {
            return Err(LeaseError::RenewDeadline {
                renew_deadline,
                lease_duration,
            });
        }
        if retry_period.is_zero() || retry_period.mul_f64(JITTER) >= renew_deadline {
            return Err(LeaseError::RetryPeriod {
                retry_period,
                renew_deadline,
            });
        }
        Ok(())
    }

    fn seconds(&self) -> Result<i32, BoxError> {
        match i32::try_from(self.lease_duration.as_secs()) {
            Ok(seconds @ 1..) if self.lease_duration.subsec_nanos() == 0 => Ok(seconds),
            _ => Err("a lease lasts whole seconds".into()),
        }
    }

    /// The time of day, which goes on as the runtime's clock does.
    fn now(&self) -> MicroTime {
        let (instant, timestamp) = self.began;
        let passed = SignedDuration::try_from(instant.elapsed());
        let now = passed
            .ok()
            .and_then(|passed| timestamp.checked_add(passed).ok());
        MicroTime(now.unwrap_or(Timestamp::MAX))
    }

    /// An update of the lease that is told within a time.
    fn update(&self, timeout: Duration) -> Update<'_, Lease> {
        // Often enough to come through in time; there is no crowd to be spread.
        let backoff = Backoff::new(i64::MAX, self.retry_period / 8).with_jitter(1.0);
        let update = update(&self.api, &*self.name)
            .backoff(backoff)
            .timeout(timeout)
            // More than one try, where an answer is lost.
            .attempt_timeout((timeout / 2).max(Duration::from_millis(1)));
        match &self.field_manager {
            Some(manager) => update.field_manager(&**manager),
            None => update,
        }
    }

    /// Renews the lease as long as it is the one that was granted, and gives it with the time of the try.
    pub(super) async fn renew(
        &self,
        known: &Lease,
        timeout: Duration,
    ) -> Result<(Lease, Instant), UpdateError> {
        let mut tried_at = Instant::now();
        let renewed = self
            .update(timeout)
            .idempotent()
            .cached(known.clone())
            .apply(|lease| {
                tried_at = Instant::now();
                self.still_held(known, lease)?;
                let spec = lease.spec.get_or_insert_default();
                take(spec, &self.identity, self.seconds()?, self.now());
                Ok(())
            })
            .await?;
        Ok((renewed.object, tried_at))
    }

    /// Gives the lease back, unless it isn't the one that was granted any more. Tries for as long as it would
    /// be held otherwise.
    pub(super) async fn release(&self, known: &Lease) -> Result<(), UpdateError> {
        let deadline = Instant::now() + self.renew_deadline;
        loop {
            let released = self
                .update(deadline.saturating_duration_since(Instant::now()))
                .idempotent()
                .cached(known.clone())
                .apply(|lease| {
                    if self.still_held(known, lease).is_ok() {
                        give_back(lease.spec.get_or_insert_default(), self.now());
                    }
                    Ok(())
                });
            match released.await {
                Ok(_) => return Ok(()),
                Err(error) if is_not_found(error.reason()) => return Ok(()),
                Err(error) if may_pass(error.reason()) && Instant::now() < deadline => {
                    sleep(self.retry_period / 8).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What a write that nobody waits for any more has taken is given back.
    async fn undo(&self, pending: &Pending) {
        let undone = match resolve(&self.api, pending).await {
            Ok(Outcome::Refused) => return,
            Ok(_) => match self.api.get(&self.name).await {
                Ok(lease) => self.release(&lease).await.map_err(BoxError::from),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        };
        if let Err(error) = undone {
            // It runs out by itself.
            tracing::warn!(lease = &*self.name, %error, "the lease couldn't be given back");
        }
    }

    /// Whether a lease is held by this candidate, and without a break since `known`.
    fn still_held(&self, known: &Lease, lease: &Lease) -> Result<(), Taken> {
        let spec = |lease: &Lease| lease.spec.clone().unwrap_or_default();
        let (before, now) = (spec(known), spec(lease));
        let ours = holder(&now) == Some(&*self.identity)
            && before.lease_transitions == now.lease_transitions
            && known.uid() == lease.uid();
        ours.then_some(())
            .ok_or_else(|| Taken(holder(&now).map(str::to_owned)))
    }
}

/// Who has the lease, where that is why the update failed.
pub(super) fn taken(reason: &Reason) -> Option<&Taken> {
    match reason {
        Reason::Change(error) => error.downcast_ref(),
        _ => None,
    }
}

/// Whether the lease isn't there.
pub(super) fn is_not_found(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Read(kube::Error::Api(status)) | Reason::Refused(kube::Error::Api(status))
            if status.code == 404
    )
}

/// Whether trying again later may help.
fn may_pass(reason: &Reason) -> bool {
    match reason {
        Reason::Refused(error) | Reason::Read(error) => match error {
            kube::Error::Api(status) => status.code >= 500 || status.code == 429,
            _ => true,
        },
        Reason::Interrupted { .. } | Reason::ReadTimeout(_) | Reason::Unknown { .. } => true,
        _ => false,
    }
}
