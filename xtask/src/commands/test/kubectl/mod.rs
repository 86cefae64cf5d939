//! kubectl's sessions in `xtask/kubectl/`, on both servers.

mod pattern;
mod session;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use self::session::{Action, Call, Step};
use super::Context;
use super::target::Target;
use crate::peers::{Go, KUBECTL};
use crate::process::{self, Finished, Job};
use crate::workspace;

/// How long one step may take.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn run(context: &mut Context) -> Result<()> {
    let binary = Go::find()?.build(&KUBECTL)?;
    let sessions = read_sessions(&sessions_dir())?;
    for target in Target::PAIR {
        target.with(context, |context, kubeconfig| {
            for (name, steps) in &sessions {
                let mut player = Player::new(&binary, kubeconfig)?;
                for step in steps {
                    let check = format!(
                        "{name}:{} on {}: {}",
                        step.line,
                        target.name(),
                        step.command
                    );
                    let result = player.play(context, step);
                    context.checks.record(&check, result);
                }
            }
            Ok(())
        });
    }
    Ok(())
}

fn sessions_dir() -> PathBuf {
    workspace::root().join("xtask").join("kubectl")
}

/// The sessions in `dir`, with their files' names, in the order of these.
fn read_sessions(dir: &Path) -> Result<Vec<(String, Vec<Step>)>> {
    let mut sessions = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry
            .with_context(|| format!("reading {}", dir.display()))?
            .path();
        let Some(name) = path
            .file_name()
            .filter(|_| path.extension().is_some_and(|e| e == "txt"))
        else {
            continue;
        };
        let at = || format!("reading {}", path.display());
        let text = fs::read_to_string(&path).with_context(at)?;
        let steps = session::parse(&text).with_context(at)?;
        sessions.push((name.to_string_lossy().into_owned(), steps));
    }
    sessions.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(sessions)
}

/// Plays the steps of a session.
#[derive(Debug)]
struct Player<'a> {
    binary: &'a Path,
    kubeconfig: &'a Path,
    /// kubectl's caches and settings: none of the user's.
    home: TempDir,
    background: Option<Job>,
    /// What earlier steps have given a name.
    names: BTreeMap<String, String>,
}

impl<'a> Player<'a> {
    fn new(binary: &'a Path, kubeconfig: &'a Path) -> Result<Self> {
        Ok(Self {
            binary,
            kubeconfig,
            home: tempfile::tempdir().context("creating a home folder for kubectl")?,
            background: None,
            names: BTreeMap::new(),
        })
    }

    fn play(&mut self, context: &Context, step: &Step) -> Result<()> {
        let signals = &context.signals;
        match &step.action {
            Action::Kubectl(call) => {
                let finished = process::run(&mut self.command(call), signals, LIMIT)?;
                compare(step, &finished)
            }
            Action::Eventually(call) => {
                let started = Instant::now();
                loop {
                    let finished = process::run(&mut self.command(call), signals, LIMIT)?;
                    let result = compare(step, &finished);
                    if result.is_ok() || started.elapsed() >= LIMIT {
                        return result;
                    }
                }
            }
            Action::Let(name, call) => {
                let finished = process::run(&mut self.command(call), signals, LIMIT)?;
                ensure!(finished.code == Some(0), "{}", finished.stderr);
                self.names.insert(name.clone(), finished.stdout);
                Ok(())
            }
            Action::Background(call) => {
                let mut job = Job::start(&mut self.command(call))?;
                let output = job.wait_for_output(signals, LIMIT, |text| text.contains('\n'))?;
                if output.is_empty() {
                    let Finished { code, stderr, .. } = job.finish(signals, LIMIT)?;
                    bail!("it ended with {code:?}:\n{stderr}");
                }
                self.background = Some(job);
                Ok(())
            }
            Action::Foreground => {
                let mut job = self
                    .background
                    .take()
                    .context("nothing is in the background")?;
                let lines = pattern::lines(&step.stdout).len();
                let enough =
                    |text: &str| text.ends_with('\n') && pattern::lines(text).len() >= lines;
                let stdout = job.wait_for_output(signals, LIMIT, enough)?;
                match difference("standard output", &step.stdout, &stdout) {
                    Some(wrong) => bail!(wrong),
                    None => Ok(()),
                }
            }
        }
    }

    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new(self.binary);
        command
            .args(call.args.iter().map(|arg| self.fill_in(arg)))
            .current_dir(sessions_dir())
            .env("KUBECONFIG", self.kubeconfig)
            .env("HOME", self.home.path())
            .env_remove("KUBECACHEDIR")
            .env("LC_ALL", "C")
            .envs(call.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// An argument with what was given a name in place of the name.
    fn fill_in(&self, arg: &str) -> String {
        let mut filled = arg.to_owned();
        for (name, value) in &self.names {
            filled = filled.replace(&format!("${{{name}}}"), value);
        }
        filled
    }
}

/// Says everything that is not as it should be.
fn compare(step: &Step, finished: &Finished) -> Result<()> {
    let (code, wanted) = (finished.code, step.code);
    let wrong_code =
        (code != Some(wanted)).then(|| format!("the exit code is {code:?}, not {wanted}"));
    let wrong: Vec<_> = [
        difference("standard output", &step.stdout, &finished.stdout),
        difference("standard error", &step.stderr, &finished.stderr),
        wrong_code,
    ]
    .into_iter()
    .flatten()
    .collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn difference(what: &str, pattern: &str, text: &str) -> Option<String> {
    let (pattern, text) = (pattern.trim_end(), text.trim_end());
    let wrong = !pattern::matches(pattern, text);
    wrong.then(|| format!("{what} should be:\n{pattern}\nbut is:\n{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sessions_can_be_read() {
        let sessions = read_sessions(&sessions_dir()).unwrap();
        assert!(!sessions.is_empty());
        for (name, steps) in sessions {
            assert!(!steps.is_empty(), "{name}");
        }
    }
}
