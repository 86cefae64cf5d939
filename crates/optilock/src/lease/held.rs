//! A lease that is held.

use std::sync::Arc;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::runtime::Handle;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::lock::{Core, is_not_found, taken};
use super::{FencingToken, Lost};
use crate::UpdateError;

/// The lease as it was taken.
pub(super) struct Grant {
    /// Until when it is held if it isn't renewed.
    pub(super) until: Instant,
    pub(super) token: FencingToken,
    pub(super) lease: Lease,
}

/// A lease that is held, and renewed in the background. Dropped, it is given back.
///
/// Giving it back on drop happens in the background, as long as the runtime runs. To wait for it, and to be told
/// if it fails, call [`release`](Self::release).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let leases = kube::Api::default_namespaced(client);
/// # let lock = optilock::LeaseLock::new(leases, "nightly-report", "report-0");
/// let held = lock.acquire().await?;
/// assert!(held.is_held());
/// drop(held);
/// // Somebody else may have it now, without waiting for it to run out.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a lease is given back as soon as it is dropped"]
pub struct Held {
    tenure: Tenure,
    /// None once it is given back.
    keeper: Option<Keeper>,
}

/// What it takes to keep the lease and to give it back.
struct Keeper {
    core: Core,
    state: Arc<watch::Sender<State>>,
    renewing: JoinHandle<()>,
    turn: OwnedMutexGuard<()>,
}

#[derive(Clone, Debug)]
struct State {
    lease: Lease,
    until: Instant,
    lost: Option<Lost>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// A look at a lease that is held, or was: clones are the same.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let leases = kube::Api::default_namespaced(client.clone());
/// # let lock = optilock::LeaseLock::new(leases, "nightly-report", "report-0");
/// # let held = lock.try_acquire().await?.ok_or("nobody else is there")?;
/// # let tenure = held.tenure().clone();
/// # held.release().await?;
/// while tenure.is_held() {
///     // One more piece of work.
/// }
/// println!("it is over: {}", tenure.lost().await);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tenure {
    token: FencingToken,
    state: watch::Receiver<State>,
}

impl Tenure {
    /// What tells this holder from earlier and later ones.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.token
    }

    /// Whether the lease is held, as far as can be known here: it was renewed within the
    /// [renew deadline](crate::LeaseLock::renew_deadline), counted from before the renewal was sent.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let state = self.state.borrow();
        state.lost.is_none() && Instant::now() < state.until
    }

    /// Waits until the lease is no longer held, and says why.
    pub async fn lost(&self) -> Lost {
        let mut state = self.state.clone();
        loop {
            let until = {
                let state = state.borrow_and_update();
                if let Some(lost) = &state.lost {
                    return lost.clone();
                }
                state.until
            };
            if Instant::now() >= until {
                return Lost::NotRenewed(None);
            }
            tokio::select! {
                biased;
                changed = state.changed() => if changed.is_err() {
                    return state.borrow().lost.clone().unwrap_or(Lost::Released);
                },
                () = sleep_until(until) => {}
            }
        }
    }
}

impl Held {
    pub(super) fn new(core: Core, grant: Grant, turn: OwnedMutexGuard<()>) -> Self {
        let Grant {
            until,
            token,
            lease,
        } = grant;
        let (sender, receiver) = watch::channel(State {
            lease,
            until,
            lost: None,
        });
        let state = Arc::new(sender);
        let renewing = tokio::spawn(keep(core.clone(), Arc::clone(&state)));
        Self {
            tenure: Tenure {
                token,
                state: receiver,
            },
            keeper: Some(Keeper {
                core,
                state,
                renewing,
                turn,
            }),
        }
    }

    /// What can be told of it, to give to whom it concerns.
    #[must_use]
    pub fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    /// What tells this holder from earlier and later ones.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.tenure.token()
    }

    /// Whether it still is held: see [`Tenure::is_held`].
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.tenure.is_held()
    }

    /// Waits until it is no longer held, and says why.
    pub async fn lost(&self) -> Lost {
        self.tenure.lost().await
    }

    /// Gives it back, so that the next one need not wait for its end. Nothing is written where it was lost.
    ///
    /// # Errors
    /// As [`Update::apply`](crate::Update::apply). The lease then runs out by itself.
    ///
    /// # Cancellation
    /// Dropping the future leaves the lease to run out by itself.
    pub async fn release(mut self) -> Result<(), UpdateError> {
        match self.keeper.take() {
            Some(keeper) => keeper.give_back().await,
            None => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.renewing.abort();
            // Without a runtime there is nobody to give it back, and it runs out by itself.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move {
                    if let Err(error) = keeper.give_back().await {
                        tracing::warn!(%error, "the lease couldn't be given back");
                    }
                });
            }
        }
    }
}

impl Keeper {
    async fn give_back(self) -> Result<(), UpdateError> {
        self.renewing.abort();
        let mut lease = Lease::default();
        self.state.send_modify(|state| {
            state.lost.get_or_insert(Lost::Released);
            lease = state.lease.clone();
        });
        let released = self.core.release(&lease).await;
        drop(self.turn);
        released
    }
}

/// Renews the lease until that doesn't succeed in time, or somebody else has it.
async fn keep(core: Core, state: Arc<watch::Sender<State>>) {
    let mut last = None;
    loop {
        sleep(core.retry_period).await;
        let (lease, until) = {
            let state = state.borrow();
            (state.lease.clone(), state.until)
        };
        let left = until.saturating_duration_since(Instant::now());
        let lost = if left.is_zero() {
            Lost::NotRenewed(last.take())
        } else {
            match core.renew(&lease, left).await {
                Ok((lease, tried_at)) => {
                    state.send_modify(|state| {
                        state.lease = lease;
                        state.until = tried_at + core.renew_deadline;
                    });
                    last = None;
                    continue;
                }
                Err(error) => match lost(&error) {
                    Some(lost) => lost,
                    None => {
                        last = Some(Arc::new(error));
                        continue;
                    }
                },
            }
        };
        tracing::info!(%lost, "the lease is lost");
        state.send_modify(|state| {
            state.lost.get_or_insert(lost);
        });
        return;
    }
}

/// Whether an error says for good that the lease isn't held any more.
fn lost(error: &UpdateError) -> Option<Lost> {
    if let Some(taken) = taken(error.reason()) {
        return Some(Lost::Taken(taken.0.clone()));
    }
    is_not_found(error.reason()).then_some(Lost::Deleted)
}
