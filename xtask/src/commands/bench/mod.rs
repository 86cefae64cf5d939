//! `cargo xtask bench`: figures. Nothing here passes or fails.

mod aims;
mod carriers;
mod contention;
mod figures;
mod glance;
mod https;
mod kine;
mod load;
mod machine;
mod memory;
mod page;
mod peers;
mod proxy;
mod sections;
mod spread;
mod subject;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::builder::PossibleValuesParser;
use serde::de::DeserializeOwned;

use self::figures::{Figures, Measured};
pub(super) use self::glance::glance;
use self::load::Client;
use self::machine::Machine;
use self::peers::Peers;
use self::sections::{SECTIONS, Section, section};
use self::subject::{Running, Subject};
use crate::cargo::build_bench;
use crate::signals::{Signals, interruptible};
use crate::workspace;

/// What to measure.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// These sections of docs/benchmarks.md alone; the page is made of the newest figures of all.
    #[arg(value_name = "SECTION", value_parser = names())]
    sections: Vec<String>,
    /// As little as shows that the bench works, and no page.
    #[arg(long)]
    quick: bool,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Leave out the reference control plane, and make no page.
    #[arg(long)]
    alone: bool,
    /// Make the page of what was measured before, and measure nothing.
    #[arg(long, conflicts_with_all = ["sections", "quick", "alone"])]
    page: bool,
    /// Cargo's profile for our side: `dist`, which is that of packages, or `release` with --quick, which is built sooner.
    #[arg(long)]
    profile: Option<String>,
}

impl Args {
    fn profile(&self) -> &str {
        match &self.profile {
            Some(profile) => profile,
            None if self.quick => "release",
            None => "dist",
        }
    }
}

/// What has pages of its own.
#[derive(Debug, clap::Subcommand)]
enum Other {
    /// What an update costs when many contend for one object, beside client-go.
    Contention(contention::Args),
    /// What else is written because of an update that carries its op-id, with all controllers on.
    Carriers(carriers::Args),
    /// What `optilock proxy` adds to a request, in front of a control plane.
    Proxy(proxy::Args),
}

/// What sections measure with.
#[derive(Debug)]
struct Bench<'a> {
    signals: &'a Signals,
    effort: Effort,
    optilock: PathBuf,
    load: Client<'a>,
    peers: Peers<'a>,
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
struct Effort {
    quick: bool,
    /// How often everything is measured.
    rounds: u32,
    /// How often servers are started.
    starts: u32,
}

impl Effort {
    /// How long something is measured that usually is for so long.
    fn of_second(self, seconds: f64) -> f64 {
        if self.quick { seconds / 20.0 } else { seconds }
    }

    /// The same as an argument.
    fn seconds(self, seconds: f64) -> String {
        self.of_second(seconds).to_string()
    }
}

impl<'a> Bench<'a> {
    /// Builds what is needed.
    fn new(args: &Args, signals: &'a Signals) -> Result<Self> {
        let [optilock, load] = build_bench(signals, args.profile())?;
        Ok(Self {
            signals,
            effort: Effort {
                quick: args.quick,
                rounds: if args.quick { 1 } else { args.rounds },
                starts: if args.quick { 1 } else { 5 },
            },
            optilock,
            load: Client::new(load, signals),
            peers: Peers::build(args, signals)?,
        })
    }

    /// Whether the figures are worth a page.
    fn makes_pages(&self) -> bool {
        !self.effort.quick && self.peers.control_plane
    }

    /// The figures of a section.
    fn measure(&self, section: &Section) -> Result<Figures> {
        let mut figures = Figures::default();
        (section.run)(self, &mut figures)?;
        Ok(figures)
    }

    /// Those of them that there are.
    fn subjects(&self, wanted: &[Subject]) -> Vec<Subject> {
        let there = |subject: &Subject| self.peers.control_plane || !subject.needs_go();
        wanted.iter().copied().filter(there).collect()
    }

    /// Those of them that there are, all started.
    fn start(&self, wanted: &[Subject]) -> Result<Vec<Running>> {
        let subjects = self.subjects(wanted).into_iter();
        subjects
            .map(|subject| Running::start(subject, self))
            .collect()
    }

    /// Lets the load client drive a server, with the arguments of this line besides.
    fn drive<T: DeserializeOwned>(&self, server: &Running, line: &str) -> Result<Vec<T>> {
        ensure!(!self.signals.any(), "interrupted");
        let server = server.args();
        let args = line.split_whitespace();
        let args: Vec<_> = args.chain(server.iter().map(String::as_str)).collect();
        self.load.figures(&args)
    }
}

fn names() -> PossibleValuesParser {
    SECTIONS
        .iter()
        .map(|section| section.name)
        .collect::<Vec<_>>()
        .into()
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.other {
        Some(Other::Contention(args)) => contention::run(args),
        Some(Other::Carriers(args)) => carriers::run(args),
        Some(Other::Proxy(args)) => proxy::run(args),
        None if args.page => page::write().map(|()| ExitCode::SUCCESS),
        None => interruptible(|signals| measure(args, signals).map(|()| ExitCode::SUCCESS)),
    }
}

fn measure(args: &Args, signals: &Signals) -> Result<()> {
    let bench = Bench::new(args, signals)?;
    let wanted: Vec<&Section> = match &args.sections[..] {
        [] => SECTIONS.iter().collect(),
        names => names.iter().filter_map(|name| section(name)).collect(),
    };
    let machine = Machine::this(args.profile(), &workspace::target_dir()?);
    for section in wanted {
        eprintln!("==> {}", section.name);
        let figures = bench.measure(section)?;
        print!("{}", page::tables(&figures));
        let machine = machine.clone();
        if bench.makes_pages() {
            Measured { machine, figures }.save(section.name)?;
        }
    }
    if !bench.makes_pages() {
        return Ok(());
    }
    page::write()
}
