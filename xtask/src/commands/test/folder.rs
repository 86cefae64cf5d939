//! A folder below `peers/` that is built with a tool chain of its own.
//!
//! It is copied below the target folder and built there, so that the sources stay as they are and
//! what is installed goes when the target folder goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::process;
use crate::signals::Signals;
use crate::workspace;

/// How long one step of a build may take: the first one fetches what it needs.
pub(super) const LIMIT: Duration = Duration::from_secs(10 * 60);
/// What was built, beside it: the sources as text.
const BUILT: &str = ".built";
/// What running the sources where they are leaves behind.
const NOT_SOURCES: [&str; 3] = ["node_modules", "__pycache__", "target"];

/// What is in it, and what to do with it.
#[derive(Debug)]
pub(in crate::commands) struct Folder {
    /// Its name below `peers/`.
    pub(super) name: &'static str,
    /// Commands that succeed where the tool chain is there.
    pub(super) tools: &'static [&'static [&'static str]],
    /// What installs and compiles, in order.
    pub(super) steps: &'static [&'static [&'static str]],
    /// What plays the scenarios that are named after it.
    pub(super) run: &'static [&'static str],
}

impl Folder {
    /// Why it can't be built here, where it can't.
    pub(super) fn missing(&self) -> Option<String> {
        let works = |command: &&&[&str]| {
            let output = words(command).output();
            output.is_ok_and(|output| output.status.success())
        };
        let tool = self.tools.iter().find(|tool| !works(tool))?;
        Some(format!("`{}` does not run", tool.join(" ")))
    }

    /// Builds it where its sources have changed, and returns the command to run.
    pub(in crate::commands) fn build(&self, signals: &Signals) -> Result<Command> {
        let sources = sources(&workspace::root().join("peers").join(self.name))?;
        let dir = workspace::target_dir()?.join("peers").join(self.name);
        let fingerprint = format!("{sources:?}");
        let built = dir.join(BUILT);
        // One that isn't there is not the right one either.
        if fs::read_to_string(&built).ok().as_ref() != Some(&fingerprint) {
            if dir.exists() {
                fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
            }
            for (path, text) in &sources {
                write(&dir.join(path), text)?;
            }
            for step in self.steps {
                let mut command = self.command(&dir, step);
                let finished = process::run(&mut command, signals, LIMIT)?;
                let (out, err) = (finished.stdout, finished.stderr);
                ensure!(finished.code == Some(0), "{}:\n{out}{err}", step.join(" "));
            }
            write(&built, &fingerprint)?;
        }
        Ok(self.command(&dir, self.run))
    }

    fn command(&self, dir: &Path, command: &[&str]) -> Command {
        let mut command = match command.split_first() {
            // A program that was installed here.
            Some((program, args)) if program.contains('/') => {
                let mut command = Command::new(dir.join(program));
                command.args(args);
                command
            }
            _ => words(command),
        };
        command.current_dir(dir);
        command
    }
}

fn words(command: &[&str]) -> Command {
    let mut words = command.iter();
    let mut command = Command::new(words.next().copied().unwrap_or_default());
    command.args(words);
    command
}

fn write(path: &Path, text: &str) -> Result<()> {
    let at = || format!("writing {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(at)?;
    }
    fs::write(path, text).with_context(at)
}

/// The files below `root`, by their paths in it, in the order of these.
fn sources(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let at = || format!("reading {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(at)? {
            let path = entry.with_context(at)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || NOT_SOURCES.contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            files.push((path.strip_prefix(root)?.to_owned(), text));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_listed_in_order_without_what_is_built() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b", "a/x", ".hidden", "node_modules/y", "a/__pycache__/z"] {
            write(&dir.path().join(path), path).unwrap();
        }
        let found = sources(dir.path()).unwrap();
        let found: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(found, ["a/x", "b"]);
    }

    #[test]
    fn a_missing_tool_is_named() {
        let mut folder = Folder {
            name: "x",
            tools: &[&["true"], &["no-such-tool", "--version"]],
            steps: &[],
            run: &["true"],
        };
        let missing = folder.missing().unwrap();
        assert_eq!(missing, "`no-such-tool --version` does not run");
        folder.tools = &[&["true"]];
        assert_eq!(folder.missing(), None);
    }
}
