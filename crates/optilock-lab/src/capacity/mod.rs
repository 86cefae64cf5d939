//! How much a server gets done: measured on a real one, and kept to by a simulated one.

mod desk;
mod measure;
mod simulated;
mod wake;

use std::time::Duration;

use kube::Client;

use crate::exact::Exact;
pub use measure::measure;
use simulated::Simulated;

/// How long an API server takes for its requests, alone and when there are many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    /// On how many requests it works at once; 0 is taken for 1.
    pub processors: usize,
    /// For a read.
    pub read: Pace,
    /// For a write that it refuses because of its base.
    pub refused: Pace,
    /// For a write that it accepts.
    pub write: Pace,
    /// What the order in which it takes up its requests is made from: another one is another day of the same server.
    pub seed: u64,
}

/// How long one kind of request takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// How long it keeps one of the server's processors busy, so that nobody else is served by that.
    pub work: Duration,
    /// How long one is busy with it besides, without its answer having to wait for that: watchers are told, garbage is collected.
    pub beside: Duration,
    /// How much more work it is where the processes that it goes through have nothing else to do: each of them asks its operating
    /// system what has arrived, which costs as much for many requests as for one. All of them together.
    pub turns: Duration,
    /// What it takes besides, however many there are: the way there and back, a disk.
    pub latency: Duration,
    /// What it takes on top where nobody has asked for a while: the machine has to wake up.
    pub wake: Duration,
}

impl Capacity {
    /// A client for a server that gets no more done than this.
    pub(crate) fn limit(self, server: &Client, exact: &Exact) -> Client {
        Simulated::client(self, server, exact)
    }
}
