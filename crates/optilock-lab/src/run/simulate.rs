//! A run in virtual time.

use std::future::pending;

use super::{Plan, PlanError, RunSummary, Trial};
use crate::{Error, SimulateError, Target, exact::Exact, history::History};

/// Runs a plan in virtual time: the same code, with a server of its own and a clock that jumps from one event to the next.
///
/// The same plan gives the same result each time. It blocks its thread, and has to be called outside of a Tokio runtime.
///
/// # Errors
/// [`SimulateError`] where there is no outcome; with what was recorded up to then, if anything was.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use optilock_lab::{Change, Leg, Once, Plan, Until, Workload, simulate};
///
/// let plan = Plan {
///     namespace: "default".into(),
///     prefix: "optilock".into(),
///     strategy: Arc::new(Once),
///     peer: None,
///     workload: Workload::of(Change::Counter),
///     workers: 5,
///     until: Until::Operations(1),
///     rate: None,
///     warm_up: 0,
///     throttle: None,
///     leg: Leg::constant(Duration::from_millis(10)),
///     faults: Vec::new(),
///     capacity: None,
///     seed: 1,
///     time_limit: Duration::from_secs(60),
/// };
/// let (summary, history) = simulate(plan)?;
/// assert_eq!((summary.updates.applied, summary.requests.conflicts), (1, 4));
/// assert_eq!(summary.took_ns, 40_000_000);
/// assert!(optilock_lab::check::check(&history).is_ok());
/// # Ok::<(), optilock_lab::SimulateError>(())
/// ```
pub fn simulate(plan: Plan) -> Result<(RunSummary, History), SimulateError> {
    simulate_until(plan, pending())
}

/// [Simulates](simulate) until the plan is done, or until `stop`, which resolves in the real world.
///
/// # Errors
/// As [`simulate`], and [`SimulateError::Stopped`].
pub fn simulate_until(
    plan: Plan,
    stop: impl Future<Output = ()>,
) -> Result<(RunSummary, History), SimulateError> {
    if let Some(peer) = &plan.peer {
        return Err(SimulateError::Plan(PlanError::NotForPeers {
            peer: peer.name().to_owned(),
            what: "virtual time",
        }));
    }
    let exact = Exact::default();
    let runtime = exact.runtime().map_err(SimulateError::Runtime)?;
    runtime.block_on(async {
        tokio::spawn(exact.clone().drive());
        let target = Target::simulated(plan.seed, plan.capacity, &exact);
        let trial = Trial::new(target, plan)?;
        let outcome: Result<RunSummary, Error> = tokio::select! {
            biased;
            outcome = trial.run() => outcome,
            () = stop => {
                let history = Box::new(trial.history());
                return Err(SimulateError::Stopped { history });
            }
        };
        let history = trial.history();
        match outcome {
            Ok(summary) => Ok((summary, history)),
            Err(error) => Err(SimulateError::Run {
                error: Box::new(error),
                history: Box::new(history),
            }),
        }
    })
}
