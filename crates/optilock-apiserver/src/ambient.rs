//! What a server takes from its surroundings: the time of day and randomness.
//!
//! Both are injected, so that a run can be repeated bit by bit.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Characters of generated names: without vowels and look-alikes, as Kubernetes has them, so that no word
/// comes out by chance.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Length of the random part of a generated name.
const SUFFIX_LENGTH: usize = 5;

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Clock and random numbers of one server.
pub(crate) struct Ambient {
    clock: Clock,
    random: Mutex<StdRng>,
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ambient").finish_non_exhaustive()
    }
}

impl Ambient {
    /// Time from `clock`; random numbers from `seed`, or from the system where there is none.
    pub(crate) fn new(clock: Option<Clock>, seed: Option<u64>) -> Self {
        Self {
            clock: clock.unwrap_or_else(|| Arc::new(Timestamp::now)),
            random: Mutex::new(match seed {
                Some(seed) => StdRng::seed_from_u64(seed),
                None => StdRng::from_os_rng(),
            }),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Now as `metav1.Time`: RFC 3339 in UTC, whole seconds.
    pub(crate) fn now_text(&self) -> String {
        time_text(self.now())
    }

    /// A fresh uid (random, version 4).
    pub(crate) fn uid(&self) -> String {
        let bytes: [u8; 16] = self.random.lock().random();
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    /// The random end of a name made from `generateName`.
    pub(crate) fn suffix(&self) -> String {
        let mut random = self.random.lock();
        (0..SUFFIX_LENGTH)
            .map(|_| char::from(SUFFIX_ALPHABET[random.random_range(0..SUFFIX_ALPHABET.len())]))
            .collect()
    }

    /// A random whole number of the range, both ends included.
    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        self.random.lock().random_range(low..=high)
    }
}

/// A time as `metav1.Time` writes it.
pub(crate) fn time_text(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).map_or_else(|_| time.to_string(), |t| t.to_string())
}
