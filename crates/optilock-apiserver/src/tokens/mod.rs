//! Tokens of service accounts: JSON Web Tokens that the server signs and knows again.
//!
//! Pure functions of keys and claims; what a token is bound to is looked up by the registry.

mod claims;
mod signer;

pub(crate) use claims::{Bound, Claims, Kubernetes};
pub(crate) use signer::{ISSUER, Refused, Signer};
