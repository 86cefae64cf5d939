#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! | you want to | look at |
//! |---|---|
//! | change an object | [`update`](update()), [`Update`] and its options; its scale: [`update_scale`] |
//! | know what it took and who won instead | [`Updated`], [`Effort`], [`UpdateError`], [`Winner`] |
//! | update one object from many tasks | [`Combiner`], [`Combiners`], [`Combined`]; with one write for each, [`Contention`] |
//! | create an object or change it | [`Update::or_create`] |
//! | write a controller | [`Update::from`], [`Update::as_long_as`], [`Update::once`], [`Update::subresource`], [`add_finalizer`], [`remove_finalizer`], [`Fence`] |
//! | let one process at a time do something | [`LeaseLock`], [`LeaseLock::lead`], [`Held`], [`FencingToken`] |
//! | repeat an update without doubling it | [`Update::op_id`], [`OpId`], [`Carrier`] |
//! | find out what became of a write | [`resolve`], [`Update::resume`], [`Pending`], [`PendingSlot`], [`Reason::Unknown`] |
//! | watch it happen | [`Update::observe`], [`Event`]; `tracing` has a span per update and an event per step |
//! | see where contention is | the metrics of [`describe_metrics`] |
//! | update without reading, from a watch | [`Feed`], [`Update::fed_by`] |
//! | make a client that leaves retries to this crate | [`client`](client()) |
//! | port code that uses `RetryOnConflict` or `OnError` | [`retry_on_conflict`], [`on_error`] |
//! | port code that uses `ExponentialBackoff` | [`exponential_backoff`]; with a context, [`Retry`] |
//! | compute delays only | [`Backoff::step`], [`Backoff::delays`], [`Backoff::delay_with_reset`] |
//! | tell a conflict from what looks like one | [`is_conflict`], [`is_conflict_in`], [`is_apply_conflict`] |
//! | tell what is known of a write that failed | [`Outcome`] |
//! | tell why a loop ended | [`Interrupt`], [`interrupted`] |

mod backoff;
mod client;
mod combine;
mod conflict;
mod contention;
mod delays;
mod engine;
mod feed;
mod fence;
mod finalizers;
mod interrupt;
mod lease;
mod limits;
mod measure;
mod once;
mod outcome;
mod random;
mod retry;
mod update;

pub use backoff::{Backoff, DEFAULT_BACKOFF, DEFAULT_RETRY};
pub use client::client;
pub use combine::{Combined, Combiner, Combiners};
pub use conflict::{is_apply_conflict, is_conflict, is_conflict_in};
pub use contention::Contention;
pub use delays::{DelayWithReset, Delays};
pub use feed::Feed;
pub use fence::{Fence, Unordered};
pub use finalizers::{add_finalizer, remove_finalizer};
pub use interrupt::{Interrupt, interrupted};
pub use lease::{Fenced, FencingToken, Held, LeaseError, LeaseLock, Lost, Tenure};
pub use measure::describe_metrics;
pub use once::{Carrier, InvalidOpId, OpId, Pending, PendingSlot, Verb};
pub use outcome::Outcome;
pub use retry::{Retry, RetryError, exponential_backoff, on_error, retry_on_conflict};
pub use update::{
    Doubt, Effort, Event, Evidence, Reason, Target, Unresolved, Update, UpdateError, Updated,
    Winner, resolve, update, update_scale,
};

/// Any error: what a closure of [`update`](update()) may return, with `?` or with `.into()`.
///
/// ```
/// use optilock::BoxError;
///
/// fn count_up(text: &mut String) -> Result<(), BoxError> {
///     let count: u64 = text.parse()?;
///     if count == 10 {
///         return Err("that is enough".into());
///     }
///     *text = (count + 1).to_string();
///     Ok(())
/// }
/// # let mut text = String::from("10");
/// # assert_eq!(count_up(&mut text).unwrap_err().to_string(), "that is enough");
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The examples in the project's README are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../README.zh-CN.md")]
struct ProjectReadme;

/// So are those in the guides: whole programs, on the embedded server.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/from-client-go.md")]
#[doc = include_str!("../../../docs/guides/from-kube.md")]
#[doc = include_str!("../../../docs/guides/counters-and-quotas.md")]
#[doc = include_str!("../../../docs/guides/controllers.md")]
struct Guides;
