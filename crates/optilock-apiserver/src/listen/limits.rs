//! What a port lets its clients take.

use std::time::Duration;

/// What a port lets its clients take: [`Listener::limits`](super::Listener::limits). The defaults are kube-apiserver's where it has such
/// a limit.
///
/// ```
/// use optilock_apiserver::Limits;
///
/// let small = Limits { reads: 20, writes: 10, ..Limits::default() };
/// # let _ = small;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Reads that are served at a time; more wait for their turn, and what waits too long is answered 429. 0 is no
    /// limit. 400, as `--max-requests-inflight`.
    pub reads: usize,
    /// The same for writes. 200, as `--max-mutating-requests-inflight`.
    pub writes: usize,
    /// Connections at a time. For one more the one is closed that has been idle for longest; where none is idle, it waits. 4,096; kube-apiserver
    /// has no limit but that of the system.
    pub connections: usize,
    /// A connection whose client takes nothing of what it is sent for so long is closed. A minute.
    pub stalled: Duration,
    /// How long `/readyz` says that the server is about to stop before it does. 0, as `--shutdown-delay-duration`.
    pub shutdown_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reads: 400,
            writes: 200,
            connections: 4096,
            stalled: Duration::from_secs(60),
            shutdown_delay: Duration::ZERO,
        }
    }
}
