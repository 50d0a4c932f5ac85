//! What threads meet in, of the code that `tests/schedules` runs under every order of steps: that test has a module of the same
//! name, with primitives that it schedules.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError, atomic};

pub(crate) use tokio::time::sleep;
