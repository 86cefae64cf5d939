//! `cargo xtask deny`: whether the dependencies are what deny.toml allows, as cargo-deny finds.

use std::process::{ExitCode, Stdio};

use anyhow::{Result, ensure};

use crate::cargo::{self, cargo};
use crate::signals::Signals;

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ask for known vulnerabilities and yanked versions, too: that needs the network, and its
    /// answer changes from day to day.
    #[arg(long)]
    advisories: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let signals = Signals::register()?;
    let mut version = cargo(&["deny", "--version"]);
    version.stdout(Stdio::null()).stderr(Stdio::null());
    ensure!(
        version.status()?.success(),
        "cargo-deny isn't installed; run `cargo install --locked cargo-deny`"
    );
    let mut command = cargo(&["deny", "--locked", "check", "licenses", "bans", "sources"]);
    if args.advisories {
        command.arg("advisories");
    }
    let allowed = cargo::run(command, &signals, |line| println!("{line}"))?;
    Ok(if allowed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
