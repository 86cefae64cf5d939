//! `cargo xtask bench serve`.

use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::https::Https;
use super::memory::resident;
use super::spread::Spread;
use crate::cargo::build_optilock;
use crate::control_plane::{ControlPlane, Options};
use crate::peers::Go;
use crate::serve::Serve;
use crate::signals::{Signals, interruptible};

/// Pause between two looks for the kubeconfig: short beside what is measured, long enough to leave
/// the server its processor.
const POLL: Duration = Duration::from_micros(200);
/// What is asked after the first answer, in turn.
const PATHS: [&str; 5] = [
    "/version",
    "/apis",
    "/api/v1/namespaces",
    "/apis/apps/v1",
    "/apis/apps/v1/deployments",
];

/// Width of the table's first column.
const LABEL: usize = 36;

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often each server is started.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Seconds to wait after the first answer before memory is looked at.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    idle: u64,
    /// Requests, each on a connection of its own, before memory is looked at again.
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Cargo's profile for `optilock`.
    #[arg(long, default_value = "release")]
    profile: String,
    /// Leave out the reference control plane.
    #[arg(long)]
    alone: bool,
}

/// One start of a server.
#[derive(Debug)]
struct Run {
    /// From the start of the process to its kubeconfig; kube-apiserver writes none.
    written: Option<Duration>,
    /// From the start of the (first) process to the first request that was answered with 200, over
    /// TLS that was verified and with a token.
    answered: Duration,
    /// Resident memory of all processes together, in bytes.
    idle: u64,
    /// The same after the requests.
    asked: u64,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    interruptible(|signals| measure(args, signals).map(|()| ExitCode::SUCCESS))
}

fn measure(args: &Args, signals: &Signals) -> Result<()> {
    let binary = build_optilock(signals, &args.profile)?;
    let serve = repeat(args, signals, || measure_serve(&binary, args, signals))?;
    let reference = match Go::find() {
        _ if args.alone => Vec::new(),
        Ok(_) => repeat(args, signals, || measure_control_plane(args))?,
        Err(error) => {
            eprintln!("the control plane is left out: {error:#}");
            Vec::new()
        }
    };
    println!(
        "{:LABEL$} {:>9} {:>9} {:>9}   goal (later)",
        "", "min", "median", "max"
    );
    let name = format!("optilock serve ({})", args.profile);
    print_rows(args, &name, &serve, ["", "50 (10)", "30 (15)", ""]);
    print_rows(args, "kube-apiserver and etcd", &reference, [""; 4]);
    Ok(())
}

/// Measures as often as wanted.
fn repeat(args: &Args, signals: &Signals, once: impl Fn() -> Result<Run>) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for _ in 0..args.runs {
        ensure!(!signals.any(), "interrupted");
        runs.push(once()?);
    }
    Ok(runs)
}

fn measure_serve(binary: &Path, args: &Args, signals: &Signals) -> Result<Run> {
    let mut serve = Serve::spawn(binary, &[])?;
    // The token and the authority are in it: nobody can ask before.
    let written = serve.wait_ready(signals, POLL)?;
    let client = Https::from_kubeconfig(serve.kubeconfig())?;
    client.get("/readyz")?;
    let answered = serve.started().elapsed();
    let run = look(args, Some(written), answered, &client, &[serve.pid()])?;
    serve.stop()?;
    Ok(run)
}

fn measure_control_plane(args: &Args) -> Result<Run> {
    let control_plane = ControlPlane::start(&Options {
        fsync: true,
        ..Options::of_run("bench")?
    })?;
    let client = Https::from_kubeconfig(control_plane.kubeconfig())?;
    let answered = control_plane.ready_after();
    let run = look(args, None, answered, &client, &control_plane.pids())?;
    control_plane.stop()?;
    Ok(run)
}

/// Looks at the memory of a server that has answered.
fn look(
    args: &Args,
    written: Option<Duration>,
    answered: Duration,
    client: &Https,
    pids: &[i32],
) -> Result<Run> {
    let memory = || pids.iter().map(|&pid| resident(pid)).sum::<Result<u64>>();
    thread::sleep(Duration::from_secs(args.idle));
    let idle = memory()?;
    for path in PATHS.iter().cycle().take(args.requests) {
        client.get(path)?;
    }
    Ok(Run {
        written,
        answered,
        idle,
        asked: memory()?,
    })
}

/// Prints what was measured of a server, with the goals for the rows.
fn print_rows(args: &Args, name: &str, runs: &[Run], goals: [&str; 4]) {
    if runs.is_empty() {
        return;
    }
    println!("{name}, {} starts", runs.len());
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
    let rows: [(String, Vec<f64>); 4] = [
        (
            "kubeconfig is there, ms".to_owned(),
            runs.iter()
                .filter_map(|run| run.written)
                .map(milliseconds)
                .collect(),
        ),
        (
            "first request answered, ms".to_owned(),
            runs.iter().map(|run| milliseconds(run.answered)).collect(),
        ),
        (
            format!("memory after {} s, MB", args.idle),
            runs.iter().map(|run| megabytes(run.idle)).collect(),
        ),
        (
            format!("memory after {} requests, MB", args.requests),
            runs.iter().map(|run| megabytes(run.asked)).collect(),
        ),
    ];
    for ((label, values), goal) in rows.into_iter().zip(goals) {
        if let Some(spread) = Spread::of(values) {
            let line = format!("  {label:width$} {spread}   {goal}", width = LABEL - 2);
            println!("{}", line.trim_end());
        }
    }
}
