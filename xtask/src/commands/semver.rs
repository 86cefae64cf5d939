//! `cargo xtask semver`: whether a change of the library breaks its users, as cargo-semver-checks finds.

use std::process::{ExitCode, Stdio};

use anyhow::{Result, ensure};

use crate::cargo::{self, cargo};
use crate::signals::Signals;

/// What to compare with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The commit or tag of the last release.
    #[arg(long, value_name = "REV")]
    baseline: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let signals = Signals::register()?;
    let mut version = cargo(&["semver-checks", "--version"]);
    version.stdout(Stdio::null()).stderr(Stdio::null());
    ensure!(
        version.status()?.success(),
        "cargo-semver-checks isn't installed; run `cargo install --locked cargo-semver-checks`"
    );
    let mut command = cargo(&["semver-checks", "--package=optilock"]);
    command.args(["--baseline-rev", &args.baseline]);
    let compatible = cargo::run(command, &signals, |line| println!("{line}"))?;
    Ok(if compatible {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
