//! `cargo xtask bench`: figures. Nothing here passes or fails.

mod carriers;
mod contention;
mod https;
mod memory;
mod serve;
mod spread;

use std::process::ExitCode;

use anyhow::Result;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// How soon `optilock serve` answers after its start and what memory it takes, beside the
    /// reference control plane.
    Serve(serve::Args),
    /// What an update costs when many contend for one object, beside client-go.
    Contention(contention::Args),
    /// What else is written because of an update that carries its op-id, with all controllers on.
    Carriers(carriers::Args),
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Serve(args) => serve::run(&args),
            Self::Contention(args) => contention::run(&args),
            Self::Carriers(args) => carriers::run(&args),
        }
    }
}
