//! From HTTP to a registry request and back: routing, negotiation, limits, authentication.
//!
//! The same service answers in process and on a port. A request becomes a [`route::Route`], its query and headers become
//! options, its body becomes a canonical object; what the registry answers is written in the representation that the
//! client asked for.

mod accept;
mod auth;
mod body;
mod compress;
mod discovery;
mod format;
mod indent;
mod input;
mod kinds;
mod output;
mod patching;
mod query;
mod reply;
mod resource;
mod route;
mod service;
#[cfg(feature = "tls")]
mod websocket;

pub(crate) use auth::Authentication;
#[cfg(feature = "tls")]
pub(crate) use service::Closing;
pub(crate) use service::Shared;

pub use body::Body;
pub use service::ApiService;
