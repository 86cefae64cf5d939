//! Who waits for the next write.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
