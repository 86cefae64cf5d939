//! What one writes and many watch.

use anyhow::Result;
use serde::Deserialize;

use crate::commands::bench::figures::Figures;
use crate::commands::bench::page::thousands;
use crate::commands::bench::subject::{Running, Subject};
use crate::commands::bench::{Bench, Effort};

pub(in crate::commands::bench) const DELAY: &str = "Delay from the write to the watcher, ms";
/// The row of the aim.
pub(in crate::commands::bench) const THOUSAND: &str =
    "1,000 watchers, 10,000 events at 100/s: 99 of 100";
const FAN_OUT: &str = "Events a second that come to watchers, the writer never pausing";
const GROWTH: &str = "Memory of the server, MB";

/// How many watch, and how much is written for them.
#[derive(Clone, Copy, Debug)]
struct Size {
    watchers: u32,
    /// Writes a second.
    rate: u32,
    events: u32,
}

const SIZES: [Size; 4] = [
    size(1, 100, 400),
    size(100, 100, 400),
    size(1000, 100, 400),
    size(10_000, 10, 40),
];
/// What takes long, once, and of our server alone.
const LONG: Size = size(1000, 100, 10_000);

const fn size(watchers: u32, rate: u32, events: u32) -> Size {
    Size {
        watchers,
        rate,
        events,
    }
}

impl Size {
    /// What is done of it.
    fn done(self, effort: Effort) -> Self {
        if !effort.quick {
            return self;
        }
        Self {
            watchers: self.watchers.min(20),
            events: self.events.min(20),
            ..self
        }
    }
}

/// What the load client says.
#[derive(Debug, Deserialize)]
struct Watched {
    events_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
    open_mb: f64,
    end_mb: f64,
}

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    for _ in 0..bench.effort.rounds {
        for subject in bench.subjects(&[Subject::Memory, Subject::ControlPlane]) {
            let server = Running::start(subject, bench)?;
            for size in SIZES {
                note(figures, subject, size, watch(bench, &server, size)?);
                let watchers = size.watchers;
                let events = (100_000 / watchers).clamp(20, 2000);
                let row = format!("{} watchers", thousands(watchers.into()));
                for watched in watch(bench, &server, self::size(watchers, 0, events))? {
                    let rate = watched.events_per_second;
                    figures.add(FAN_OUT, &row, subject.name(), rate);
                }
            }
            server.stop()?;
        }
    }
    let server = Running::start(Subject::Memory, bench)?;
    note(figures, Subject::Memory, LONG, watch(bench, &server, LONG)?);
    server.stop()
}

/// Has so many watchers see so much. A server that has no rate to keep is written to without a pause.
fn watch(bench: &Bench<'_>, server: &Running, size: Size) -> Result<Vec<Watched>> {
    let namespace = format!("watched-{}-{}-{}", size.watchers, size.rate, size.events);
    let Size {
        watchers,
        rate,
        events,
    } = size.done(bench.effort);
    let args = format!(
        "watch --protocol h2 --watchers {watchers} --rate {rate} --events {events} --namespace {namespace}"
    );
    bench.drive(server, &args)
}

fn note(figures: &mut Figures, subject: Subject, size: Size, all: Vec<Watched>) {
    let [watchers, events] = [size.watchers, size.events].map(|n| thousands(n.into()));
    let load = format!("{watchers} watchers, {events} events at {}/s", size.rate);
    for watched in all {
        for (what, micros) in [
            ("median", watched.p50_us),
            ("99 of 100", watched.p99_us),
            ("longest", watched.max_us),
        ] {
            figures.add(
                DELAY,
                &format!("{load}: {what}"),
                subject.name(),
                micros / 1e3,
            );
        }
        for (when, megabytes) in [("before", watched.open_mb), ("after", watched.end_mb)] {
            figures.add(
                GROWTH,
                &format!("{load}: {when}"),
                subject.name(),
                megabytes,
            );
        }
    }
}
