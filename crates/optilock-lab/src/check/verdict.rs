use serde::Serialize;

use super::Rule;
use crate::history::Record;

/// What the checker says of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether nothing was violated.
    pub ok: bool,
    /// What stands in the history.
    pub totals: Totals,
    /// How often each rule was applied and violated, in the order of [`Rule::ALL`].
    pub rules: Vec<Tally>,
    /// The violations, in the order of the rules and of the history; the first
    /// [`Verdict::MAX_SHOWN`] of each rule.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// How many violations of one rule are told; all are counted.
    pub const MAX_SHOWN: usize = 20;

    /// Whether nothing was violated.
    pub fn is_ok(&self) -> bool {
        self.ok
    }

    /// How often a rule was violated.
    pub fn violated(&self, rule: Rule) -> u64 {
        let mut tallies = self.rules.iter().filter(|tally| tally.rule == rule);
        tallies.next().map_or(0, |tally| tally.violated)
    }
}

/// What stands in a history, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Objects, told apart by uid.
    pub objects: u64,
    /// Versions of them that somebody has made, seen or started from.
    pub versions: u64,
    /// Operations, which are the six kinds below.
    pub operations: u64,
    /// Acknowledged writes.
    pub writes: u64,
    /// Answered reads.
    pub reads: u64,
    /// Writes that were refused because of their base.
    pub conflicts: u64,
    /// Of these, conflicts of an update with itself: an earlier attempt had been applied.
    pub own_conflicts: u64,
    /// Operations that were refused for another reason.
    pub refused: u64,
    /// Operations whose outcome the client doesn't know.
    pub unknown: u64,
    /// Updates with unknown attempts only, of which a watch proves that they were applied.
    pub proven_applied: u64,
    /// Operations on an object without a uid, which can't be judged.
    pub not_judged: u64,
    /// Lines of watches.
    pub watch_events: u64,
}

/// How often a rule was applied and violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Tally {
    /// The rule.
    pub rule: Rule,
    /// How often it was applied: to operations, versions, objects or watch events.
    pub checked: u64,
    /// How often it didn't hold.
    pub violated: u64,
}

/// One place where a rule doesn't hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The object.
    pub uid: String,
    /// What happened, in a sentence.
    pub message: String,
    /// The updates that take part, in the order of the excerpt.
    pub op_ids: Vec<String>,
    /// The fewest lines of the history that show it.
    pub excerpt: Vec<Excerpt>,
}

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Excerpt {
    /// Its number, from 1.
    pub line: u64,
    /// What it says.
    pub record: Record,
}
