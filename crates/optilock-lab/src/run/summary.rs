//! What came out of runs, as a document.

use serde::{Deserialize, Serialize};

use crate::{check::Rule, history::Clock};

/// The runs of one command: what `optilock run --json` and `optilock compare --json` write.
///
/// `docs/run.schema.json` is its schema. All times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// The version of the format, [`Summary::VERSION`].
    pub version: u32,
    /// The command that does the same again.
    pub command: String,
    /// Where it ran.
    pub target: TargetSummary,
    /// The runs, in their order.
    pub runs: Vec<RunSummary>,
}

impl Summary {
    /// The version of the format that this crate reads and writes.
    pub const VERSION: u32 = 1;

    /// A summary of the current version, without runs so far.
    pub fn new(command: impl Into<String>, target: TargetSummary) -> Self {
        Self {
            version: Self::VERSION,
            command: command.into(),
            target,
            runs: Vec::new(),
        }
    }
}

/// The API server of the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSummary {
    /// Its address, for people.
    pub address: String,
    /// The version that it tells.
    pub server_version: String,
    /// Whether time was real.
    pub clock: Clock,
}

/// One run: what was asked for, and what came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// [`Strategy::id`](crate::Strategy::id).
    pub strategy: String,
    /// The strategy's parameters, for people; empty where it has none.
    pub parameters: String,
    /// What the workers did.
    pub workload: WorkloadSummary,
    /// How many workers there were.
    pub workers: usize,
    /// Updates (and reads, where the workload has them) that each worker was to make; none where time was the limit.
    pub updates_per_worker: Option<u64>,
    /// Intended updates per second of all workers together; none for a closed loop, in which a worker begins
    /// its next update when the last one is done.
    pub rate: Option<f64>,
    /// The client-side throttle that the workers shared.
    pub throttle: Option<ThrottleSummary>,
    /// What was added to every way, to the server and back.
    pub leg: LegSummary,
    /// The faults, as `--fault` takes them.
    pub faults: Vec<String>,
    /// What the run's random numbers were made from.
    pub seed: u64,
    /// Where the run's history is, if it was kept.
    pub history: Option<String>,
    /// Why the run ended before its workers were done, if it did.
    pub stopped: Option<String>,

    /// From the start of the workers to the last one's end.
    pub took_ns: u64,
    /// What became of the updates.
    pub updates: UpdateCounts,
    /// What was sent for them.
    pub requests: RequestCounts,
    /// Requests for each acknowledged update; none where there was no update.
    pub requests_per_update: Option<f64>,
    /// The least possible, beside it.
    pub least: Least,
    /// Writes that were refused because of their base, as a share of all writes; none where there were no writes.
    pub conflict_rate: Option<f64>,
    /// Where the workers' time went: sums over all of them.
    pub time: TimeSummary,
    /// How long acknowledged updates took, from their intended start.
    pub latency: Option<Percentiles>,
    /// How long reads took that the workload asked for.
    pub read_latency: Option<Percentiles>,
    /// The longest that an update took, given up ones included.
    pub longest_wait_ns: u64,
    /// Jain's index of the workers' rates of acknowledged updates: 1 where all are the same, 1/workers where one
    /// has everything; none for a single worker.
    pub jain: Option<f64>,
    /// The objects' counters, and what the acknowledged updates make of them.
    pub counter: CounterSummary,
    /// What the checker says of the run's history.
    pub verdict: VerdictSummary,
}

/// What the workers of a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSummary {
    /// What an update changes: `counter`, `append`, `disjoint`, `quota`.
    pub change: String,
    /// The limit of a quota.
    pub limit: Option<i64>,
    /// How many objects there were.
    pub objects: usize,
    /// The exponent of the Zipf distribution by which an object was picked; 0 makes all alike.
    pub skew: f64,
    /// The share of operations that only read.
    pub reads: f64,
    /// The time between two status writes by somebody else, where there was such a writer.
    pub foreign_every_ns: Option<u64>,
}

/// A client-side throttle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThrottleSummary {
    /// Requests per second in the long run.
    pub qps: f32,
    /// Requests that may go out at once after a pause.
    pub burst: u32,
}

