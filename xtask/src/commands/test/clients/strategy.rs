//! Clients that make updates for `optilock compare`, with the retries of their own library.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{Client, LIMIT, Source};
use crate::commands::test::Context;
use crate::process;

/// How many updates of one object meet: enough that there are conflicts.
const WORKERS: u64 = 5;

/// As much as is judged of what `optilock compare --json` writes.
#[derive(Debug, Deserialize)]
struct Summary {
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
struct Run {
    strategy: String,
    updates: Updates,
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
struct Updates {
    begun: u64,
    applied: u64,
    abandoned: u64,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    ok: bool,
}

impl Client {
    /// Lets it make updates on a server, beside optilock's own. It may give some up, and has to tell.
    pub(super) fn update(
        &self,
        context: &mut Context,
        command: &Command,
        kubeconfig: &Path,
        server: &str,
    ) {
        let Some(word) = self.strategy else { return };
        let result = self.try_update(context, command, kubeconfig, word);
        let check = format!("{} on {server}: as a strategy", self.name);
        context.checks.record(&check, result);
    }

    fn try_update(
        &self,
        context: &mut Context,
        command: &Command,
        kubeconfig: &Path,
        word: &str,
    ) -> Result<()> {
        let mut words = vec![command.get_program().to_string_lossy()];
        if let Source::Folder(_) = self.source {
            words.extend(command.get_args().map(|word| word.to_string_lossy()));
            words.pop();
        }
        words.push(word.into());
        let workers = WORKERS.to_string();
        let mut compare = Command::new(context.optilock()?);
        compare
            .args(["compare", "--strategy", "optilock", "--updates", "1"])
            .args(["--workers", &workers, "--steps", "unlimited", "--json", "-"])
            .arg(format!("--with-peer=peer={}", words.join(" ")))
            .arg("--kubeconfig")
            .arg(kubeconfig);
        if let Some(dir) = command.get_current_dir() {
            compare.current_dir(dir);
        }
        let finished = process::run(&mut compare, &context.signals, LIMIT)?;
        ensure!(
            finished.code == Some(0),
            "{compare:?}:\n{}",
            finished.stderr
        );
        let summary: Summary =
            serde_json::from_str(&finished.stdout).context("reading the summary")?;
        let run = summary.runs.iter().find(|run| run.strategy == "peer");
        let run = run.context("the peer has no run")?;
        let Updates {
            begun,
            applied,
            abandoned,
        } = run.updates;
        ensure!(
            run.verdict.ok && begun == WORKERS && applied > 0 && applied + abandoned == begun,
            "{run:?}"
        );
        Ok(())
    }
}
