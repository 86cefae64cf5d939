//! Every run in virtual time too, on a server that gets as much done as the one that was measured.

use std::{
    io,
    time::{Duration, Instant},
};

use optilock_lab::{Capacity, Pace, Plan, RunSummary};

use crate::{
    table::{Column, Group, Table},
    term::{Role, Screen},
};

/// How often a run is done where nobody says otherwise: what differs from its twins more than from another run like it,
/// isn't chance.
pub(super) const REPEATS: u64 = 5;
/// How many twins each run has. They cost little, and a median of more says more.
const TWINS: u64 = 4;
/// For so long a server is taken to be as fast as it was when it was measured.
const FRESH: Duration = Duration::from_secs(5);

/// So far apart, in percent, what is live and its twin agree.
const NEAR: f64 = 10.0;

/// One kind of request.
type Kind = fn(&Capacity) -> Pace;

/// Runs and their twins.
#[derive(Debug, Default)]
pub(super) struct Twins {
    measured: Vec<Measured>,
    families: Vec<(RunSummary, Vec<RunSummary>)>,
}

/// What a server got done when so many asked at once.
#[derive(Debug)]
struct Measured {
    clients: usize,
    at: Instant,
    capacity: Capacity,
}

impl Twins {
    /// Whether the server has to be measured before runs with so many workers have twins.
    pub(super) fn needs_measuring(&self, workers: usize) -> bool {
        self.measured
            .last()
            .is_none_or(|last| last.clients != workers || last.at.elapsed() > FRESH)
    }

    /// Keeps what was just measured with so many clients.
    pub(super) fn keep(&mut self, clients: usize, capacity: Capacity) {
        self.measured.push(Measured {
            clients,
            at: Instant::now(),
            capacity,
        });
    }

    /// The run's twins: the same workers, who draw the same pauses, each time on another day of the server.
    pub(super) fn of(&self, plan: &Plan) -> Vec<Plan> {
        let first = plan.seed.wrapping_mul(TWINS);
        let capacity = self.capacity(plan.workers);
        let twin = |turn| Plan {
            capacity: Some(Capacity {
                seed: first.wrapping_add(turn),
                ..capacity
            }),
            ..plan.clone()
        };
        (0..TWINS).map(twin).collect()
    }

    /// What the server gets done where so many ask: the medians of what was measured.
    fn capacity(&self, clients: usize) -> Capacity {
        let middle = |kind: Kind| {
            let part = |part: fn(&Pace) -> Duration| {
                let millis = self.millis(clients, kind, part).median;
                Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default()
            };
            Pace {
                work: part(|pace| pace.work),
                beside: part(|pace| pace.beside),
                turns: part(|pace| pace.turns),
                latency: part(|pace| pace.latency),
                wake: part(|pace| pace.wake),
            }
        };
        let measured = self.of_clients(clients);
        Capacity {
            processors: measured.map(|one| one.processors).max().unwrap_or(1),
            read: middle(|one| one.read),
            refused: middle(|one| one.refused),
            write: middle(|one| one.write),
            seed: 0,
        }
    }

    fn of_clients(&self, clients: usize) -> impl Iterator<Item = &Capacity> {
        let measured = self.measured.iter();
        measured
            .filter(move |one| one.clients == clients)
            .map(|one| &one.capacity)
    }

    /// Where a part of the time for a kind of request is, in milliseconds.
    fn millis(&self, clients: usize, kind: Kind, part: fn(&Pace) -> Duration) -> Middle {
        let times = self.of_clients(clients).map(|one| part(&kind(one)));
        Middle::of(times.map(|time| time.as_secs_f64() * 1e3).collect())
    }

    pub(super) fn push(&mut self, run: RunSummary, twins: Vec<RunSummary>) {
        self.families.push((run, twins));
    }

    pub(super) fn show(&self, screen: &Screen) -> io::Result<()> {
        screen.line(Role::Plain, "")?;
        for quantity in QUANTITIES {
            screen.table(&self.side_by_side(quantity))?;
            screen.line(Role::Plain, "")?;
        }
        screen.table(&self.server())
    }

    /// What was measured, by the number of clients, medians.
    fn server(&self) -> Table {
        let mut columns = vec![Column::left(&["request"]), Column::right(&["clients"])];
        for header in ["busy ms", "± %", "more ms", "asleep ms"] {
            columns.push(Column::right(&[header]));
        }
        let mut numbers: Vec<usize> = self.measured.iter().map(|one| one.clients).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let kinds: [(_, Kind); 3] = [
            ("read", |one| one.read),
            ("write, accepted", |one| one.write),
            ("write, refused", |one| one.refused),
        ];
        let rows = numbers.iter().flat_map(|&clients| {
            kinds.map(|(name, kind)| {
                let work = self.millis(clients, kind, |pace| pace.work + pace.beside);
                let more = self.millis(clients, kind, |pace| pace.turns + pace.latency);
                let wake = self.millis(clients, kind, |pace| pace.wake);
                vec![
                    name.to_owned(),
                    clients.to_string(),
                    format!("{:.2}", work.median),
                    format!("{:.0}", work.spread()),
                    format!("{:.2}", more.median),
                    format!("{:.2}", wake.median),
                ]
            })
        });
        Table {
            groups: vec![Group {
                title: "the server as it was measured: how long a request keeps a processor busy, what its answer takes besides, \
                        and what more it takes where nobody has asked for a millisecond:"
                    .to_owned(),
                rows: rows.collect(),
            }],
            columns,
        }
    }

