//! A server process that ends with its owner.

use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::daemon::Daemon;

/// A process with a folder of its own. It is stopped, and the folder is removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Scoped {
    daemon: Daemon,
    stopped: bool,
    /// Its files.
    _dir: TempDir,
}

impl Scoped {
    /// Starts `command`, one of whose arguments must contain the folder.
    pub(crate) fn spawn(name: &str, command: Command, dir: TempDir) -> Result<Self> {
        Ok(Self {
            daemon: Daemon::spawn(name, command, dir.path())?,
            stopped: false,
            _dir: dir,
        })
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        self.daemon.is_running()
    }

    /// The end of its log.
    pub(crate) fn log_tail(&self) -> String {
        self.daemon.log_tail()
    }

    pub(crate) fn name(&self) -> &str {
        &self.daemon.record().name
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> i32 {
        self.daemon.record().pid
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.stopped = true;
        self.daemon.stop()
    }
}

impl Drop for Scoped {
    fn drop(&mut self) {
        if self.stopped {
            return;
        }
        if let Err(error) = self.daemon.stop() {
            eprintln!("error: stopping {}: {error:#}", self.name());
        }
    }
}
