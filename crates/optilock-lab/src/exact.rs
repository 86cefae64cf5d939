//! Virtual time to the nanosecond.
//!
//! Tokio's timers have milliseconds, in paused time too: a way of 0.3 ms would take a whole one there, and a server that
//! is done with a request in less could not be simulated. So what the simulated world does is woken here, and the
//! clock is moved from one such moment to the next whenever nobody has anything else to do. Sleeps of whoever is
//! simulated stay tokio's, with the milliseconds that they have in real time.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    fmt, io,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::{Instant, advance},
};

/// What tokio's timers count in, and what a thread that waits for one of them sleeps in.
const TICK: Duration = Duration::from_millis(1);

/// The clock of a simulated world; clones are the same clock.
#[derive(Clone, Default)]
pub(crate) struct Exact {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    plans: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    /// Nobody else has anything to do.
    is_idle: bool,
    driver: Option<Waker>,
}

/// Something that is to happen.
struct Planned {
    at: Instant,
    /// Of what happens at the same time, the first that was planned is the first.
    number: u64,
    what: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exact")
            .field("plans", &self.state.lock().plans.len())
            .finish_non_exhaustive()
    }
}

impl Exact {
    /// A runtime in virtual time, whose idleness this clock is told of. [`drive`](Self::drive) has to be spawned on it.
    pub(crate) fn runtime(&self) -> io::Result<Runtime> {
        let state = Arc::clone(&self.state);
        Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || {
                let mut state = state.lock();
                if !state.plans.is_empty() {
                    state.is_idle = true;
                    if let Some(driver) = state.driver.take() {
                        driver.wake();
                    }
                }
            })
            .build()
    }

    /// Has something happen at a time.
    pub(crate) fn plan(&self, at: Instant, what: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock();
        state.planned += 1;
        let number = state.planned;
        state.plans.push(Reverse(Planned {
            at,
            number,
            what: Box::new(what),
        }));
    }

    /// Sleeps for exactly this time.
    pub(crate) async fn sleep(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let (wake, woken) = oneshot::channel();
        // Whoever has slept may be gone.
        self.plan(Instant::now() + time, move || {
            let _ = wake.send(());
        });
        // Lost only with the clock, and then nobody waits.
        let _ = woken.await;
    }

    /// Moves the clock for as long as the runtime runs.
    pub(crate) async fn drive(self) {
        loop {
            self.idle().await;
            let Some(next) = self.next() else { continue };
            let now = Instant::now();
            if next > now {
                // As in real time, a thread that has nothing to do sleeps for whole ticks from where it is, or until something
                // happens, and then looks for timers that are due.
                advance((next - now).min(TICK)).await;
            }
            while let Some(due) = self.due() {
                (due.what)();
            }
        }
    }

    /// Until the runtime has nothing to do.
    async fn idle(&self) {
        std::future::poll_fn(|context| {
            let mut state = self.state.lock();
            if std::mem::take(&mut state.is_idle) {
                return Poll::Ready(());
            }
            state.driver = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn next(&self) -> Option<Instant> {
        self.state.lock().plans.peek().map(|next| next.0.at)
    }

    fn due(&self) -> Option<Planned> {
        let mut state = self.state.lock();
        let is_due = state.plans.peek()?.0.at <= Instant::now();
        is_due.then(|| state.plans.pop()).flatten().map(|due| due.0)
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[test]
    fn sleeps_are_exact_and_tokios_end_when_a_thread_looks_for_them() {
        let exact = Exact::default();
        let runtime = exact.runtime().unwrap();
        let woken = runtime.block_on(async {
            tokio::spawn(exact.clone().drive());
            let started = Instant::now();
            let woken = Mutex::new(Vec::new());
            let exactly = [4_500_300, 700, 1_000_300].map(|nanos| {
                let (exact, woken) = (&exact, &woken);
                async move {
                    exact.sleep(Duration::from_nanos(nanos)).await;
                    woken.lock().push(started.elapsed().as_nanos());
                }
            });
            let tokios = async {
                // Due after 2 ms, and looked for a whole millisecond after what happened last.
                tokio::time::sleep(2 * TICK).await;
                woken.lock().push(started.elapsed().as_nanos());
            };
            tokio::join!(join_all(exactly), tokios);
            // With nothing exact to come, the clock still jumps.
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(started.elapsed().as_secs(), 3600);
            woken.into_inner()
        });
        assert_eq!(woken, [700, 1_000_300, 2_000_300, 4_500_300]);
    }
}
