//! Commands whose output is looked at.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use crate::signals::Signals;

/// Pause between two looks at a command.
const POLL: Duration = Duration::from_millis(5);

/// What a command that has ended leaves.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running command. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Job {
    name: String,
    child: Child,
    stdout: NamedTempFile,
    stderr: NamedTempFile,
}

impl Job {
    /// Starts `command` without input.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let stdout = NamedTempFile::new().context("creating a file for the output")?;
        let stderr = NamedTempFile::new().context("creating a file for the errors")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout.reopen().context("opening the file for the output")?)
            .stderr(stderr.reopen().context("opening the file for the errors")?)
            .spawn()
            .with_context(|| format!("running {name}"))?;
        Ok(Self {
            name,
            child,
            stdout,
            stderr,
        })
    }

    /// Waits for its end, at most for `limit`.
    pub(crate) fn finish(mut self, signals: &Signals, limit: Duration) -> Result<Finished> {
        self.wait(signals, limit, |_| Ok(false))?;
        let status = self.child.wait().context("waiting for a command")?;
        Ok(Finished {
            code: status.code(),
            stdout: read(&self.stdout)?,
            stderr: read(&self.stderr)?,
        })
    }

    /// Waits until it has ended or `enough` accepts its standard output, at most for `limit`;
    /// returns that output.
    pub(crate) fn wait_for_output(
        &mut self,
        signals: &Signals,
        limit: Duration,
        enough: impl Fn(&str) -> bool,
    ) -> Result<String> {
        self.wait(signals, limit, |job| Ok(enough(&read(&job.stdout)?)))?;
        read(&self.stdout)
    }

    /// Waits until it has ended or `enough` says so.
    fn wait(
        &mut self,
        signals: &Signals,
        limit: Duration,
        enough: impl Fn(&Self) -> Result<bool>,
    ) -> Result<()> {
        let started = Instant::now();
        loop {
            let ended = self.child.try_wait().context("waiting for a command")?;
            if ended.is_some() || enough(self)? {
                return Ok(());
            }
            if signals.any() {
                bail!("interrupted while {} ran", self.name);
            }
            if started.elapsed() >= limit {
                let seconds = limit.as_secs();
                bail!("{} did not do it within {seconds} s", self.name);
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Neither fails for a process that has ended already.
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("error: ending {}: {error}", self.name);
        }
    }
}

/// Runs `command` without input, at most for `limit`.
pub(crate) fn run(command: &mut Command, signals: &Signals, limit: Duration) -> Result<Finished> {
    Job::start(command)?.finish(signals, limit)
}

fn read(file: &NamedTempFile) -> Result<String> {
    let bytes = fs::read(file.path()).context("reading a command's output")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_leaves_its_output_and_its_code() {
        let signals = Signals::register().unwrap();
        let finished = run(&mut shell("echo a; echo b >&2; exit 3"), &signals, LIMIT).unwrap();
        assert_eq!(finished.code, Some(3));
        assert_eq!(finished.stdout, "a\n");
        assert_eq!(finished.stderr, "b\n");
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended() {
        let signals = Signals::register().unwrap();
        let error = run(
            &mut shell("exec tail -f /dev/null"),
            &signals,
            Duration::ZERO,
        );
        assert!(error.unwrap_err().to_string().contains("within 0 s"));
    }

    #[test]
    fn output_is_seen_while_the_command_runs() {
        let signals = Signals::register().unwrap();
        let mut job = Job::start(&mut shell("echo ready; exec tail -f /dev/null")).unwrap();
        let output = job.wait_for_output(&signals, LIMIT, |text| text.contains('\n'));
        assert_eq!(output.unwrap(), "ready\n");
    }
}
