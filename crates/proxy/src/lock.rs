//! Locks that a panic leaves usable: for values that are whole after every step.

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The value behind the lock, also after a panic of whoever held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
