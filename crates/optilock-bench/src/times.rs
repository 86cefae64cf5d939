//! How long things took.

use std::time::Duration;

/// Times in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<u32>);

impl Times {
    /// Adds one. More than an hour counts as an hour.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0
            .push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds those of another.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The times below which so many percent of them are, in microseconds; 0 where there are none.
    pub(crate) fn percentiles<const N: usize>(mut self, percents: [usize; N]) -> [u32; N] {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        percents.map(|percent| self.0.get(last * percent / 100).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let mut times = Times::default();
        for micros in [5, 1, 4, 2, 3] {
            times.add(Duration::from_micros(micros));
        }
        assert_eq!(times.percentiles([0, 50, 99, 100]), [1, 3, 4, 5]);
        assert_eq!(Times::default().percentiles([50]), [0]);
    }
}
