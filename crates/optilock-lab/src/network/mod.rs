//! The way between a client and an API server: latency, and faults that understand HTTP.

mod draw;
mod fault;
mod leg;
mod pass;
mod relay;

pub use fault::{Fault, FaultError, FaultKind};
pub use leg::Leg;
pub use pass::{Answer, Network};
pub(crate) use relay::refusal;
pub use relay::relay;
