//! `cargo xtask bench contention`.

use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::spread::Spread;
use crate::cargo::build_example;
use crate::control_plane::{Cluster, Options};
use crate::peers::{CLIENT_GO, Go};
use crate::process::run as run_command;
use crate::signals::{Signals, interruptible};

/// How long a run of client-go may take: it is the one that doesn't end where many contend.
const LIMIT: Duration = Duration::from_secs(60);
/// What `timeout` ends with when it had to end the command.
const OUT_OF_TIME: i32 = 124;
/// A constant with less than this part of the rate of the fastest one isn't repeated: the sweep is for
/// the best, and the worst take the longest.
const HOPELESS: f64 = 0.5;
/// How long any other run may take.
const LIMIT_OURS: Duration = Duration::from_secs(600);

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often each burst is repeated.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How many writers there are in a burst.
    #[arg(long, value_delimiter = ',', default_value = "1,5,50,200,500,5000")]
    writers: Vec<u32>,
    /// How many writers there are in a closed loop.
    #[arg(long, value_delimiter = ',', default_value = "1,50,500")]
    closed: Vec<u32>,
    /// Seconds that a closed loop lasts; 0 leaves the closed loops out.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u32,
    /// client-go's constant backoffs (jitter 2) that bursts are held against.
    #[arg(
        long,
        value_name = "MILLISECONDS",
        value_delimiter = ',',
        default_value = "1,10,30,100,300,1000"
    )]
    constants: Vec<u32>,
    /// Measure on this cluster instead of a reference control plane of our own.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Cargo's profile for our side.
    #[arg(long, default_value = "release")]
    profile: String,
}

/// The figures of one run.
#[derive(Debug)]
struct Figures {
    /// Updates a second.
    rate: f64,
    /// Requests for an update.
    requests: f64,
    /// Jain's index over the updates of the writers.
    jain: Option<f64>,
    /// The updates of the writer that has got in the least.
    least: Option<u64>,
}

/// Whose client client-go's writers use.
#[derive(Clone, Copy, Debug)]
enum Clients {
    /// All use one, as the goroutines of a process do: one HTTP/2 connection.
    One,
    /// Each has its own, as so many processes do: as many connections as there are writers, as ours have.
    Each,
}

impl Clients {
    const ALL: [Self; 2] = [Self::One, Self::Each];

    /// As a flag of the program.
    fn flag(self) -> &'static str {
        match self {
            Self::One => "-client-each=false",
            Self::Each => "-client-each",
        }
    }

    /// As a part of a row's name.
    fn suffix(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Each => ", each",
        }
    }
}

/// The bursts with one of client-go's constants.
#[derive(Debug)]
struct Sweep {
    /// In milliseconds.
    constant: u32,
    clients: Clients,
    runs: Vec<Figures>,
}

impl Sweep {
    fn new(constant: u32, clients: Clients) -> Self {
        Self {
            constant,
            clients,
            runs: Vec::new(),
        }
    }

    /// The median rate; 0 where there is none.
    fn rate(&self) -> f64 {
        Spread::of(self.runs.iter().map(|run| run.rate)).map_or(0.0, |rate| rate.median())
    }
}

/// Where and with what is measured.
struct Bench<'a> {
    signals: &'a Signals,
    kubeconfig: &'a Path,
    contend: PathBuf,
    client_go: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    interruptible(|signals| measure(args, signals).map(|()| ExitCode::SUCCESS))
}

fn measure(args: &Args, signals: &Signals) -> Result<()> {
    let contend = build_example(signals, "optilock", "contend", &args.profile)?;
    let client_go = Go::find()?.build(&CLIENT_GO)?;
    let cluster = Cluster::given_or_own(args.kubeconfig.as_deref(), || {
        Ok(Options {
            fsync: true,
            ..Options::of_run("bench")?
        })
    })?;
    let bench = Bench {
        signals,
        kubeconfig: cluster.kubeconfig(),
        contend,
        client_go,
    };
    let measured = bench.bursts(args).and_then(|()| bench.closed_loops(args));
    measured.and(cluster.stop())
}

