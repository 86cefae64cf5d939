//! What stands between a worker and the server: a barrier, a throttle, a meter.

mod first_round;
mod ledger;
mod meter;
mod throttle;

use std::sync::Arc;

use kube::Client;
use tower::ServiceBuilder;

pub(crate) use first_round::{FirstRound, Ticket};
pub use ledger::TimeShares;
pub(crate) use ledger::{Account, Activity, Actor, Ledger, Origin, Probe};
pub use throttle::{Rate, TokenBucket};

use first_round::FirstRoundLayer;
pub(crate) use meter::MeterLayer;
use throttle::ThrottleLayer;

/// A client whose requests are throttled by `bucket`, counted and timed by `probe` and, with a `ticket`, held back in the
/// first round. Connections are those of `client`.
pub(crate) fn instrument(
    client: &Client,
    bucket: Option<Arc<TokenBucket>>,
    probe: &Probe,
    ticket: Option<Arc<Ticket>>,
) -> Client {
    let server = client.clone();
    let service = ServiceBuilder::new()
        .option_layer(ticket.map(|ticket| FirstRoundLayer::new(ticket, probe.clone())))
        .layer(ThrottleLayer::new(bucket, probe.clone()))
        .layer(MeterLayer::new(probe.clone()))
        .service_fn(move |request| {
            let server = server.clone();
            async move { server.send(request).await }
        });
    Client::new(service, client.default_namespace())
}

/// The service that was polled ready, leaving a clone in its place that is not: what a `call` that defers its inner call
/// has to use.
fn take_ready<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    std::mem::replace(service, clone)
}
