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

    /// The same leg, or where its mean is longer than this, a shorter one that varies in proportion.
    pub(crate) fn at_most(self, mean: Duration) -> Self {
        if self.mean <= mean {
            return self;
        }
        let share = mean.as_secs_f64() / self.mean.as_secs_f64();
        Self {
            mean,
            deviation: self.deviation.mul_f64(share),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_shortened_in_proportion() {
        let leg = |mean, deviation| Leg {
            mean: Duration::from_millis(mean),
            deviation: Duration::from_millis(deviation),
        };
        assert_eq!(leg(10, 2).at_most(Duration::from_millis(5)), leg(5, 1));
        assert_eq!(leg(10, 2).at_most(Duration::from_millis(10)), leg(10, 2));
        assert_eq!(leg(0, 0).at_most(Duration::ZERO), leg(0, 0));
    }
}
