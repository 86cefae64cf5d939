//! k3s' kine over a file of `SQLite`, as a process on this machine.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Bench;
use super::subject::POLL;
use crate::serve::Serve;

/// What k3s says to `SQLite`, but that it waits for the disk with every write, as all others do: k3s doesn't have it wait (`NORMAL`).
const SETTINGS: &str = "_journal_mode=WAL&_busy_timeout=30000&_synchronous=FULL&_txlock=immediate&_stmt_cache_size=20&cache=shared";

/// Starts a kine with an empty file in this folder. Clients reach it by a socket, as in k3s, which is what it has in the place of a
/// kubeconfig.
pub(super) fn start(bench: &Bench<'_>, program: &Path, folder: &Path) -> Result<Serve> {
    let mut kine = Serve::launch("kine", |socket| {
        let file = folder.join("objects");
        let mut command = Command::new(program);
        command
            .args(["--metrics-bind-address", "0"])
            .arg("--listen-address")
            .arg(format!("unix://{}", socket.display()))
            .arg("--endpoint")
            .arg(format!("sqlite://{}?{SETTINGS}", file.display()));
        command
    })?;
    kine.wait_ready(bench.signals, POLL)?;
    Ok(kine)
}
