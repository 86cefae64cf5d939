//! `cargo xtask control-plane`.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{self, Child, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::control_plane::{ControlPlane, Name, Options};

/// Name of the instance where none is given.
const DEFAULT_NAME: &str = "default";
/// Exit code after ctrl-c.
const INTERRUPTED: u8 = 130;
/// How long a command may go on after it was told to end, before it is told less politely.
const GRACE: Duration = Duration::from_secs(10);
/// Pause between two looks at the command.
const POLL: Duration = Duration::from_millis(10);

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
}

impl Flags {
    fn options(self, name: Name, kubeconfig: Option<PathBuf>) -> Options {
        Options {
            name,
            controllers: self.controllers,
            rbac: self.rbac,
            fsync: !self.no_fsync,
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

/// The signals that would end xtask before it has cleaned up.
#[derive(Debug)]
struct Signals {
    /// ctrl-c: the terminal sends it to the command too.
    interrupt: Arc<AtomicBool>,
    /// What only xtask gets.
    terminate: Arc<AtomicBool>,
}

impl Signals {
    fn register() -> Result<Self> {
        let this = Self {
            interrupt: Arc::default(),
            terminate: Arc::default(),
        };
        let flags = [
            (SIGINT, &this.interrupt),
            (SIGTERM, &this.terminate),
            (SIGHUP, &this.terminate),
        ];
        for (signal, flag) in flags {
            signal_hook::flag::register(signal, Arc::clone(flag))
                .context("registering for signals")?;
        }
        Ok(this)
    }

    fn any(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed) || self.terminate.load(Ordering::Relaxed)
    }

    /// Waits for the end of `child`, and makes it end when xtask has to.
    fn wait_for(&self, mut child: Child) -> Result<ExitStatus> {
        let mut steps = Escalation::default();
        loop {
            if let Some(status) = child.try_wait().context("waiting for the command")? {
                return Ok(status);
            }
            let interrupted = self.interrupt.load(Ordering::Relaxed);
            let terminated = self.terminate.load(Ordering::Relaxed);
            if let Some(signal) = steps.next(interrupted, terminated, Instant::now()) {
                let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                let pid = pid.context("the command has no process id")?;
                kill_process(pid, signal).context("ending the command")?;
            }
            thread::sleep(POLL);
        }
    }
}

/// Which signal a command that has to end gets next: SIGTERM at once, or after [`GRACE`] where the
/// terminal has interrupted it already, and SIGKILL after [`GRACE`] again.
#[derive(Debug, Default)]
struct Escalation {
    interrupted_at: Option<Instant>,
    terminated_at: Option<Instant>,
    killed: bool,
}

impl Escalation {
    fn next(&mut self, interrupted: bool, terminated: bool, now: Instant) -> Option<Signal> {
        let waited = |since: Instant| now.duration_since(since) >= GRACE;
        match self.terminated_at {
            Some(since) if !self.killed && waited(since) => {
                self.killed = true;
                return Some(Signal::KILL);
            }
            Some(_) => return None,
            None => {}
        }
        let patience_is_over = interrupted && waited(*self.interrupted_at.get_or_insert(now));
        if terminated || patience_is_over {
            self.terminated_at = Some(now);
            return Some(Signal::TERM);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ended_by_a_signal_reports_it_as_a_shell_does() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(SIGINT)), INTERRUPTED);
    }

    #[test]
    fn a_command_is_ended_step_by_step() {
        let start = Instant::now();
        let mut asked = Escalation::default();
        assert_eq!(asked.next(false, false, start), None);
        assert_eq!(asked.next(false, true, start), Some(Signal::TERM));
        assert_eq!(asked.next(false, true, start), None);
        assert_eq!(asked.next(false, true, start + GRACE), Some(Signal::KILL));
        assert_eq!(asked.next(false, true, start + GRACE * 2), None);

        let mut interrupted = Escalation::default();
        assert_eq!(interrupted.next(true, false, start), None);
        let later = start + GRACE;
        assert_eq!(interrupted.next(true, false, later), Some(Signal::TERM));
        assert_eq!(
            interrupted.next(true, false, later + GRACE),
            Some(Signal::KILL)
        );
    }
}
