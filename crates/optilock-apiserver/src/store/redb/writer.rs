//! Group commit: the queue of commits, and the thread that writes them.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::super::state::State;
use super::super::{CommitError, Event, Expected, Fault};
use super::error::OpenError;
use super::file::{Failed, File, Reopened, Unopened, Unwritten};
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
    mode: Mode,
}

/// What becomes of a commit that comes now.
#[derive(Debug)]
enum Mode {
    /// It is written.
    Open,
    /// It is refused, because of this. From a time on the first one has the file opened again; without a time nothing does.
    Failed(Fault, Option<Instant>),
    /// The file is being opened again because of this: it waits for what comes of it.
    Reopening(Fault, watch::Sender<Option<Outcome>>),
    /// It is refused.
    Closed,
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
    /// The file, which is being opened again.
    Reopened(Told),
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
                mode: Mode::Open,
            }),
            state,
            work: Condvar::new(),
            ended: watch::Sender::new(false),
        });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("optilock-store".to_owned())
            .spawn(move || {
                let _end = End(&own);
                own.write(file, journal);
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
                Step::Reopened(told) => {
                    if let Outcome::Refused(fault) | Outcome::Unknown(fault) = outcome(told).await {
                        return Err(CommitError::Refused(fault));
                    }
                }
            }
        }
    }

    /// Takes no more commits, and returns when those before are written and the file is closed.
    pub(super) async fn close(&self) {
        self.shared.close();
        let mut ended = self.shared.ended.subscribe();
        // The sender is as old as this.
        let _closed = ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the store has panicked");
        }
    }
}

impl Shared {
    fn close(&self) {
        self.queue.lock().mode = Mode::Closed;
        self.work.notify_one();
    }

