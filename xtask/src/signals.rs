//! The signals that would end xtask before it has cleaned up.

use std::process::{Child, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Exit code after ctrl-c.
pub(crate) const INTERRUPTED: u8 = 130;
/// How long a command may go on after it was told to end, before it is told less politely.
const GRACE: Duration = Duration::from_secs(10);
/// Pause between two looks at a command.
const POLL: Duration = Duration::from_millis(10);

/// Notes these signals instead of ending at once.
#[derive(Debug)]
pub(crate) struct Signals {
    /// ctrl-c: the terminal sends it to the command too.
    interrupt: Arc<AtomicBool>,
    /// What only xtask gets.
    terminate: Arc<AtomicBool>,
}

/// Runs a subcommand that cleans up after itself when a signal tells xtask to end.
pub(crate) fn interruptible(run: impl FnOnce(&Signals) -> Result<ExitCode>) -> Result<ExitCode> {
    let signals = Signals::register()?;
    match run(&signals) {
        // The signal may have been what made it fail.
        _ if signals.any() => Ok(ExitCode::from(INTERRUPTED)),
        result => result,
    }
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn register() -> Result<Self> {
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

    /// Whether xtask was told to end.
    pub(crate) fn any(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed) || self.terminate.load(Ordering::Relaxed)
    }

    /// Waits for the end of `child`, and makes it end when xtask has to.
    pub(crate) fn wait_for(&self, mut child: Child) -> Result<ExitStatus> {
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
