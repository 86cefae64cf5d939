//! The load client of `cargo xtask bench`, which drives every server alike, and what is measured beside servers. Figures are lines of
//! JSON on stdout.

mod access;
mod bare;
mod connection;
mod fill;
mod first;
mod http1;
mod load;
mod objects;
mod process;
mod swaps;
mod times;
mod verb;
mod watch;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Load for API servers.
#[derive(Debug, Parser)]
#[command(name = "optilock-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Load(load::Args),
    Watch(watch::Args),
    Fill(fill::Args),
    Swaps(swaps::Args),
    Bare(bare::Args),
    /// Make a server in this process and ask it something, and say how long that took.
    First,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Load(args) => load::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Fill(args) => fill::run(&args),
        Command::Swaps(args) => swaps::run(&args),
        Command::Bare(args) => bare::run(&args),
        Command::First => first::run(),
    }
}
