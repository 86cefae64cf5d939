//! The servers that the stages run against.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::Context;
use crate::control_plane::{ControlPlane, Options};
use crate::serve::Serve;

/// Pause between two looks at a server that starts.
const POLL: Duration = Duration::from_millis(5);

/// A kind of server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// `optilock serve`.
    Serve,
    /// `optilock serve`, which keeps no history to speak of.
    ForgetfulServe,
    /// The reference control plane.
    ControlPlane {
        /// With kube-controller-manager.
        controllers: bool,
    },
    /// The reference control plane, which forgets what its etcd forgets.
    UncachedControlPlane,
}

/// How long a server that forgets keeps its history.
const FORGETFUL: [&str; 2] = ["--compact-after", "200ms"];

impl Target {
    /// The server that is built here, and the one that it has to be like.
    pub(super) const PAIR: [Self; 2] = [Self::Serve, Self::ControlPlane { controllers: false }];

    /// Both, as servers that forget what has been.
    pub(super) const FORGETFUL_PAIR: [Self; 2] = [Self::ForgetfulServe, Self::UncachedControlPlane];

    /// What it is called in the results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Serve | Self::ForgetfulServe => "optilock serve",
            Self::ControlPlane { controllers: false } | Self::UncachedControlPlane => {
                "control plane"
            }
            Self::ControlPlane { controllers: true } => "control plane with controllers",
        }
    }

    /// Starts one, lets `work` use it by its kubeconfig, and stops it. What goes wrong with that
    /// is a check that failed.
    pub(super) fn with(
        self,
        context: &mut Context,
        work: impl FnOnce(&mut Context, &Path) -> Result<()>,
    ) {
        self.with_running(context, |context, running| {
            work(context, running.kubeconfig())
        });
    }

    /// The same for work that needs to know more.
    pub(super) fn with_running(
        self,
        context: &mut Context,
        work: impl FnOnce(&mut Context, &Running) -> Result<()>,
    ) {
        let name = self.name();
        let result = self.start(context).and_then(|running| {
            work(context, &running)?;
            running.stop()
        });
        if let Err(error) = result {
            context.checks.record(name, Err(error));
        }
    }

    fn start(self, context: &mut Context) -> Result<Running> {
        let args: &[&str] = match self {
            Self::Serve => &[],
            Self::ForgetfulServe => &FORGETFUL,
            Self::ControlPlane { .. } | Self::UncachedControlPlane => {
                let options = Options {
                    controllers: matches!(self, Self::ControlPlane { controllers: true }),
                    uncached: matches!(self, Self::UncachedControlPlane),
                    ..Options::of_run("test")?
                };
                return Ok(Running::ControlPlane(ControlPlane::start(&options)?));
            }
        };
        let mut serve = Serve::spawn(context.optilock()?, args)?;
        serve.wait_ready(&context.signals, POLL)?;
        Ok(Running::Serve(serve))
    }
}

/// A server that runs; it is stopped when this is dropped.
#[derive(Debug)]
pub(super) enum Running {
    Serve(Serve),
    ControlPlane(ControlPlane),
}

impl Running {
    /// Path of its kubeconfig.
    pub(super) fn kubeconfig(&self) -> &Path {
        match self {
            Self::Serve(serve) => serve.kubeconfig(),
            Self::ControlPlane(control_plane) => control_plane.kubeconfig(),
        }
    }

    /// URL of the etcd behind it, if there is one.
    pub(super) fn etcd(&self) -> Option<&str> {
        match self {
            Self::Serve(_) => None,
            Self::ControlPlane(control_plane) => Some(control_plane.etcd()),
        }
    }

    fn stop(self) -> Result<()> {
        match self {
            Self::Serve(serve) => serve.stop(),
            Self::ControlPlane(control_plane) => control_plane.stop(),
        }
    }
}
