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

/// How much history is kept for watches and for lists at an older revision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Changes older than this are dropped (kube-apiserver compacts every 5 minutes).
    pub(crate) age: Duration,
    /// At most so many changes are kept.
    pub(crate) events: usize,
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

    /// The newest revision that was published.
    pub(super) fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Appends a change and wakes the cursors. Callers publish in order of revision.
    pub(super) fn publish(&self, event: Event) {
        let revision = event.revision;
        let now = Instant::now();
        {
            let mut window = self.window.write();
            window.events.push_back(Kept {
                event: Arc::new(event),
                at: now,
            });
            while let Some(oldest) = window.events.front()
                && (window.events.len() > self.retention.events
                    || now.duration_since(oldest.at) > self.retention.age)
            {
                window.compacted = oldest.event.revision;
                window.events.pop_front();
            }
        }
        self.head.send_replace(revision);
    }

    /// The changes after a revision, newest last.
    pub(super) fn since(&self, after: u64) -> Result<Vec<Arc<Event>>, ReadError> {
        let window = self.window.read();
        window.check(after)?;
        Ok(window.after(after).map(Arc::clone).collect())
    }
}

impl Window {
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

/// A place in the log.
#[derive(Debug)]
pub(crate) struct Cursor {
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
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Waits for changes of this cursor's keys and returns some, in order.
    ///
    /// # Errors
    /// [`ReadError::Compacted`] when the log has moved past the cursor; it is of no use any more.
    pub(crate) async fn next(&mut self) -> Result<Vec<Arc<Event>>, ReadError> {
        loop {
            let head = *self.head.borrow_and_update();
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
        for event in window.after(self.position).take(BATCH) {
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
