//! What was signed: checkpoints of the database and from outside, each compared with the tree of its size.

use keystore_store::audit_tree as rows;
use keystore_vault::commitment::sha256;
use keystore_vault::note::{Checkpoint, NoteError};

use super::{AT_A_TIME, Check, Problem, Stop};

impl Check<'_> {
    /// Compares the tree with the checkpoints of its size.
    pub(super) async fn agree(&mut self) -> Result<(), Stop> {
        let size = self.tree.size();
        while let Some(entry) = self.expected.first_entry().filter(|entry| entry.key().0 <= size) {
            let said = entry.remove();
            let between = |what: String| {
                Stop::Wrong(Problem {
                    first: self.agreed.0,
                    last: said.size.saturating_sub(1).max(self.agreed.0),
                    what,
                })
            };
            if said.size == size && said.root != self.tree.root(sha256) {
                return Err(between(format!(
                    "the tree of {size} records is not the one that was signed"
                )));
            }
            if self.agreed.1.is_some_and(|before| said.at < before) {
                return Err(between(format!(
                    "the checkpoint of {size} records is older than the one before"
                )));
            }
            self.agreed = (said.size, Some(said.at));
            self.report.checkpoints += 1;
        }
        self.checkpoints_of(size).await
    }

    /// Has a checkpoint compared when the tree has its size.
    pub(super) fn expect(&mut self, said: Checkpoint) {
        self.expected.insert((said.size, said.at, said.root), said);
    }

    pub(super) fn open(&self, note: &str) -> Result<Checkpoint, NoteError> {
        match self.key {
            Some(key) => key.open(note),
            None => Checkpoint::unverified(note),
        }
    }

    /// Reads the next checkpoints of the database, unless some are waiting.
    pub(super) async fn checkpoints_of(&mut self, size: u64) -> Result<(), Stop> {
        let is_read = self.is_listed || self.listed.is_some_and(|listed| listed > size);
        if is_read {
            return Ok(());
        }
        let found = rows::checkpoints_after(self.conn, self.listed, AT_A_TIME).await?;
        self.is_listed = found.is_empty();
        for row in found {
            let said = self.open(&row.note);
            let bad = |what: String| {
                Stop::Wrong(Problem {
                    first: self.listed.unwrap_or(0),
                    last: row.size.saturating_sub(1).max(self.listed.unwrap_or(0)),
                    what,
                })
            };
            let said =
                said.map_err(|error| bad(format!("the checkpoint of {} records: {error}", row.size)))?;
            if (said.size, said.at) != (row.size, row.at) {
                return Err(bad(format!(
                    "the checkpoint of {} records is one of {}",
                    row.size, said.size
                )));
            }
            self.listed = Some(row.size);
            self.expect(said);
        }
        Ok(())
    }
}
