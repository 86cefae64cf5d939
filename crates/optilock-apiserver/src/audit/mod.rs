//! The audit log: who has asked for what, and what came of it, in the form of `audit.k8s.io/v1`.

mod entry;
mod event;
mod log;

pub(crate) use entry::{About, Entry, Received, Said};
pub use event::AuditLevel;
pub use log::AuditLog;
pub(crate) use log::Counters;
