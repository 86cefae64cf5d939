//! Serving on a port: TLS, a bearer token, limits on connections and time.

mod authority;
mod connections;
mod credentials;
mod gather;
mod limits;
mod listener;
mod port;

pub(crate) use authority::Authority;
pub use limits::Limits;
pub use listener::{ListenError, Listener};
pub use port::Port;
