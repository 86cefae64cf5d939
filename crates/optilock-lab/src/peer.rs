//! Programs on other clients that make updates in the place of the lab's workers.

use std::{path::Path, process::Stdio, str::FromStr};

use optilock::Backoff;
use tokio::process::Command;

use crate::history::{HistoryError, Reader, Record};

/// A program that makes the updates of a run with a client library of its own, and writes a [`history`](crate::history) of them.
///
/// It is started as `COMMAND --kubeconfig F --namespace NS --name NAME --workers N --updates N --steps N --duration Nns
/// --factor N --jitter N --cap Nns --history -`. The Deployment of that name is there; each of the workers, numbered from 0, adds
/// one to its label `biz-version` so many times, and gives an update up where its client does. The history goes to standard output; its clock
/// begins when the program does, or later. It ends with 0 also where updates were given up.
///
/// ```
/// use optilock_lab::Peer;
///
/// let peer: Peer = "client-go=target/peers/bin/client-go strategy".parse()?;
/// assert_eq!(peer.name(), "client-go");
/// assert!("client-go".parse::<Peer>().is_err());
/// # Ok::<(), optilock_lab::PeerError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    name: String,
    program: String,
    arguments: Vec<String>,
    backoff: Backoff,
}

/// A text that names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no peer: take NAME=COMMAND, as client-go=\"path/to/client-go strategy\"")]
pub struct PeerError(String);

impl FromStr for Peer {
    type Err = PeerError;

    /// `NAME=COMMAND`; the words of the command stand between spaces.
    fn from_str(text: &str) -> Result<Self, PeerError> {
        let wrong = || PeerError(text.to_owned());
        let (name, command) = text.split_once('=').ok_or_else(wrong)?;
        let mut words = command.split_whitespace().map(str::to_owned);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(wrong());
        }
        Ok(Self {
            name: name.to_owned(),
            program: words.next().ok_or_else(wrong)?,
            arguments: words.collect(),
            backoff: optilock::DEFAULT_RETRY,
        })
    }
}

impl Peer {
    /// What it is called in tables.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same with these parameters for its retries, as far as it takes any.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The command for so many workers that make so many updates each. It is killed when it is dropped.
    pub(crate) fn command(&self, task: &Task<'_>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.arg("--kubeconfig").arg(task.kubeconfig);
        let nanos = |time: std::time::Duration| format!("{}ns", time.as_nanos());
        let backoff = &self.backoff;
        for (flag, value) in [
            ("--namespace", task.namespace.to_owned()),
            ("--name", task.name.to_owned()),
            ("--workers", task.workers.to_string()),
            ("--updates", task.updates.to_string()),
            ("--steps", backoff.steps().to_string()),
            ("--duration", nanos(backoff.duration())),
            ("--factor", backoff.factor().to_string()),
            ("--jitter", backoff.jitter().to_string()),
            ("--cap", nanos(backoff.cap().unwrap_or_default())),
            ("--history", "-".to_owned()),
        ] {
            command.args([flag, &value]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// What a peer is to do.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) kubeconfig: &'a Path,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) workers: usize,
    pub(crate) updates: u64,
}

/// What a peer has written so far.
#[derive(Debug, Default)]
pub(crate) struct Said {
    bytes: Vec<u8>,
    /// When it was started, on the run's clock. Its own began later, so no time gets too large by that.
    started_ns: u64,
}

impl Said {
    pub(crate) fn begin(started_ns: u64) -> Self {
        Self {
            bytes: Vec::new(),
            started_ns,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The records in all whole lines, on the run's clock, up to the first that can't be read, which is the error.
    pub(crate) fn records(&self) -> (Vec<Record>, Result<(), HistoryError>) {
        let whole = self.bytes.iter().rposition(|&byte| byte == b'\n');
        let lines = &self.bytes[..whole.map_or(0, |end| end + 1)];
        let mut records = Vec::new();
        let read = Reader::new(lines).and_then(|reader| {
            for numbered in reader {
                let mut record = numbered?.record;
                self.shift(&mut record);
                records.push(record);
            }
            Ok(())
        });
        (records, read)
    }

    fn shift(&self, record: &mut Record) {
        let Record::Operation(operation) = record else {
            return;
        };
        let shift = |time: &mut u64| *time = time.saturating_add(self.started_ns);
        shift(&mut operation.invoke_ns);
        operation.return_ns.as_mut().map(shift);
        for span in &mut operation.spans {
            shift(&mut span.start_ns);
            shift(&mut span.end_ns);
        }
    }
}
