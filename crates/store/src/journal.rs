//! The journal: an append-only table that one writer fills, a whole batch as one row.

use keystore_core::record::{Intent, Outcome, Refusal};

/// What an intent must survive before it counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however it comes.
    Process,
    /// The end of the machine: synced to the disk.
    Power,
}

/// The record could not be written: refuse the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The journal cannot be written now. It recovers by itself.
    #[error("the journal cannot be written")]
    Unavailable,
}

/// The way into the journal. Cheap to clone.
#[derive(Clone)]
pub struct Journal {}

impl Journal {
    /// Records an intent; resolves when it is durable. The record is taken when the function is called, not when the
    /// future is first polled; a future that is dropped does not take it back.
    ///
    /// # Errors
    ///
    /// `Unavailable`: it is not written; nothing may be sent upstream. The journal itself notes that nothing was sent.
    pub fn intent(
        &self,
        _intent: &Intent,
        _durability: Durability,
    ) -> impl Future<Output = Result<(), JournalError>> + Send + use<> {
        async { todo!() }
    }

    /// Records an outcome. Does not wait; it is not lost while the process lives.
    pub fn outcome(&self, _outcome: &Outcome) {
        todo!()
    }

    /// Records a refusal. Does not wait. When an agent is refused very often with one code, the refusals of a second are
    /// kept as one with a count.
    pub fn refusal(&self, _refusal: &Refusal) {
        todo!()
    }

    /// Whether records can be written now. When not, an intent is refused at once.
    pub fn is_available(&self) -> bool {
        todo!()
    }

    /// Waits until everything recorded before the call is in the database.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn flush(&self) -> Result<(), JournalError> {
        todo!()
    }
}
