//! A server process in the background.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// How long a process may take to end after it was asked to.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks at a process.
const POLL: Duration = Duration::from_millis(10);
/// How many lines of a log are shown when its process ended.
const TAIL_LINES: usize = 12;

/// What of a [`Daemon`] is written down, so that another run of xtask can stop it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) pid: i32,
}

/// A process that outlives xtask unless it is stopped.
#[derive(Debug)]
pub(crate) struct Daemon {
    record: Record,
    /// The folder that it works in, which its command line names.
    dir: PathBuf,
    /// Only where this very run of xtask started it.
    child: Option<Child>,
}

impl Daemon {
    /// Starts `command`, in a process group of its own so that a ctrl-c in the terminal doesn't
    /// reach it, with its output in a log file in `dir`.
    ///
    /// One of the arguments must contain `dir`: it is how the process is recognised later.
    pub(crate) fn spawn(name: &str, mut command: Command, dir: &Path) -> Result<Self> {
        let log_path = log_path(dir, name);
        let log =
            File::create(&log_path).with_context(|| format!("creating {}", log_path.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing the log file")?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let pid = i32::try_from(child.id()).context("a process id beyond i32")?;
        Ok(Self {
            record: Record {
                name: name.to_owned(),
                pid,
            },
            dir: dir.to_owned(),
            child: Some(child),
        })
    }

    /// The process that an earlier run of xtask started in `dir`.
    pub(crate) fn adopt(record: Record, dir: &Path) -> Self {
        Self {
            record,
            dir: dir.to_owned(),
            child: None,
        }
    }

    /// What to write down of it.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Whether it still runs. A process of the same number that is not ours doesn't count.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        match &mut self.child {
            Some(child) => {
                let status = child
                    .try_wait()
                    .with_context(|| format!("waiting for {}", self.record.name))?;
                Ok(status.is_none())
            }
            None => {
                let line = command_line(self.record.pid)?;
                Ok(line.contains(&*self.dir.to_string_lossy()))
            }
        }
    }

    /// Asks it to end and waits until it has; one that takes too long is killed.
    pub(crate) fn stop(&mut self) -> Result<()> {
        for signal in [Signal::TERM, Signal::KILL] {
            if !self.is_running()? {
                return Ok(());
            }
            self.send(signal)?;
            let asked = Instant::now();
            while asked.elapsed() < STOP_LIMIT {
                if !self.is_running()? {
                    return Ok(());
                }
                thread::sleep(POLL);
            }
        }
        let Record { name, pid } = &self.record;
        bail!("{name} (process {pid}) does not end")
    }

    fn send(&self, signal: Signal) -> Result<()> {
        let Record { name, pid } = &self.record;
        let target = Pid::from_raw(*pid).with_context(|| format!("{name} has no process id"))?;
        match kill_process(target, signal) {
            // It ended by itself in between.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("stopping {name} (process {pid})")),
        }
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let path = log_path(&self.dir, &self.record.name);
        match fs::read(&path) {
            Ok(log) => tail(&String::from_utf8_lossy(&log)),
            Err(error) => format!("(no log in {}: {error})", path.display()),
        }
    }
}

fn log_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.log"))
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// The command line of a process; empty when it has ended.
fn command_line(pid: i32) -> Result<String> {
    if Path::new("/proc/self/cmdline").exists() {
        return match fs::read(format!("/proc/{pid}/cmdline")) {
            Ok(line) => Ok(String::from_utf8_lossy(&line).into_owned()),
            Err(error) if is_gone(&error) => Ok(String::new()),
            Err(error) => Err(error).with_context(|| format!("looking at process {pid}")),
        };
    }
    let output = Command::new("ps")
        .args(["-ww", "-o", "args=", "-p", &pid.to_string()])
        .output()
        .context("running ps")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether an error of reading from `/proc` says that the process is not there (any more).
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// A process that waits for the end of its input, which never comes, in `dir`.
    fn sleeper(dir: &Path) -> Daemon {
        let mut command = Command::new("tail");
        command.arg("-f").arg(dir.join("sleeper.log"));
        Daemon::spawn("sleeper", command, dir).unwrap()
    }

    #[test]
    fn a_daemon_is_stopped_by_the_one_who_started_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut daemon = sleeper(dir.path());
        assert!(daemon.is_running().unwrap());
        daemon.stop().unwrap();
        assert!(!daemon.is_running().unwrap());
        daemon.stop().unwrap();
    }

    #[test]
    fn an_adopted_daemon_is_stopped_by_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut owner = sleeper(dir.path());
        let mut adopted = Daemon::adopt(owner.record().clone(), dir.path());
        // Between fork and exec a child still has its parent's command line.
        while !adopted.is_running().unwrap() {
            thread::yield_now();
        }
        adopted.stop().unwrap();
        let status = owner.child.take().unwrap().wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
    }

    #[test]
    fn a_process_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let own_pid = i32::try_from(std::process::id()).unwrap();
        let record = Record {
            name: "stranger".into(),
            pid: own_pid,
        };
        let mut daemon = Daemon::adopt(record, dir.path());
        assert!(!daemon.is_running().unwrap());
        daemon.stop().unwrap();
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        let log: String = (0..20).map(|line| format!("{line}\n")).collect();
        assert!(tail(&log).starts_with("8\n9\n"));
        assert!(tail(&log).ends_with("\n19"));
        assert_eq!(tail("one"), "one");
        assert_eq!(tail(""), "");
    }
}
