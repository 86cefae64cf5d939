//! Every update is applied once, if it was acknowledged, and never, if it was refused.

use std::collections::HashMap;

use super::{Rule, findings::Findings, object::Object};
use crate::history::{Outcome, ResourceVersion, Verb};

/// What was found beside violations.
#[derive(Debug, Default)]
pub(super) struct Once {
    /// Updates with unknown attempts only, of which a watch tells that they were applied.
    pub(super) proven_applied: u64,
}

/// What is known of one update.
#[derive(Debug, Default)]
struct Update {
    first: Option<usize>,
    versions: Vec<(ResourceVersion, usize)>,
    acknowledged: bool,
    unknown: bool,
}

pub(super) fn check(object: &Object<'_>, findings: &mut Findings<'_>) -> Once {
    let mut updates: HashMap<&str, Update> = HashMap::new();
    let mut order: Vec<&str> = Vec::new();
    for &(index, operation) in &object.operations {
        // A deletion can be repeated, and the deletion of an object isn't a version that anybody counts on.
        if !operation.is_write() || operation.verb == Verb::Delete {
            continue;
        }
        let update = updates.entry(&operation.op_id).or_default();
        if update.first.is_none() {
            update.first = Some(index);
            order.push(&operation.op_id);
        }
        update.acknowledged |= operation.outcome == Outcome::Applied;
        update.unknown |= operation.outcome == Outcome::Unknown;
        update
            .versions
            .extend(operation.made().map(|rv| (rv, index)));
    }
    for version in &object.versions {
        let Some((index, op_ids)) = version.op_ids else {
            continue;
        };
        for &(written, write) in &version.writers {
            findings.checked(Rule::AcknowledgedLost);
            if !op_ids.contains(&write.op_id) {
                findings.violated(Rule::AcknowledgedLost, object.uid, [written, index], || {
                    format!(
                        "version {} was acknowledged to {:?}, but a watch tells that it has another \
                         author",
                        version.rv, write.op_id
                    )
                });
            }
        }
        for op_id in op_ids {
            let update = updates.entry(op_id).or_insert_with(|| {
                order.push(op_id);
                Update::default()
            });
            if !update.versions.iter().any(|&(rv, _)| rv == version.rv) {
                update.versions.push((version.rv, index));
            }
        }
    }

    let mut once = Once::default();
    for op_id in order {
        let Some(update) = updates.get(op_id) else {
            continue;
        };
        findings.checked(Rule::AppliedTwice);
        if update.versions.len() > 1 {
            let shown = update.first.into_iter();
            let shown = shown.chain(update.versions.iter().map(|&(_, index)| index));
            findings.violated(Rule::AppliedTwice, object.uid, shown, || {
                let versions = update.versions.iter().map(|(rv, _)| rv.to_string());
                let versions: Vec<_> = versions.collect();
                format!("{op_id:?} made the versions {}", versions.join(" and "))
            });
        }
        let Some(first) = update.first else { continue };
        findings.checked(Rule::AppliedThoughRefused);
        if let Some(&(rv, index)) = update.versions.first()
            && !update.acknowledged
        {
            if update.unknown {
                once.proven_applied += 1;
            } else {
                findings.violated(
                    Rule::AppliedThoughRefused,
                    object.uid,
                    [first, index],
                    || format!("every attempt of {op_id:?} was refused, but it made version {rv}"),
                );
            }
        }
    }
    once
}
