//! A Kubernetes API server as a library: it starts in milliseconds, answers like
//! kube-apiserver 1.36 and needs no cluster.
//!
//! A request travels one way, `http -> registry -> store`; beside that spine stand
//! `schema` (what an object of a kind looks like), `patch`, `selector`, `validation`, `defaults` and
//! `managed` (who owns which field), which are pure functions, and `discovery`, which tells clients
//! what the registry holds. The `controllers` are clients of the registry like others.

mod ambient;
mod audit;
mod controllers;
mod defaults;
mod discovery;
mod http;
#[cfg(feature = "tls")]
mod listen;
mod managed;
mod metrics;
mod patch;
mod registry;
mod schema;
mod selector;
mod server;
mod status;
pub mod store;
mod tokens;
mod validation;

pub use audit::{AuditLevel, AuditLog};
pub use controllers::{Controller, UnknownController};
#[cfg(feature = "redb")]
pub use http::BACKUP_PATH;
pub use http::{ApiService, Body};
#[cfg(feature = "tls")]
pub use listen::{Limits, ListenError, Listener, Port};
pub use server::{Server, ServerBuilder};
pub use status::{Cause, Details, Reason, Status};
