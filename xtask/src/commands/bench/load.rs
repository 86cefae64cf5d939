//! Running the load client, `crates/optilock-bench`, which drives every server alike from a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::process::run;
use crate::signals::Signals;

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(240);

/// A program that prints its figures as lines of JSON.
#[derive(Clone, Debug)]
pub(super) struct Client<'a> {
    program: PathBuf,
    signals: &'a Signals,
}

/// How fast something went.
#[derive(Debug, Deserialize)]
pub(super) struct Load {
    pub(super) verb: String,
    pub(super) connections: usize,
    #[serde(default = "one")]
    pub(super) streams: usize,
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    #[serde(default)]
    pub(super) conflicts: f64,
    pub(super) processor_us: Option<f64>,
}

fn one() -> usize {
    1
}

impl<'a> Client<'a> {
    pub(super) fn new(program: PathBuf, signals: &'a Signals) -> Self {
        Self { program, signals }
    }

    /// The program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it with the arguments of this line, none of which has a space in it.
    pub(super) fn run<T: DeserializeOwned>(&self, line: &str) -> Result<Vec<T>> {
        let args: Vec<_> = line.split_whitespace().collect();
        self.figures(&args)
    }

    /// Runs it with these arguments; its figures.
    pub(super) fn figures<T: DeserializeOwned>(&self, args: &[&str]) -> Result<Vec<T>> {
        let said = self.text(args)?;
        let lines = said.lines();
        let figures = lines.map(|line| {
            serde_json::from_str(line).with_context(|| format!("reading {line:?} of {args:?}"))
        });
        figures.collect()
    }

    /// Runs it with these arguments; what it says.
    pub(super) fn text(&self, args: &[&str]) -> Result<String> {
        let finished = run(Command::new(&self.program).args(args), self.signals, LIMIT)?;
        ensure!(
            finished.code == Some(0),
            "{} {}:\n{}",
            self.program.display(),
            args.join(" "),
            finished.stderr
        );
        Ok(finished.stdout)
    }
}
