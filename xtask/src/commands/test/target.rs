//! The servers that the stages run against.

use std::path::Path;
use std::process;
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
    /// The reference control plane.
    ControlPlane {
        /// With kube-controller-manager.
        controllers: bool,
    },
}

impl Target {
    /// The server that is built here, and the one that it has to be like.
    pub(super) const PAIR: [Self; 2] = [Self::Serve, Self::ControlPlane { controllers: false }];

    /// What it is called in the results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Serve => "optilock serve",
            Self::ControlPlane { controllers: false } => "control plane",
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
        let name = self.name();
        let result = self.start(context).and_then(|running| {
            work(context, running.kubeconfig())?;
            running.stop()
        });
        if let Err(error) = result {
            context.checks.record(name, Err(error));
        }
    }

    fn start(self, context: &mut Context) -> Result<Running> {
        match self {
            Self::Serve => {
                let mut serve = Serve::spawn(context.optilock()?)?;
                serve.wait_ready(&context.signals, POLL)?;
                Ok(Running::Serve(serve))
            }
            Self::ControlPlane { controllers } => {
                let options = Options {
                    name: format!("test-{}", process::id()).parse()?,
                    controllers,
                    rbac: false,
                    fsync: false,
                    kubeconfig: None,
                };
                Ok(Running::ControlPlane(ControlPlane::start(&options)?))
            }
        }
    }
}

/// A server that runs; it is stopped when this is dropped.
#[derive(Debug)]
enum Running {
    Serve(Serve),
    ControlPlane(ControlPlane),
}

impl Running {
    fn kubeconfig(&self) -> &Path {
        match self {
            Self::Serve(serve) => serve.kubeconfig(),
            Self::ControlPlane(control_plane) => control_plane.kubeconfig(),
        }
    }

    fn stop(self) -> Result<()> {
        match self {
            Self::Serve(serve) => serve.stop(),
            Self::ControlPlane(control_plane) => control_plane.stop(),
        }
    }
}
