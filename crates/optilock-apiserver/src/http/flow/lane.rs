//! The places of one kind of requests, and the lines before them.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Load, TooMany};

/// Requests of one user that wait: as many as kube-apiserver lets wait in the queues that one flow is dealt.
const LINE: usize = 400;
/// Requests that wait, of all users.
const ALL_LINES: usize = 6400;
/// One part in so many of the places is never taken by one user alone.
const SPARED: usize = 8;

/// Places and lines.
#[derive(Debug)]
pub(super) struct Lane(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: usize,
    /// So many places one user can have.
    share: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    executing: usize,
    waiting: usize,
    /// Numbers those who wait.
    arrivals: u64,
    /// Users with requests under way or waiting.
    users: HashMap<Arc<str>, Line>,
    /// Users who have somebody waiting, in the order of their turns.
    turns: VecDeque<Arc<str>>,
}

/// The requests of one user.
#[derive(Debug, Default)]
struct Line {
    executing: usize,
    waiting: VecDeque<(u64, oneshot::Sender<Seat>)>,
}

/// A place, which is given back when this goes.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Who has it; `None` for one that was never taken.
    taken: Option<(Arc<Shared>, Arc<str>)>,
}

/// What a request that comes gets.
#[derive(Debug)]
pub(super) enum Entered {
    Seat(Seat),
    Waiting(Waiting),
}

/// A request in a line. Dropping it leaves the line.
#[derive(Debug)]
pub(super) struct Waiting {
    shared: Arc<Shared>,
    user: Arc<str>,
    number: u64,
    seat: oneshot::Receiver<Seat>,
}

impl Lane {
    pub(super) fn new(places: usize) -> Self {
        Self(Arc::new(Shared {
            places,
            share: places - places / SPARED,
            state: Mutex::default(),
        }))
    }

    /// As many places as one user can have.
    pub(super) fn share(&self) -> usize {
        self.0.share
    }

