//! Runs: workers that update objects by a strategy, and what comes of it.

mod peer;
mod plan;
mod progress;
mod pulse;
mod schedule;
mod simulate;
mod summary;
mod tally;
mod trial;

pub use plan::{Plan, PlanError, Until, Workload};
pub use progress::{Glance, Progress};
pub use simulate::{simulate, simulate_until};
pub use summary::{
    CounterSummary, Least, LegSummary, Percentiles, RequestCounts, RunSummary, Summary,
    TargetSummary, ThrottleSummary, TimeSummary, UpdateCounts, VerdictSummary, ViolatedRule,
    WorkloadSummary,
};
pub use trial::Trial;
