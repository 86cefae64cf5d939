//! Several measurements of one thing.

/// The least, the middle and the greatest of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    /// `None` where there are none.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(*values.get(middle.checked_sub(1)?)?, values[middle]),
            _ => values[middle],
        };
        Some(Self {
            min: *values.first()?,
            median,
            max: *values.last()?,
        })
    }

    pub(super) fn median(self) -> f64 {
        self.median
    }

    /// How far the one that is farthest away is from the median, as a part of it.
    pub(super) fn farthest(self) -> f64 {
        (self.max - self.median).max(self.median - self.min) / self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        let three = spread(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((three.min, three.median, three.max), (1.0, 2.0, 3.0));
        assert_eq!(three.farthest(), 0.5);
        let four = spread(&[4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((four.min, four.median, four.max), (1.0, 2.5, 4.0));
    }
}
