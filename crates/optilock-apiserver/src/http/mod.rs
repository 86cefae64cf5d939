//! From HTTP to a registry request and back: routing, negotiation, limits, authentication.
//!
//! The same service answers in process and on a port. A request becomes a [`route::Route`], its query and headers become
//! options, its body becomes a canonical object; what the registry answers is written in the representation that the
//! client asked for.

mod accept;
mod asked;
mod auth;
#[cfg(feature = "redb")]
mod backup;
mod body;
mod closing;
mod compress;
mod discovery;
mod flow;
mod format;
mod indent;
mod input;
mod introspection;
mod kinds;
mod observer;
mod output;
mod patching;
mod query;
mod reply;
mod resource;
mod route;
mod service;
mod shared;
mod shipment;
#[cfg(feature = "tls")]
mod websocket;

#[cfg(feature = "tls")]
pub(crate) use auth::Authentication;
#[cfg(feature = "tls")]
pub(crate) use closing::{Closing, Phase};
#[cfg(feature = "tls")]
pub(crate) use flow::{Crowd, Flow};
#[cfg(feature = "tls")]
pub(crate) use service::{Guard, InUse};
pub(crate) use shared::Shared;

#[cfg(feature = "redb")]
pub use backup::BACKUP_PATH;
pub use body::Body;
pub use service::ApiService;
