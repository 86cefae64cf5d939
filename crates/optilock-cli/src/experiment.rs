//! `optilock run` and `optilock compare`: workers that update objects by strategies.

mod execute;
mod export;
mod options;
mod results;
mod twin;

use std::process::ExitCode;

use optilock_lab::{NAMES, Peer, Plan};

use crate::{
    failure::{Code, Failure},
    options::workers,
    stop::Stop,
};
use execute::Session;
use options::Common;

/// Let workers update objects by one strategy, and say what it cost and whether anything was lost
///
/// Runs on an API server of its own, in this process, unless --kubeconfig names another or --virtual asks for
/// virtual time. Every run is recorded and checked. Exits with 0 if no update was lost or doubled, 1 if one was.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// How an update is made; `optilock compare --help` lists the strategies
    #[arg(long, value_name = "NAME", value_parser = strategy)]
    strategy: String,
    /// How many workers there are
    #[arg(long, value_name = "N", default_value = "5", value_parser = workers, allow_hyphen_values = true)]
    workers: usize,
    #[command(flatten)]
    common: Common,
}

/// Let workers update objects by several strategies, in several numbers, and compare what it cost
///
/// Runs on an API server of its own, in this process, unless --kubeconfig names another or --virtual asks for
/// virtual time. Every run is recorded and checked. Exits with 0 if no update was lost or doubled, 1 if one was.
#[derive(Debug, clap::Args)]
#[command(after_help = strategies())]
pub(crate) struct CompareArgs {
    /// How an update is made: a list of strategies [default: all that suit the workload]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = strategy)]
    strategy: Vec<String>,
    /// A program on another client that makes the updates, as client-go="path/to/client-go strategy"
    /// (docs/lab.md says what it has to do); may be given several times
    #[arg(long, value_name = "NAME=COMMAND", conflicts_with = "simulated")]
    with_peer: Vec<Peer>,
    /// Measure the server, do every run in virtual time too, four times, on a server that gets as much
    /// done, and show how far they agree
    #[arg(long, conflicts_with_all = ["simulated", "with_peer"])]
    twin: bool,
    /// How many workers there are: a list of numbers
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "5,20", value_parser = workers, allow_hyphen_values = true)]
    workers: Vec<usize>,
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let RunArgs {
        strategy,
        workers,
        common,
    } = args;
    let plans = common.plans(&[strategy], &[], &[workers])?;
    conduct(common, plans, false).await
}

pub(crate) async fn compare(args: CompareArgs) -> Result<ExitCode, Failure> {
    let CompareArgs {
        mut strategy,
        with_peer,
        twin,
        workers,
        mut common,
    } = args;
    if twin {
        common.repeat.get_or_insert(twin::REPEATS);
    }
    if strategy.is_empty() {
        let change = common.workload().change;
        strategy = NAMES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| common.strategy(name).is_ok_and(|one| one.can_make(change)))
            .collect();
    }
    let plans = common.plans(&strategy, &with_peer, &workers)?;
    conduct(common, plans, twin).await
}

async fn conduct(common: Common, plans: Vec<Plan>, twin: bool) -> Result<ExitCode, Failure> {
    let stop = Stop::listen()?;
    let summary = match Session::open(common, stop).await?.run(plans, twin).await? {
        Some(summary) => summary,
        None => return Ok(Code::Interrupted.into()),
    };
    Ok(match summary.runs.iter().all(|run| run.verdict.ok) {
        true => ExitCode::SUCCESS,
        false => Code::Failed.into(),
    })
}

fn strategy(text: &str) -> Result<String, String> {
    match NAMES.iter().any(|(name, _)| *name == text) {
        true => Ok(text.to_owned()),
        false => {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            Err(format!("take one of {}", names.join(", ")))
        }
    }
}

fn strategies() -> String {
    let lines = NAMES
        .iter()
        .map(|(name, what)| format!("  {name:<18} {what}\n"));
    format!("Strategies:\n{}", lines.collect::<String>())
}
