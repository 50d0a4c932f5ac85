//! Points at which a test makes the store fail. Compiled into tests only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The step fails as if the disk were full, until the point is cleared.
    Fail,
    /// The process ends at once, as by `kill -9`.
    Kill,
}

/// The points of one store that are set. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Failpoints(Arc<Mutex<HashMap<&'static str, Action>>>);

impl Failpoints {
    /// Sets a point: `journal.before_append`, `journal.after_append`, `project.before_commit`.
    pub fn set(&self, point: &'static str, action: Action) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(point, action);
    }

    /// Clears a point.
    pub fn clear(&self, point: &'static str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(point);
    }

    pub(crate) fn check(&self, point: &'static str) -> std::io::Result<()> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(point) {
            None => Ok(()),
            Some(Action::Fail) => Err(std::io::ErrorKind::StorageFull.into()),
            Some(Action::Kill) => {
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                Ok(())
            }
        }
    }
}
