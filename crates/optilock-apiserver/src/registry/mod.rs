//! What a resource is, and the one engine that serves all of them.
