//! Where the time of a run goes.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

/// What an actor of a run (a worker, or the run itself) does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Nothing that takes part in the run: not started, done, or waiting for the other workers.
    Idle,
    /// Computing.
    Working,
    /// Waiting for the client-side throttle.
    Throttled,
    /// Asleep between a conflict and the next attempt.
    BackingOff,
    /// Waiting for the server's answer.
    AwaitingServer,
}

/// How the time of a run divides among what its workers did.
///
/// Workers overlap, so that the sum over all of them would be many times the run. Here every instant is shared equally by
/// the workers that were busy in it, and the parts add up to the time that the run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeShares {
    /// Waiting for the client-side throttle.
    pub throttled: Duration,
    /// Sleeping between a conflict and the next attempt.
    pub backoff: Duration,
    /// Waiting for the server.
    pub server: Duration,
    /// The rest: this program's own work.
    pub other: Duration,
}

impl TimeShares {
    fn part(&mut self, activity: Activity) -> Option<&mut Duration> {
        match activity {
            Activity::Idle => None,
            Activity::Working => Some(&mut self.other),
            Activity::Throttled => Some(&mut self.throttled),
            Activity::BackingOff => Some(&mut self.backoff),
            Activity::AwaitingServer => Some(&mut self.server),
        }
    }
}

/// What was counted and timed in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// Since [`Ledger::start`].
    pub(crate) took: Duration,
    pub(crate) shares: TimeShares,
    /// Since the ledger was opened.
    pub(crate) requests: u64,
    pub(crate) conflicts: u64,
}

/// Counts the requests of all actors of a run and divides its time among their activities.
#[derive(Debug)]
pub(crate) struct Ledger {
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    started: Instant,
    updated: Instant,
    actors: Vec<Activity>,
    shares: TimeShares,
    requests: u64,
    conflicts: u64,
}

impl Ledger {
    pub(crate) fn open() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            books: Mutex::new(Books {
                started: now,
                updated: now,
                actors: Vec::new(),
                shares: TimeShares::default(),
                requests: 0,
                conflicts: 0,
            }),
        })
    }

    /// A new actor, idle.
    pub(crate) fn probe(self: &Arc<Self>) -> Probe {
        let mut books = self.books.lock();
        books.actors.push(Activity::Idle);
        Probe {
            ledger: self.clone(),
            actor: books.actors.len() - 1,
        }
    }

    /// Begins to measure time; what went before is forgotten, requests remain counted.
    pub(crate) fn start(&self) {
        let mut books = self.books.lock();
        let now = Instant::now();
        books.started = now;
        books.updated = now;
        books.shares = TimeShares::default();
    }

    /// The account up to now.
    pub(crate) fn account(&self) -> Account {
        let mut books = self.books.lock();
        let now = Instant::now();
        books.advance(now);
        Account {
            took: now - books.started,
            shares: books.shares,
            requests: books.requests,
            conflicts: books.conflicts,
        }
    }
}

impl Books {
    /// Divides the time since the last change among those who were busy in it.
    fn advance(&mut self, now: Instant) {
        let passed = now - self.updated;
        self.updated = now;
        let busy = self
            .actors
            .iter()
            .filter(|&&activity| activity != Activity::Idle)
            .count();
        let Ok(divisor @ 1..) = u32::try_from(busy) else {
            self.shares.other += passed;
            return;
        };
        let each = passed / divisor;
        for &activity in &self.actors {
            if let Some(part) = self.shares.part(activity) {
                *part += each;
            }
        }
        // What the division rounded away, less than a nanosecond for each.
        self.shares.other += passed - each * divisor;
    }
}

/// An actor of a run: 0 is the run itself, the workers follow in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Actor(pub(crate) usize);

/// One actor's hand on the [`Ledger`].
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    ledger: Arc<Ledger>,
    actor: usize,
}

impl Probe {
    /// From now on the actor does this.
    pub(crate) fn enter(&self, activity: Activity) {
        let mut books = self.ledger.books.lock();
        books.advance(Instant::now());
        books.actors[self.actor] = activity;
    }

    /// Whose hand it is.
    pub(crate) fn actor(&self) -> Actor {
        Actor(self.actor)
    }

    /// Counts a request that goes to the server.
    pub(crate) fn count_request(&self) {
        self.ledger.books.lock().requests += 1;
    }

    /// Counts a write that the server refused because its base was not the current version.
    pub(crate) fn count_conflict(&self) {
        self.ledger.books.lock().conflicts += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn the_parts_add_up_to_the_whole() {
        let ledger = Ledger::open();
        let (a, b) = (ledger.probe(), ledger.probe());
        tokio::time::advance(MS * 50).await;
        ledger.start();

        a.enter(Activity::Throttled);
        tokio::time::advance(MS * 10).await;
        b.enter(Activity::AwaitingServer);
        tokio::time::advance(MS * 20).await;
        a.enter(Activity::Idle);
        tokio::time::advance(MS * 5).await;
        b.enter(Activity::BackingOff);
        tokio::time::advance(MS * 3).await;
        b.enter(Activity::Idle);
        tokio::time::advance(MS * 2).await;

        let account = ledger.account();
        assert_eq!(account.took, MS * 40);
        assert_eq!(
            account.shares,
            TimeShares {
                throttled: MS * 20,
                server: MS * 15,
                backoff: MS * 3,
                other: MS * 2,
            }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn rounding_loses_nothing() {
        let ledger = Ledger::open();
        let probes: Vec<_> = (0..3).map(|_| ledger.probe()).collect();
        ledger.start();
        for probe in &probes {
            probe.enter(Activity::AwaitingServer);
        }
        tokio::time::advance(MS).await;
        let account = ledger.account();
        let TimeShares {
            throttled,
            backoff,
            server,
            other,
        } = account.shares;
        assert_eq!(throttled + backoff + server + other, account.took);
    }
}
