//! The `optilock` command.

mod audit;
mod backup;
mod blame;
mod check;
mod demo;
mod duration;
mod experiment;
mod failure;
mod input;
mod kubeconfig;
mod lang;
mod options;
mod output;
mod port;
mod proxy;
mod report;
mod serve;
mod stop;
mod store;
mod summary;
mod table;
mod term;
mod tune;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serve::LogFormat;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Concurrent writes to Kubernetes objects: safe, cheap and explainable
#[derive(Debug, Parser)]
#[command(name = "optilock", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Backup(backup::Args),
    Blame(blame::Args),
    Check(check::Args),
    Compare(experiment::CompareArgs),
    Demo(demo::Args),
    Proxy(proxy::Args),
    Report(report::Args),
    Run(experiment::RunArgs),
    Serve(serve::Args),
    Tune(tune::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(match &cli.command {
        Command::Serve(args) => args.log_format,
        _ => LogFormat::default(),
    });
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Backup(args) => backup::run(args).await,
            Command::Blame(args) => blame::run(args).await,
            Command::Check(args) => check::run(args).await,
            Command::Compare(args) => experiment::compare(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Proxy(args) => proxy::run(args).await,
            Command::Report(args) => report::run(args).await,
            Command::Run(args) => experiment::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Tune(args) => tune::run(args).await,
        }
    });
    // A question on the terminal that nobody has answered must not hold the end up.
    runtime.shutdown_background();
    done.unwrap_or_else(|failure| failure.report())
}

/// Warnings, or what `RUST_LOG` says, on stderr.
fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would tell of a stderr that is gone by writing to it, and panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(console::colors_enabled_stderr()).init(),
        LogFormat::Json => log.json().init(),
    }
}
