//! Read, change, write, and again if somebody else was faster.

mod builder;
mod endpoint;
mod error;
mod event;
mod identity;
mod job;
mod merge;
mod resolve;
mod send;
mod target;
mod updated;
mod winner;

pub(crate) use builder::{ATTEMPT_TIMEOUT, TIMEOUT};
pub use builder::{Update, update, update_scale};
pub(crate) use endpoint::{Endpoint, Metadata};
pub use error::{Doubt, Reason, Unresolved, UpdateError};
pub use event::Event;
pub(crate) use identity::Base;
pub use resolve::resolve;
pub use target::Target;
pub use updated::{Effort, Evidence, Updated};
pub use winner::Winner;
