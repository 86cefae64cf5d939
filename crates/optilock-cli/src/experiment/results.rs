//! The results for people.

use std::io;

use optilock_lab::{Glance, RunSummary, Summary, check::check, history::History};

use crate::{
    table::{Column, Group, Table},
    term::{Role, Screen},
};

/// A column of the results: its header, its name in CSV, its cell.
pub(super) struct Field {
    pub(super) header: &'static str,
    pub(super) name: &'static str,
    pub(super) cell: fn(&RunSummary) -> String,
}

const fn field(header: &'static str, name: &'static str, cell: fn(&RunSummary) -> String) -> Field {
    Field { header, name, cell }
}

/// What a run came to, as it is exported.
pub(super) const RESULTS: &[Field] = &[
    field("strategy", "strategy", |run| run.strategy.clone()),
    field("workers", "workers", |run| run.workers.to_string()),
    field("begun", "updates_begun", |run| {
        run.updates.begun.to_string()
    }),
    field("applied", "updates_applied", |run| {
        run.updates.applied.to_string()
    }),
    field("gave up", "updates_abandoned", |run| {
        run.updates.abandoned.to_string()
    }),
    field("unknown", "updates_unknown", |run| {
        run.updates.unknown.to_string()
    }),
    field("lost", "updates_lost", |run| run.counter.lost.to_string()),
    field("doubled", "updates_doubled", |run| {
        run.counter.excess.to_string()
    }),
    field("conflicts %", "conflict_percent", |run| {
        run.conflict_rate
            .map_or(String::new(), |rate| format!("{:.1}", rate * 100.0))
    }),
    field("req/update", "requests_per_update", |run| {
        run.requests_per_update
            .map_or(String::new(), |rate| format!("{rate:.2}"))
    }),
    field("least", "least_requests_per_update", |run| {
        format!("{:.2}", run.least.requests_per_update)
    }),
    field("updates/s", "updates_per_second", |run| {
        let seconds = run.took_ns as f64 / 1e9;
        format!(
            "{:.1}",
            run.updates.applied as f64 / seconds.max(f64::MIN_POSITIVE)
        )
    }),
    field("ms", "took_ms", |run| millis(run.took_ns)),
    field("least ms", "least_took_ms", |run| {
        run.least.took_ns.map_or(String::new(), millis)
    }),
    field("p50 ms", "p50_ms", |run| {
        run.latency.map_or(String::new(), |all| millis(all.p50_ns))
    }),
    field("p99 ms", "p99_ms", |run| {
        run.latency.map_or(String::new(), |all| millis(all.p99_ns))
    }),
    field("longest ms", "longest_wait_ms", |run| {
        millis(run.longest_wait_ns)
    }),
    field("Jain", "jain", |run| {
        run.jain.map_or(String::new(), |jain| format!("{jain:.2}"))
    }),
    field("verdict", "verdict", |run| match run.verdict.ok {
        true => "ok".to_owned(),
        false => "VIOLATED".to_owned(),
    }),
];

/// Where a run's time went, in ms for each update that was begun.
pub(super) const TIMES: &[Field] = &[
    field("strategy", "strategy", |run| run.strategy.clone()),
    field("workers", "workers", |run| run.workers.to_string()),
    field("throttle", "throttle_ms", |run| {
        each(run, run.time.throttle_ns)
    }),
    field("backoff", "backoff_ms", |run| {
        each(run, run.time.backoff_ns)
    }),
    field("GET", "get_ms", |run| each(run, run.time.get_ns)),
    field("write", "write_ms", |run| each(run, run.time.write_ns)),
    field("waiting", "wait_ms", |run| each(run, run.time.wait_ns)),
    field("other", "other_ms", |run| each(run, run.time.other_ns)),
];

