//! The counter moves by what was applied, and by nothing else.

use super::{
    Rule,
    findings::Findings,
    object::{Object, Version},
};
use crate::history::{Fate, Operation, Outcome};

/// Replays the values of an object in the order of its versions.
pub(super) fn check(object: &Object<'_>, findings: &mut Findings<'_>) {
    let slack = Slack::of(object);
    let mut known: Option<(usize, &Version<'_>, i64)> = None;
    let mut first = None;
    let mut acknowledged: i128 = 0;
    for (at, version) in object.versions.iter().enumerate() {
        for &(index, value) in &version.contradictions {
            let one = version.value.map(|(index, _)| index);
            findings.violated(
                Rule::Value,
                object.uid,
                one.into_iter().chain([index]),
                || {
                    let other = version.value.map_or(value, |(_, value)| value);
                    format!("version {} has the values {other} and {value}", version.rv)
                },
            );
        }
        if first.is_some() {
            let adds = version.writers.iter().map(|(_, write)| write.adds());
            acknowledged += adds.map(i128::from).sum::<i128>();
        }
        let Some((told, value)) = version.value else {
            continue;
        };
        findings.checked(Rule::Value);
        let before = version
            .writer()
            .and_then(|(_, write)| base_of(object, write))
            .or_else(|| {
                known
                    .filter(|(last, ..)| last + 1 == at)
                    .map(|(_, before, value)| (before, value))
            });
        if let Some((before, old)) = before {
            step(
                object,
                findings,
                &slack,
                (before, old),
                (version, told, value),
            );
        }
        first.get_or_insert((told, value));
        known = Some((at, version, value));
    }
    if let (Some((start, old)), Some((_, last, new))) = (first, known) {
        findings.checked(Rule::Count);
        let moved = i128::from(new) - i128::from(old);
        let low = acknowledged + slack.down;
        let high = acknowledged + slack.up;
        if !(low..=high).contains(&moved) {
            let end = last.value.map_or(last.seen, |(index, _)| index);
            findings.violated(Rule::Count, object.uid, [start, end], || {
                let and = match slack.updates {
                    0 => String::new(),
                    unknown => format!(" and {unknown} of unknown outcome"),
                };
                format!(
                    "the counter moved from {old} to {new}, by {moved}; the acknowledged updates \
                     add {acknowledged}{and}"
                )
            });
        }
    }
}

/// The version that a write was computed from, with its value.
fn base_of<'o, 'a>(object: &'o Object<'a>, write: &Operation) -> Option<(&'o Version<'a>, i64)> {
    let base = object.version(write.base?)?;
    Some((base, base.value?.1))
}

/// One version's value is that of the one before plus what its write adds.
fn step(
    object: &Object<'_>,
    findings: &mut Findings<'_>,
    slack: &Slack,
    (before, old): (&Version<'_>, i64),
    (version, told, value): (&Version<'_>, usize, i64),
) {
    let moved = i128::from(value) - i128::from(old);
    let writer = version.writer();
    let (low, high) = match writer {
        Some((_, write)) if write.base.is_some() => {
            (i128::from(write.adds()), i128::from(write.adds()))
        }
        Some((_, write)) => (
            i128::from(write.adds()) + slack.down,
            i128::from(write.adds()) + slack.up,
        ),
        None => (slack.down, slack.up),
    };
    if (low..=high).contains(&moved) {
        return;
    }
    let shown = [
        before.value.map(|(index, _)| index),
        Some(told),
        writer.map(|(index, _)| index),
    ];
    findings.violated(Rule::Value, object.uid, shown.into_iter().flatten(), || {
        let (from, to) = (before.rv, version.rv);
        match writer {
            Some((_, write)) => format!(
                "{:?} adds {}, but the counter went from {old} in version {from} to {value} in \
                 version {to}",
                write.op_id, write.adds()
            ),
            None => format!(
                "the counter went from {old} in version {from} to {value} in version {to}, which no \
                 acknowledged update made and unknown ones don't explain"
            ),
        }
    });
}

/// What updates of unknown outcome may have added.
struct Slack {
    updates: usize,
    up: i128,
    down: i128,
}

impl Slack {
    fn of(object: &Object<'_>) -> Self {
        let operations = || object.operations.iter().map(|&(_, operation)| operation);
        let is_unknown = |outcome| outcome == Outcome::Unknown;
        // Mostly there are none, and the rest need not be sorted by update.
        let fates = match operations().any(|one| is_unknown(one.outcome)) {
            true => Fate::of_updates(operations()),
            false => Default::default(),
        };
        let unknown = fates.values().filter(|fate| is_unknown(fate.outcome));
        let unknown: Vec<i64> = unknown.map(|fate| fate.adds).collect();
        let sum = |sign: fn(&i64) -> bool| {
            let adds = unknown.iter().filter(|add| sign(add));
            adds.map(|&add| i128::from(add)).sum()
        };
        Self {
            updates: unknown.len(),
            up: sum(|add| *add > 0),
            down: sum(|add| *add < 0),
        }
    }
}
