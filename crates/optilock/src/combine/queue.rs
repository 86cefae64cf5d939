//! Who waits for the next write.

use std::collections::VecDeque;
use std::sync::PoisonError;
#[cfg(not(test))]
use std::sync::{Mutex, MutexGuard};

// The tests below decide which thread goes on wherever this lock is taken.
#[cfg(test)]
use shuttle::sync::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::member::Member;

/// Members in order of arrival, and whether there is a task that writes for them.
///
/// A task is needed only while there is something to do and for a little while after. Whoever finds
/// none starts one; that, and the end of a task, are decided under the lock, so that no member is left
/// alone.
pub(super) struct Queue<K> {
    state: Mutex<State<K>>,
    arrived: Notify,
}

struct State<K> {
    members: VecDeque<Box<dyn Member<K>>>,
    driven: bool,
}

impl<K> Queue<K> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                members: VecDeque::new(),
                driven: false,
            }),
            arrived: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a member; true if the caller has to start the task.
    pub(super) fn push(&self, member: Box<dyn Member<K>>) -> bool {
        let mut state = self.state();
        state.members.push_back(member);
        let start = !std::mem::replace(&mut state.driven, true);
        drop(state);
        self.arrived.notify_one();
        start
    }

    /// Takes the members that have waited longest, without those that nobody waits for any more.
    pub(super) fn take(&self, at_most: usize) -> Vec<Box<dyn Member<K>>> {
        let mut state = self.state();
        let mut batch = Vec::new();
        while batch.len() < at_most
            && let Some(member) = state.members.pop_front()
        {
            if member.is_wanted() {
                batch.push(member);
            }
        }
        batch
    }

    /// Waits until a member has been added since the last wait.
    pub(super) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Ends the task, unless there is something to do for it.
    pub(super) fn retire(&self) -> bool {
        let mut state = self.state();
        if state.members.is_empty() {
            state.driven = false;
        }
        !state.driven
    }

    /// The task has ended before its time, with its runtime: who waits is told by the end of the channel.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.driven = false;
        state.members.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{Either, select};
    use shuttle::future::block_on;
    use shuttle::rand::{Rng, thread_rng};
    use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
    use shuttle::thread::JoinHandle;
    use shuttle::{Config, Runner, thread};
    use tokio::sync::watch;

    use super::*;
    use crate::OpId;
    use crate::combine::member::Verdict;
    use crate::update::{Base, Target};

    const CALLERS: usize = 3;
    /// What each of them adds, one after the other.
    const EACH: usize = 3;
    const SEED: u64 = 1;
    const SCHEDULES: usize = 1_000;

    /// Tells when it is taken out of the queue.
    struct Number(usize, Arc<World>);

    impl Member<()> for Number {
        fn op_id(&self) -> Option<&OpId> {
            None
        }

        fn is_wanted(&self) -> bool {
            true
        }

        fn apply(&mut self, _: &Base, (): &mut ()) -> bool {
            false
        }

        fn found(&mut self) {}

        fn finish(self: Box<Self>, _: &Target, _: &Verdict<()>) {}
    }

    impl Drop for Number {
        fn drop(&mut self) {
            let mut taken = self.1.taken.lock().unwrap();
            taken.push(self.0);
        }
    }

    struct World {
        queue: Queue<()>,
        taken: std::sync::Mutex<Vec<usize>>,
        drivers: AtomicUsize,
        /// Whether nobody comes any more.
        late: watch::Sender<bool>,
        /// Whether the task ends without asking.
        hasty: bool,
    }

    impl World {
        fn begin(&self) {
            let others = self.drivers.fetch_add(1, Ordering::SeqCst);
            assert_eq!(others, 0, "two tasks at a time");
        }

        fn retire(&self) -> bool {
            // Before it is said, for the next task may start at once.
            self.drivers.fetch_sub(1, Ordering::SeqCst);
            let retired = self.hasty || self.queue.retire();
            if !retired {
                self.begin();
            }
            retired
        }

        /// What the task that writes does, without the writing.
        fn drive(&self) {
            self.begin();
            loop {
                if !self.queue.take(2).is_empty() {
                    continue;
                }
                // Its patience may end at any time.
                if thread_rng().gen_bool(0.5) {
                    if self.retire() {
                        return;
                    }
                    continue;
                }
                let mut late = self.late.subscribe();
                let arrival = pin!(self.queue.arrival());
                let late = pin!(late.wait_for(|late| *late));
                if let Either::Right(_) = block_on(select(arrival, late)) {
                    assert!(self.retire(), "somebody waits, and nobody was woken");
                    return;
                }
            }
        }
    }

    /// Callers and tasks, in one of the orders in which they can run.
    fn race(hasty: bool) {
        let world = Arc::new(World {
            queue: Queue::new(),
            taken: std::sync::Mutex::default(),
            drivers: AtomicUsize::new(0),
            late: watch::Sender::new(false),
            hasty,
        });
        let callers = (0..CALLERS).map(|caller| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let mut drivers = Vec::new();
                for number in 0..EACH {
                    let member = Number(caller * EACH + number, Arc::clone(&world));
                    if world.queue.push(Box::new(member)) {
                        let world = Arc::clone(&world);
                        drivers.push(thread::spawn(move || world.drive()));
                    }
                }
                drivers
            })
        });
        let callers: Vec<_> = callers.collect();
        let drivers = callers.into_iter().map(JoinHandle::join);
        let drivers: Vec<_> = drivers.flat_map(Result::unwrap).collect();
        world.late.send_replace(true);
        for driver in drivers {
            driver.join().unwrap();
        }
        let taken = world.taken.lock().unwrap();
        for caller in 0..CALLERS {
            let own = taken.iter().filter(|number| *number / EACH == caller);
            let all = caller * EACH..(caller + 1) * EACH;
            assert!(own.copied().eq(all), "taken: {taken:?}");
        }
    }

    fn check(scheduler: impl Scheduler + 'static, hasty: bool) {
        Runner::new(scheduler, Config::default()).run(move || race(hasty));
    }

    #[test]
    fn everybody_is_taken_once_and_in_order() {
        check(RandomScheduler::new_from_seed(SEED, SCHEDULES), false);
        check(PctScheduler::new_from_seed(SEED, 3, SCHEDULES), false);
    }

    #[test]
    #[should_panic(expected = "taken")]
    fn a_task_that_ends_without_asking_leaves_somebody_alone() {
        check(RandomScheduler::new_from_seed(SEED, SCHEDULES), true);
    }
}
