//! Serving on a port: TLS, a bearer token, limits on connections and time.

mod authority;
mod credentials;
mod listener;
mod port;

pub(crate) use authority::Authority;
pub use listener::{ListenError, Listener};
pub use port::Port;
