//! The cluster that a subcommand works on.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{ControlPlane, Options};

/// A cluster that somebody has, or a control plane of our own.
#[derive(Debug)]
pub(crate) enum Cluster {
    /// It is left as it is.
    Given(PathBuf),
    /// It is stopped when this is dropped.
    Own(ControlPlane),
}

impl Cluster {
    /// The one whose kubeconfig is given; otherwise starts one.
    pub(crate) fn given_or_own(
        kubeconfig: Option<&Path>,
        options: impl FnOnce() -> Result<Options>,
    ) -> Result<Self> {
        Ok(match kubeconfig {
            Some(kubeconfig) => Self::Given(kubeconfig.to_owned()),
            None => Self::Own(ControlPlane::start(&options()?)?),
        })
    }

    /// How to reach it.
    pub(crate) fn kubeconfig(&self) -> &Path {
        match self {
            Self::Given(kubeconfig) => kubeconfig,
            Self::Own(control_plane) => control_plane.kubeconfig(),
        }
    }

    /// Stops it, if it is our own.
    pub(crate) fn stop(self) -> Result<()> {
        match self {
            Self::Given(_) => Ok(()),
            Self::Own(control_plane) => control_plane.stop(),
        }
    }
}
