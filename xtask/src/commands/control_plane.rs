//! `cargo xtask control-plane`.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{self, ExitCode, ExitStatus};

use anyhow::{Context, Result};

use crate::control_plane::{ControlPlane, Name, Options};
use crate::signals::{INTERRUPTED, Signals};

/// Name of the instance where none is given.
const DEFAULT_NAME: &str = "default";

/// What to do with the control plane.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Build and start one, print the path of its kubeconfig, leave it running.
    Up {
        #[command(flatten)]
        flags: Flags,
        /// Name of the instance; several can run at the same time.
        #[arg(long, default_value = DEFAULT_NAME)]
        name: Name,
        /// Where to write the kubeconfig [default: in a folder below the target folder].
        #[arg(long, value_name = "OUT")]
        kubeconfig: Option<PathBuf>,
    },
    /// Stop one that is running, and remove its data.
    Down {
        /// Name of the instance.
        #[arg(long, default_value = DEFAULT_NAME)]
        name: Name,
        /// Stop all instances, also those that a killed `run` left behind.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Print the name, the URL of kube-apiserver, the URL of etcd and the kubeconfig of each.
    List,
    /// Start one, run a command with KUBECONFIG set, stop it; the exit code is the command's.
    Run {
        #[command(flatten)]
        flags: Flags,
        /// Name of the instance [default: one of its own].
        #[arg(long)]
        name: Option<Name>,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// What the control plane is like.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// With kube-controller-manager.
    #[arg(long)]
    controllers: bool,
    /// Authorize by RBAC: the kubeconfig's current context, `admin`, is in the group
    /// system:masters, and a second context, `unprivileged`, has no rights. Without this flag
    /// everything is allowed.
    #[arg(long)]
    rbac: bool,
    /// Don't let etcd wait for the disk: faster, and its data doesn't survive a power failure.
    #[arg(long)]
    no_fsync: bool,
    /// Let kube-apiserver write an audit log to this file, with what is sent but for Secrets and tokens.
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,
}

impl Flags {
    fn options(self, name: Name, kubeconfig: Option<PathBuf>) -> Options {
        Options {
            name,
            controllers: self.controllers,
            rbac: self.rbac,
            uncached: false,
            fsync: !self.no_fsync,
            audit_log: self.audit_log,
            kubeconfig,
        }
    }
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Up {
                flags,
                name,
                kubeconfig,
            } => up(&flags.options(name, kubeconfig)),
            Self::Down { name, all } => down(name, all),
            Self::List => list(),
            Self::Run {
                flags,
                name,
                command,
            } => {
                let name = match name {
                    Some(name) => name,
                    None => format!("run-{}", process::id()).parse()?,
                };
                run(&flags.options(name, None), &command)
            }
        }
    }
}

/// Starts it; `None` when xtask was told to end meanwhile.
fn start(options: &Options, signals: &Signals) -> Result<Option<ControlPlane>> {
    match ControlPlane::start(options) {
        // The signal may have been what made it fail.
        Err(_) if signals.any() => Ok(None),
        Ok(control_plane) if signals.any() => {
            control_plane.stop()?;
            Ok(None)
        }
        result => result.map(Some),
    }
}

fn up(options: &Options) -> Result<ExitCode> {
    let signals = Signals::register()?;
    let Some(control_plane) = start(options, &signals)? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    println!("{}", control_plane.kubeconfig().display());
    control_plane.detach();
    Ok(ExitCode::SUCCESS)
}

fn down(name: Name, all: bool) -> Result<ExitCode> {
    let names = if all {
        ControlPlane::names()?
    } else {
        vec![name]
    };
    for name in names {
        ControlPlane::attach(&name)?.stop()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<ExitCode> {
    for name in ControlPlane::names()? {
        let it = ControlPlane::attach(&name)?;
        let kubeconfig = it.kubeconfig().display();
        println!(
            "{}\t{}\t{}\t{kubeconfig}",
            it.name(),
            it.server(),
            it.etcd()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn run(options: &Options, command: &[OsString]) -> Result<ExitCode> {
    let signals = Signals::register()?;
    let Some(control_plane) = start(options, &signals)? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let [program, arguments @ ..] = command else {
        anyhow::bail!("no command");
    };
    let child = process::Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", control_plane.kubeconfig())
        .spawn()
        .with_context(|| format!("running {}", program.display()))?;
    let status = signals.wait_for(child)?;
    control_plane.stop()?;
    Ok(ExitCode::from(exit_code(status)))
}

/// The exit code that a shell would report: 128 and the signal's number for a command that was
/// ended by one.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::SIGINT;

    use super::*;

    #[test]
    fn a_command_ended_by_a_signal_reports_it_as_a_shell_does() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(SIGINT)), INTERRUPTED);
    }
}