    pub(super) fn load(&self) -> Load {
        let state = self.0.state.lock();
        Load {
            executing: state.executing,
            waiting: state.waiting,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let state = self.0.state.lock();
        let users: Value = state
            .users
            .iter()
            .map(|(user, line)| {
                let shown = json!({"executing": line.executing, "waiting": line.waiting.len()});
                (user.to_string(), shown)
            })
            .collect();
        json!({"places": self.0.places, "users": users})
    }

    /// Takes a place or a place in the line.
    pub(super) fn enter(&self, user: &str) -> Result<Entered, TooMany> {
        let shared = &self.0;
        let mut state = shared.state.lock();
        let state = &mut *state;
        let name = match state.users.get_key_value(user) {
            Some((name, _)) => Arc::clone(name),
            None => user.into(),
        };
        let line = state.users.entry(Arc::clone(&name)).or_default();
        // Whoever waits already comes first.
        if line.waiting.is_empty()
            && state.executing < shared.places
            && line.executing < shared.share
        {
            line.executing += 1;
            state.executing += 1;
            return Ok(Entered::Seat(Seat::of(shared, &name)));
        }
        if line.waiting.len() >= LINE || state.waiting >= ALL_LINES {
            state.forget(&name);
            return Err(TooMany);
        }
        let (sender, seat) = oneshot::channel();
        state.arrivals += 1;
        let number = state.arrivals;
        if line.waiting.is_empty() {
            state.turns.push_back(Arc::clone(&name));
        }
        line.waiting.push_back((number, sender));
        state.waiting += 1;
        Ok(Entered::Waiting(Waiting {
            shared: Arc::clone(shared),
            user: name,
            number,
            seat,
        }))
    }
}

impl Shared {
    /// Gives free places to those whose turn it is.
    fn hand_out(self: &Arc<Self>, state: &mut State) {
        // Everybody is looked at once, and again only after somebody was served.
        let mut passed_over = 0;
        while state.executing < self.places && passed_over < state.turns.len() {
            let Some(user) = state.turns.pop_front() else {
                return;
            };
            let Some(line) = state.users.get_mut(&user) else {
                continue;
            };
            if line.executing >= self.share {
                state.turns.push_back(user);
                passed_over += 1;
                continue;
            }
            let Some((_, sender)) = line.waiting.pop_front() else {
                continue;
            };
            state.waiting -= 1;
            if !line.waiting.is_empty() {
                state.turns.push_back(Arc::clone(&user));
            }
            match sender.send(Seat::of(self, &user)) {
                Ok(()) => {
                    line.executing += 1;
                    state.executing += 1;
                    passed_over = 0;
                }
                // Nobody waits there any more, so that the place was not taken.
                Err(mut seat) => seat.taken = None,
            }
        }
    }
}

impl State {
    /// Forgets a user who has nothing under way.
    fn forget(&mut self, user: &str) {
        let idle = |line: &Line| line.executing == 0 && line.waiting.is_empty();
        if self.users.get(user).is_some_and(idle) {
            self.users.remove(user);
        }
    }
}

impl Seat {
    fn of(shared: &Arc<Shared>, user: &Arc<str>) -> Self {
        Self {
            taken: Some((Arc::clone(shared), Arc::clone(user))),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((shared, user)) = self.taken.take() else {
            return;
        };
        let mut state = shared.state.lock();
        let state = &mut *state;
        state.executing -= 1;
        if let Some(line) = state.users.get_mut(&user) {
            line.executing -= 1;
        }
        shared.hand_out(state);
        state.forget(&user);
    }
}

impl Future for Waiting {
    /// `None` when nobody will ever give a place.
    type Output = Option<Seat>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Seat>> {
        Pin::new(&mut self.seat).poll(context).map(Result::ok)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A place that was given in this moment goes with the receiver, which is dropped after the lock is released.
        let mut state = self.shared.state.lock();
        let state = &mut *state;
        let Some(line) = state.users.get_mut(&self.user) else {
            return;
        };
        let before = line.waiting.len();
        line.waiting.retain(|(number, _)| *number != self.number);
        if line.waiting.len() < before {
            state.waiting -= 1;
            if line.waiting.is_empty() {
                let user = &self.user;
                state.turns.retain(|turn| turn != user);
            }
        }
        state.forget(&self.user);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn seat(lane: &Lane, user: &str) -> Seat {
        match lane.enter(user).unwrap() {
            Entered::Seat(seat) => seat,
            Entered::Waiting(_) => panic!("{user} has to wait"),
        }
    }

    fn waiting(lane: &Lane, user: &str) -> Waiting {
        match lane.enter(user).unwrap() {
            Entered::Seat(_) => panic!("{user} has a place"),
            Entered::Waiting(waiting) => waiting,
        }
    }

    fn served(waiting: &mut Waiting) -> Option<Seat> {
        waiting.now_or_never().flatten()
    }

    #[test]
    fn nobody_has_all_places() {
        let lane = Lane::new(16);
        let mut taken: Vec<Seat> = (0..14).map(|_| seat(&lane, "greedy")).collect();
        let mut greedy = waiting(&lane, "greedy");
        let modest = [seat(&lane, "modest"), seat(&lane, "other")];
        let mut late = waiting(&lane, "modest");
        assert_eq!(
            lane.load(),
            Load {
                executing: 16,
                waiting: 2
            }
        );
        // The greedy one gives two back and gets one.
        taken.truncate(12);
        assert!(served(&mut greedy).is_some());
        assert!(served(&mut late).is_some());
        drop((modest, taken, greedy, late));
        assert_eq!(lane.load(), Load::default());
        assert!(lane.0.state.lock().users.is_empty());
    }

    #[test]
    fn lines_take_turns() {
        let lane = Lane::new(1);
        let mut place = Some(seat(&lane, "a"));
        let first: VecDeque<Waiting> = (0..10).map(|_| waiting(&lane, "a")).collect();
        let mut lines = [("a", first), ("b", [waiting(&lane, "b")].into())];
        let mut seen = Vec::new();
        for _ in 0..3 {
            drop(place.take());
            for (user, line) in &mut lines {
                if let Some(seat) = line.front_mut().and_then(served) {
                    line.pop_front();
                    seen.push(*user);
                    place = Some(seat);
                }
            }
        }
        assert_eq!(seen, ["a", "b", "a"]);
    }

    #[test]
    fn lines_are_bounded_and_can_be_left() {
        let lane = Lane::new(1);
        let place = seat(&lane, "a");
        let mut line: Vec<Waiting> = (0..LINE).map(|_| waiting(&lane, "a")).collect();
        assert_eq!(lane.enter("a").unwrap_err(), TooMany);
        // Somebody else's line is another one.
        let other = waiting(&lane, "b");
        line.remove(0);
        line.push(waiting(&lane, "a"));
        assert_eq!(lane.load().waiting, LINE + 1);
        drop((line, other));
        assert_eq!(
            lane.load(),
            Load {
                executing: 1,
                waiting: 0
            }
        );
        drop(place);
        assert!(lane.0.state.lock().users.is_empty());
        assert!(lane.0.state.lock().turns.is_empty());
    }

    /// A place that was given to somebody who goes in the same moment is not lost.
    #[test]
    fn a_place_for_nobody_goes_to_the_next() {
        let lane = Lane::new(1);
        let place = seat(&lane, "a");
        let (gone, mut next) = (waiting(&lane, "b"), waiting(&lane, "c"));
        drop(place);
        drop(gone);
        assert!(served(&mut next).is_some());
    }
}
