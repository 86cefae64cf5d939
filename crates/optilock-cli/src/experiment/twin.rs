//! Every run in virtual time too, on a server that gets as much done as the one that was measured.

use std::{io, time::Duration};

use optilock_lab::{Capacity, Plan, RunSummary};

use crate::{
    table::{Column, Group, Table},
    term::{Role, Screen},
};

/// How many twins each run has. They cost little, and a median of more says more.
const TWINS: u64 = 4;

/// Runs and their twins.
#[derive(Debug)]
pub(super) struct Twins {
    capacity: Capacity,
    families: Vec<(RunSummary, Vec<RunSummary>)>,
}

impl Twins {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            families: Vec::new(),
        }
    }

    /// The run's twins: each with a seed of its own.
    pub(super) fn of(&self, plan: &Plan) -> Vec<Plan> {
        let first = plan.seed.wrapping_mul(TWINS);
        let twin = |turn| Plan {
            capacity: Some(self.capacity),
            seed: first.wrapping_add(turn),
            ..plan.clone()
        };
        (0..TWINS).map(twin).collect()
    }

    pub(super) fn push(&mut self, run: RunSummary, twins: Vec<RunSummary>) {
        self.families.push((run, twins));
    }

    pub(super) fn show(&self, screen: &Screen) -> io::Result<()> {
        screen.line(Role::Plain, "")?;
        screen.table(&self.table())?;
        let Capacity {
            read,
            refused,
            write,
            variation,
        } = self.capacity;
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        screen.text(
            Role::Plain,
            &format!(
                "measured: the server is busy for {:.2} ms with a read, {:.2} with a write that it refuses and {:.2} with \
                 one that it accepts (± {:.0} %), and the answers take {:.2}, {:.2} and {:.2} ms more",
                millis(read.work),
                millis(refused.work),
                millis(write.work),
                variation * 100.0,
                millis(read.latency),
                millis(refused.latency),
                millis(write.latency),
            ),
        )
    }

    /// The medians over repeated runs, side by side.
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
            .families
            .chunk_by(|(one, _), (next, _)| {
                (&one.strategy, one.workers) == (&next.strategy, next.workers)
            })
            .map(|families| {
                let live = Medians::of(&families.iter().map(|(run, _)| run));
                let twin = Medians::of(&families.iter().flat_map(|(_, twins)| twins));
                let off = |live: f64, twin: f64| format!("{:+.1}", (twin / live - 1.0) * 100.0);
                let run = &families[0].0;
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
                title: "live and in virtual time, medians:".to_owned(),
                rows: rows.collect(),
            }],
            columns,
        }
    }
}

/// What the run in the middle comes to.
struct Medians {
    /// For each acknowledged update.
    requests: f64,
    /// The share of the updates.
    abandoned: f64,
    /// The time of a run.
    millis: f64,
}

impl Medians {
    fn of<'a>(runs: &(impl Iterator<Item = &'a RunSummary> + Clone)) -> Self {
        let of = |part: fn(&RunSummary) -> f64| median(runs.clone().map(part).collect());
        Self {
            requests: of(|run| run.requests.total() as f64 / run.updates.applied.max(1) as f64),
            abandoned: of(|run| run.updates.abandoned as f64 / run.updates.begun.max(1) as f64),
            millis: of(|run| run.took_ns as f64 / 1e6),
        }
    }
}

/// The value in the middle, or between the two there.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn half_are_below_and_half_above() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), 3.0);
        assert!(median(Vec::new()).is_nan());
    }
}
