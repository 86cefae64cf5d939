//! `cargo xtask soak`: the long proofs, one after the other.

mod rows;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use self::rows::{ROWS, Row};
use crate::cargo::{self, cargo};
use crate::control_plane::{Cluster, Options};
use crate::peers::{ETCD, Go};
use crate::signals::{INTERRUPTED, Signals};

/// What to prove.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run this proof alone; can be given several times.
    #[arg(long, value_name = "NAME", value_parser = names())]
    only: Vec<String>,
    /// Say what the proofs are, and run none.
    #[arg(long)]
    list: bool,
    /// Where the randomness starts, to repeat a run [default: a random one, which is printed].
    #[arg(long)]
    seed: Option<u64>,
    /// How much, instead of each proof's own size.
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// The control plane for those that need one [default: one of their own].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Build without debug assertions and with optimization: worth it from a minute on.
    #[arg(long)]
    release: bool,
}

/// How a proof went.
#[derive(Debug)]
struct Done {
    row: &'static Row,
    size: u64,
    seed: u64,
    holds: bool,
    took: Duration,
}

fn names() -> clap::builder::PossibleValuesParser {
    ROWS.iter().map(|row| row.name).collect::<Vec<_>>().into()
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.list {
        for row in ROWS {
            println!("{:20} {:>9}  {}", row.name, row.size, row.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let signals = Signals::register()?;
    let wanted = |row: &&Row| args.only.is_empty() || args.only.iter().any(|name| name == row.name);
    let mut done = Vec::new();
    for row in ROWS.iter().filter(wanted) {
        let size = args.size.unwrap_or(row.size);
        let seed = args.seed.unwrap_or_else(random);
        println!("==> {}: {}", row.name, row.about);
        println!("    again: {}", replay(row, size, seed));
        let started = Instant::now();
        let holds = prove(args, row, size, seed, &signals);
        if signals.any() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let holds = holds.map(|()| true).unwrap_or_else(|error| {
            println!("error: {error:#}");
            false
        });
        done.push(Done {
            row,
            size,
            seed,
            holds,
            took: started.elapsed(),
        });
    }
    println!("\n{}", table(&done));
    Ok(if done.iter().all(|done| done.holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn prove(args: &Args, row: &Row, size: u64, seed: u64, signals: &Signals) -> Result<()> {
    let cluster = if row.live {
        let options = || Options::of_run("soak");
        Some(Cluster::given_or_own(args.kubeconfig.as_deref(), options)?)
    } else {
        None
    };
    // The features of everyday tests, so that nothing is built twice.
    let mut command = cargo(&["test", "--quiet", "--workspace", "--all-features"]);
    command.args(["--test", row.target]);
    if args.release {
        command.arg("--release");
    }
    command
        .args(["--", "--exact", "--nocapture", row.test])
        .env("OPTILOCK_SOAK_UPDATES", size.to_string())
        .env("OPTILOCK_SOAK_SEED", seed.to_string())
        .env_remove("OPTILOCK_TEST_KUBECONFIG");
    if row.etcd {
        command.arg("--ignored");
        command.env("OPTILOCK_TEST_ETCD", Go::find()?.build(&ETCD)?);
    }
    if let Some(cluster) = &cluster {
        command.env("OPTILOCK_TEST_KUBECONFIG", cluster.kubeconfig());
    }
    let mut passed = false;
    let success = cargo::run(command, signals, |line| {
        // A name that no test has would pass too.
        passed |= line.contains(" 1 passed;");
        println!("{line}");
    });
    if let Some(cluster) = cluster {
        cluster.stop()?;
    }
    ensure!(
        success? && passed,
        "the test {} of {} failed: see above",
        row.test,
        row.package
    );
    Ok(())
}

/// The command that does the same again.
fn replay(row: &Row, size: u64, seed: u64) -> String {
    format!(
        "cargo xtask soak --only {} --size {size} --seed {seed}",
        row.name
    )
}

fn table(done: &[Done]) -> String {
    let mut table =
        String::from("| proof | size | seed | time | verdict |\n|---|---|---|---|---|\n");
    for Done {
        row,
        size,
        seed,
        holds,
        took,
    } in done
    {
        let verdict = if *holds { "holds" } else { "does not hold" };
        let took = took.as_secs();
        table += &format!(
            "| {} | {size} | {seed} | {took} s | {verdict} |\n",
            row.name
        );
    }
    table
}

/// The standard library keys its hash maps with random numbers; nothing here needs better ones.
fn random() -> u64 {
    RandomState::new().build_hasher().finish() >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_how_each_went() {
        let done = [true, false].map(|holds| Done {
            row: &ROWS[0],
            size: 5,
            seed: 7,
            holds,
            took: Duration::from_secs(3),
        });
        let table = table(&done);
        assert!(table.contains("| faults | 5 | 7 | 3 s | holds |"));
        assert!(table.contains("| faults | 5 | 7 | 3 s | does not hold |"));
    }

    #[test]
    fn a_run_can_be_repeated() {
        assert_eq!(
            replay(&ROWS[0], 5, 7),
            "cargo xtask soak --only faults --size 5 --seed 7"
        );
    }
}
