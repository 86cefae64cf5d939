//! Collects what the rules find.

use std::collections::BTreeMap;

use super::{Excerpt, Rule, Tally, Totals, Verdict, Violation};
use crate::history::{Numbered, Record};

/// What was found so far.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    records: &'a [Numbered],
    found: BTreeMap<Rule, Found>,
}

#[derive(Debug, Default)]
struct Found {
    checked: u64,
    violated: u64,
    shown: Vec<Violation>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(records: &'a [Numbered]) -> Self {
        Self {
            records,
            found: BTreeMap::new(),
        }
    }

    /// A rule was applied once more.
    pub(super) fn checked(&mut self, rule: Rule) {
        self.found.entry(rule).or_default().checked += 1;
    }

    /// A rule doesn't hold for an object, as these records show. The message is made only where it is told.
    pub(super) fn violated(
        &mut self,
        rule: Rule,
        uid: &str,
        records: impl IntoIterator<Item = usize>,
        message: impl FnOnce() -> String,
    ) {
        let found = self.found.entry(rule).or_default();
        found.violated += 1;
        if found.shown.len() >= Verdict::MAX_SHOWN {
            return;
        }
        let mut indices: Vec<_> = records.into_iter().collect();
        indices.sort_unstable();
        indices.dedup();
        let numbered = indices.iter().map(|&index| &self.records[index]);
        let mut op_ids: Vec<String> = Vec::new();
        for numbered in numbered.clone() {
            if let Record::Operation(operation) = &numbered.record
                && !op_ids.iter().any(|id| **id == *operation.op_id)
            {
                op_ids.push(operation.op_id.to_string());
            }
        }
        let excerpt = numbered.map(|numbered| Excerpt {
            line: numbered.line,
            record: numbered.record.clone(),
        });
        found.shown.push(Violation {
            rule,
            uid: uid.to_owned(),
            message: message(),
            op_ids,
            excerpt: excerpt.collect(),
        });
    }

    pub(super) fn verdict(mut self, totals: Totals) -> Verdict {
        let mut rules = Vec::new();
        let mut violations = Vec::new();
        for &rule in Rule::ALL {
            let found = self.found.remove(&rule).unwrap_or_default();
            rules.push(Tally {
                rule,
                checked: found.checked,
                violated: found.violated,
            });
            violations.extend(found.shown);
        }
        Verdict {
            ok: rules.iter().all(|tally| tally.violated == 0),
            totals,
            rules,
            violations,
        }
    }
}
