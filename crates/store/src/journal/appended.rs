//! What the writer tells whoever reads the journal: that there are new rows, and the newest of them themselves, so that what
//! was just written is not read back from the database.
//!
//! Any row may be missing here at any time. The table is the truth, and who does not find the next row here reads it there.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Bytes of rows that are kept. When nobody takes them, they are forgotten.
const KEPT_AT_MOST: usize = 8 << 20;

/// Told by the writer, heard by the projections.
#[derive(Default)]
pub(crate) struct Appended {
    pub(crate) notify: Notify,
    /// Bytes appended since somebody last set it to zero.
    pub(crate) bytes: AtomicU64,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    rows: VecDeque<(i64, Vec<u8>)>,
    bytes: usize,
}

impl Appended {
    /// A row is in the journal.
    pub(crate) fn tell(&self, seq: i64, body: Vec<u8>) {
        self.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        self.rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seq, body);
        self.notify.notify_one();
    }

    /// Takes the rows that follow row `mark` without a gap, until they are `bytes` together. None, when the next is not here.
    pub(crate) fn take_after(&self, mark: i64, bytes: usize) -> Vec<(i64, Vec<u8>)> {
        self.rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_after(mark, bytes)
    }
}

impl Rows {
    fn push(&mut self, seq: i64, body: Vec<u8>) {
        if self.bytes + body.len() > KEPT_AT_MOST {
            *self = Self::default();
        }
        self.bytes += body.len();
        self.rows.push_back((seq, body));
    }

    fn take_after(&mut self, mark: i64, bytes: usize) -> Vec<(i64, Vec<u8>)> {
        while self.rows.front().is_some_and(|(seq, _)| *seq <= mark) {
            self.pop();
        }
        let (mut taken, mut left) = (Vec::new(), bytes);
        let mut next = mark + 1;
        while left > 0 && self.rows.front().is_some_and(|(seq, _)| *seq == next) {
            let Some(row) = self.pop() else { break };
            left = left.saturating_sub(row.1.len());
            next += 1;
            taken.push(row);
        }
        taken
    }

    fn pop(&mut self) -> Option<(i64, Vec<u8>)> {
        let row = self.rows.pop_front()?;
        self.bytes -= row.1.len();
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(appended: &Appended, mark: i64, bytes: usize) -> Vec<i64> {
        let rows = appended.take_after(mark, bytes);
        rows.into_iter().map(|(seq, _)| seq).collect()
    }

    #[test]
    fn rows_are_taken_in_order_and_only_without_a_gap() {
        let appended = Appended::default();
        for seq in [1, 2, 3, 5, 6] {
            appended.tell(seq, vec![0; 10]);
        }
        assert_eq!(
            taken(&appended, 0, 15),
            [1, 2],
            "the one that goes over is taken too"
        );
        assert_eq!(taken(&appended, 2, 100), [3]);
        assert!(taken(&appended, 3, 100).is_empty(), "the fourth is not here");
        assert_eq!(taken(&appended, 4, 100), [5, 6]);
        assert_eq!(appended.rows.lock().unwrap().bytes, 0);
    }

    #[test]
    fn what_was_read_elsewhere_is_passed_over() {
        let appended = Appended::default();
        (1..=4).for_each(|seq| appended.tell(seq, vec![0; 10]));
        assert_eq!(taken(&appended, 3, 100), [4]);
        assert!(taken(&appended, 0, 100).is_empty());
    }

    #[test]
    fn what_nobody_takes_is_forgotten() {
        let appended = Appended::default();
        for seq in 1..=9 {
            appended.tell(seq, vec![0; 1 << 20]);
        }
        assert!(taken(&appended, 0, 100).is_empty());
        assert_eq!(taken(&appended, 8, 100), [9]);
    }
}
