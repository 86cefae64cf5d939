//! `cargo xtask strategies`: the page that sets all strategies beside each other, of measured runs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::test::BROWSER;
use crate::cargo::build_optilock;
use crate::process::run as run_command;
use crate::signals::{Signals, interruptible};
use crate::workspace;

/// How long making a page, or a picture of it, may take.
const LIMIT: Duration = Duration::from_secs(120);
/// Above everything.
const INTRO: &str = include_str!("strategies.md");

/// Which runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What `optilock compare --json` wrote on the embedded server.
    embedded: PathBuf,
    /// What it wrote on a control plane.
    control_plane: PathBuf,
}

/// As much of a summary of runs as the table has.
#[derive(Debug, Deserialize)]
struct Summary {
    target: Target,
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
struct Target {
    server_version: String,
}

#[derive(Debug, Deserialize)]
struct Run {
    strategy: String,
    workers: u32,
    took_ns: u64,
    stopped: Option<String>,
    requests_per_update: Option<f64>,
    updates: Updates,
    counter: Counter,
}

#[derive(Debug, Deserialize)]
struct Updates {
    applied: u64,
    abandoned: u64,
}

#[derive(Debug, Deserialize)]
struct Counter {
    lost: u64,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    interruptible(|signals| write_page(args, signals).map(|()| ExitCode::SUCCESS))
}

fn write_page(args: &Args, signals: &Signals) -> Result<()> {
    let docs = workspace::root().join("docs");
    let optilock = build_optilock(signals, "release")?;
    let browser = BROWSER.build(signals)?;
    let mut page = INTRO.to_owned();
    for (file, name) in [
        (&args.embedded, "embedded"),
        (&args.control_plane, "control-plane"),
    ] {
        let at = || format!("reading {}", file.display());
        let text = fs::read_to_string(file).with_context(at)?;
        let summary: Summary = serde_json::from_str(&text).with_context(at)?;
        for theme in ["light", "dark"] {
            let picture = docs.join(format!("images/strategies-{name}-{theme}.png"));
            draw(&optilock, &browser, signals, file, theme, &picture)?;
        }
        let title = match name {
            "embedded" => "On the embedded server, 2 ms a way".to_owned(),
            _ => format!(
                "On kube-apiserver {} with etcd, on the same machine",
                summary.target.server_version.trim_start_matches('v')
            ),
        };
        write!(
            page,
            "\n## {title}\n\
             <picture>\n  \
             <source media=\"(prefers-color-scheme: dark)\" srcset=\"images/strategies-{name}-dark.png\">\n  \
             <img alt=\"Requests per update against the number of writers, a line for each strategy\" \
             src=\"images/strategies-{name}-light.png\">\n\
             </picture>\n\n{}",
            table(&summary.runs)
        )?;
    }
    fs::write(docs.join("strategies.md"), page).context("writing docs/strategies.md")
}

/// A picture of the page's own chart.
fn draw(
    optilock: &Path,
    browser: &Command,
    signals: &Signals,
    summary: &Path,
    theme: &str,
    picture: &Path,
) -> Result<()> {
    let page = tempfile::Builder::new().suffix(".html").tempfile()?;
    let mut report = Command::new(optilock);
    report.arg("report").arg(summary).arg("-o").arg(page.path());
    let mut shot = Command::new(browser.get_program());
    shot.args(["picture.js".as_ref(), page.path(), theme.as_ref(), picture]);
    if let Some(dir) = browser.get_current_dir() {
        shot.current_dir(dir);
    }
    for mut command in [report, shot] {
        let finished = run_command(&mut command, signals, LIMIT)?;
        ensure!(
            finished.code == Some(0),
            "{command:?}:\n{}{}",
            finished.stdout,
            finished.stderr
        );
    }
    Ok(())
}

/// A row for each strategy, a column for each number of workers.
fn table(runs: &[Run]) -> String {
    let sizes: BTreeSet<u32> = runs.iter().map(|run| run.workers).collect();
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.strategy.as_str()) {
            names.push(&run.strategy);
        }
    }
    let mut text = String::from("| strategy |");
    for size in &sizes {
        text += &format!(" {size} workers |");
    }
    text += "\n|---|";
    text += &"---|".repeat(sizes.len());
    for name in names {
        text += &format!("\n| `{name}` |");
        for &size in &sizes {
            let run = runs
                .iter()
                .find(|run| run.strategy == name && run.workers == size);
            text += &format!(" {} |", run.map_or(String::new(), cell));
        }
    }
    text + "\n"
}

/// Requests for an update, updates a second, and what became of the others.
fn cell(run: &Run) -> String {
    let Updates { applied, abandoned } = run.updates;
    let requests = match run.requests_per_update {
        Some(requests) => format!("{requests:.1}"),
        None => "–".to_owned(),
    };
    let rate = applied as f64 / (run.took_ns as f64 / 1e9).max(f64::MIN_POSITIVE);
    let mut text = format!("{requests}, {rate:.0}/s");
    if run.counter.lost > 0 {
        text += &format!(", **{} lost**", run.counter.lost);
    }
    match &run.stopped {
        Some(_) => text += &format!(", {applied} when stopped"),
        None if abandoned > 0 => text += &format!(", {abandoned} given up"),
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(strategy: &str, workers: u32, applied: u64) -> Run {
        Run {
            strategy: strategy.to_owned(),
            workers,
            took_ns: 2_000_000_000,
            stopped: None,
            requests_per_update: Some(2.25),
            updates: Updates {
                applied,
                abandoned: 0,
            },
            counter: Counter { lost: 0 },
        }
    }

    #[test]
    fn a_row_for_each_strategy_and_a_column_for_each_size() {
        let stopped = Run {
            stopped: Some("the time limit".to_owned()),
            ..run("b", 50, 6)
        };
        let lossy = Run {
            counter: Counter { lost: 3 },
            ..run("a", 5, 4)
        };
        assert_eq!(
            table(&[lossy, run("b", 5, 2), stopped]),
            "| strategy | 5 workers | 50 workers |\n|---|---|---|\n\
             | `a` | 2.2, 2/s, **3 lost** |  |\n| `b` | 2.2, 1/s | 2.2, 3/s, 6 when stopped |\n"
        );
    }
}
