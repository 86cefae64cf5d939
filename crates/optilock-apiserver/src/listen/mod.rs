//! Serving on a port: TLS, a bearer token, limits on connections and time.

mod credentials;
mod listener;

pub use listener::{ListenError, Listener};
