//! Every run once more in virtual time, on a server that gets as much done as the one that was measured.

use std::io;

use optilock_lab::{Leg, Measured, Plan, RunSummary};

use crate::{
    table::{Column, Group, Table},
    term::{Role, Screen},
};

/// Runs and their twins.
#[derive(Debug)]
pub(super) struct Twins {
    measured: Measured,
    pairs: Vec<(RunSummary, RunSummary)>,
}

impl Twins {
    pub(super) fn new(measured: Measured) -> Self {
        Self {
            measured,
            pairs: Vec::new(),
        }
    }

    /// The run's twin: with the server's own latency besides that of the network.
    pub(super) fn of(&self, plan: &Plan) -> Plan {
        let (network, server) = (plan.leg, self.measured.leg);
        let deviation = network
            .deviation
            .as_secs_f64()
            .hypot(server.deviation.as_secs_f64());
        Plan {
            leg: Leg {
                mean: network.mean + server.mean,
                deviation: std::time::Duration::from_secs_f64(deviation),
            },
            capacity: Some(self.measured.capacity),
            ..plan.clone()
        }
    }

    pub(super) fn push(&mut self, run: RunSummary, twin: RunSummary) {
        self.pairs.push((run, twin));
    }

    pub(super) fn show(&self, screen: &Screen) -> io::Result<()> {
        screen.line(Role::Plain, "")?;
        screen.table(&self.table())?;
        let Measured { leg, capacity, .. } = self.measured;
        let millis = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        screen.text(
            Role::Plain,
            &format!(
                "measured: {:.2} ms a way (± {:.2}); the server is busy for {:.2} ms with a read, {:.2} with a write that it \
                 refuses and {:.2} with one that it accepts, whose answer takes {:.2} ms more",
                millis(leg.mean),
                millis(leg.deviation),
                millis(capacity.read),
                millis(capacity.refused),
                millis(capacity.write),
                millis(capacity.store),
            ),
        )
    }

    /// The means over repeated runs, side by side.
    fn table(&self) -> Table {
        let mut columns = vec![Column::left(&["strategy"]), Column::right(&["workers"])];
        for header in [
            "req/update",
            "virtual",
            "off %",
            "gave up %",
            "virtual",
            "ms",
            "virtual",
            "off %",
        ] {
            columns.push(Column::right(&[header]));
        }
        let rows = self
            .pairs
            .chunk_by(|(one, _), (next, _)| {
                (&one.strategy, one.workers) == (&next.strategy, next.workers)
            })
            .map(|pairs| {
                let live = Sum::of(pairs.iter().map(|(run, _)| run));
                let twin = Sum::of(pairs.iter().map(|(_, twin)| twin));
                let off = |live: f64, twin: f64| format!("{:+.1}", (twin / live - 1.0) * 100.0);
                let run = &pairs[0].0;
                vec![
                    run.strategy.clone(),
                    run.workers.to_string(),
                    format!("{:.2}", live.requests),
                    format!("{:.2}", twin.requests),
                    off(live.requests, twin.requests),
                    format!("{:.1}", live.abandoned * 100.0),
                    format!("{:.1}", twin.abandoned * 100.0),
                    format!("{:.1}", live.millis),
                    format!("{:.1}", twin.millis),
                    off(live.millis, twin.millis),
                ]
            });
        Table {
            groups: vec![Group {
                title: "live and in virtual time:".to_owned(),
                rows: rows.collect(),
            }],
            columns,
        }
    }
}

/// What runs came to together.
struct Sum {
    /// For each acknowledged update.
    requests: f64,
    /// The share of the updates.
    abandoned: f64,
    /// The mean time of a run.
    millis: f64,
}

impl Sum {
    fn of<'a>(runs: impl Iterator<Item = &'a RunSummary> + Clone) -> Self {
        let sum = |part: fn(&RunSummary) -> u64| runs.clone().map(part).sum::<u64>() as f64;
        let applied = sum(|run| run.updates.applied);
        Self {
            requests: sum(|run| run.requests.total()) / applied.max(1.0),
            abandoned: sum(|run| run.updates.abandoned) / sum(|run| run.updates.begun).max(1.0),
            millis: sum(|run| run.took_ns) / 1e6 / runs.count().max(1) as f64,
        }
    }
}
