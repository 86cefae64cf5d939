//! What makes requests wait for each other.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};
use tokio::{sync::oneshot, time::Instant};

use crate::exact::Exact;

/// Processors, each with a thread of every process that requests go through.
///
/// As programs do that ask their operating system what has arrived only when they have nothing left to do, a thread takes up all
/// that waits for its process at once, and whoever comes then waits until one of the threads is through. So those who ask
/// together are served together, and who meets a thread with little to do overtakes others. A thread that finds nothing takes
/// half of what another has left. Taking up is work as well, as much for many as for one: the more wait, the less each of them
/// costs. Processors are shared fairly among processes.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    exact: Exact,
    state: Arc<Mutex<State>>,
}

/// A process that requests go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Client,
    Server,
    Storage,
}

const PROCESSES: [Process; 3] = [Process::Client, Process::Server, Process::Storage];

#[derive(Debug)]
struct State {
    /// The processors that have nothing to do.
    idle: Vec<usize>,
    processes: [Queues; PROCESSES.len()],
    rng: StdRng,
}

/// What waits for a process.
#[derive(Debug)]
struct Queues {
    arrived: VecDeque<Job>,
    /// By processor, what its thread has taken up.
    taken: Vec<VecDeque<Job>>,
}

#[derive(Debug)]
struct Job {
    takes: Duration,
    /// What taking it up takes, together with whatever else waits.
    turn: Duration,
    done: oneshot::Sender<()>,
}

impl Desk {
    pub(super) fn new(exact: Exact, seed: u64, processors: usize) -> Self {
        let processors = processors.max(1);
        let queues = || Queues {
            arrived: VecDeque::new(),
            taken: (0..processors).map(|_| VecDeque::new()).collect(),
        };
        let state = State {
            idle: (0..processors).collect(),
            processes: PROCESSES.map(|_| queues()),
            rng: StdRng::seed_from_u64(seed),
        };
        Self {
            exact,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Waits until it is one's turn in a process and something that takes so long is done. Whoever is served first of those that
    /// are taken up together pays for that with its `turn`.
    pub(super) async fn work(&self, process: Process, takes: Duration, turn: Duration) {
        let (done, is_done) = oneshot::channel();
        let job = Job { takes, turn, done };
        self.state.lock().processes[process as usize]
            .arrived
            .push_back(job);
        self.serve();
        // Lost only with the desk.
        let _ = is_done.await;
    }

    /// Begins with somebody, if a processor has nothing to do and anybody waits.
    fn serve(&self) {
        let Some((processor, next)) = self.state.lock().next() else {
            return;
        };
        let desk = self.clone();
        self.exact.plan(Instant::now() + next.takes, move || {
            // Whoever waited may be gone.
            let _ = next.done.send(());
            desk.state.lock().idle.push(processor);
            desk.serve();
        });
    }
}

impl State {
    /// A processor that has nothing to do, and what it does next.
    fn next(&mut self) -> Option<(usize, Job)> {
        let &processor = self.idle.last()?;
        let busy = self.processes.iter_mut().filter(|queues| queues.waits());
        let process = busy.choose(&mut self.rng)?;
        let job = process.next(processor, &mut self.rng)?;
        self.idle.pop();
        Some((processor, job))
    }
}

impl Queues {
    fn waits(&self) -> bool {
        !self.arrived.is_empty() || self.taken.iter().any(|taken| !taken.is_empty())
    }

    /// What a processor's thread does next.
    fn next(&mut self, processor: usize, rng: &mut StdRng) -> Option<Job> {
        let takes_up = self.taken[processor].is_empty();
        if takes_up {
            if self.arrived.is_empty() {
                let most = self.taken.iter_mut().max_by_key(|taken| taken.len())?;
                let half = most.len() / 2;
                self.taken[processor] = most.drain(half..).collect();
            } else {
                self.taken[processor] = mem::take(&mut self.arrived);
            }
        }
        let taken = &mut self.taken[processor];
        let who = rng.random_range(0..taken.len());
        let mut job = taken.swap_remove_back(who)?;
        if takes_up {
            job.takes += job.turn;
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    /// Has the server do something; when it is done, in microseconds.
    async fn done(desk: &Desk, started: Instant, takes: u64, turn: u64) -> u128 {
        let [takes, turn] = [takes, turn].map(Duration::from_micros);
        desk.work(Process::Server, takes, turn).await;
        started.elapsed().as_micros()
    }

    #[test]
    fn a_thread_takes_up_all_that_waits_and_serves_it_in_any_order() {
        let exact = Exact::default();
        exact.runtime().unwrap().block_on(async {
            tokio::spawn(exact.clone().drive());
            let mut orders = Vec::new();
            for seed in 0..20 {
                let desk = Desk::new(exact.clone(), seed, 1);
                let started = Instant::now();
                let work = |micros| done(&desk, started, micros, 0);
                let late = async {
                    exact.sleep(Duration::from_micros(110)).await;
                    work(70).await
                };
                // The first is served at once, the others in either order, and who comes then is the last.
                let (done, late) = tokio::join!(join_all([100, 30, 50].map(work)), late);
                assert!(
                    done == [100, 130, 180] || done == [100, 180, 150],
                    "{done:?}"
                );
                assert_eq!(late, 250);
                orders.push(done);
            }
            orders.sort();
            orders.dedup();
            assert_eq!(orders.len(), 2);
        });
    }

    /// When so many processors are done with things that take so long, each of them the `turn` on top where it is taken up; in
    /// order.
    fn all_done<const N: usize>(processors: usize, take: [u64; N], turn: u64) -> Vec<u128> {
        let exact = Exact::default();
        exact.runtime().unwrap().block_on(async {
            tokio::spawn(exact.clone().drive());
            let desk = Desk::new(exact.clone(), 1, processors);
            let started = Instant::now();
            let work = |micros| done(&desk, started, micros, turn);
            let mut all = join_all(take.map(work)).await;
            all.sort_unstable();
            all
        })
    }

    #[test]
    fn a_thread_with_nothing_to_do_takes_from_another() {
        // Whoever was done first has taken up the last two.
        assert_eq!(all_done(2, [20, 10, 40, 40], 0), [10, 20, 50, 60]);
    }

    #[test]
    fn many_are_taken_up_at_the_price_of_one() {
        // The first alone, the others together.
        assert_eq!(all_done(1, [10; 3], 5), [15, 30, 40]);
    }
}
