//! The `optilock` command.

mod demo;
mod duration;
mod failure;
mod lang;
mod options;
mod stop;
mod summary;
mod table;
mod term;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Concurrent writes to Kubernetes objects: safe, cheap and explainable
#[derive(Debug, Parser)]
#[command(name = "optilock", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(args).await,
        }
    });
    done.unwrap_or_else(|failure| failure.report())
}
