//! Projections of the journal.
pub(crate) struct Projector;
