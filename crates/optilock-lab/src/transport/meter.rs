//! Counts requests and conflicts, and books the time between a request and its answer.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use tower::{Layer, Service};

use super::{Activity, Probe};

/// Counts what goes to the server, next to the server, so that a request is booked once it is really sent.
#[derive(Debug, Clone)]
pub(crate) struct MeterLayer {
    probe: Probe,
}

impl MeterLayer {
    pub(crate) fn new(probe: Probe) -> Self {
        Self { probe }
    }
}

impl<S> Layer<S> for MeterLayer {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Metered {
            inner,
            probe: self.probe.clone(),
        }
    }
}

/// See [`MeterLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Metered<S> {
    inner: S,
    probe: Probe,
}

impl<S, A, B> Service<Request<A>> for Metered<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let is_update = request.method() == Method::PUT;
        let probe = self.probe.clone();
        // For the recorder, which stands behind all meters.
        request.extensions_mut().insert(probe.actor());
        let answer = self.inner.call(request);
        Box::pin(async move {
            probe.count_request();
            probe.enter(Activity::AwaitingServer);
            let answer = answer.await;
            let conflict = matches!(&answer, Ok(answer) if is_update && answer.status() == StatusCode::CONFLICT);
            if conflict {
                probe.count_conflict();
            }
            // Until the next request, a worker whose update was refused does nothing but wait for its next attempt. One
            // that gives up instead is done at once.
            probe.enter(if conflict {
                Activity::BackingOff
            } else {
                Activity::Working
            });
            answer
        })
    }
}
