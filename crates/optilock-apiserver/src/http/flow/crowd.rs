//! How many there are who may ask something at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the connections of a port and the requests under way on them. A connection counts, because it may have sent
/// a request that nobody has looked at yet; of HTTP/2, whatever was looked at counts besides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crowd(Arc<AtomicUsize>);

#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there are no ports"))]
impl Crowd {
    /// One more.
    pub(crate) fn join(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are.
    pub(crate) fn size(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
