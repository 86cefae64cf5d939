use std::time::Duration;

use rand::Rng;
use rand_distr::{Distribution, Normal};

/// The time that one way takes, to the server or back: normally distributed, and never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leg {
    /// Its mean.
    pub mean: Duration,
    /// Its standard deviation.
    pub deviation: Duration,
}

impl Leg {
    /// Always the same time.
    pub const fn constant(mean: Duration) -> Self {
        Self {
            mean,
            deviation: Duration::ZERO,
        }
    }

    /// The time of one way.
    pub(super) fn sample(self, rng: &mut impl Rng) -> Duration {
        if self.deviation.is_zero() {
            return self.mean;
        }
        let (mean, deviation) = (self.mean.as_secs_f64(), self.deviation.as_secs_f64());
        // Only a deviation that is no number is refused.
        Normal::new(mean, deviation).map_or(self.mean, |normal| {
            Duration::try_from_secs_f64(normal.sample(rng)).unwrap_or(Duration::ZERO)
        })
    }
}