    /// A quantity of repeated runs and of their twins, by strategy and number of workers.
    fn side_by_side(&self, quantity: &Quantity) -> Table {
        let mut columns = vec![Column::left(&["strategy"]), Column::right(&["workers"])];
        for header in ["live", "± %", "virtual", "± %", "off %"] {
            columns.push(Column::right(&[header]));
        }
        columns.push(Column::left(&["agree within"]));
        let families = self.families.chunk_by(|(one, _), (next, _)| {
            (&one.strategy, one.workers) == (&next.strategy, next.workers)
        });
        let rows = families.map(|repeats| {
            let live = quantity.of(&repeats.iter().map(|(run, _)| run));
            let twin = quantity.of(&repeats.iter().flat_map(|(_, twins)| twins));
            let digits = quantity.digits;
            let (run, _) = &repeats[0];
            vec![
                run.strategy.clone(),
                run.workers.to_string(),
                format!("{:.digits$}", live.value),
                format!("{:.0}", live.spread),
                format!("{:.digits$}", twin.value),
                format!("{:.0}", twin.spread),
                format!("{:+.1}", twin.off(live)),
                twin.agrees(live).to_owned(),
            ]
        });
        Table {
            groups: vec![Group {
                title: quantity.title.to_owned(),
                rows: rows.collect(),
            }],
            columns,
        }
    }
}

/// Something that runs are compared in.
struct Quantity {
    title: &'static str,
    digits: usize,
    /// Of one run: how much of it there is, and for how many.
    of: fn(&RunSummary) -> (f64, f64),
    /// Whether runs count together: the median of a few that have a handful of requests each would jump.
    is_pooled: bool,
}

const QUANTITIES: &[Quantity] = &[
    Quantity {
        title: "requests for each update, live and in virtual time: of all runs together, and ± half of what the middle half \
                of the runs differs by:",
        digits: 2,
        of: |run| (run.requests.total() as f64, run.updates.applied as f64),
        is_pooled: true,
    },
    Quantity {
        title: "updates given up in percent, likewise:",
        digits: 1,
        of: |run| {
            let begun = run.updates.begun as f64;
            (run.updates.abandoned as f64 * 100.0, begun)
        },
        is_pooled: true,
    },
    Quantity {
        title: "time of a run in ms, live and in virtual time: medians, and ± half of what the middle half of the runs differs \
                by:",
        digits: 1,
        of: |run| (run.took_ns as f64 / 1e6, 1.0),
        is_pooled: false,
    },
];

impl Quantity {
    fn of<'a>(&self, runs: &(impl Iterator<Item = &'a RunSummary> + Clone)) -> Measure {
        let each = runs.clone().map(self.of);
        let middle = Middle::of(
            each.clone()
                .map(|(much, many)| much / many.max(1.0))
                .collect(),
        );
        let together = || {
            let (much, many) = each.fold((0.0, 0.0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
            much / many.max(1.0)
        };
        Measure {
            value: if self.is_pooled {
                together()
            } else {
                middle.median
            },
            spread: middle.spread(),
        }
    }
}

/// What runs came to.
#[derive(Debug, Clone, Copy)]
struct Measure {
    value: f64,
    /// In percent.
    spread: f64,
}

impl Measure {
    /// How far it is from what was live, in percent.
    fn off(self, live: Self) -> f64 {
        match self.value == live.value {
            true => 0.0,
            false => (self.value / live.value - 1.0) * 100.0,
        }
    }

    /// How well it agrees with what was live.
    fn agrees(self, live: Self) -> &'static str {
        match self.off(live).abs() {
            off if off <= NEAR => "10 %",
            off if off <= live.spread => "live ±",
            _ => "no",
        }
    }
}

/// Where the middle half of some values is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Middle {
    lower: f64,
    median: f64,
    upper: f64,
}

impl Middle {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        // Between the two values that are next to the rank.
        let at = |share: f64| {
            let last = values.len().checked_sub(1)?;
            let rank = last as f64 * share;
            let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
            Some(values[below] + (values[above] - values[below]) * rank.fract())
        };
        let quartile = |share| at(share).unwrap_or(f64::NAN);
        Self {
            lower: quartile(0.25),
            median: quartile(0.5),
            upper: quartile(0.75),
        }
    }

    /// Half of the middle half, as a share of the median in percent.
    fn spread(self) -> f64 {
        match self.median > 0.0 {
            true => (self.upper - self.lower) / 2.0 / self.median * 100.0,
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_are_in_the_middle() {
        let middle = |lower, median, upper| Middle {
            lower,
            median,
            upper,
        };
        assert_eq!(Middle::of(vec![9.0, 1.0, 2.0]), middle(1.5, 2.0, 5.5));
        assert_eq!(
            Middle::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]),
            middle(2.0, 3.0, 4.0)
        );
        assert_eq!(
            Middle::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]).spread().round(),
            33.0
        );
        assert!(Middle::of(Vec::new()).median.is_nan());
        assert_eq!(Middle::of(vec![0.0]).spread(), 0.0);
    }

    #[test]
    fn a_twin_agrees_when_it_is_near_or_no_further_off_than_live_runs_are() {
        let live = |spread| Measure {
            value: 200.0,
            spread,
        };
        let twin = |value| Measure { value, spread: 0.0 };
        assert_eq!(twin(219.0).agrees(live(0.0)), "10 %");
        assert_eq!(twin(181.0).agrees(live(0.0)), "10 %");
        assert_eq!(twin(230.0).agrees(live(20.0)), "live ±");
        assert_eq!(twin(230.0).agrees(live(14.0)), "no");
        let nothing = twin(0.0);
        assert_eq!(
            (nothing.off(nothing), nothing.agrees(nothing)),
            (0.0, "10 %")
        );
        assert_eq!(twin(1.0).agrees(nothing), "no");
    }
}
