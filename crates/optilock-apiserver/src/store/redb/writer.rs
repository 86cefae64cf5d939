//! Group commit: the queue of commits, and the thread that writes them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::super::state::State;
use super::super::{CommitError, Event, Expected, Fault};
use super::error::OpenError;
use super::file::{File, Unwritten};
use super::journal::Journal;

/// What became of a group of commits.
#[derive(Debug, Clone)]
enum Outcome {
    /// On the disk, and visible.
    Durable,
    /// Not on the disk.
    Refused(Fault),
    /// One or the other.
    Unknown(Fault),
}

/// Tells all who wait for a group what became of it.
type Told = watch::Receiver<Option<Outcome>>;

/// Commits that go to the disk together. No two are of one key.
#[derive(Debug)]
struct Group {
    events: Vec<Event>,
    tell: watch::Sender<Option<Outcome>>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            tell: watch::Sender::new(None),
        }
    }
}

#[derive(Debug)]
struct Queue {
    /// The next group.
    forming: Group,
    /// Keys in the forming group and in the one that is being written.
    pending: HashMap<Arc<str>, Told>,
    /// Revision of the newest commit in them, or of the state when there are none.
    revision: u64,
    /// Why no commit is taken any more.
    refuses: Option<Fault>,
}

#[derive(Debug)]
struct Shared {
    state: Arc<State>,
    queue: Mutex<Queue>,
    /// There is something to write, or an end to it.
    work: Condvar,
    /// The thread has ended and the file is closed.
    ended: watch::Sender<bool>,
}

/// Writes commits to a file.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What a commit has to wait for.
enum Step {
    /// Its own group.
    Written(u64, Told),
    /// The group that has the key: what it holds is not known before.
    After(Told),
}

impl Writer {
    pub(super) fn start(
        file: File,
        journal: Journal,
        state: Arc<State>,
    ) -> Result<Self, OpenError> {
        let path = file.path().to_owned();
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                forming: Group::default(),
                pending: HashMap::new(),
                revision: state.revision(),
                refuses: None,
            }),
            state,
            work: Condvar::new(),
            ended: watch::Sender::new(false),
        });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("optilock-store".to_owned())
            .spawn(move || {
                End {
                    shared: &own,
                    file: Some(file),
                }
                .write(journal);
            });
        match thread {
            Ok(thread) => Ok(Self {
                shared,
                thread: Some(thread),
            }),
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    pub(super) async fn commit(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<u64, CommitError> {
        loop {
            match self.shared.enqueue(key, expected, value.clone())? {
                Step::Written(revision, told) => {
                    return match outcome(told).await {
                        Outcome::Durable => Ok(revision),
                        Outcome::Refused(fault) => Err(CommitError::Refused(fault)),
                        Outcome::Unknown(fault) => Err(CommitError::Unknown(fault)),
                    };
                }
                // Only what is durable can be told, as the reason of a mismatch too.
                Step::After(told) => {
                    outcome(told).await;
                }
            }
        }
    }

    /// Takes no more commits, and returns when those before are written and the file is closed.
    pub(super) async fn close(&self) {
        self.shared.refuse(Fault::Closed);
        let mut ended = self.shared.ended.subscribe();
        // The sender is as old as this.
        let _closed = ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.refuse(Fault::Closed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the store has panicked");
        }
    }
}

impl Shared {
    fn refuse(&self, fault: Fault) {
        self.queue.lock().refuses.get_or_insert(fault);
        self.work.notify_one();
    }

    fn enqueue(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<Step, CommitError> {
        let mut queue = self.queue.lock();
        if let Some(fault) = &queue.refuses {
            return Err(CommitError::Refused(fault.clone()));
        }
        if let Some(told) = queue.pending.get(key) {
            return Ok(Step::After(told.clone()));
        }
        let revision = queue.revision + 1;
        let event = self.state.plan(key, expected, value, revision)?;
        queue.revision = revision;
        let told = queue.forming.tell.subscribe();
        queue.pending.insert(Arc::clone(&event.key), told.clone());
        queue.forming.events.push(event);
        if queue.forming.events.len() == 1 {
            self.work.notify_one();
        }
        Ok(Step::Written(revision, told))
    }

    /// Waits for commits; `None` when there will be none.
    fn next_group(&self) -> Option<Group> {
        let mut queue = self.queue.lock();
        while queue.forming.events.is_empty() {
            if queue.refuses.is_some() {
                return None;
            }
            self.work.wait(&mut queue);
        }
        Some(std::mem::take(&mut queue.forming))
    }

    fn write_groups(&self, file: &File, mut journal: Journal) {
        while let Some(Group { events, tell }) = self.next_group() {
            let written = file.write(&events, &mut journal, &self.state);
            let outcome = match written {
                Ok(()) => {
                    let keys: Vec<_> = events.iter().map(|event| Arc::clone(&event.key)).collect();
                    self.state.apply(events);
                    let mut queue = self.queue.lock();
                    for key in keys {
                        queue.pending.remove(&key);
                    }
                    Outcome::Durable
                }
                Err(Unwritten::Refused(error)) => Outcome::Refused(error.fault()),
                Err(Unwritten::Unknown(error)) => Outcome::Unknown(error.fault()),
            };
            tell.send_replace(Some(outcome.clone()));
            if let Outcome::Refused(fault) | Outcome::Unknown(fault) = outcome {
                tracing::error!(%fault, "the store can't be written any more; start the server again when the disk is well");
                self.fail(fault);
                return;
            }
        }
    }

    /// Refuses everything from now on, and what waits.
    fn fail(&self, fault: Fault) {
        let waiting = {
            let mut queue = self.queue.lock();
            queue.refuses = Some(fault.clone());
            queue.pending.clear();
            std::mem::take(&mut queue.forming)
        };
        waiting.tell.send_replace(Some(Outcome::Refused(fault)));
    }
}

/// Sees to it that nobody waits for a thread that is gone.
struct End<'a> {
    shared: &'a Shared,
    file: Option<File>,
}

impl End<'_> {
    fn write(self, journal: Journal) {
        if let Some(file) = &self.file {
            self.shared.write_groups(file, journal);
        }
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared
                .fail(Fault::Disk("its file can't be written".to_owned()));
        }
        if let Some(Err(error)) = self.file.take().map(File::close) {
            tracing::warn!(%error, "the store was not closed cleanly, and is checked when it is opened again");
        }
        self.shared.ended.send_replace(true);
    }
}

async fn outcome(mut told: Told) -> Outcome {
    let outcome = match told.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone(),
        Err(_) => None,
    };
    // Without a word the thread has ended in the middle of it.
    outcome.unwrap_or_else(|| Outcome::Unknown(Fault::Disk(io::ErrorKind::BrokenPipe.to_string())))
}