/// The time that one way takes, normally distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSummary {
    /// Its mean.
    pub mean_ns: u64,
    /// Its standard deviation.
    pub deviation_ns: u64,
}

/// What became of the updates of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCounts {
    /// Updates that were begun.
    pub begun: u64,
    /// Acknowledged.
    pub applied: u64,
    /// Given up, and certainly not in the object.
    pub abandoned: u64,
    /// Not made because the closure didn't want to: a quota was used up.
    pub declined: u64,
    /// Ended without an answer that tells whether they are in the object.
    pub unknown: u64,
    /// Reads that the workload asked for.
    pub reads: u64,
}

/// What the workers sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// GET, lists and watches included.
    pub get: u64,
    /// PUT.
    pub update: u64,
    /// PATCH.
    pub patch: u64,
    /// All others.
    pub other: u64,
    /// Writes that were refused because of their base.
    pub conflicts: u64,
}

impl RequestCounts {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.get + self.writes()
    }

    /// All that could change an object.
    pub fn writes(&self) -> u64 {
        self.update + self.patch + self.other
    }
}

/// What theory says is the least possible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Least {
    /// Requests for each update by this strategy, if nobody is ever in another's way.
    pub requests_per_update: f64,
    /// The time for as many writes of one object as were accepted, one after the other, by the shortest write that was
    /// seen; none where there was none, or where a write needn't wait for the one before.
    pub took_ns: Option<u64>,
}

/// Where the time of the workers went. The parts are sums over the workers and overlap in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSummary {
    /// Waiting for the client-side throttle.
    pub throttle_ns: u64,
    /// Sleeping between a conflict and the next attempt.
    pub backoff_ns: u64,
    /// Waiting for the answer to a GET.
    pub get_ns: u64,
    /// Waiting for the answer to a write.
    pub write_ns: u64,
    /// Waiting for a lock, for the others of a batch, or for a watch.
    pub wait_ns: u64,
    /// The client's own work.
    pub other_ns: u64,
}

/// How long something took, by rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// The mean.
    pub mean_ns: u64,
    /// Half took no longer.
    pub p50_ns: u64,
    /// Nine of ten took no longer.
    pub p90_ns: u64,
    /// 99 of 100 took no longer.
    pub p99_ns: u64,
    /// 999 of 1,000 took no longer.
    pub p999_ns: u64,
    /// None took longer.
    pub max_ns: u64,
}

impl Percentiles {
    /// The percentiles of these times, in any order; none where there are none. Each is a time that was seen
    /// (nearest rank).
    ///
    /// ```
    /// use optilock_lab::Percentiles;
    ///
    /// let all = Percentiles::of((1..=100).rev().collect()).unwrap();
    /// assert_eq!((all.p50_ns, all.p99_ns, all.max_ns), (50, 99, 100));
    /// assert_eq!(Percentiles::of(Vec::new()), None);
    /// ```
    pub fn of(mut times: Vec<u64>) -> Option<Self> {
        times.sort_unstable();
        let count = times.len();
        let sum: u128 = times.iter().copied().map(u128::from).sum();
        let rank = |per_mille: usize| {
            let rank = (count * per_mille).div_ceil(1000).max(1);
            times[rank - 1]
        };
        (count > 0).then(|| Self {
            mean_ns: u64::try_from(sum / count as u128).unwrap_or(u64::MAX),
            p50_ns: rank(500),
            p90_ns: rank(900),
            p99_ns: rank(990),
            p999_ns: rank(999),
            max_ns: rank(1000),
        })
    }
}

/// The counters of a run's objects, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterSummary {
    /// Before the first update.
    pub initial: i64,
    /// After the last; none where it could not be read.
    pub last: Option<i64>,
    /// Acknowledged updates that the counter lacks.
    pub lost: u64,
    /// Updates in the counter beyond the acknowledged ones and those of unknown outcome.
    pub excess: u64,
}

/// What the checker says of a run's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictSummary {
    /// Whether no rule was violated and no update lost or doubled.
    pub ok: bool,
    /// The rules that were violated, and how often.
    pub violated: Vec<ViolatedRule>,
}

/// A rule that was violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViolatedRule {
    /// The rule.
    pub rule: Rule,
    /// How often.
    pub times: u64,
}
