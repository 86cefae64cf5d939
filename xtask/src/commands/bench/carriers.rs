//! `cargo xtask bench carriers`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::cargo::build_example;
use crate::control_plane::{Cluster, Options};
use crate::process::run as run_command;
use crate::signals::{Signals, interruptible};

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Where to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Measure on this cluster, which runs kube-controller-manager, instead of a control plane of our own.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    interruptible(|signals| measure(args, signals).map(|()| ExitCode::SUCCESS))
}

fn measure(args: &Args, signals: &Signals) -> Result<()> {
    let carriers = build_example(signals, "optilock", "carriers", "dev")?;
    let cluster = Cluster::given_or_own(args.kubeconfig.as_deref(), || {
        Ok(Options {
            controllers: true,
            ..Options::of_run("carriers")?
        })
    })?;
    let mut command = Command::new(carriers);
    command.env("KUBECONFIG", cluster.kubeconfig());
    let finished = run_command(&mut command, signals, LIMIT);
    cluster.stop()?;
    let finished = finished?;
    print!("{}", finished.stdout);
    ensure!(
        finished.code == Some(0),
        "carriers failed:\n{}",
        finished.stderr
    );
    Ok(())
}
