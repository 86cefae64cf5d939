//! A Kubernetes API server as a library: it starts in milliseconds, answers like
//! kube-apiserver 1.36 and needs no cluster.
//!
//! A request travels one way, `http -> registry -> store`; beside that spine stand
//! [`schema`] (what an object of a kind looks like), [`patch`], [`selector`] and
//! [`validation`], which are pure functions, and [`discovery`], which tells clients
//! what the registry holds.

mod discovery;
mod http;
mod patch;
mod registry;
mod schema;
mod selector;
mod server;
mod status;
mod store;
mod validation;

pub use status::{Cause, Details, Reason, Status};
