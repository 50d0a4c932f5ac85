//! Walks over the log and picks what one organization may see: its entries, its calls with all that followed, and its refusals.
//!
//! A time says when a call began; what followed belongs to it, whenever it came. The whole deployment's records of that time are read
//! to find them, because the log is one. The tree takes in what waits of the journal before the entries that wait: an entry may stand
//! behind calls of a later time, or before calls of an earlier one. So it is looked up where those of the organization are.

use std::collections::HashSet;

use keystore_core::Micros;
use keystore_core::audit::Leaf;
use keystore_core::ids::{AttemptId, OrgId, ProjectId};
use keystore_core::record::Record;
use keystore_store::audit as entries;
use keystore_store::audit_tree::{self as rows, Span};
use keystore_store::{Conn, StoreError};

use super::records::{About, about, time};

/// Spans that are walked over at a time.
const AT_A_TIME: u32 = 16;

/// How far clocks and writers may be apart.
const SLACK: i64 = 60_000_000;

/// Whose records, and of when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) org: OrgId,
    pub(crate) project: Option<ProjectId>,
    pub(crate) since: Option<Micros>,
    pub(crate) until: Option<Micros>,
}

/// A record that was picked.
pub(crate) struct Found {
    pub(crate) index: u64,
    pub(crate) leaf: Vec<u8>,
    /// Of an entry: its payload, as it is or sealed.
    pub(crate) payload: (Option<String>, Option<Vec<u8>>),
}

/// A walk that is under way.
pub(crate) struct Walk {
    scope: Scope,
    next: u64,
    /// Nothing from here on is looked at.
    end: u64,
    /// No entry of the time is from here on.
    entries_end: u64,
    /// Attempts that were picked and have not ended.
    open: HashSet<AttemptId>,
}

impl Walk {
    /// A walk over the first `end` records of the log, from where the scope begins.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn begin(conn: &mut Conn, scope: Scope, end: u64) -> Result<Self, StoreError> {
        let mut next = 0;
        if let Some(since) = scope.since {
            let since = Micros(since.0.saturating_sub(SLACK));
            next = rows::leaf_at(conn, since).await?;
            let entry = rows::first_entry(conn, scope.org, since).await?;
            let leaf = rows::leaf_of_entry(conn, scope.org, entry).await?;
            if let Some(leaf) = leaf.filter(|leaf| *leaf < next) {
                let span = rows::span_of_leaf(conn, leaf).await?;
                next = span.map_or(0, |span| span.first);
            }
        }
        let mut entries_end = end;
        if let Some(until) = scope.until {
            entries_end = match rows::last_entry(conn, scope.org, until).await? {
                0 => 0,
                // Where the last one is not in the tree yet, others may be.
                entry => {
                    let leaf = rows::leaf_of_entry(conn, scope.org, entry).await?;
                    leaf.map_or(end, |leaf| leaf + 1)
                }
            };
        }
        Ok(Self {
            scope,
            next,
            end,
            entries_end,
            open: HashSet::new(),
        })
    }

    /// The next records, perhaps none; `None` when the walk is over.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn step(&mut self, conn: &mut Conn) -> Result<Option<Vec<Found>>, StoreError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let spans = rows::spans(conn, self.next, AT_A_TIME).await?;
        if spans.is_empty() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for span in spans {
            let is_late = self.is_late(&span);
            if span.first >= self.end || (is_late && span.first >= self.entries_end) {
                self.next = self.end;
                break;
            }
            match span.org {
                None if is_late => {}
                None => self.calls(conn, &span, &mut found).await?,
                Some(org) if org == self.scope.org => self.entries(conn, &span, &mut found).await?,
                Some(_) => {}
            }
            self.next = span.first + span.count;
        }
        let end = self.end;
        found.retain(|found| found.index < end);
        Ok(Some(found))
    }

    /// Whether neither this span of the journal nor what follows it there belongs to a call that is picked.
    fn is_late(&self, span: &Span) -> bool {
        let begins_late = self
            .scope
            .until
            .is_some_and(|until| span.at.0 > until.0.saturating_add(SLACK));
        span.org.is_none() && begins_late && self.open.is_empty()
    }

    async fn entries(&self, conn: &mut Conn, span: &Span, found: &mut Vec<Found>) -> Result<(), StoreError> {
        let count = u32::try_from(span.count).unwrap_or(u32::MAX);
        let rows = entries::rows_after(conn, self.scope.org, span.since - 1, count).await?;
        for row in rows.into_iter().filter(|row| row.seq <= span.until) {
            if self.picks(self.scope.org, row.project, Some(row.at)) {
                found.push(Found {
                    index: span.first + (row.seq - span.since).unsigned_abs(),
                    leaf: row.leaf,
                    payload: (row.payload, row.sealed),
                });
            }
        }
        Ok(())
    }

    async fn calls(
        &mut self,
        conn: &mut Conn,
        span: &Span,
        found: &mut Vec<Found>,
    ) -> Result<(), StoreError> {
        let count = u32::try_from(span.until - span.since + 1).unwrap_or(u32::MAX);
        let mut index = span.first;
        for row in rows::journal_after(conn, span.since - 1, count).await? {
            for leaf in rows::leaves_of(&row.body) {
                let leaf = leaf?;
                let read = Leaf::read(leaf).map_err(|error| StoreError::damaged(error.to_string()))?;
                if self.follows(&read) {
                    found.push(Found {
                        index,
                        leaf: leaf.to_vec(),
                        payload: (None, None),
                    });
                }
                index += 1;
            }
        }
        Ok(())
    }

    fn picks(&self, org: OrgId, project: Option<ProjectId>, at: Option<Micros>) -> bool {
        let Scope { since, until, .. } = self.scope;
        org == self.scope.org
            && self.scope.project.is_none_or(|wanted| project == Some(wanted))
            && at.is_none_or(|at| {
                since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
            })
    }

    /// Whether the record of a call is picked; keeps the attempts that are.
    fn follows(&mut self, leaf: &Leaf<'_>) -> bool {
        match (about(leaf), leaf) {
            (About::Org(org, project), Leaf::Call(record)) => {
                let picked = self.picks(org, project, time(leaf));
                if let (true, Record::Intent(intent)) = (picked, record) {
                    self.open.insert(intent.attempt);
                }
                picked
            }
            (About::Attempt(attempt), Leaf::Call(Record::Outcome(_))) => self.open.remove(&attempt),
            (About::Attempt(attempt), _) => self.open.contains(&attempt),
            (About::Org(..), Leaf::Change(_)) => false,
        }
    }
}
