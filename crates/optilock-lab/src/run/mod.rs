//! Runs: workers that update objects by a strategy, and what comes of it.

mod summary;

pub use summary::{
    CounterSummary, Least, LegSummary, Percentiles, RequestCounts, RunSummary, Summary,
    TargetSummary, ThrottleSummary, TimeSummary, UpdateCounts, VerdictSummary, ViolatedRule,
    WorkloadSummary,
};