impl Bench<'_> {
    fn bursts(&self, args: &Args) -> Result<()> {
        println!(
            "one update a writer, all at once; medians of {} bursts, fewer where client-go's constant is far off",
            args.runs
        );
        println!(
            "{:>8} {:26} {:>10} {:>10} {:>6}",
            "writers", "", "updates/s", "requests", "bursts"
        );
        for &writers in &args.writers {
            // All in turn, so that what else the machine does meets them alike.
            let mut ours = Vec::new();
            let mut shared = Vec::new();
            let mut theirs: Vec<_> = args
                .constants
                .iter()
                .flat_map(|&constant| Clients::ALL.map(|clients| Sweep::new(constant, clients)))
                .collect();
            for _ in 0..args.runs {
                ensure!(!self.signals.any(), "interrupted");
                ours.extend(self.ours(writers, "burst", "private")?);
                shared.extend(self.ours(writers, "burst", "shared")?);
                let fastest = theirs.iter().map(Sweep::rate).fold(0.0, f64::max);
                for sweep in &mut theirs {
                    if sweep.rate() < HOPELESS * fastest {
                        continue;
                    }
                    let constant = format!("-duration={}ms", sweep.constant);
                    let flags = [&*constant, "-jitter=2", sweep.clients.flag()];
                    sweep.runs.extend(self.client_go(writers, &flags, LIMIT)?);
                }
            }
            print_burst(writers, "optilock", &ours);
            print_burst(writers, "optilock, one process", &shared);
            for sweep in &theirs {
                let name = format!("client-go, {} ms{}", sweep.constant, sweep.clients.suffix());
                print_burst(writers, &name, &sweep.runs);
            }
        }
        Ok(())
    }

    fn closed_loops(&self, args: &Args) -> Result<()> {
        if args.seconds == 0 {
            return Ok(());
        }
        println!("one update after the other for {} s", args.seconds);
        println!(
            "{:>8} {:26} {:>10} {:>10} {:>6} {:>6}",
            "writers", "", "updates/s", "requests", "Jain", "least"
        );
        let seconds = args.seconds.to_string();
        for &writers in &args.closed {
            for how in ["private", "fed", "one-feed", "shared", "combiner"] {
                ensure!(!self.signals.any(), "interrupted");
                print_loop(writers, how, self.ours(writers, &seconds, how)?.as_ref());
            }
            // Its default backoff, without its limit of attempts, which would leave most updates undone.
            let time = format!("-loop={seconds}s");
            for clients in Clients::ALL {
                let flags = ["-duration=10ms", "-jitter=0.1", &*time, clients.flag()];
                let theirs = self.client_go(writers, &flags, LIMIT_OURS)?;
                let name = format!("client-go{}", clients.suffix());
                print_loop(writers, &name, theirs.as_ref());
            }
        }
        Ok(())
    }

    /// Runs our side. None where it takes too long.
    fn ours(&self, writers: u32, shape: &str, how: &str) -> Result<Option<Figures>> {
        let mut command = Command::new(&self.contend);
        command
            .args([&writers.to_string(), shape, how])
            .env("KUBECONFIG", self.kubeconfig);
        let finished = run_command(&mut command, self.signals, LIMIT_OURS)?;
        ensure!(
            finished.code == Some(0),
            "contend failed:\n{}",
            finished.stderr
        );
        let result: Value = serde_json::from_str(&finished.stdout)
            .with_context(|| format!("reading {:?}", finished.stdout))?;
        let figure = |key: &str| result[key].as_f64();
        Ok(figure("rate")
            .zip(figure("requests"))
            .map(|(rate, requests)| Figures {
                rate,
                requests,
                jain: figure("jain"),
                least: result["least"].as_u64(),
            }))
    }

    /// Runs client-go without limits of its own, and with these flags. None where it takes longer than `limit`.
    fn client_go(&self, writers: u32, flags: &[&str], limit: Duration) -> Result<Option<Figures>> {
        let mut command = Command::new(&self.client_go);
        command
            .arg("-kubeconfig")
            .arg(self.kubeconfig)
            .arg(format!("-name=contended-{}", process::id()))
            .arg(format!("-workers={writers}"))
            .args(["-experiment=retry", "-steps=0", "-qps=0"])
            .args(flags);
        let mut limited = Command::new("timeout");
        limited
            .args(["--signal=TERM", &limit.as_secs().to_string()])
            .arg(command.get_program())
            .args(command.get_args());
        let finished = run_command(&mut limited, self.signals, LIMIT_OURS)?;
        if finished.code == Some(OUT_OF_TIME) {
            return Ok(None);
        }
        ensure!(
            finished.code == Some(0),
            "client-go failed:\n{}",
            finished.stderr
        );
        let result: Value = serde_json::from_str(&finished.stdout)
            .with_context(|| format!("reading {:?}", finished.stdout))?;
        let figure = |key: &str| result[key].as_f64().unwrap_or(f64::NAN);
        let updates = figure("succeeded");
        Ok(Some(Figures {
            rate: updates / (figure("ms") / 1e3),
            // Two of them set the stage and read the result.
            requests: (figure("requests") - 2.0) / updates,
            jain: result["jain"].as_f64(),
            least: result["least"].as_u64(),
        }))
    }
}

fn print_loop(writers: u32, name: &str, figures: Option<&Figures>) {
    match figures {
        Some(figures) => println!(
            "{writers:>8} {name:26} {:>10.1} {:>10.3} {:>6.2} {:>6}",
            figures.rate,
            figures.requests,
            figures.jain.unwrap_or_default(),
            figures.least.unwrap_or_default(),
        ),
        None => println!(
            "{writers:>8} {name:26} not within {} s",
            LIMIT_OURS.as_secs()
        ),
    }
}

fn print_burst(writers: u32, name: &str, runs: &[Figures]) {
    let rate = Spread::of(runs.iter().map(|run| run.rate));
    let requests = Spread::of(runs.iter().map(|run| run.requests));
    match rate.zip(requests) {
        Some((rate, requests)) => println!(
            "{writers:>8} {name:26} {:>10.1} {:>10.2} {:>6}",
            rate.median(),
            requests.median(),
            runs.len()
        ),
        None => println!("{writers:>8} {name:26} not within {} s", LIMIT.as_secs()),
    }
}