    fn enqueue(
        &self,
        key: &str,
        expected: Expected,
        value: Option<Bytes>,
    ) -> Result<Step, CommitError> {
        let mut queue = self.queue.lock();
        match &queue.mode {
            Mode::Open => {}
            Mode::Closed => return Err(CommitError::Refused(Fault::Closed)),
            Mode::Reopening(_, tell) => return Ok(Step::Reopened(tell.subscribe())),
            Mode::Failed(fault, again) => {
                let fault = fault.clone();
                if again.is_none_or(|again| Instant::now() < again) {
                    return Err(CommitError::Refused(fault));
                }
                let (tell, told) = watch::channel(None);
                queue.mode = Mode::Reopening(fault, tell);
                self.work.notify_one();
                return Ok(Step::Reopened(told));
            }
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

    /// What the thread does, until the store is closed.
    fn write(&self, mut file: File, mut journal: Journal) {
        let mut trouble = Trouble::default();
        while let Err((failed, group)) = self.write_groups(file, journal, &mut trouble) {
            match self.reopen(&failed, group, &mut trouble) {
                Some(reopened) => (file, journal) = reopened,
                None => return,
            }
        }
    }

    /// Waits for commits; `None` when there will be none.
    fn next_group(&self) -> Option<Group> {
        let mut queue = self.queue.lock();
        while queue.forming.events.is_empty() {
            if matches!(queue.mode, Mode::Closed) {
                return None;
            }
            self.work.wait(&mut queue);
        }
        Some(mem::take(&mut queue.forming))
    }

    /// Writes groups until there are no more, or one fails, which is returned.
    fn write_groups(
        &self,
        file: File,
        mut journal: Journal,
        trouble: &mut Trouble,
    ) -> Result<(), (Failed, Vec<Event>)> {
        while let Some(Group { events, tell }) = self.next_group() {
            let (outcome, fault) = match file.write(&events, &mut journal, &self.state) {
                Ok(()) => {
                    let keys: Vec<_> = events.iter().map(|event| Arc::clone(&event.key)).collect();
                    self.state.apply(events);
                    let mut queue = self.queue.lock();
                    for key in keys {
                        queue.pending.remove(&key);
                    }
                    trouble.end();
                    tell.send_replace(Some(Outcome::Durable));
                    continue;
                }
                Err(Unwritten::Refused(error)) => (Outcome::Refused(error.fault()), error.fault()),
                Err(Unwritten::Unknown(error)) => (Outcome::Unknown(error.fault()), error.fault()),
            };
            self.fail(&fault, Some(trouble.begin(&fault)));
            tell.send_replace(Some(outcome));
            return Err((file.fail(), events));
        }
        if let Err(error) = file.close() {
            tracing::warn!(%error, "the store was not closed cleanly, and is checked when it is opened again");
        }
        Ok(())
    }

    /// Refuses what waits to be written, and what comes until the time when the file may be opened again.
    fn fail(&self, fault: &Fault, again: Option<Instant>) {
        let waiting = {
            let mut queue = self.queue.lock();
            if !matches!(queue.mode, Mode::Closed) {
                queue.mode = Mode::Failed(fault.clone(), again);
            }
            queue.pending.clear();
            queue.revision = self.state.revision();
            mem::take(&mut queue.forming)
        };
        waiting
            .tell
            .send_replace(Some(Outcome::Refused(fault.clone())));
    }

    /// Opens the file again, whenever a commit asks for it; `None` when the store is closed.
    fn reopen(
        &self,
        failed: &Failed,
        group: Vec<Event>,
        trouble: &mut Trouble,
    ) -> Option<(File, Journal)> {
        loop {
            {
                let mut queue = self.queue.lock();
                while !matches!(queue.mode, Mode::Reopening(..)) {
                    if matches!(queue.mode, Mode::Closed) {
                        return None;
                    }
                    self.work.wait(&mut queue);
                }
            }
            let (reopened, again) = trouble.time(|| failed.reopen(&self.state, &group));
            let again = match &reopened {
                Ok(_) => None,
                Err(Unopened::Failing(error)) => {
                    tracing::debug!(%error, "the store still fails");
                    Some(again)
                }
                Err(Unopened::Lost(error)) => {
                    tracing::error!(%error, "the store can't be opened again: nothing more is written until the server is started again");
                    None
                }
            };
            let mut queue = self.queue.lock();
            let (tell, fault) = match mem::replace(&mut queue.mode, Mode::Open) {
                Mode::Reopening(fault, tell) => (tell, fault),
                // It was closed meanwhile.
                mode => {
                    queue.mode = mode;
                    continue;
                }
            };
            match reopened {
                Ok(Reopened {
                    file,
                    journal,
                    has_group,
                }) => {
                    if has_group {
                        self.state.apply(group);
                        queue.revision = self.state.revision();
                    }
                    tell.send_replace(Some(Outcome::Durable));
                    return Some((file, journal));
                }
                Err(_) => {
                    queue.mode = Mode::Failed(fault.clone(), again);
                    tell.send_replace(Some(Outcome::Refused(fault)));
                }
            }
        }
    }
}

/// From the first group that is not written to the next one that is.
#[derive(Debug, Default)]
struct Trouble {
    present: bool,
    /// How long it took to open the file again, the last time.
    took: Duration,
}

impl Trouble {
    /// A group was not written. From when on the file may be opened again: at once the first time, and then so seldom that
    /// it takes a fifth of the time.
    fn begin(&mut self, fault: &Fault) -> Instant {
        if !mem::replace(&mut self.present, true) {
            tracing::error!(%fault, "the store can't be written; reads go on, and later writes try again");
            self.took = Duration::ZERO;
        }
        self.next()
    }

    /// A group was written.
    fn end(&mut self) {
        if mem::take(&mut self.present) {
            tracing::warn!("the store is written again");
        }
    }

    fn time<T>(&mut self, open: impl FnOnce() -> T) -> (T, Instant) {
        let started = Instant::now();
        let opened = open();
        self.took = started.elapsed();
        (opened, self.next())
    }

    fn next(&self) -> Instant {
        Instant::now() + 4 * self.took
    }
}

/// Sees to it that nobody waits for a thread that is gone.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let fault = Fault::Disk("its file can't be written".to_owned());
            self.0.fail(&fault, None);
        }
        self.0.ended.send_replace(true);
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
