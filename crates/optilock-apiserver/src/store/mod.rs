//! Versioned storage: compare-and-swap on a global revision, and an ordered event log.
