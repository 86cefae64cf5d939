//! How much a server gets done: measured on a real one, and kept to by a simulated one.

mod desk;
mod measure;

use std::{sync::Arc, time::Duration};

use http::Method;
use kube::Client;
use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Gamma};
use tower::service_fn;

use crate::exact::Exact;
use desk::Desk;
pub use measure::measure;

/// How long an API server takes for its requests, alone and when there are many.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Capacity {
    /// For a read.
    pub read: Pace,
    /// For a write that it refuses because of its base.
    pub refused: Pace,
    /// For a write that it accepts.
    pub write: Pace,
    /// How much the work of one request differs from that of the next: its standard deviation, as a share of the mean.
    pub variation: f64,
}

/// How long one kind of request takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// How long it keeps the server busy: of n requests at once, each takes n times as long.
    pub work: Duration,
    /// What it takes besides, however many there are: the way there and back, a disk, threads that wake up.
    pub latency: Duration,
}

/// How much of a read's work is done when the object is looked at: the answer has to be encoded, sent and decoded yet.
const READ_LOOKS: f64 = 0.3;
/// How much of a write's work is done when its base is compared: it has been encoded, sent, decoded and validated.
const WRITE_LOOKS: f64 = 0.7;

impl Capacity {
    /// A client for a server that gets no more done than this.
    pub(crate) fn limit(self, server: &Client, exact: &Exact, seed: u64) -> Client {
        let (desk, exact) = (Desk::new(exact.clone()), exact.clone());
        let rng = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        let namespace = server.default_namespace().to_owned();
        let server = server.clone();
        let service = service_fn(move |request: http::Request<kube::client::Body>| {
            let (desk, exact, server) = (desk.clone(), exact.clone(), server.clone());
            let is_read = request.method() == Method::GET;
            let (pace, looks) = match is_read {
                true => (self.read, READ_LOOKS),
                false => (self.refused, WRITE_LOOKS),
            };
            let (work, more) = {
                let rng = &mut *rng.lock();
                let more = self.write.work.saturating_sub(self.refused.work);
                (self.draw(pace.work, rng), self.draw(more, rng))
            };
            async move {
                let there = pace.latency / 2;
                exact.sleep(there).await;
                desk.work(work.mul_f64(looks)).await;
                let answer = server.send(request).await?;
                let is_accepted = !is_read && answer.status().is_success();
                let (more, latency) = match is_accepted {
                    true => (more, self.write.latency),
                    false => (Duration::ZERO, pace.latency),
                };
                desk.work(work.mul_f64(1.0 - looks) + more).await;
                exact.sleep(latency.saturating_sub(there)).await;
                Ok::<_, kube::Error>(answer)
            }
        });
        Client::new(service, namespace)
    }

    /// The work of one request.
    fn draw(&self, mean: Duration, rng: &mut StdRng) -> Duration {
        let variance = self.variation * self.variation;
        // What doesn't vary, and no work, have no such distribution.
        Gamma::new(variance.recip(), mean.as_secs_f64() * variance).map_or(mean, |gamma| {
            Duration::try_from_secs_f64(gamma.sample(rng)).unwrap_or(mean)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_varies_about_its_mean() {
        let mean = Duration::from_millis(2);
        let mut rng = StdRng::seed_from_u64(1);
        let steady = Capacity::default();
        assert_eq!(steady.draw(mean, &mut rng), mean);
        let varying = Capacity {
            variation: 0.5,
            ..steady
        };
        assert_eq!(varying.draw(Duration::ZERO, &mut rng), Duration::ZERO);
        let draws: Vec<f64> = (0..10_000)
            .map(|_| varying.draw(mean, &mut rng).as_secs_f64() * 1e3)
            .collect();
        let average = draws.iter().sum::<f64>() / 1e4;
        let variance = draws
            .iter()
            .map(|draw| (draw - average).powi(2))
            .sum::<f64>()
            / 1e4;
        assert!((average - 2.0).abs() < 0.05, "{average}");
        assert!((variance.sqrt() - 1.0).abs() < 0.05, "{variance}");
    }
}
