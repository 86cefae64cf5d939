//! What one writes and many watch.

use anyhow::Result;
use serde::Deserialize;

use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::page::thousands;
use crate::commands::bench::subject::{Running, Subject};

pub(in crate::commands::bench) const DELAY: &str = "Delay from the write to the watcher, ms";
/// The row of the aim.
pub(in crate::commands::bench) const THOUSAND: &str = "1,000 watchers, 100 writes/s: 99 of 100";
const FAN_OUT: &str = "Events a second that come to watchers, the writer never pausing";
const GROWTH: &str = "Memory of the server, MB";

/// How many watch, and how much is written for them.
const SIZES: [(u32, u32); 4] = [(1, 100), (100, 100), (1000, 100), (10_000, 10)];

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
    let subjects = bench.subjects(&[Subject::Memory, Subject::ControlPlane]);
    let mut numbers = 0;
    for _ in 0..bench.effort.rounds {
        for &subject in &subjects {
            let server = Running::start(subject, bench)?;
            let column = subject.name();
            for (watchers, rate) in SIZES {
                if bench.effort.quick && watchers > 100 {
                    continue;
                }
                let mut watch = |rate: u32, events: u32| {
                    numbers += 1;
                    let [watchers, rate, events] = [watchers, rate, events].map(|n| n.to_string());
                    let namespace = format!("watched-{numbers}");
                    let args = [
                        "watch",
                        "--protocol",
                        "h2",
                        "--watchers",
                        &watchers,
                        "--rate",
                        &rate,
                        "--events",
                        &events,
                        "--namespace",
                        &namespace,
                    ];
                    bench.drive::<Watched>(&server, &args)
                };
                let seconds = if bench.effort.quick { 1 } else { 4 };
                for watched in watch(rate, rate * seconds)? {
                    let row = |what: &str| {
                        format!(
                            "{} watchers, {rate} writes/s: {what}",
                            thousands(watchers.into())
                        )
                    };
                    figures.add(DELAY, &row("median"), column, watched.p50_us / 1e3);
                    figures.add(DELAY, &row("99 of 100"), column, watched.p99_us / 1e3);
                    figures.add(DELAY, &row("longest"), column, watched.max_us / 1e3);
                    let row =
                        |when: &str| format!("{} watchers {when}", thousands(watchers.into()));
                    figures.add(GROWTH, &row("wait"), column, watched.open_mb);
                    figures.add(GROWTH, &row("have seen all events"), column, watched.end_mb);
                }
                let events = (100_000 / watchers).clamp(20, 2000);
                for watched in watch(0, events)? {
                    let row = format!("{} watchers", thousands(watchers.into()));
                    figures.add(FAN_OUT, &row, column, watched.events_per_second);
                }
            }
            server.stop()?;
        }
    }
    Ok(())
}
