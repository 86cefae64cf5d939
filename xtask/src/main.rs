//! Everything that a developer runs: `cargo xtask --help`.
//!
//! One file a subcommand in [`commands`]; what several of them need is beside it.

use std::process::ExitCode;

use clap::Parser;

mod cargo;
mod commands;
mod control_plane;
mod daemon;
mod peers;
mod process;
mod scoped;
mod serve;
mod signals;
mod workspace;

/// Developer tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
