//! The servers that are measured.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::Bench;
use super::memory::resident;
use crate::control_plane::{ControlPlane, Etcd, Options};
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
    /// `optilock serve` on an etcd, which waits for the disk.
    Etcd,
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
            Self::Etcd => "optilock, etcd",
            Self::ControlPlane => "control plane",
            Self::Bare => "bare hyper",
        }
    }

    /// Whether programs that are written in Go are part of it.
    pub(super) fn needs_go(self) -> bool {
        matches!(self, Self::Etcd | Self::ControlPlane)
    }
}

/// A server that answers. It is stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) subject: Subject,
    server: Server,
    /// From the start of the process until the server had said that it answers.
    pub(super) ready_after: Duration,
    objects: Objects,
}

/// Where it has its objects.
#[derive(Debug)]
enum Objects {
    /// In memory, or elsewhere for longer than it runs.
    Elsewhere,
    /// In a folder of its own.
    Folder { _folder: TempDir },
    /// In an etcd of its own.
    Etcd(Etcd),
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
            Subject::Memory => Self::serve(subject, bench, &[], Objects::Elsewhere),
            Subject::Redb => {
                let folder = folder()?;
                let file = folder.path().join("objects");
                Self::redb(bench, &file, Objects::Folder { _folder: folder })
            }
            Subject::Etcd => {
                let etcd = Etcd::start(folder()?)?;
                let store = format!("etcd:{}", etcd.url());
                let args = ["--store", &store];
                Self::serve(subject, bench, &args, Objects::Etcd(etcd))
            }
            Subject::Bare => {
                let load = bench.load.program().to_owned();
                let serve = Serve::launch("bare hyper", |kubeconfig| {
                    let mut command = Command::new(load);
                    command.arg("bare").arg("--kubeconfig").arg(kubeconfig);
                    command
                })?;
                Self::answering(subject, bench, serve, Objects::Elsewhere)
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
                    objects: Objects::Elsewhere,
                })
            }
        }
    }

    /// `optilock serve` with its objects in this file.
    pub(super) fn on_file(bench: &Bench<'_>, file: &Path) -> Result<Self> {
        Self::redb(bench, file, Objects::Elsewhere)
    }

    fn redb(bench: &Bench<'_>, file: &Path, objects: Objects) -> Result<Self> {
        let store = format!("redb:{}", file.display());
        Self::serve(Subject::Redb, bench, &["--store", &store], objects)
    }

    fn serve(subject: Subject, bench: &Bench<'_>, args: &[&str], objects: Objects) -> Result<Self> {
        let serve = Serve::spawn(&bench.optilock, args)?;
        Self::answering(subject, bench, serve, objects)
    }

    fn answering(
        subject: Subject,
        bench: &Bench<'_>,
        mut serve: Serve,
        objects: Objects,
    ) -> Result<Self> {
        let ready_after = serve.wait_ready(bench.signals, POLL)?;
        Ok(Self {
            subject,
            server: Server::Serve(serve),
            ready_after,
            objects,
        })
    }

    pub(super) fn kubeconfig(&self) -> &Path {
        match &self.server {
            Server::Serve(serve) => serve.kubeconfig(),
            Server::ControlPlane(server) => server.kubeconfig(),
        }
    }

    /// URL of the etcd of a control plane.
    pub(super) fn etcd(&self) -> Option<&str> {
        match &self.server {
            Server::Serve(_) => None,
            Server::ControlPlane(server) => Some(server.etcd()),
        }
    }

    pub(super) fn pids(&self) -> Vec<i32> {
        let mut pids = match &self.server {
            Server::Serve(serve) => vec![serve.pid()],
            Server::ControlPlane(server) => server.pids(),
        };
        if let Objects::Etcd(etcd) = &self.objects {
            pids.push(etcd.pid());
        }
        pids
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
            Server::Serve(serve) => serve.stop()?,
            Server::ControlPlane(server) => server.stop()?,
        }
        match self.objects {
            Objects::Etcd(etcd) => etcd.stop(),
            Objects::Elsewhere | Objects::Folder { .. } => Ok(()),
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
