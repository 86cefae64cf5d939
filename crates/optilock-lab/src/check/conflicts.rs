//! A conflict is answered only where the base was no longer the current version.

use super::{Rule, findings::Findings, object::Object};
use crate::history::{Operation, Outcome, Verb};

/// Judges every conflict; how many of them were an update's conflict with itself.
///
/// In the only possible order a conflict stands after the version that follows its base. That version comes after everything
/// that saw the base as current: if one of these, or the write that made the version, began only after the conflict
/// was answered, the base was still the current one then.
pub(super) fn check(object: &Object<'_>, findings: &mut Findings<'_>) -> u64 {
    if !object
        .operations
        .iter()
        .any(|(_, op)| op.outcome == Outcome::Conflict)
    {
        return 0;
    }
    let latest = latest_up_to(object);
    let mut own = 0;
    for &(index, conflict) in &object.operations {
        let (Outcome::Conflict, Some(base), Some(returned)) =
            (conflict.outcome, conflict.base, conflict.return_ns)
        else {
            continue;
        };
        findings.checked(Rule::SpuriousConflict);
        let after = object
            .position(base)
            .map_or_else(|next| next, |found| found + 1);
        let next = object.versions.get(after);
        let told = next.and_then(|version| version.op_ids);
        let next_writer = next
            .and_then(|version| version.writer())
            .filter(|(_, write)| write.base == Some(base));
        let is_own = |id: &str| id == &*conflict.op_id;
        if next_writer.is_some_and(|(_, write)| is_own(&write.op_id))
            || told.is_some_and(|(_, op_ids)| op_ids.iter().any(|id| is_own(id)))
        {
            own += 1;
        }
        let before = after.checked_sub(1).and_then(|at| latest[at]);
        let overwriting = next_writer.map(|(index, write)| (write.invoke_ns, index));
        let Some((began, witness)) = before.max(overwriting) else {
            continue;
        };
        if began < returned {
            continue;
        }
        findings.violated(Rule::SpuriousConflict, object.uid, [index, witness], || {
            format!(
                "{:?} was refused because of its base {base}, which was still the current version \
                 {} ns later",
                conflict.op_id,
                began - returned
            )
        });
    }
    own
}

/// For each version, when the last operation began that saw it or an older one as the current version, and which.
fn latest_up_to(object: &Object<'_>) -> Vec<Option<(u64, usize)>> {
    let mut latest: Vec<Option<(u64, usize)>> = vec![None; object.versions.len()];
    let saw =
        |op: &Operation| op.outcome == Outcome::Applied && !op.cached && op.verb != Verb::Delete;
    for &(index, operation) in &object.operations {
        if !saw(operation) {
            continue;
        }
        if let Some(at) = operation.rv.and_then(|rv| object.position(rv).ok()) {
            latest[at] = latest[at].max(Some((operation.invoke_ns, index)));
        }
    }
    let mut so_far = None;
    for own in &mut latest {
        so_far = so_far.max(*own);
        *own = so_far;
    }
    latest
}
