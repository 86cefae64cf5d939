//! Counts requests and conflicts, and books the time between a request and its answer.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use tokio::time::Instant;
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
        let method = request.method().clone();
        let is_json_patch = request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/json-patch+json");
        let probe = self.probe.clone();
        // For the recorder, which stands behind all meters.
        request.extensions_mut().insert(probe.send(&method));
        let sent = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let is_write = method != Method::GET;
            let status = answer.as_ref().ok().map(Response::status);
            let conflict = is_write
                && match status {
                    Some(StatusCode::CONFLICT) => true,
                    // How a `test` fails.
                    Some(StatusCode::UNPROCESSABLE_ENTITY) => is_json_patch,
                    _ => false,
                };
            if conflict {
                probe.count_conflict();
            }
            if is_write && status.is_some_and(|status| status.is_success()) {
                probe.accepted_after(sent.elapsed());
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
