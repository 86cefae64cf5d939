//! From HTTP to a registry request and back: routing, negotiation, limits, authentication.
