use std::{collections::BTreeSet, collections::HashMap, sync::Arc};

use serde::Serialize;

use crate::{
    check::Verdict,
    history::{Header, History, Operation, Outcome, Record, ResourceVersion, Verb},
};

/// Beyond so many updates the page numbers them: their names would be most of it.
const MOST_NAMES: usize = 20_000;
/// In a history that is longer than this, in nanoseconds, nobody looks at less than a microsecond.
const LONG: u64 = 10_000_000_000;

/// A history as the page's script reads it: a list for each field, so that 100,000 operations take a few megabytes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Columns {
    name: String,
    header: Header,
    verdict: Verdict,
    /// The workers' numbers, of which `ops.worker` are indices.
    workers: Vec<u32>,
    objects: Vec<Object>,
    /// The updates' names; none where there are too many.
    op_ids: Option<Vec<Arc<str>>>,
    /// What spans were spent on.
    whats: Vec<Arc<str>>,
    /// Nanoseconds in a unit of time.
    unit_ns: u64,
    ops: Ops,
    spans: Spans,
}

#[derive(Debug, Clone, Serialize)]
struct Object {
    kind: Arc<str>,
    name: Arc<str>,
}

/// Operations in the order of their starts. -1 stands for nothing.
#[derive(Debug, Clone, Default, Serialize)]
struct Ops {
    worker: Vec<i64>,
    object: Vec<usize>,
    update: Vec<usize>,
    verb: Vec<u8>,
    outcome: Vec<u8>,
    /// In units after the start of the one before.
    start: Vec<u64>,
    took: Vec<u64>,
    base: Vec<i64>,
    rv: Vec<i64>,
    line: Vec<u64>,
}

/// Parts of the operations' time. Starts are in units after the first of all.
#[derive(Debug, Clone, Default, Serialize)]
struct Spans {
    op: Vec<usize>,
    what: Vec<usize>,
    start: Vec<u64>,
    took: Vec<u64>,
}

impl Columns {
    pub(super) fn new(name: String, history: &History, verdict: Verdict) -> Self {
        let mut operations: Vec<(u64, &Operation)> = history
            .records
            .iter()
            .filter_map(|numbered| match &numbered.record {
                Record::Operation(operation) => Some((numbered.line, operation)),
                Record::WatchEvent(_) => None,
            })
            .collect();
        operations.sort_by_key(|(line, operation)| (operation.invoke_ns, *line));
        let clock = Clock::of(operations.iter().map(|(_, operation)| *operation));

        let workers: BTreeSet<u32> = operations.iter().filter_map(|(_, o)| o.worker).collect();
        let workers: Vec<u32> = workers.into_iter().collect();
        let mut objects = Numbers::default();
        let mut updates = Numbers::default();
        let mut whats = Numbers::default();
        let mut known = Vec::new();
        let mut ops = Ops::default();
        let mut spans = Spans::default();
        let mut before = 0;
        for (at, (line, operation)) in operations.iter().enumerate() {
            let identity = operation.uid.as_ref().unwrap_or(&operation.name);
            let object = objects.number(identity);
            if object == known.len() {
                known.push(Object {
                    kind: operation.kind.clone(),
                    name: operation.name.clone(),
                });
            }
            let worker = operation
                .worker
                .map(|worker| workers.binary_search(&worker));
            ops.worker.push(match worker {
                Some(Ok(index)) => i64::try_from(index).unwrap_or(-1),
                _ => -1,
            });
            ops.object.push(object);
            ops.update.push(updates.number(&operation.op_id));
            ops.verb.push(verb(operation.verb));
            ops.outcome.push(outcome(operation.outcome));
            let start = clock.units(operation.invoke_ns);
            ops.start.push(start - before);
            before = start;
            let end = operation.return_ns.unwrap_or(clock.last);
            ops.took.push(clock.units(end) - start);
            ops.base.push(version(operation.base));
            ops.rv.push(version(operation.rv));
            ops.line.push(*line);
            for span in &operation.spans {
                let start = clock.units(span.start_ns);
                spans.op.push(at);
                spans.what.push(whats.number(&span.what));
                spans.start.push(start);
                spans
                    .took
                    .push(clock.units(span.end_ns).saturating_sub(start));
            }
        }
        Self {
            name,
            header: history.header.clone(),
            verdict,
            workers,
            objects: known,
            op_ids: (updates.names.len() <= MOST_NAMES).then_some(updates.names),
            whats: whats.names,
            unit_ns: clock.unit,
            ops,
            spans,
        }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.verdict.is_ok()
    }
}

/// Times of a history in units after its first.
struct Clock {
    first: u64,
    last: u64,
    unit: u64,
}

impl Clock {
    fn of<'a>(operations: impl Iterator<Item = &'a Operation>) -> Self {
        let mut times = Vec::new();
        for operation in operations {
            times.push(operation.invoke_ns);
            times.extend(operation.return_ns);
            times.extend(
                operation
                    .spans
                    .iter()
                    .flat_map(|span| [span.start_ns, span.end_ns]),
            );
        }
        let first = times.iter().copied().min().unwrap_or_default();
        let last = times.iter().copied().max().unwrap_or_default();
        let unit = if last - first > LONG { 1000 } else { 1 };
        Self { first, last, unit }
    }

    fn units(&self, ns: u64) -> u64 {
        (ns - self.first) / self.unit
    }
}

/// Names by number, in the order in which they were met.
#[derive(Default)]
struct Numbers {
    names: Vec<Arc<str>>,
    known: HashMap<Arc<str>, usize>,
}

impl Numbers {
    fn number(&mut self, name: &Arc<str>) -> usize {
        *self.known.entry(name.clone()).or_insert_with(|| {
            self.names.push(name.clone());
            self.names.len() - 1
        })
    }
}

fn version(version: Option<ResourceVersion>) -> i64 {
    version.map_or(-1, |version| i64::try_from(version.0).unwrap_or(-1))
}

/// The script's `VERBS`.
fn verb(verb: Verb) -> u8 {
    match verb {
        Verb::Create => 0,
        Verb::Get => 1,
        Verb::Update => 2,
        Verb::Patch => 3,
        Verb::Delete => 4,
    }
}

/// The script's `OUTCOMES`.
fn outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Applied => 0,
        Outcome::Conflict => 1,
        Outcome::Refused => 2,
        Outcome::Unknown => 3,
    }
}
