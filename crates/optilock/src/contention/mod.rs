//! Who writes a contended object when: each update steers by the conflicts that it meets, and the updates
//! of one process take turns.

mod pace;
mod shared;
mod steering;
mod turn;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use shared::Contended;
pub use shared::Contention;
pub(crate) use shared::Handed;
pub(crate) use steering::Source;
pub(crate) use turn::Turn;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
