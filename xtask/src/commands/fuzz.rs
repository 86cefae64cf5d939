//! `cargo xtask fuzz`: coverage-guided fuzzing of the API server on the stable tool chain.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::cargo::{self, cargo};
use crate::signals::Signals;
use crate::workspace;

/// What makes rustc instrument code for libFuzzer. cargo-fuzz passes the same; none of it needs a nightly tool chain.
const RUSTFLAGS: &str = "--cfg=fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// More memory than this is a finding.
const MEMORY_MIB: u32 = 2048;
/// An input that takes longer is a finding.
const INPUT_SECONDS: u32 = 10;

/// The targets in fuzz/.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Target {
    /// Bodies in protobuf.
    Protobuf,
    /// Patches of every kind.
    Patches,
    /// Selectors of labels and fields.
    Selectors,
    /// Continue tokens.
    Tokens,
    /// Whole requests.
    Router,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Patches => "patches",
            Self::Selectors => "selectors",
            Self::Tokens => "tokens",
            Self::Router => "router",
        }
    }
}

/// Which target, for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    target: Target,
    /// How long.
    #[arg(long, default_value_t = 20)]
    minutes: u32,
}

/// Builds a target and fuzzes it; findings are left in `fuzz/found/TARGET`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let signals = Signals::register()?;
    let name = args.target.name();
    let host = host()?;
    let mut build = cargo(&["build", "--release", "--package=optilock-fuzz"]);
    // With a target of its own the programs that build others, and their macros, are not instrumented.
    build
        .args(["--bin", &format!("fuzz-{name}"), "--target", &host])
        .env("RUSTFLAGS", RUSTFLAGS);
    ensure!(
        cargo::run(build, &signals, |line| println!("{line}"))?,
        "building the target {name} failed"
    );

    let target_dir = workspace::target_dir()?;
    let corpus = folder(target_dir.join("fuzz").join(name))?;
    let here = workspace::root().join("fuzz");
    let found = folder(here.join("found").join(name))?;
    let mut fuzzer = Command::new(
        target_dir
            .join(host)
            .join("release")
            .join(format!("fuzz-{name}")),
    );
    fuzzer
        .arg(format!("-max_total_time={}", args.minutes * 60))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg("-print_final_stats=1")
        .arg(corpus)
        .arg(here.join("seeds").join(name));
    let clean = cargo::run(fuzzer, &signals, |line| println!("{line}"))?;
    ensure!(clean, "{name} found something: see {}", found.display());
    Ok(ExitCode::SUCCESS)
}

/// The folder, made where it is not there.
fn folder(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
    Ok(path)
}

/// The machine's own target, as rustc names it.
fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("running rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV names no host")?.to_owned())
}
