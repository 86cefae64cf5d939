//! What makes requests wait for each other.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};

use crate::exact::Exact;

/// A processor that all who ask at the same time share equally, as a server's threads share its cores.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    exact: Exact,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// What each has got that has been there from the beginning, in nanoseconds.
    served: Served,
    /// When that was so.
    at: Instant,
    /// Who waits: by what has to be served until then, and by who came first.
    waiting: BTreeMap<(Served, u64), oneshot::Sender<()>>,
    came: u64,
    /// How often it was found out who is done next.
    looks: u64,
}

/// Nanoseconds of work, and parts of them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Served(f64);

impl Desk {
    pub(super) fn new(exact: Exact) -> Self {
        let state = State {
            served: Served(0.0),
            at: Instant::now(),
            waiting: BTreeMap::new(),
            came: 0,
            looks: 0,
        };
        Self {
            exact,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Waits until so much work is done: as long as it takes where nobody else is here, n times as long where n are.
    pub(super) async fn work(&self, work: Duration) {
        if work.is_zero() {
            return;
        }
        let (done, is_done) = oneshot::channel();
        {
            let mut state = self.state.lock();
            state.catch_up();
            state.came += 1;
            let until = Served(state.served.0 + work.as_secs_f64() * 1e9);
            let number = state.came;
            state.waiting.insert((until, number), done);
        }
        self.look();
        // Lost only with the desk.
        let _ = is_done.await;
    }

    /// Finds out who is done next, and comes back then.
    fn look(&self) {
        let (at, look) = {
            let mut state = self.state.lock();
            let Some((&(until, _), _)) = state.waiting.first_key_value() else {
                return;
            };
            let left = (until.0 - state.served.0).max(0.0) * state.waiting.len() as f64;
            state.looks += 1;
            // Up to a whole nanosecond, so that it is done then.
            let at = state.at + Duration::from_nanos(left.ceil() as u64);
            (at, state.looks)
        };
        let desk = self.clone();
        self.exact.plan(at, move || desk.serve(look));
    }

    fn serve(&self, look: u64) {
        {
            let mut state = self.state.lock();
            if state.looks != look {
                // Somebody has come since, who has looked.
                return;
            }
            state.catch_up();
            let served = state.served;
            while let Some(first) = state.waiting.first_entry()
                && first.key().0 <= served
            {
                // Whoever waited may be gone.
                let _ = first.remove().send(());
            }
        }
        self.look();
    }
}

impl State {
    fn catch_up(&mut self) {
        let now = Instant::now();
        let share = self.waiting.len().max(1) as f64;
        self.served.0 += (now - self.at).as_nanos() as f64 / share;
        self.at = now;
        if self.waiting.is_empty() {
            self.served = Served(0.0);
        }
    }
}

impl Eq for Served {}

impl Ord for Served {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Served {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_are_there_share_it() {
        let exact = Exact::default();
        exact.runtime().unwrap().block_on(async {
            tokio::spawn(exact.clone().drive());
            let desk = Desk::new(exact.clone());
            let started = Instant::now();
            let work = async |after: u64, micros: u64| {
                exact.sleep(Duration::from_micros(after)).await;
                desk.work(Duration::from_micros(micros)).await;
                started.elapsed().as_micros()
            };
            // Alone for 100 µs, then two, then three, of which the shortest is done first.
            let done = tokio::join!(work(0, 300), work(100, 300), work(200, 50));
            assert_eq!(done, (550, 650, 350));
            // Nothing of it is left.
            assert_eq!(work(0, 70).await, 720);
        });
    }
}
