//! The records themselves, as the spans say where they are: journal rows and entries, without a gap.

use keystore_core::audit::Leaf;
use keystore_core::ids::OrgId;
use keystore_core::merkle::leaf_hash;
use keystore_core::record::Record;
use keystore_store::audit::{self as entries, EntryRow};
use keystore_store::audit_tree::{self as rows, Span};
use keystore_store::credentials;
use keystore_vault::commitment::{commitment, sha256};
use keystore_vault::note::Removal;

use super::{AT_A_TIME, Check, Stop, wrong};

impl Check<'_> {
    pub(super) async fn span(&mut self, span: &Span) -> Result<(), Stop> {
        let index = self.tree.size();
        if span.first != index {
            return wrong(index, format!("the next records begin at {}", span.first));
        }
        match span.org {
            None => self.journal_span(span).await?,
            Some(org) => self.entry_span(span, org).await?,
        }
        if self.tree.size() != span.first + span.count {
            return wrong(
                self.tree.size().min(span.first + span.count),
                format!(
                    "{} records stand where {} were",
                    self.tree.size() - span.first,
                    span.count
                ),
            );
        }
        Ok(())
    }

    async fn journal_span(&mut self, span: &Span) -> Result<(), Stop> {
        if span.since != self.journal + 1 || span.until < span.since {
            return wrong(
                span.first,
                format!("row {} of the journal is not next", span.since),
            );
        }
        let end = span.first + span.count;
        while self.journal < span.until {
            let found = rows::journal_after(self.conn, self.journal, AT_A_TIME).await?;
            if found.is_empty() {
                return wrong(
                    self.tree.size(),
                    format!("row {} of the journal is missing", self.journal + 1),
                );
            }
            for row in found {
                if self.journal == span.until {
                    break;
                }
                if row.seq != self.journal + 1 {
                    return wrong(
                        self.tree.size(),
                        format!("row {} of the journal is missing", self.journal + 1),
                    );
                }
                for leaf in rows::leaves_of(&row.body) {
                    let leaf = leaf?;
                    if self.tree.size() >= end {
                        return wrong(end, "a record was added to the journal");
                    }
                    self.note_version(leaf);
                    self.leaf(leaf_hash(sha256, leaf)).await?;
                }
                self.journal = row.seq;
            }
            if self.journal < span.until && self.tree.size() > end {
                return wrong(end, "a record was added to the journal");
            }
        }
        Ok(())
    }

    /// Notes which version of its credential an agent's call was made with. A version is tested before it takes its place, and may never.
    fn note_version(&mut self, leaf: &[u8]) {
        let call = match Leaf::read(leaf) {
            Ok(Leaf::Call(Record::Intent(call))) if call.is_of_an_agent() => call,
            _ => return,
        };
        let now = (call.credential_version, self.tree.size());
        let known = self.versions.entry(call.credential).or_insert(now);
        if known.0 < call.credential_version {
            *known = now;
        }
    }

    /// That no credential stands at an older version than a call was made with: its whole row would open, and be another key than the one
    /// that took its place.
    pub(super) async fn versions(&mut self) -> Result<(), Stop> {
        let mut after = None;
        loop {
            let found = credentials::current_versions(self.conn, after, AT_A_TIME).await?;
            for standing in &found {
                let used = self.versions.get(&standing.id);
                if let Some((version, index)) =
                    used.filter(|(version, _)| *version > standing.current_version)
                {
                    return wrong(
                        *index,
                        format!(
                            "it was made with version {version} of {}, which stands at version {} now: somebody has put an older one back",
                            standing.id, standing.current_version
                        ),
                    );
                }
            }
            match found.last() {
                Some(last) if found.len() == AT_A_TIME as usize => after = Some(last.id),
                _ => return Ok(()),
            }
        }
    }

    async fn entry_span(&mut self, span: &Span, org: OrgId) -> Result<(), Stop> {
        let before = self.seen.get(&org).copied().unwrap_or(0);
        if span.since != before + 1 || span.until - span.since + 1 != i64::try_from(span.count).unwrap_or(0) {
            return wrong(span.first, format!("entry {} of {org} is not next", span.since));
        }
        let pruned = self.pruned(org).await?;
        let mut next = span.since;
        while next <= span.until {
            let found = entries::rows_after(self.conn, org, next - 1, AT_A_TIME).await?;
            let found: Vec<EntryRow> = found.into_iter().filter(|row| row.seq <= span.until).collect();
            if found.is_empty() {
                self.skip_pruned(org, &mut next, span.until + 1, pruned).await?;
            }
            for row in found {
                self.skip_pruned(org, &mut next, row.seq, pruned).await?;
                self.entry(org, &row).await?;
                next = row.seq + 1;
            }
        }
        self.seen.insert(org, span.until);
        Ok(())
    }

    /// Up to which entry of an organization the retention removed what they said. The number itself is anybody's who can write the database:
    /// the note beside it is signed.
    async fn pruned(&mut self, org: OrgId) -> Result<i64, Stop> {
        let Some(mark) = entries::pruned(self.conn, org).await? else {
            return Ok(0);
        };
        let removal = Removal { org, to: mark.seq };
        let is_said = match (self.key, &mark.note) {
            (Some(key), Some(note)) => key.says(removal, note),
            (Some(_), None) => false,
            (None, _) => true,
        };
        match is_said {
            true => Ok(mark.seq),
            false => wrong(
                self.tree.size(),
                format!("entries of {org} were removed, and nothing signed says that the retention did it"),
            ),
        }
    }

    /// Goes on to entry `to`, over entries of which the retention left the hash alone.
    async fn skip_pruned(&mut self, org: OrgId, next: &mut i64, to: i64, pruned: i64) -> Result<(), Stop> {
        while *next < to {
            if *next > pruned {
                return wrong(self.tree.size(), format!("entry {next} of {org} is missing"));
            }
            let index = self.tree.size();
            match self.stored_hash(index).await? {
                Some(hash) => self.grow(hash).await?,
                None => return wrong(index, "the tree has no hash of it"),
            }
            self.report.pruned += 1;
            *next += 1;
        }
        Ok(())
    }

    async fn entry(&mut self, org: OrgId, row: &EntryRow) -> Result<(), Stop> {
        let index = self.tree.size();
        self.leaf(leaf_hash(sha256, &row.leaf)).await?;
        let Ok(Leaf::Change(entry)) = Leaf::read(&row.leaf) else {
            return wrong(index, "it is no entry");
        };
        let is_same = (entry.org, entry.seq, entry.at) == (org, row.seq.unsigned_abs(), row.at)
            && (&entry.action, &entry.actor, &entry.subject, entry.project)
                == (&row.action, &row.actor, &row.subject, row.project);
        if !is_same {
            return wrong(index, "the columns beside it say something else");
        }
        let payload = row.payload.as_ref().map(|text| commitment(text.as_bytes()));
        if payload.is_some_and(|hash| hash != entry.payload_sha256) {
            return wrong(index, "what was before and after is not what it commits to");
        }
        Ok(())
    }
}
