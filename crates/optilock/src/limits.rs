//! What ends a loop from outside: a cancellation and a deadline.

use std::future::pending;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::{Instant, sleep, sleep_until};

use crate::Interrupt;

/// The part of a Go context that a retry loop looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// Ready once the loop is to end, and from then on.
    cancelled: Option<Shared<BoxFuture<'static, ()>>>,
    pub(crate) deadline: Option<Instant>,
}

impl Limits {
    /// Ends the loop when this is ready.
    pub(crate) fn cancel_on(&mut self, cancelled: impl Future<Output = ()> + Send + 'static) {
        self.cancelled = Some(cancelled.boxed().shared());
    }

    /// Fails if the loop may not go on. Cancellation is looked at before the deadline.
    pub(crate) fn check(&self) -> Result<(), Interrupt> {
        if self.cancelled().now_or_never().is_some() {
            return Err(Interrupt::Cancelled);
        }
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Err(Interrupt::DeadlineExceeded);
        }
        Ok(())
    }

    /// Runs a future until it is done or a limit is reached. Where both are the case it is done: an
    /// answer that is there is worth more than the news that it is late.
    pub(crate) async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Interrupt> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.cancelled() => Err(Interrupt::Cancelled),
            () = self.expired() => Err(Interrupt::DeadlineExceeded),
        }
    }

    /// Sleeps, or fails as soon as a limit is reached. A delay of zero lets other tasks run.
    pub(crate) async fn sleep(&self, delay: Duration) -> Result<(), Interrupt> {
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            self.guard(sleep(delay)).await?;
        }
        self.check()
    }

    async fn cancelled(&self) {
        match &self.cancelled {
            Some(cancelled) => cancelled.clone().await,
            None => pending().await,
        }
    }

    async fn expired(&self) {
        match self.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => pending().await,
        }
    }
}

/// The instant in `timeout` from now; none where that is too far away to be told.
pub(crate) fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
