//! `optilock serve`, and what stands for it, as a process on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::scoped::Scoped;
use crate::signals::Signals;

/// How long it may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A server on a free loopback port. It is stopped and its files are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Serve {
    process: Scoped,
    kubeconfig: PathBuf,
    started: Instant,
}

impl Serve {
    /// Starts `binary` with these arguments besides, and returns at once.
    pub(crate) fn spawn(binary: &Path, args: &[&str]) -> Result<Self> {
        Self::launch("optilock", |kubeconfig| {
            let mut command = Command::new(binary);
            command
                .args(["serve", "--listen", "127.0.0.1:0", "--controllers", "none"])
                .arg("--kubeconfig")
                .arg(kubeconfig)
                .args(args);
            command
        })
    }

    /// Starts a server that makes this file once it answers, its kubeconfig or a socket, and returns at once.
    pub(crate) fn launch(name: &str, command: impl FnOnce(&Path) -> Command) -> Result<Self> {
        let dir = tempfile::tempdir().with_context(|| format!("creating a folder for {name}"))?;
        let kubeconfig = dir.path().join("kubeconfig");
        let command = command(&kubeconfig);
        let started = Instant::now();
        Ok(Self {
            process: Scoped::spawn(name, command, dir)?,
            kubeconfig,
            started,
        })
    }

    /// Waits until it answers, looking every `poll`: its file is there then. Returns how long that took.
    pub(crate) fn wait_ready(&mut self, signals: &Signals, poll: Duration) -> Result<Duration> {
        loop {
            if self.kubeconfig.exists() {
                return Ok(self.started.elapsed());
            }
            if !self.process.is_running()? {
                bail!(
                    "{} ended; the end of its log:\n{}",
                    self.process.name(),
                    self.process.log_tail()
                );
            }
            if signals.any() {
                bail!("interrupted while {} started", self.process.name());
            }
            if self.started.elapsed() >= READY_LIMIT {
                let seconds = READY_LIMIT.as_secs();
                bail!("{} did not answer within {seconds} s", self.process.name());
            }
            thread::sleep(poll);
        }
    }

    /// Path of its kubeconfig, or of what it makes instead.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// When it was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(self) -> Result<()> {
        self.process.stop()
    }
}
