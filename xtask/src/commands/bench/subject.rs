//! The servers that are measured.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::Bench;
use super::memory::resident;
use crate::control_plane::{ControlPlane, Options};
use crate::serve::Serve;
use crate::workspace;

/// Pause between two looks for the kubeconfig: short beside what is measured, long enough to leave
/// the server its processor.
pub(super) const POLL: Duration = Duration::from_micros(200);

/// A server on a port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Subject {
    /// `optilock serve`, in memory.
    Memory,
    /// `optilock serve`, durable.
    Redb,
    /// kube-apiserver and etcd, which waits for the disk.
    ControlPlane,
    /// As little as hyper and rustls are.
    Bare,
}

impl Subject {
    /// Its column.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "optilock",
            Self::Redb => "optilock, redb",
            Self::ControlPlane => "control plane",
            Self::Bare => "bare hyper",
        }
    }
}

/// A server that answers. It is stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) subject: Subject,
    server: Server,
    /// From the start of the process until the server had said that it answers.
    pub(super) ready_after: Duration,
    /// Where it has its objects.
    _folder: Option<TempDir>,
}

#[derive(Debug)]
enum Server {
    Serve(Serve),
    ControlPlane(ControlPlane),
}

/// A folder on the disk of the target folder, where the control plane has its files, too. A temporary one may be in memory.
pub(super) fn folder() -> Result<TempDir> {
    let parent = workspace::target_dir()?.join("bench");
    fs::create_dir_all(&parent)
        .and_then(|()| TempDir::new_in(&parent))
        .with_context(|| format!("creating a folder in {}", parent.display()))
}

impl Running {
    /// Starts a server; a durable one has an empty store.
    pub(super) fn start(subject: Subject, bench: &Bench<'_>) -> Result<Self> {
        match subject {
            Subject::Memory => Self::serve(subject, bench, &[], None),
            Subject::Redb => {
                let folder = folder()?;
                let file = folder.path().join("objects");
                Self::on_file(bench, &file, Some(folder))
            }
            Subject::Bare => {
                let load = bench.load.program().to_owned();
                let serve = Serve::launch("bare hyper", |kubeconfig| {
                    let mut command = Command::new(load);
                    command.arg("bare").arg("--kubeconfig").arg(kubeconfig);
                    command
                })?;
                Self::answering(subject, bench, serve, None)
            }
            Subject::ControlPlane => {
                let server = ControlPlane::start(&Options {
                    fsync: true,
                    ..Options::of_run("bench")?
                })?;
                Ok(Self {
                    subject,
                    ready_after: server.ready_after(),
                    server: Server::ControlPlane(server),
                    _folder: None,
                })
            }
        }
    }

    /// `optilock serve` with its objects in this file.
    pub(super) fn on_file(bench: &Bench<'_>, file: &Path, folder: Option<TempDir>) -> Result<Self> {
        let store = format!("redb:{}", file.display());
        Self::serve(Subject::Redb, bench, &["--store", &store], folder)
    }

    fn serve(
        subject: Subject,
        bench: &Bench<'_>,
        args: &[&str],
        folder: Option<TempDir>,
    ) -> Result<Self> {
        let serve = Serve::spawn(&bench.optilock, args)?;
        Self::answering(subject, bench, serve, folder)
    }

    fn answering(
        subject: Subject,
        bench: &Bench<'_>,
        mut serve: Serve,
        folder: Option<TempDir>,
    ) -> Result<Self> {
        let ready_after = serve.wait_ready(bench.signals, POLL)?;
        Ok(Self {
            subject,
            server: Server::Serve(serve),
            ready_after,
            _folder: folder,
        })
    }

    pub(super) fn kubeconfig(&self) -> &Path {
        match &self.server {
            Server::Serve(serve) => serve.kubeconfig(),
            Server::ControlPlane(server) => server.kubeconfig(),
        }
    }

    /// URL of its etcd, where it has one.
    pub(super) fn etcd(&self) -> Option<&str> {
        match &self.server {
            Server::Serve(_) => None,
            Server::ControlPlane(server) => Some(server.etcd()),
        }
    }

    pub(super) fn pids(&self) -> Vec<i32> {
        match &self.server {
            Server::Serve(serve) => vec![serve.pid()],
            Server::ControlPlane(server) => server.pids(),
        }
    }

    /// For how long it has been running, where a first answer has just come. What another program has waited for is taken
    /// as that found it.
    pub(super) fn age_at_first_answer(&self) -> Duration {
        match &self.server {
            Server::Serve(serve) => serve.started().elapsed(),
            Server::ControlPlane(server) => server.ready_after(),
        }
    }

    /// Resident memory of all its processes, in megabytes.
    pub(super) fn megabytes(&self) -> Result<f64> {
        let bytes = self.pids().into_iter().map(resident).sum::<Result<u64>>()?;
        Ok(bytes as f64 / 1e6)
    }

    pub(super) fn stop(self) -> Result<()> {
        match self.server {
            Server::Serve(serve) => serve.stop(),
            Server::ControlPlane(server) => server.stop(),
        }
    }

    /// The arguments by which the load client finds it.
    pub(super) fn args(&self) -> Vec<String> {
        let pids: Vec<_> = self.pids().iter().map(i32::to_string).collect();
        vec![
            "--kubeconfig".to_owned(),
            self.kubeconfig().display().to_string(),
            "--pids".to_owned(),
            pids.join(","),
        ]
    }
}
