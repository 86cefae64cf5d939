//! Whose turn it is.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Lets through one at a time, in order of arrival, as long as they keep moving.
///
/// Nothing but the price rests on it. So nobody is held up by a turn that doesn't end, as when the
/// server doesn't answer: who has waited in vain goes without one.
#[derive(Debug)]
pub(super) struct Turnstile {
    open: Arc<Semaphore>,
    /// How many turns have ended.
    ended: Arc<AtomicU64>,
}

/// How long one waits for a turn while no other ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    ended: Arc<AtomicU64>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Turnstile {
    pub(super) fn new() -> Self {
        Self {
            open: Arc::new(Semaphore::new(1)),
            ended: Arc::default(),
        }
    }

    /// Waits for a turn. None where the others don't get on.
    pub(super) async fn wait(&self) -> Option<Turn> {
        let mut permit = pin!(Arc::clone(&self.open).acquire_owned());
        loop {
            let ended = self.ended.load(Ordering::Relaxed);
            match timeout(PATIENCE, &mut permit).await {
                // It only fails once it is closed, and nobody closes it.
                Ok(permit) => {
                    return Some(Turn {
                        ended: Arc::clone(&self.ended),
                        _permit: permit.ok()?,
                    });
                }
                Err(_) if self.ended.load(Ordering::Relaxed) == ended => return None,
                Err(_) => {}
            }
        }
    }
}
