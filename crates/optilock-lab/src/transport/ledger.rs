//! Where the time of a run goes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::Method;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use crate::{RequestCounts, TimeSummary};

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
    /// Waiting for the server's answer to a GET.
    Reading,
    /// Waiting for the server's answer to anything else.
    Writing,
    /// Waiting for a lock, for the others of a batch, or for a watch. Whoever is waited for is busy.
    Waiting,
}

impl Activity {
    const COUNT: usize = Self::Waiting as usize + 1;

    /// Its name in histories, for what can lie between two requests of an update.
    pub(crate) fn span(self) -> Option<&'static str> {
        match self {
            Self::Throttled => Some("throttle"),
            Self::BackingOff => Some("backoff"),
            Self::Waiting => Some("wait"),
            Self::Idle | Self::Working | Self::Reading | Self::Writing => None,
        }
    }
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
            Activity::Idle | Activity::Waiting => None,
            Activity::Working => Some(&mut self.other),
            Activity::Throttled => Some(&mut self.throttled),
            Activity::BackingOff => Some(&mut self.backoff),
            Activity::Reading | Activity::Writing => Some(&mut self.server),
        }
    }
}

/// What was counted and timed in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// Since [`Ledger::start`].
    pub(crate) took: Duration,
    pub(crate) shares: TimeShares,
    /// The time of all actors, each on its own: sums, not shares.
    pub(crate) sums: TimeSummary,
    /// Since the ledger was opened.
    pub(crate) requests: RequestCounts,
    /// The shortest time between a write and the answer that it was accepted.
    pub(crate) shortest_write: Option<Duration>,
    /// How many writes were accepted.
    pub(crate) accepted: u64,
}

/// A time that an actor spent on something other than a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spell {
    pub(crate) activity: Activity,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
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
    actors: Vec<Page>,
    shares: TimeShares,
    sums: [Duration; Activity::COUNT],
    requests: RequestCounts,
    shortest_write: Option<Duration>,
    accepted: u64,
}

/// One actor's page.
#[derive(Debug)]
struct Page {
    activity: Activity,
    since: Instant,
    /// Since the last request.
    spells: Vec<Spell>,
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
                sums: Default::default(),
                requests: RequestCounts::default(),
                shortest_write: None,
                accepted: 0,
            }),
        })
    }

    /// A new actor, idle.
    pub(crate) fn probe(self: &Arc<Self>, actor: Actor) -> Probe {
        let mut books = self.books.lock();
        books.actors.push(Page {
            activity: Activity::Idle,
            since: Instant::now(),
            spells: Vec::new(),
        });
        Probe {
            ledger: self.clone(),
            page: books.actors.len() - 1,
            actor,
            update: Arc::default(),
        }
    }

    /// Begins to measure time; what went before is forgotten, requests remain counted.
    pub(crate) fn start(&self) {
        let mut books = self.books.lock();
        let now = Instant::now();
        books.started = now;
        books.updated = now;
        books.shares = TimeShares::default();
        books.sums = Default::default();
        for page in &mut books.actors {
            page.since = now;
        }
    }

    /// The account up to now.
    pub(crate) fn account(&self) -> Account {
        let mut books = self.books.lock();
        let now = Instant::now();
        books.advance(now);
        let sum = |activity: Activity| {
            let nanos = books.sums[activity as usize].as_nanos();
            u64::try_from(nanos).unwrap_or(u64::MAX)
        };
        Account {
            took: now - books.started,
            shares: books.shares,
            sums: TimeSummary {
                throttle_ns: sum(Activity::Throttled),
                backoff_ns: sum(Activity::BackingOff),
                get_ns: sum(Activity::Reading),
                write_ns: sum(Activity::Writing),
                wait_ns: sum(Activity::Waiting),
                other_ns: sum(Activity::Working),
            },
            requests: books.requests,
            shortest_write: books.shortest_write,
            accepted: books.accepted,
        }
    }
}

