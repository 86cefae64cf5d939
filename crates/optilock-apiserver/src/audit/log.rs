//! Where events go: a queue, and a thread that writes.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;

use prometheus::{IntCounter, IntCounterVec, Opts};

use super::event::{AuditLevel, Event};

/// Events that wait to be written: so many, and so many bytes.
const QUEUE: usize = 10_000;
const QUEUE_BYTES: usize = 64 << 20;

/// So much is written at once, at least, while more comes.
const BUFFER: usize = 64 << 10;

/// An audit log: a line of JSON for each event, in the form of kube-apiserver's log
/// ([`audit.k8s.io/v1`](https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/)).
///
/// A thread of its own writes. Requests never wait for it: where the disk is full, or slower than the requests come for longer than
/// a queue of 10,000 events or 64 MB lasts, events are lost. The server says so in its own log, when it
/// begins and when it is over, and counts them: `apiserver_audit_error_total{plugin="log"}` in its metrics. Whoever
/// must not miss one watches that metric.
///
/// Clones are the same log.
///
/// ```
/// use optilock_apiserver::{AuditLevel, AuditLog, Server};
///
/// # fn main() -> std::io::Result<()> {
/// # let file = std::io::sink();
/// let audit = AuditLog::new(file, AuditLevel::Metadata)?;
/// let server = Server::builder().audit(audit.clone()).build();
/// // What was asked so far is written when this returns.
/// audit.flush();
/// # drop(server);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AuditLog {
    level: AuditLevel,
    queue: SyncSender<Order>,
    state: Arc<State>,
}

/// What is asked of the thread.
enum Order {
    Write(Vec<u8>),
    /// Everything before this is to be written; the sender hears when it is.
    Flush(SyncSender<()>),
}

/// What the log shares with its thread.
struct State {
    /// Bytes in the queue.
    waiting: AtomicUsize,
    /// Whether events are being lost, so that it is said once.
    losing: AtomicBool,
    counters: Counters,
}

/// Events that were made, and those that were lost.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    pub(crate) events: IntCounter,
    pub(crate) errors: IntCounterVec,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let by_the_book =
            |error: prometheus::Error| -> ! { unreachable!("a metric by the book: {error}") };
        let events = IntCounter::new(
            "apiserver_audit_event_total",
            "Counter of audit events generated and sent to the audit backend.",
        );
        let errors = Opts::new(
            "apiserver_audit_error_total",
            "Counter of audit events that failed to be audited properly, by plugin.",
        );
        Self {
            events: events.unwrap_or_else(|error| by_the_book(error)),
            errors: IntCounterVec::new(errors, &["plugin"])
                .unwrap_or_else(|error| by_the_book(error)),
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

impl AuditLog {
    /// A log that is written to `output`. Lines are written as they come, several at once where they come fast; whoever
    /// opens a file does so for appending, and readable by its owner only.
    ///
    /// # Errors
    /// When there can be no thread for it.
    pub fn new(output: impl Write + Send + 'static, level: AuditLevel) -> io::Result<Self> {
        let (queue, orders) = sync_channel(QUEUE);
        let state = Arc::new(State {
            waiting: AtomicUsize::new(0),
            losing: AtomicBool::new(false),
            counters: Counters::new(),
        });
        let shared = Arc::clone(&state);
        // It ends with the last handle.
        thread::Builder::new()
            .name("optilock-audit".to_owned())
            .spawn(move || write_all(&orders, output, &shared))?;
        Ok(Self {
            level,
            queue,
            state,
        })
    }

    /// Waits until everything so far is written, or lost.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.send(Order::Flush(done)).is_ok() {
            // An error says that the thread is gone, and with it everything that could be waited for.
            let _gone = written.recv();
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.state.counters
    }

    pub(super) fn level(&self) -> AuditLevel {
        self.level
    }

    /// Queues an event.
    pub(super) fn write(&self, event: &Event) {
        self.state.counters.events.inc();
        let mut line = match serde_json::to_vec(event) {
            Ok(line) => line,
            Err(error) => return self.state.lost(&error),
        };
        line.push(b'\n');
        let size = line.len();
        if self.state.waiting.fetch_add(size, Ordering::Relaxed) > QUEUE_BYTES {
            self.state.waiting.fetch_sub(size, Ordering::Relaxed);
            return self.state.lost(&"the queue is full");
        }
        let why = match self.queue.try_send(Order::Write(line)) {
            Ok(()) => return,
            Err(TrySendError::Full(_)) => "the queue is full",
            Err(TrySendError::Disconnected(_)) => "its thread is gone",
        };
        self.state.waiting.fetch_sub(size, Ordering::Relaxed);
        self.state.lost(&why);
    }
}

impl State {
    fn lost(&self, why: &dyn fmt::Display) {
        self.counters.errors.with_label_values(&["log"]).inc();
        if !self.losing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "events of the audit log are lost: {why}; requests are answered all the same"
            );
        }
    }

    fn written(&self) {
        if self.losing.load(Ordering::Relaxed) && self.losing.swap(false, Ordering::Relaxed) {
            let lost = self.counters.errors.with_label_values(&["log"]).get();
            tracing::error!("the audit log is written again; {lost} events were lost so far");
        }
    }
}

/// Writes what is ordered until nobody can order any more.
fn write_all(orders: &Receiver<Order>, output: impl Write, state: &State) {
    let mut lines = Lines {
        output,
        buffer: Vec::new(),
        pending: 0,
        torn: false,
    };
    loop {
        let order = match orders.try_recv() {
            Ok(order) => order,
            Err(TryRecvError::Empty) => {
                // Nothing more comes now: whoever reads the file is to see what there is.
                lines.flush(state);
                match orders.recv() {
                    Ok(order) => order,
                    Err(_) => return,
                }
            }
            Err(TryRecvError::Disconnected) => return lines.flush(state),
        };
        match order {
            Order::Write(line) => {
                state.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                lines.write(&line, state);
            }
            Order::Flush(done) => {
                lines.flush(state);
                // Whoever has asked may be gone.
                let _gone = done.send(());
            }
        }
    }
}

/// Lines on their way to the output.
struct Lines<W> {
    output: W,
    buffer: Vec<u8>,
    /// How many lines are in the buffer.
    pending: u64,
    /// The last line in the output may be there in part.
    torn: bool,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, line: &[u8], state: &State) {
        if self.torn && self.buffer.is_empty() {
            self.buffer.push(b'\n');
        }
        self.buffer.extend_from_slice(line);
        self.pending += 1;
        if self.buffer.len() >= BUFFER {
            self.flush(state);
        }
    }

    fn flush(&mut self, state: &State) {
        if self.pending == 0 {
            return;
        }
        let written = self.output.write_all(&self.buffer);
        match written.and_then(|()| self.output.flush()) {
            Ok(()) => {
                self.torn = false;
                state.written();
            }
            Err(error) => {
                // How much of it is written is not known.
                self.torn = true;
                for _ in 0..self.pending {
                    state.lost(&error);
                }
            }
        }
        self.buffer.clear();
        self.pending = 0;
    }
}
