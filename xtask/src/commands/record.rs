//! `cargo xtask record`.

use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::cargo::{self, cargo};
use crate::control_plane::{ControlPlane, Options};
use crate::signals::{Signals, interruptible};

/// What to record.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail where the control plane doesn't answer as it was recorded.
    #[arg(long)]
    check: bool,
    /// Only this file of the corpus, without its ending; can be given several times.
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let what = if args.check { "replay" } else { "record" };
    interruptible(|signals| play(what, &args.topic, signals).map(|()| ExitCode::SUCCESS))
}

/// Plays the whole corpus against a control plane of its own and compares.
///
/// # Errors
/// When an answer is not the recorded one; the differences are printed.
pub(crate) fn check(signals: &Signals) -> Result<()> {
    play("replay", &[], signals)
}

/// Runs the program that plays the corpus. It is not linked into xtask, which stays quick to build.
fn play(what: &str, topics: &[String], signals: &Signals) -> Result<()> {
    let control_plane = ControlPlane::start(&Options::of_run(what)?)?;
    let mut command = cargo(&["run", "--quiet", "--package=optilock-conformance"]);
    command
        .args(["--features=cli", "--", what, "--kubeconfig"])
        .arg(control_plane.kubeconfig())
        .args(["--etcd", control_plane.etcd()]);
    for topic in topics {
        command.args(["--topic", topic]);
    }
    let success = cargo::run(command, signals, |line| println!("{line}"));
    control_plane.stop()?;
    ensure!(success?, "{what}: see above");
    Ok(())
}
