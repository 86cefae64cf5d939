//! `cargo xtask bench proxy`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::cargo::{self, cargo};
use crate::control_plane::{Cluster, Options};
use crate::signals::{Signals, interruptible};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure in front of this cluster instead of a reference control plane of our own.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    interruptible(|signals| measure(args, signals).map(|()| ExitCode::SUCCESS))
}

fn measure(args: &Args, signals: &Signals) -> Result<()> {
    let bench = || {
        cargo(&[
            "bench",
            "--quiet",
            "--package=optilock-lab",
            "--bench=proxy",
        ])
    };
    let mut build = bench();
    build.arg("--no-run");
    ensure!(
        cargo::run(build, signals, |line| println!("{line}"))?,
        "building the benchmark failed"
    );
    let cluster = Cluster::given_or_own(args.kubeconfig.as_deref(), || {
        Ok(Options {
            fsync: true,
            ..Options::of_run("bench")?
        })
    })?;
    let mut command = bench();
    command.env("KUBECONFIG", cluster.kubeconfig());
    let measured = cargo::run(command, signals, |line| println!("{line}"));
    cluster.stop()?;
    ensure!(measured?, "the benchmark failed: see above");
    Ok(())
}
