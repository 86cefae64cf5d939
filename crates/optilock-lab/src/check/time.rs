//! What has returned before something else began comes before it.

use std::collections::HashMap;

use super::{Rule, findings::Findings, object::Object};
use crate::history::{Operation, Outcome, ResourceVersion, Verb};

/// The newest version of which anybody had an answer, and the record that says so.
type Floor = Option<(ResourceVersion, usize)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    // What begins at the instant at which something else returns is concurrent with it.
    Invoke,
    Return,
}

/// Goes through all invocations and returns by time; an operation that began above a floor must be above it.
pub(super) fn check(object: &Object<'_>, findings: &mut Findings<'_>) {
    let answered = |(_, op): &&(usize, &Operation)| {
        op.outcome == Outcome::Applied && op.rv.is_some() && op.verb != Verb::Delete
    };
    let answered: Vec<_> = object.operations.iter().filter(answered).collect();
    let mut ends = Vec::with_capacity(2 * answered.len());
    for (at, (_, operation)) in answered.iter().enumerate() {
        let Some(returned) = operation.return_ns else {
            continue;
        };
        ends.push((operation.invoke_ns, End::Invoke, at));
        ends.push((returned, End::Return, at));
    }
    ends.sort_unstable();

    let mut floor: Floor = None;
    let mut floors: Vec<Floor> = vec![None; answered.len()];
    let mut cached: HashMap<u32, Floor> = HashMap::new();
    for (_, end, at) in ends {
        let &&(index, operation) = &answered[at];
        let Some(rv) = operation.rv else { continue };
        // A worker that reads from a cache promises itself only not to go back.
        let own_cache = operation.worker.filter(|_| operation.cached);
        match end {
            End::Invoke if operation.cached => {
                floors[at] = own_cache.and_then(|worker| cached.get(&worker).copied().flatten());
            }
            End::Invoke => floors[at] = floor,
            End::Return => {
                judge(object, findings, (index, operation), rv, floors[at]);
                raise(&mut floor, rv, index);
                if let Some(worker) = own_cache {
                    raise(cached.entry(worker).or_default(), rv, index);
                }
            }
        }
    }
}

fn raise(floor: &mut Floor, rv: ResourceVersion, index: usize) {
    if floor.is_none_or(|(highest, _)| highest < rv) {
        *floor = Some((rv, index));
    }
}

fn judge(
    object: &Object<'_>,
    findings: &mut Findings<'_>,
    (index, operation): (usize, &Operation),
    rv: ResourceVersion,
    floor: Floor,
) {
    let makes = operation.made().is_some();
    let rule = if operation.is_write() {
        Rule::StaleWrite
    } else {
        Rule::StaleRead
    };
    findings.checked(rule);
    let Some((floor, witness)) = floor else {
        return;
    };
    if rv > floor || (rv == floor && !makes) {
        return;
    }
    findings.violated(rule, object.uid, [witness, index], || {
        let op_id = &operation.op_id;
        if makes {
            format!(
                "the write of {op_id:?} made version {rv}, though version {floor} was known before it \
                 began"
            )
        } else {
            format!("{op_id:?} was answered version {rv}, though version {floor} was known before it asked")
        }
    });
}
