//! Proves that no update of a [`History`] was lost or doubled, or says which one was.
//!
//! A resourceVersion orders all versions of an object, so that there is only one order in which the
//! operations can have happened, and checking it takes a sort by time and a pass instead of a
//! search. Objects are judged one by one: linearizability composes.
//!
//! ```
//! use optilock_lab::{check::{Rule, check}, history::History};
//!
//! // Two workers read version 4, and the server accepted the writes of both.
//! let history = r#"{"version":1,"target":"(a broken server)","seed":1,"clock":"virtual"}
//! {"op_id":"a","worker":0,"uid":"u","verb":"update","kind":"Deployment","name":"d","base":"4","invoke_ns":10,"return_ns":20,"outcome":"applied","rv":"5","value":101}
//! {"op_id":"b","worker":1,"uid":"u","verb":"update","kind":"Deployment","name":"d","base":"4","invoke_ns":15,"return_ns":25,"outcome":"applied","rv":"6","value":101}
//! "#;
//! let verdict = check(&History::read(history.as_bytes())?);
//! assert!(!verdict.is_ok());
//! let violation = &verdict.violations[0];
//! assert_eq!(violation.rule, Rule::LostUpdate);
//! assert_eq!(violation.op_ids, ["a", "b"]);
//! # Ok::<(), optilock_lab::history::HistoryError>(())
//! ```

mod chain;
mod conflicts;
mod findings;
mod object;
mod once;
mod rule;
mod time;
mod values;
mod verdict;
mod watch;

pub use rule::Rule;
pub use verdict::{Excerpt, Tally, Totals, Verdict, Violation};

use crate::history::{History, Outcome, Record, Verb};
use findings::Findings;
use object::Object;

/// Judges a history. It depends on nothing but the history, and takes time and memory in proportion to it, but for
/// sorting.
pub fn check(history: &History) -> Verdict {
    let records = &history.records;
    let mut findings = Findings::new(records);
    let objects = Object::all(records);
    let mut totals = totals(history);
    totals.objects = objects.len() as u64;
    for object in &objects {
        totals.versions += object.versions.len() as u64;
        chain::check(object, &mut findings);
        values::check(object, &mut findings);
        let own = once::check(object, &mut findings);
        totals.proven_applied += own.proven_applied;
        time::check(object, &mut findings);
        totals.own_conflicts += conflicts::check(object, &mut findings);
    }
    watch::check(records, &objects, &mut findings);
    findings.verdict(totals)
}

/// What stands in a history, whether or not it is right.
fn totals(history: &History) -> Totals {
    let mut totals = Totals::default();
    for numbered in &history.records {
        let operation = match &numbered.record {
            Record::Operation(operation) => operation,
            Record::WatchEvent(_) => {
                totals.watch_events += 1;
                continue;
            }
        };
        totals.operations += 1;
        if operation.uid.is_none() {
            totals.not_judged += 1;
        }
        let counter = match (operation.verb, operation.outcome) {
            (_, Outcome::Unknown) => &mut totals.unknown,
            (_, Outcome::Conflict) => &mut totals.conflicts,
            (_, Outcome::Refused) => &mut totals.refused,
            (Verb::Get, Outcome::Applied) => &mut totals.reads,
            (_, Outcome::Applied) => &mut totals.writes,
        };
        *counter += 1;
    }
    totals
}
