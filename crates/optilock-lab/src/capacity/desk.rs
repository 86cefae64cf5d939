//! What makes requests wait for each other.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{sync::oneshot, time::Instant};

use crate::exact::Exact;

/// Processors of which each does one thing after the other. Whoever waits may be next, as answers overtake each other on a real
/// server: its threads, connections and processes have queues of their own.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    exact: Exact,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// How many processors have nothing to do.
    idle: usize,
    waiting: Vec<Job>,
    rng: StdRng,
}

#[derive(Debug)]
struct Job {
    takes: Duration,
    done: oneshot::Sender<()>,
}

impl Desk {
    pub(super) fn new(exact: Exact, seed: u64, processors: usize) -> Self {
        let state = State {
            idle: processors.max(1),
            waiting: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
        };
        Self {
            exact,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Waits until it is one's turn and something that takes so long is done.
    pub(super) async fn work(&self, takes: Duration) {
        let (done, is_done) = oneshot::channel();
        self.state.lock().waiting.push(Job { takes, done });
        self.serve();
        // Lost only with the desk.
        let _ = is_done.await;
    }

    /// Begins with somebody, if a processor has nothing to do and anybody waits.
    fn serve(&self) {
        let next = {
            let state = &mut *self.state.lock();
            if state.idle == 0 || state.waiting.is_empty() {
                return;
            }
            state.idle -= 1;
            let who = state.rng.random_range(0..state.waiting.len());
            state.waiting.swap_remove(who)
        };
        let desk = self.clone();
        self.exact.plan(Instant::now() + next.takes, move || {
            // Whoever waited may be gone.
            let _ = next.done.send(());
            desk.state.lock().idle += 1;
            desk.serve();
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[test]
    fn one_is_served_after_the_other_in_any_order() {
        let exact = Exact::default();
        exact.runtime().unwrap().block_on(async {
            tokio::spawn(exact.clone().drive());
            let mut orders = Vec::new();
            for seed in 0..20 {
                let desk = Desk::new(exact.clone(), seed, 1);
                let started = Instant::now();
                let work = async |micros: u64| {
                    desk.work(Duration::from_micros(micros)).await;
                    started.elapsed().as_micros()
                };
                // The first is served at once, the others in either order.
                let done = join_all([100, 30, 50].map(work)).await;
                assert!(
                    done == [100, 130, 180] || done == [100, 180, 150],
                    "{done:?}"
                );
                assert_eq!(work(70).await, 250);
                orders.push(done);
            }
            orders.sort();
            orders.dedup();
            assert_eq!(orders.len(), 2);
            // Two processors take up two at once, and the third when one is done.
            let desk = Desk::new(exact.clone(), 1, 2);
            let started = Instant::now();
            let done = join_all([100, 30, 50].map(async |micros| {
                desk.work(Duration::from_micros(micros)).await;
                started.elapsed().as_micros()
            }));
            let done = done.await;
            assert!(done == [100, 30, 80], "{done:?}");
        });
    }
}
