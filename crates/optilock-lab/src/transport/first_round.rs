//! Nobody writes before everybody has read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{Method, Request};
use tokio::sync::watch;
use tower::{Layer, Service};

use super::{Activity, Probe};

/// A barrier between the first read and the first write of the workers of a run.
///
/// A server that answers within microseconds serialises a handful of workers by chance; the barrier makes their first
/// updates start from the same version. A worker arrives when it changes the copy that it has read, and
/// is held back in front of the throttle, so that it is the same for every strategy.
#[derive(Debug)]
pub(crate) struct FirstRound {
    /// Workers that have neither read nor ended yet.
    missing: watch::Sender<usize>,
}

impl FirstRound {
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            missing: watch::Sender::new(workers),
        })
    }

    /// One worker's part; each of the workers takes one.
    pub(crate) fn ticket(self: &Arc<Self>) -> Arc<Ticket> {
        Arc::new(Ticket {
            round: self.clone(),
            arrived: AtomicBool::new(false),
        })
    }
}

/// One worker's part in the [`FirstRound`].
#[derive(Debug)]
pub(crate) struct Ticket {
    round: Arc<FirstRound>,
    arrived: AtomicBool,
}

impl Ticket {
    /// The worker has read, or never will. Only the first call counts.
    pub(crate) fn arrive(&self) {
        if !self.arrived.swap(true, Ordering::Relaxed) {
            self.round.missing.send_modify(|missing| *missing -= 1);
        }
    }

    /// Arrives at the latest when the guard goes, however the worker ends.
    pub(crate) fn arrive_when_dropped(&self) -> impl Drop + '_ {
        struct Arrival<'a>(&'a Ticket);
        impl Drop for Arrival<'_> {
            fn drop(&mut self) {
                self.0.arrive();
            }
        }
        Arrival(self)
    }

    fn is_open(&self) -> bool {
        *self.round.missing.borrow() == 0
    }

    /// Until all have arrived.
    async fn wait(&self) {
        let mut missing = self.round.missing.subscribe();
        // An error means that the round is gone, but this ticket keeps it.
        let _ = missing.wait_for(|&missing| missing == 0).await;
    }
}

/// Holds back the writes of one worker until the [`FirstRound`] has read.
#[derive(Debug, Clone)]
pub(crate) struct FirstRoundLayer {
    ticket: Arc<Ticket>,
    probe: Probe,
}

impl FirstRoundLayer {
    pub(crate) fn new(ticket: Arc<Ticket>, probe: Probe) -> Self {
        Self { ticket, probe }
    }
}

impl<S> Layer<S> for FirstRoundLayer {
    type Service = FirstRoundService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FirstRoundService {
            inner,
            layer: self.clone(),
        }
    }
}

/// See [`FirstRoundLayer`].
#[derive(Debug, Clone)]
pub(crate) struct FirstRoundService<S> {
    inner: S,
    layer: FirstRoundLayer,
}

impl<S, A> Service<Request<A>> for FirstRoundService<S>
where
    S: Service<Request<A>> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
    A: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let mut inner = super::take_ready(&mut self.inner);
        let FirstRoundLayer { ticket, probe } = self.layer.clone();
        Box::pin(async move {
            if request.method() != Method::GET {
                ticket.arrive();
                if !ticket.is_open() {
                    probe.enter(Activity::Idle);
                    ticket.wait().await;
                }
            }
            inner.call(request).await
        })
    }
}
