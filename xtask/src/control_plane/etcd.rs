//! etcd, as part of a control plane or alone.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use super::free_ports;
use crate::peers::{ETCD, Go};
use crate::scoped::Scoped;

/// The command that runs an etcd of one member, which has its files in this folder and answers at this URL.
pub(super) fn command(program: &Path, dir: &Path, url: &str, fsync: bool) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--name=default")
        .arg(format!("--data-dir={}", dir.join("etcd").display()))
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"))
        // It has no peers; a single member never dials itself.
        .arg("--listen-peer-urls=http://127.0.0.1:0")
        .arg("--initial-advertise-peer-urls=http://127.0.0.1:0")
        .arg("--initial-cluster=default=http://127.0.0.1:0");
    if !fsync {
        command.arg("--unsafe-no-fsync");
    }
    command
}

/// An etcd alone, on a free loopback port, which waits for the disk. It is stopped and its files are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Etcd {
    url: String,
    process: Scoped,
}

impl Etcd {
    /// Builds it if need be, and starts it with its files in this folder. Whoever asks it may have to wait a moment.
    pub(crate) fn start(dir: TempDir) -> Result<Self> {
        let program = Go::find()?.build(&ETCD)?;
        let [port, ..] = free_ports()?;
        let url = format!("http://127.0.0.1:{port}");
        let command = command(&program, dir.path(), &url, true);
        Ok(Self {
            process: Scoped::spawn(ETCD.name, command, dir)?,
            url,
        })
    }

    /// URL of its client port.
    pub(crate) fn url(&self) -> &str {
        &self.url
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
