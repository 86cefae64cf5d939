//! Experiments with concurrent updates of Kubernetes objects.
//!
//! A [`Runner`] lets workers update one object at the same time, on any API server
//! ([`Target`]), by a [`Strategy`], behind a client-side throttle ([`Rate`]) or without one. What
//! happens is told as it happens ([`Events`]), and counted and timed ([`Outcome`]). What was asked and
//! answered can be recorded as a [`history`], of which a [`check`](check::check) proves that no update was lost or doubled.
//!
//! ```
//! use std::sync::Arc;
//! use optilock_lab::{Events, Experiment, Once, Runner, Setup, Target, Winners};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), optilock_lab::Error> {
//! let setup = Setup {
//!     namespace: "default".into(),
//!     name: "nginx-deployment".into(),
//!     workers: 5,
//!     seed: 1,
//! };
//! let (events, _told) = Events::channel();
//! let mut runner = Runner::new(Target::embedded(), setup, events);
//! let outcome = runner
//!     .run(&Experiment {
//!         strategy: Arc::new(Once),
//!         throttle: None,
//!         winners: Winners::One,
//!     })
//!     .await?;
//! assert_eq!((outcome.succeeded, outcome.conflicts), (1, 4));
//! # Ok(())
//! # }
//! ```

mod blame;
mod capacity;
pub mod check;
mod cleanup;
mod crew;
mod error;
mod event;
mod exact;
mod feed;
mod field_manager;
pub mod history;
mod network;
mod peer;
mod report;
mod route;
mod run;
mod seed;
mod strategy;
mod target;
mod transport;
mod tune;
mod worker;
mod workload;

pub use blame::{Blame, BlameError, ObjectRef, Pair, Share, blame};
pub use capacity::{Capacity, Pace, measure};
pub use error::{
    AttemptError, CleanupError, CleanupFailure, Error, PeerProblem, ServerError, SimulateError,
    TargetError,
};
pub use event::{Event, EventKind, Events};
pub use field_manager::FieldManager;
pub use network::{Answer, Fault, FaultError, FaultKind, Leg, Network, relay};
pub use peer::{Peer, PeerError};
pub use report::Report;
pub use run::{
    CounterSummary, Glance, Least, LegSummary, Percentiles, Plan, PlanError, Progress,
    RequestCounts, RunSummary, Summary, TargetSummary, ThrottleSummary, TimeSummary, Trial, Until,
    UpdateCounts, VerdictSummary, ViolatedRule, Workload, WorkloadSummary, simulate,
    simulate_until,
};
pub use seed::{Experiment, Outcome, Runner, Setup, Winners};
pub use strategy::{
    Apply, BlindPut, Jitter, Jittered, JsonPatch, KubeDefault, LeaseLock, MergePatch, NAMES, Once,
    OptilockCombined, OptilockSharing, OptilockUpdate, RetryOnConflict, Strategy, UnknownStrategy,
    WatchFed, named,
};
pub use target::Target;
pub use transport::{Rate, TimeShares, TokenBucket};
pub use tune::{Contention, Expected, Tuned, tune};
pub use worker::{Update, Worker};
pub use workload::{Change, CounterError};
