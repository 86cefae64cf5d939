//! A lock that is a Lease object, as client-go's leader election keeps it.
//!
//! Everything here is an ordinary [`update`](crate::update()) of one object. Taking the lease carries an op-id,
//! so that a lost answer is found out; renewing and giving it back say who holds it, which is evidence enough.

mod error;
mod held;
mod lock;
mod record;
mod token;

pub use error::{LeaseError, Lost};
pub use held::{Held, Tenure};
pub use lock::LeaseLock;
pub use token::{Fenced, FencingToken};
