//! `cargo xtask test`: everything that has to hold, stage by stage.

mod api;
mod bench;
mod checks;
mod clients;
mod conformance;
mod demo;
mod etcd;
mod folder;
mod go;
mod kubectl;
mod pages;
mod report;
mod rust;
mod schema;
mod target;

pub(super) use pages::BROWSER;

use std::mem;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, anyhow};
use clap::ValueEnum;

use self::checks::Checks;
use self::report::Report;
use crate::cargo;
use crate::peers::Go;
use crate::signals::{INTERRUPTED, Signals};

/// Cargo's profile for the `optilock` binary: the one of the tests, so that little is built twice.
const PROFILE: &str = "dev";

/// Which stages to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run this stage alone; can be given several times.
    #[arg(long, value_name = "STAGE", value_enum)]
    only: Vec<Stage>,
    /// Say what the stages are, and run none.
    #[arg(long)]
    list: bool,
}

/// A part of the tests, in the order in which they run: what fails soon and is cheap comes first.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Stage {
    /// The sources are formatted.
    Fmt,
    /// Clippy has nothing to say.
    Clippy,
    /// All Rust tests, with every feature, and the examples in the documentation.
    Test,
    /// The documentation can be built, private items included.
    Doc,
    /// The library's public items are those that are listed, are all its own or kube's, and have
    /// examples.
    Api,
    /// The Go programs' own tests.
    Go,
    /// The generated data of the built-in types is what the Go types and the control plane say.
    Schema,
    /// The control plane answers as it was recorded.
    Conformance,
    /// The store in an etcd, which several servers and a kube-apiserver share.
    Etcd,
    /// Clients in many languages do the same on `optilock serve` and on the control plane.
    Clients,
    /// kubectl does and says the same on `optilock serve` and on the control plane.
    Kubectl,
    /// The pages of `optilock report`, in a browser.
    Pages,
    /// The bench has a figure for each of its rows, whatever it is.
    Bench,
    /// The demo on the embedded server.
    Demo,
    /// The demo on the control plane, without controllers and with them.
    DemoCluster,
}

impl Stage {
    /// Its name on the command line.
    fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// What it checks.
    fn about(self) -> String {
        self.to_possible_value()
            .and_then(|value| value.get_help().map(ToString::to_string))
            .unwrap_or_default()
    }

    /// Whether it builds or runs programs that are written in Go.
    fn needs_go(self) -> bool {
        match self {
            Self::Fmt
            | Self::Clippy
            | Self::Test
            | Self::Doc
            | Self::Api
            | Self::Pages
            | Self::Bench
            | Self::Demo => false,
            Self::Go
            | Self::Schema
            | Self::Conformance
            | Self::Etcd
            | Self::Clients
            | Self::Kubectl
            | Self::DemoCluster => true,
        }
    }

    fn run(self, context: &mut Context) -> Result<()> {
        match self {
            Self::Fmt => rust::fmt(context),
            Self::Clippy => rust::clippy(context),
            Self::Test => rust::test(context),
            Self::Doc => rust::doc(context),
            Self::Api => api::run(context),
            Self::Go => go::run(context),
            Self::Schema => schema::run(context),
            Self::Conformance => conformance::run(context),
            Self::Etcd => etcd::run(context),
            Self::Clients => clients::run(context),
            Self::Kubectl => kubectl::run(context),
            Self::Pages => pages::run(context),
            Self::Bench => bench::run(context),
            Self::Demo => demo::embedded(context),
            Self::DemoCluster => demo::cluster(context),
        }
    }
}

/// What the stages share.
#[derive(Debug)]
struct Context {
    signals: Signals,
    /// Of the stage that runs.
    checks: Checks,
    /// `Some(Err)` where it could not be built.
    optilock: Option<Result<PathBuf, ()>>,
    /// Whether something may be left out where a program is missing: not where tests run for
    /// everybody.
    may_leave_out: bool,
    /// What was left out, and why.
    left_out: Vec<String>,
}

impl Context {
    /// The `optilock` binary; cargo is asked for it at most once.
    fn optilock(&mut self) -> Result<&Path> {
        let built = match self.optilock.take() {
            Some(built) => built,
            None => cargo::build_optilock(&self.signals, PROFILE).map_err(|error| {
                println!("error: {error:#}");
            }),
        };
        let built = self.optilock.insert(built).as_deref();
        built.map_err(|()| anyhow!("there is no binary: building optilock failed"))
    }

    /// Notes that `what` can't be checked here.
    fn leave_out(&mut self, what: &str, reason: &str) {
        if self.may_leave_out {
            println!("left out: {what}: {reason}");
            self.left_out.push(format!("{what} ({reason})"));
        } else {
            let missing = anyhow!("{reason}, and CI=true");
            self.checks.record(what, Err(missing));
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.list {
        for stage in Stage::value_variants() {
            println!("{:13} {}", stage.name(), stage.about());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut context = Context {
        signals: Signals::register()?,
        checks: Checks::default(),
        optilock: None,
        may_leave_out: std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        left_out: Vec::new(),
    };
    let no_go = Go::find().err();
    let mut report = Report::default();
    for &stage in Stage::value_variants() {
        if !args.only.is_empty() && !args.only.contains(&stage) {
            continue;
        }
        println!("==> {}: {}", stage.name(), stage.about());
        let started = Instant::now();
        context.checks = Checks::default();
        match &no_go {
            Some(reason) if stage.needs_go() => {
                context.leave_out(&stage.name(), &format!("{reason:#}"));
            }
            _ => {
                if let Err(error) = stage.run(&mut context) {
                    context.checks.record(&stage.name(), Err(error));
                }
            }
        }
        let left_out = mem::take(&mut context.left_out);
        if context.signals.any() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        report.add(stage.name(), context.checks, left_out, started.elapsed());
    }
    print!("\n{report}");
    Ok(if report.failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
