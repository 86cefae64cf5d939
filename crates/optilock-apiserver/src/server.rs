//! The server: a store, a registry and the ways to reach them.
