//! `cargo xtask kubectl`.

use std::process::ExitCode;

use anyhow::Result;

use crate::peers::{Go, KUBECTL};

/// What to do with kubectl.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Build it and print the path of the binary.
    Build,
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Build => println!("{}", Go::find()?.build(&KUBECTL)?.display()),
        }
        Ok(ExitCode::SUCCESS)
    }
}
