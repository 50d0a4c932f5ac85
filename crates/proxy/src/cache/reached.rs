//! Which calls recent changes reached, for whoever asks what became of them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::calls::Calls;
use crate::lock::lock;
use crate::sync::Mutex;

/// How many epochs the calls that a change reached are remembered for whoever asks what became of them.
pub(super) const REMEMBERED_EPOCHS: u64 = 64;

/// The calls that recent changes reached.
#[derive(Default)]
pub(crate) struct Reached(pub(super) Mutex<VecDeque<(u64, Arc<Calls>)>>);

impl Reached {
    /// Notes calls that the change with this epoch reached.
    pub(crate) fn note(&self, epoch: u64, calls: impl Iterator<Item = Arc<Calls>>) {
        let mut entries = lock(&self.0);
        entries.retain(|(at, calls)| at + REMEMBERED_EPOCHS > epoch || calls.are_running());
        entries.extend(calls.map(|calls| (epoch, calls)));
    }

    /// What the change with this epoch reached, each with how many of it were cut before. Calls that an earlier change reached
    /// and that have not moved since are on their way to this one.
    pub(crate) fn by(&self, epoch: u64) -> Vec<(Arc<Calls>, u64)> {
        let entries = lock(&self.0);
        let reached = entries.iter().filter_map(|(at, calls)| {
            let own = *at == epoch;
            let cut_before = if own { 0 } else { calls.cut() };
            (own || (*at < epoch && calls.are_running())).then(|| (Arc::clone(calls), cut_before))
        });
        reached.collect()
    }
}
