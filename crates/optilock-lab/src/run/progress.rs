//! How far a run is, for whoever watches.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Percentiles;
use crate::transport::Ledger;

/// How many of the last updates the percentile is of.
const WINDOW: usize = 1000;

/// A view of a run while it goes on; clones are the same view.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    started: Option<Instant>,
    ledger: Option<Arc<Ledger>>,
    done: u64,
    applied: u64,
    recent: VecDeque<u64>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Glance {
    /// Operations that are done.
    pub done: u64,
    /// Acknowledged updates per second so far.
    pub rate: f64,
    /// The share of writes that were refused because of their base.
    pub conflict_rate: f64,
    /// Of the last 1,000 acknowledged updates.
    pub p99: Option<Duration>,
}

impl Progress {
    pub(super) fn start(&self, ledger: &Arc<Ledger>) {
        *self.state.lock() = State {
            started: Some(Instant::now()),
            ledger: Some(Arc::clone(ledger)),
            ..State::default()
        };
    }

    pub(super) fn done(&self, applied: Option<Duration>) {
        let mut state = self.state.lock();
        state.done += 1;
        if let Some(took) = applied {
            state.applied += 1;
            if state.recent.len() == WINDOW {
                state.recent.pop_front();
            }
            let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            state.recent.push_back(took);
        }
    }

    /// How far it is; none before the workers begin.
    pub fn glance(&self) -> Option<Glance> {
        let state = self.state.lock();
        let elapsed = state.started?.elapsed().as_secs_f64();
        let requests = state.ledger.as_ref()?.account().requests;
        let recent = state.recent.iter().copied().collect();
        Some(Glance {
            done: state.done,
            rate: state.applied as f64 / elapsed.max(f64::MIN_POSITIVE),
            conflict_rate: requests.conflicts as f64 / requests.writes().max(1) as f64,
            p99: Percentiles::of(recent).map(|all| Duration::from_nanos(all.p99_ns)),
        })
    }
}
