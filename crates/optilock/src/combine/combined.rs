//! What a combined update gives.

use std::sync::Arc;

use crate::{Effort, Evidence};

/// A successful update that may have shared its write with others.
#[derive(Debug)]
#[non_exhaustive]
pub struct Combined<K, T> {
    /// What the closure returned.
    pub value: T,
    /// The object after the write; all who shared it get the same one.
    pub object: Arc<K>,
    /// What tells that the update is in the object.
    pub evidence: Evidence,
    /// How many updates the write was for, this one included.
    pub members: usize,
    /// What the write took, for all of them together.
    pub effort: Effort,
}
