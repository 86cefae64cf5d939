//! Experiments with concurrent updates of Kubernetes objects.
//!
//! A [`Runner`] lets workers update one object at the same time, on any API server
//! ([`Target`]), by a [`Strategy`], behind a client-side throttle ([`Rate`]) or without one. What
//! happens is told as it happens ([`Events`]), and counted and timed ([`Outcome`]).

mod error;
mod event;
mod seed;
mod strategy;
mod target;
mod transport;
mod worker;
mod workload;

pub use error::{AttemptError, CleanupError, CleanupFailure, Error, ServerError, TargetError};
pub use event::{Event, EventKind, Events};
pub use seed::{Experiment, Outcome, Runner, Setup, Winners, Writer};
pub use strategy::{Once, OptilockUpdate, RetryOnConflict, Strategy};
pub use target::Target;
pub use transport::{Rate, TimeShares, TokenBucket};
pub use worker::{Update, Worker};
pub use workload::CounterError;
