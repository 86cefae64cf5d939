//! Which backoff suits so many writers: found by trying, in virtual time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use optilock::Backoff;

use crate::{
    Change, Leg, Plan, RetryOnConflict, SimulateError, Strategy, Until, Workload,
    history::{Operation, Outcome, Verb},
    named, simulate,
};

/// For whom a backoff is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contention {
    /// How many write the object at the same time.
    pub writers: usize,
    /// How many updates each of them makes, one after the other.
    pub updates: u64,
    /// What one way takes, to the server and back.
    pub leg: Leg,
    /// What all random numbers are made from.
    pub seed: u64,
    /// How many seeds decide.
    pub seeds: u64,
}

/// What a way to update came to, over all seeds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Expected {
    /// Its name.
    pub strategy: String,
    /// Its parameters.
    pub parameters: String,
    /// The share of updates that were given up.
    pub abandoned: f64,
    /// Requests for each acknowledged update.
    pub requests: f64,
    /// Half of the acknowledged updates took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// Until the last one was done.
    pub took: Duration,
    /// The most attempts that one update took.
    pub attempts: u64,
}

/// What came of the search.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tuned {
    /// The best of the parameters that were tried, with as many steps as nobody needed more of.
    pub backoff: Backoff,
    /// What to expect of it.
    pub expected: Expected,
    /// What to expect of others, for comparison: client-go's two defaults, full jitter, and optilock's own.
    pub others: Vec<Expected>,
    /// Whether some number of steps is enough by proof and not only by trial: for writers that write once each, because
    /// of several that collide one always wins.
    pub is_certain: bool,
}

const UNLIMITED: i64 = i32::MAX as i64;

/// The first pauses that are tried, in round trips of an update (four legs).
const WINDOWS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0];
const FACTORS: [f64; 3] = [1.0, 1.5, 2.0];
const JITTERS: [f64; 3] = [0.1, 1.0, 3.0];
/// How many of the first round are tried with all seeds.
const FINALISTS: usize = 4;

/// Searches the parameters of [`Backoff`], and says what to expect of others.
///
/// What counts is the product of requests for each update and the time until 99 of 100 are done: neither the one nor the other
/// can be had for nothing. It blocks its thread, and has to be called outside of a Tokio runtime.
///
/// # Errors
/// [`SimulateError`] where a run has no outcome.
///
/// ```
/// use std::time::Duration;
/// use optilock_lab::{Contention, Leg, tune};
///
/// let tuned = tune(&Contention {
///     writers: 4,
///     updates: 1,
///     leg: Leg::constant(Duration::from_millis(2)),
///     seed: 1,
///     seeds: 2,
/// })?;
/// assert_eq!(tuned.expected.abandoned, 0.0);
/// assert!(tuned.is_certain && tuned.backoff.steps() >= 4);
/// # Ok::<(), optilock_lab::SimulateError>(())
/// ```
pub fn tune(contention: &Contention) -> Result<Tuned, SimulateError> {
    let window = (contention.leg.mean * 4).max(Duration::from_millis(1));
    let one_seed = Contention {
        seeds: 1,
        ..*contention
    };
    let mut tried = Vec::new();
    for windows in WINDOWS {
        for factor in FACTORS {
            for jitter in JITTERS {
                let backoff = Backoff::new(UNLIMITED, rounded(window.mul_f64(windows)))
                    .with_factor(factor)
                    .with_jitter(jitter);
                tried.push((expect(&retry(backoff), &one_seed)?, backoff));
            }
        }
    }
    tried.sort_by(|(one, _), (other, _)| one.price().total_cmp(&other.price()));
    tried.truncate(FINALISTS);
    let mut best: Option<(Expected, Backoff)> = None;
    for (_, backoff) in tried {
        let expected = expect(&retry(backoff), contention)?;
        if best
            .as_ref()
            .is_none_or(|(best, _)| expected.price() < best.price())
        {
            best = Some((expected, backoff));
        }
    }
    // There is always a finalist.
    let (mut expected, backoff) = best.ok_or(SimulateError::Nothing)?;
    let is_certain = contention.updates == 1;
    let writers = u64::try_from(contention.writers).unwrap_or(u64::MAX);
    let steps = if is_certain {
        writers.max(1)
    } else {
        expected.attempts.saturating_mul(2)
    };
    let backoff = backoff.with_steps(i64::try_from(steps).unwrap_or(UNLIMITED).min(UNLIMITED));
    expected.parameters = retry(backoff).parameters();

    let mut others = Vec::new();
    for name in [
        "default-retry",
        "default-backoff",
        "full-jitter",
        "optilock",
        "combined",
    ] {
        if let Ok(strategy) = named(name, Backoff::new(UNLIMITED, window)) {
            others.push(expect(&strategy, contention)?);
        }
    }
    Ok(Tuned {
        backoff,
        expected,
        others,
        is_certain,
    })
}

