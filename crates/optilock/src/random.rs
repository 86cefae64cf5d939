//! The default source of randomness.

use rand::Rng;

/// A random number from 0 (included) to 1 (excluded), from the thread's own generator.
///
/// Everything here that is random takes any `FnMut() -> f64` instead, so that a run can be replayed.
pub(crate) fn thread_random() -> f64 {
    rand::rng().random()
}
