#![doc = include_str!("../README.md")]

mod backoff;
mod client;
mod conflict;
mod delays;
mod engine;
mod interrupt;
mod limits;
mod outcome;
mod random;
mod retry;
mod update;

pub use backoff::{Backoff, DEFAULT_BACKOFF, DEFAULT_RETRY};
pub use client::client;
pub use conflict::{is_apply_conflict, is_conflict, is_conflict_in};
pub use delays::{DelayWithReset, Delays};
pub use interrupt::{Interrupt, interrupted};
pub use outcome::Outcome;
pub use retry::{Retry, RetryError, exponential_backoff, on_error, retry_on_conflict};
pub use update::{
    Doubt, Effort, Event, Reason, Target, Update, UpdateError, Updated, Winner, update,
};

/// Any error: what a closure of [`update`](crate::update()) may return, with `?` or with `.into()`.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