/// The tables that people see, by the names of their columns: each is as wide as a terminal of 80 columns bears.
const TABLES: &[(&str, &[&str])] = &[
    (
        "what came of it",
        &[
            "strategy",
            "workers",
            "updates_applied",
            "updates_abandoned",
            "updates_unknown",
            "updates_lost",
            "updates_doubled",
            "verdict",
        ],
    ),
    (
        "what it cost",
        &[
            "strategy",
            "workers",
            "conflict_percent",
            "requests_per_update",
            "least_requests_per_update",
            "updates_per_second",
        ],
    ),
    (
        "how long it took, the whole run and each update",
        &[
            "strategy",
            "workers",
            "took_ms",
            "least_took_ms",
            "p50_ms",
            "p99_ms",
            "longest_wait_ms",
            "jain",
        ],
    ),
    (
        "where the time went, ms an operation (waiting: for a lock, a batch or a watch)",
        &[
            "strategy",
            "workers",
            "throttle_ms",
            "backoff_ms",
            "get_ms",
            "write_ms",
            "wait_ms",
            "other_ms",
        ],
    ),
];

fn millis(nanos: u64) -> String {
    format!("{:.1}", nanos as f64 / 1e6)
}

fn each(run: &RunSummary, nanos: u64) -> String {
    let operations = (run.updates.begun + run.updates.reads).max(1);
    millis(nanos / operations)
}

/// The line of progress.
pub(super) fn glance(what: &str, glance: &Glance) -> String {
    let p99 = glance
        .p99
        .map(|p99| format!(", p99 {:.1} ms", p99.as_secs_f64() * 1e3));
    format!(
        "{what}: {:.0} updates/s, {:.0} % conflicts{}",
        glance.rate,
        glance.conflict_rate * 100.0,
        p99.unwrap_or_default()
    )
}

pub(super) fn show(screen: &Screen, summary: &Summary) -> io::Result<()> {
    for (title, names) in TABLES {
        screen.table(&table(title, names, summary))?;
        screen.line(Role::Plain, "")?;
    }
    for run in summary.runs.iter().filter(|run| run.stopped.is_some()) {
        let why = run.stopped.as_deref().unwrap_or_default();
        screen.text(
            Role::Bad,
            &format!("{} × {}: {why}", run.strategy, run.workers),
        )?;
    }
    screen.text(Role::Plain, &format!("again: {}", summary.command))
}

fn table(title: &str, names: &[&str], summary: &Summary) -> Table {
    let all = || RESULTS.iter().chain(TIMES);
    let fields = names
        .iter()
        .filter_map(|name| all().find(|field| field.name == *name));
    let fields: Vec<&Field> = fields.collect();
    let columns = fields.iter().enumerate().map(|(index, field)| match index {
        0 => Column::left(&[field.header]),
        _ => Column::right(&[field.header]),
    });
    let rows = summary
        .runs
        .iter()
        .map(|run| fields.iter().map(|field| (field.cell)(run)).collect());
    Table {
        columns: columns.collect(),
        groups: vec![Group {
            title: format!("{title}:"),
            rows: rows.collect(),
        }],
    }
}

/// What is wrong with a run: of each rule the first violation.
pub(super) fn show_violations(
    screen: &Screen,
    run: &RunSummary,
    history: &History,
) -> io::Result<()> {
    let verdict = check(history);
    let what = format!("{} × {}", run.strategy, run.workers);
    for violated in &run.verdict.violated {
        let mut shown = verdict
            .violations
            .iter()
            .filter(|one| one.rule == violated.rule);
        if let Some(first) = shown.next() {
            let (rule, times) = (violated.rule.id(), violated.times);
            screen.text(
                Role::Bad,
                &format!("{what}: {rule} ({times}): {}", first.message),
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_the_tables_is_known() {
        for name in TABLES.iter().flat_map(|(_, names)| *names) {
            let mut all = RESULTS.iter().chain(TIMES);
            assert!(all.any(|field| field.name == *name), "{name}");
        }
    }
}