impl Books {
    fn enter(&mut self, page: usize, activity: Activity) {
        let now = Instant::now();
        self.advance(now);
        let page = &mut self.actors[page];
        let done = Spell {
            activity: page.activity,
            start: page.since,
            end: now,
        };
        self.sums[done.activity as usize] += done.end - done.start;
        if done.activity.span().is_some() && done.end > done.start {
            page.spells.push(done);
        }
        page.activity = activity;
        page.since = now;
    }

    /// Divides the time since the last change among those who were busy in it.
    fn advance(&mut self, now: Instant) {
        let passed = now - self.updated;
        self.updated = now;
        let is_busy = |page: &&Page| !matches!(page.activity, Activity::Idle | Activity::Waiting);
        let busy = self.actors.iter().filter(is_busy).count();
        let Ok(divisor @ 1..) = u32::try_from(busy) else {
            self.shares.other += passed;
            return;
        };
        let each = passed / divisor;
        for page in &self.actors {
            if let Some(part) = self.shares.part(page.activity) {
                *part += each;
            }
        }
        // What the division rounded away, less than a nanosecond for each.
        self.shares.other += passed - each * divisor;
    }
}

/// Who sends requests in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    /// The run itself.
    Run,
    /// A worker, by its index.
    Worker(usize),
    /// What the workers share: one sender for the updates of many.
    Shared,
}

/// Rides on a request: who sends it, for which of its updates, and what it did since its last request.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) actor: Actor,
    /// Which of the actor's updates, from 0.
    pub(crate) update: u64,
    pub(crate) spells: Vec<Spell>,
}

/// One actor's hand on the [`Ledger`].
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    ledger: Arc<Ledger>,
    page: usize,
    actor: Actor,
    update: Arc<AtomicU64>,
}

impl Probe {
    /// From now on the actor does this.
    pub(crate) fn enter(&self, activity: Activity) {
        self.ledger.books.lock().enter(self.page, activity);
    }

    /// The actor begins this one of its updates.
    pub(crate) fn begin_update(&self, number: u64) {
        self.update.store(number, Ordering::Relaxed);
        let mut books = self.ledger.books.lock();
        books.enter(self.page, Activity::Working);
        books.actors[self.page].spells.clear();
    }

    /// Counts a request that goes to the server; what is to ride on it.
    pub(crate) fn send(&self, method: &Method) -> Origin {
        let mut books = self.ledger.books.lock();
        let requests = &mut books.requests;
        let (count, activity) = match *method {
            Method::GET => (&mut requests.get, Activity::Reading),
            Method::PUT => (&mut requests.update, Activity::Writing),
            Method::PATCH => (&mut requests.patch, Activity::Writing),
            _ => (&mut requests.other, Activity::Writing),
        };
        *count += 1;
        books.enter(self.page, activity);
        Origin {
            actor: self.actor,
            update: self.update.load(Ordering::Relaxed),
            spells: std::mem::take(&mut books.actors[self.page].spells),
        }
    }

    /// Counts a write that the server refused because its base was not the current version.
    pub(crate) fn count_conflict(&self) {
        self.ledger.books.lock().requests.conflicts += 1;
    }

    /// A write was accepted after this time.
    pub(crate) fn accepted_after(&self, time: Duration) {
        let mut books = self.ledger.books.lock();
        books.accepted += 1;
        let shortest = books
            .shortest_write
            .map_or(time, |shortest| shortest.min(time));
        books.shortest_write = Some(shortest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn the_parts_add_up_to_the_whole() {
        let ledger = Ledger::open();
        let (a, b) = (
            ledger.probe(Actor::Worker(0)),
            ledger.probe(Actor::Worker(1)),
        );
        tokio::time::advance(MS * 50).await;
        ledger.start();

        a.enter(Activity::Throttled);
        tokio::time::advance(MS * 10).await;
        b.enter(Activity::Reading);
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
        let probes: Vec<_> = (0..3).map(|n| ledger.probe(Actor::Worker(n))).collect();
        ledger.start();
        for probe in &probes {
            probe.enter(Activity::Writing);
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
