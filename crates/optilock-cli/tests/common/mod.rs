//! Running the built binary.

// Every test binary uses a part of it; a test fails by panicking.
#![allow(dead_code, clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
};

use tempfile::TempDir;

/// The command, in an environment that says nothing of the machine it runs on.
pub(crate) fn optilock(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_optilock"));
    command
        .args(args)
        .stdin(Stdio::null())
        .env_clear()
        .env("LC_ALL", "C.UTF-8");
    command
}

/// What a finished command has said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(args: &[&str]) -> Said {
    finish(optilock(args))
}

pub(crate) fn finish(mut command: Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running `optilock serve`, which is killed when this goes.
pub(crate) struct Serve {
    pub(crate) child: Child,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) directory: TempDir,
}

impl Serve {
    /// Starts it and waits until it says that it listens.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more options.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = directory.path().join("kubeconfig");
        let mut command = optilock(&["serve", "--kubeconfig", text(&kubeconfig)]);
        command.args(options);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&mut child, "listening on ");
        Self {
            child,
            kubeconfig,
            directory,
        }
    }

    pub(crate) fn kubeconfig(&self) -> &str {
        text(&self.kubeconfig)
    }

    /// The kubeconfig with a text in it replaced by another one, as a file.
    pub(crate) fn altered(&self, from: &str, to: &str) -> PathBuf {
        let original = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let altered = original.replace(from, to);
        assert_ne!(original, altered, "nothing was altered");
        let path = self.directory.path().join("altered");
        std::fs::write(&path, altered).unwrap();
        path
    }

    /// The value of a key of the kubeconfig.
    pub(crate) fn value(&self, key: &str) -> String {
        let content = std::fs::read_to_string(&self.kubeconfig).unwrap();
        let line = content
            .lines()
            .find_map(|line| line.trim().strip_prefix(key));
        line.unwrap().trim_start_matches(':').trim().to_owned()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a child's stderr up to the line with this text; the rest is read by nobody, who needs it not.
pub(crate) fn wait_for(child: &mut Child, text: &str) {
    drop(after(child, text));
}

/// Reads a child's stderr up to the line with this text; what it says after that.
pub(crate) fn after(child: &mut Child, text: &str) -> Lines<BufReader<ChildStderr>> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let found = lines.any(|line| line.unwrap().contains(text));
    assert!(found, "it ended without saying {text:?}");
    lines
}

/// Sends a signal to a child.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
