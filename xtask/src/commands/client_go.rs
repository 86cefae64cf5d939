//! `cargo xtask client-go`.

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use crate::peers::{CLIENT_GO, CLIENT_GO_0_26, CLIENT_GO_BACKOFF, Go, Program};

/// What to do with the client-go programs.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Build one of them and print the path of the binary.
    Build {
        /// Which one.
        #[arg(value_enum, default_value_t = Which::ClientGo)]
        program: Which,
    },
}

/// The client-go programs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Which {
    /// The experiments on client-go 0.36, which sends protobuf.
    ClientGo,
    /// The experiments on client-go 0.26, which sends JSON.
    #[value(name = "client-go-0.26")]
    ClientGo0_26,
    /// What apimachinery's wait.Backoff does with given parameters.
    Backoff,
}

impl Which {
    fn program(self) -> &'static Program {
        match self {
            Self::ClientGo => &CLIENT_GO,
            Self::ClientGo0_26 => &CLIENT_GO_0_26,
            Self::Backoff => &CLIENT_GO_BACKOFF,
        }
    }
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Build { program } => {
                println!("{}", Go::find()?.build(program.program())?.display());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
