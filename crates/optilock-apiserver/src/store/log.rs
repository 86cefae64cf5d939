//! The ordered log of changes, and cursors that read it.
//!
//! There is one log a store and no queue a watcher: a slow watcher costs nothing but its place in the
//! log, and is told so when the log has moved past it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Event, ReadError};

/// How much history a store keeps, for watches and for lists at an older revision.
///
/// The default is 5 minutes, after which kube-apiserver compacts etcd, and 102,400 changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Changes older than this are dropped.
    pub age: Duration,
    /// At most so many changes are kept.
    pub events: usize,
}

impl Default for Retention {
    fn default() -> Self {
        // 102,400 events is the upper limit of kube-apiserver's own watch cache.
        Self {
            age: Duration::from_secs(300),
            events: 102_400,
        }
    }
}

/// How many events a cursor takes at a time, so that the log is not locked for long.
const BATCH: usize = 256;

#[derive(Debug)]
struct Kept {
    event: Arc<Event>,
    at: Instant,
}

#[derive(Debug)]
struct Window {
    events: VecDeque<Kept>,
    /// Events up to and including this revision are gone.
    compacted: u64,
}

/// Shared by a store and its cursors.
#[derive(Debug)]
pub(super) struct EventLog {
    window: RwLock<Window>,
    head: watch::Sender<u64>,
    retention: Retention,
}

impl EventLog {
    /// A log whose history begins after `revision`.
    pub(super) fn new(revision: u64, retention: Retention) -> Self {
        Self {
            window: RwLock::new(Window {
                events: VecDeque::new(),
                compacted: revision,
            }),
            head: watch::Sender::new(revision),
            retention,
        }
    }

    /// The log of a store that was there before: what is left of its history, each change with its age,
    /// up to `revision`.
    #[cfg(feature = "redb")]
    pub(super) fn restored(
        revision: u64,
        history: Vec<(Event, Duration)>,
        retention: Retention,
    ) -> Self {
        let now = Instant::now();
        let begins = history.first().map(|(event, _)| event.revision - 1);
        let kept = |(event, age)| Kept {
            event: Arc::new(event),
            // A clock that can't go back so far makes a change younger than it is.
            at: now.checked_sub(age).unwrap_or(now),
        };
        let mut window = Window {
            events: history.into_iter().map(kept).collect(),
            compacted: begins.unwrap_or(revision),
        };
        window.drop_old(retention, now);
        Self {
            window: RwLock::new(window),
            head: watch::Sender::new(revision),
            retention,
        }
    }

    /// Changes up to and including this revision are forgotten.
    #[cfg(any(feature = "redb", feature = "etcd"))]
    pub(super) fn compacted(&self) -> u64 {
        self.window.read().compacted
    }

    /// The newest revision that was published.
    pub(super) fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Appends changes and wakes the cursors. Callers publish in order of revision.
    pub(super) fn publish(&self, events: impl IntoIterator<Item = Event>) {
        self.append(events, None);
    }

    /// The same with the revision up to which there are no others.
    #[cfg(feature = "etcd")]
    pub(super) fn publish_up_to(&self, events: Vec<Event>, revision: u64) {
        self.append(events, Some(revision));
    }

    /// Appends changes, up to `head` or else to the last of them.
    fn append(&self, events: impl IntoIterator<Item = Event>, head: Option<u64>) {
        let now = Instant::now();
        let mut window = self.window.write();
        window.events.extend(events.into_iter().map(|event| Kept {
            event: Arc::new(event),
            at: now,
        }));
        let newest = window.events.back().map(|kept| kept.event.revision);
        window.drop_old(self.retention, now);
        // Before anybody can read on: a cursor that has come further than the head takes it that the log was restarted.
        if let Some(head) = head.or(newest) {
            self.head.send_replace(head);
        }
    }

    /// Forgets everything: history begins after `revision`, which may be before what was published.
    #[cfg(feature = "etcd")]
    pub(super) fn restart(&self, revision: u64) {
        {
            let mut window = self.window.write();
            window.events.clear();
            window.compacted = revision;
        }
        self.head.send_replace(revision);
    }

    /// The newest revision that was published, as it grows.
    #[cfg(feature = "etcd")]
    pub(super) fn heads(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// All changes that are kept, newest last.
    #[cfg(feature = "redb")]
    pub(super) fn all(&self) -> Vec<Arc<Event>> {
        let window = self.window.read();
        window.after(window.compacted).map(Arc::clone).collect()
    }

    /// The changes after a revision, newest last.
    pub(super) fn since(&self, after: u64) -> Result<Vec<Arc<Event>>, ReadError> {
        let window = self.window.read();
        window.check(after)?;
        Ok(window.after(after).map(Arc::clone).collect())
    }
}

impl Window {
    fn drop_old(&mut self, retention: Retention, now: Instant) {
        while let Some(oldest) = self.events.front()
            && (self.events.len() > retention.events
                || now.duration_since(oldest.at) > retention.age)
        {
            self.compacted = oldest.event.revision;
            self.events.pop_front();
        }
    }

    fn check(&self, after: u64) -> Result<(), ReadError> {
        if after < self.compacted {
            return Err(ReadError::Compacted {
                asked: after,
                oldest: self.compacted,
            });
        }
        Ok(())
    }

    fn after(&self, revision: u64) -> impl Iterator<Item = &Arc<Event>> {
        let from = self
            .events
            .partition_point(|kept| kept.event.revision <= revision);
        self.events.range(from..).map(|kept| &kept.event)
    }
}

/// A place in the log of a store, from which changes are read.
///
/// It costs the store nothing: a slow reader falls behind alone.
#[derive(Debug)]
pub struct Cursor {
    log: Arc<EventLog>,
    head: watch::Receiver<u64>,
    prefix: String,
    position: u64,
}

impl Cursor {
    pub(super) fn new(log: Arc<EventLog>, prefix: &str, after: u64) -> Result<Self, ReadError> {
        let current = log.head();
        if after > current {
            return Err(ReadError::Future {
                asked: after,
                current,
            });
        }
        log.window.read().check(after)?;
        Ok(Self {
            head: log.head.subscribe(),
            log,
            prefix: prefix.to_owned(),
            position: after,
        })
    }

    /// The revision up to which everything was delivered.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Waits for changes of this cursor's keys and returns some, in order.
    ///
    /// # Errors
    /// [`ReadError::Compacted`] when the log has moved past the cursor; it is of no use any more.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, ReadError> {
        loop {
            let head = *self.head.borrow_and_update();
            if self.position > head {
                // The log was restarted further back.
                return Err(ReadError::Compacted {
                    asked: self.position,
                    oldest: head,
                });
            }
            while self.position < head {
                let found = self.read(head)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            if self.head.changed().await.is_err() {
                // The log outlives its cursors: they hold it.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Looks at up to [`BATCH`] events and moves on past them.
    fn read(&mut self, head: u64) -> Result<Vec<Arc<Event>>, ReadError> {
        let window = self.log.window.read();
        window.check(self.position)?;
        let mut found = Vec::new();
        let mut seen = 0;
        for event in window.after(self.position) {
            // Changes of one revision are not torn apart.
            if seen >= BATCH && event.revision != self.position {
                break;
            }
            seen += 1;
            self.position = event.revision;
            if event.key.starts_with(&self.prefix) {
                found.push(Arc::clone(event));
            }
        }
        if seen < BATCH {
            self.position = self.position.max(head);
        }
        Ok(found)
    }
}