fn retry(backoff: Backoff) -> Arc<dyn Strategy> {
    Arc::new(RetryOnConflict::new(backoff))
}

/// To a tenth of a millisecond, or to a millisecond from 10 ms on: nobody writes 8.3172 ms.
fn rounded(time: Duration) -> Duration {
    let micros = time.as_secs_f64() * 1e6;
    let unit = if micros >= 10_000.0 { 1000.0 } else { 100.0 };
    Duration::from_secs_f64((micros / unit).round().max(1.0) * unit / 1e6)
}

/// What a strategy comes to, over all seeds.
fn expect(
    strategy: &Arc<dyn Strategy>,
    contention: &Contention,
) -> Result<Expected, SimulateError> {
    let mut sum = Sum::default();
    for turn in 0..contention.seeds {
        let plan = Plan {
            namespace: "default".to_owned(),
            prefix: "tune".to_owned(),
            strategy: Arc::clone(strategy),
            peer: None,
            workload: Workload::of(Change::Counter),
            workers: contention.writers,
            until: Until::Operations(contention.updates),
            rate: None,
            warm_up: 0,
            throttle: None,
            leg: contention.leg,
            faults: Vec::new(),
            capacity: None,
            seed: contention.seed.wrapping_add(turn),
            time_limit: Duration::from_secs(24 * 3600),
        };
        let (run, history) = simulate(plan)?;
        sum.begun += run.updates.begun;
        sum.applied += run.updates.applied;
        sum.requests += run.requests.total();
        sum.took_ns += run.took_ns;
        if let Some(latency) = run.latency {
            sum.p50_ns += latency.p50_ns;
            sum.p99_ns += latency.p99_ns;
        }
        sum.attempts = sum.attempts.max(most_attempts(history.operations()));
    }
    let mean = |sum: u64| Duration::from_nanos(sum / contention.seeds.max(1));
    let part = |part: u64, of: u64| part as f64 / of.max(1) as f64;
    Ok(Expected {
        strategy: strategy.id().to_owned(),
        parameters: strategy.parameters(),
        abandoned: part(sum.begun - sum.applied, sum.begun),
        requests: part(sum.requests, sum.applied),
        p50: mean(sum.p50_ns),
        p99: mean(sum.p99_ns),
        took: mean(sum.took_ns),
        attempts: sum.attempts,
    })
}

#[derive(Default)]
struct Sum {
    begun: u64,
    applied: u64,
    requests: u64,
    took_ns: u64,
    p50_ns: u64,
    p99_ns: u64,
    attempts: u64,
}

impl Expected {
    /// What the search makes small.
    fn price(&self) -> f64 {
        self.requests * self.p99.as_secs_f64()
    }
}

/// The most PUTs for one update.
fn most_attempts<'a>(operations: impl Iterator<Item = &'a Operation>) -> u64 {
    let mut attempts: HashMap<&str, u64> = HashMap::new();
    for operation in operations {
        let counts = operation.verb == Verb::Update && operation.outcome != Outcome::Unknown;
        if counts && operation.worker.is_some() {
            *attempts.entry(&operation.op_id).or_default() += 1;
        }
    }
    attempts.into_values().max().unwrap_or(0)
}
