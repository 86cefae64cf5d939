//! What updates tell the process's metrics.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::{Effort, Outcome};

const UPDATES: &str = "optilock_updates_total";
const ATTEMPTS: &str = "optilock_attempts_total";
const CONFLICTS: &str = "optilock_conflicts_total";
const UNKNOWNS: &str = "optilock_unknown_outcomes_total";
const REQUESTS: &str = "optilock_requests_total";
const WAITED: &str = "optilock_wait_seconds";
const COMBINED: &str = "optilock_combined_updates_total";

/// Tells the recorder of the `metrics` facade what the metrics mean. Call it once, after a recorder is
/// installed; without it they are recorded all the same.
///
/// All have the label `resource` (`deployments.apps`), and no object has a series of its own.
///
/// | metric | |
/// |---|---|
/// | `optilock_updates_total` | updates that have ended, by `outcome`: `applied`, `refused`, `unknown`; a combiner's batch is one |
/// | `optilock_attempts_total` | how often a change was tried |
/// | `optilock_conflicts_total` | how often somebody else was faster: where it grows faster than the updates, an object is contended |
/// | `optilock_unknown_outcomes_total` | writes that ended in a way that left their outcome open, found out later or not |
/// | `optilock_requests_total` | requests sent, reads and writes |
/// | `optilock_wait_seconds` | how long an update slept between its attempts |
/// | `optilock_combined_updates_total` | the updates that combiners' batches were for |
///
/// ```
/// // With the exporter of one's choice, which is installed first.
/// let recorder = metrics_util::debugging::DebuggingRecorder::new();
/// let snapshotter = recorder.snapshotter();
/// metrics::set_global_recorder(recorder).ok();
///
/// optilock::describe_metrics();
/// # drop(snapshotter);
/// ```
pub fn describe_metrics() {
    describe_counter!(UPDATES, Unit::Count, "Updates that have ended, by outcome");
    describe_counter!(ATTEMPTS, Unit::Count, "How often a change was tried");
    describe_counter!(
        CONFLICTS,
        Unit::Count,
        "Writes that were refused because the object had changed"
    );
    describe_counter!(
        UNKNOWNS,
        Unit::Count,
        "Writes that ended in a way that left their outcome open"
    );
    describe_counter!(REQUESTS, Unit::Count, "Requests sent, reads and writes");
    describe_histogram!(
        WAITED,
        Unit::Seconds,
        "How long an update slept between its attempts"
    );
    describe_counter!(COMBINED, Unit::Count, "Updates that combiners have written");
}

/// An update has ended.
pub(crate) fn ended(resource: &str, outcome: Outcome, effort: Effort) {
    let outcome = match outcome {
        Outcome::Applied => "applied",
        Outcome::Refused => "refused",
        Outcome::Unknown => "unknown",
    };
    let resource = resource.to_owned();
    counter!(UPDATES, "resource" => resource.clone(), "outcome" => outcome).increment(1);
    let counts = [
        (ATTEMPTS, effort.attempts),
        (CONFLICTS, effort.conflicts),
        (UNKNOWNS, effort.unknowns),
        (REQUESTS, effort.requests),
    ];
    for (name, count) in counts {
        counter!(name, "resource" => resource.clone()).increment(count.into());
    }
    histogram!(WAITED, "resource" => resource).record(effort.waited);
}

/// A combiner has written for as many.
pub(crate) fn combined(resource: &str, members: usize) {
    counter!(COMBINED, "resource" => resource.to_owned()).increment(members as u64);
}
