//! Checks an export, and a proof, with nothing but the text and the verifier key: every record is in the log that the checkpoint in it is
//! about, says what its bytes say, and no line of it is missing.
//!
//! It cannot tell of records that the server left out; entries of a whole organization are numbered, so that those show. Who holds the
//! database checks it as a whole (`check`).

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keystore_core::audit::Leaf;
use keystore_core::ids::AttemptId;
use keystore_core::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use keystore_core::record::Record;
use keystore_vault::commitment::{commitment, sha256};
use keystore_vault::note::{Checkpoint, Verifier};
use keystore_wire::audit_proofs::{
    AuditProof, EXPORT_FORMAT, ExportEnd, ExportHead, PROOF_FORMAT, ProvenRecord,
};

use super::check::Problem;
use super::records::{About, about, record};

/// An export that is being checked, line by line.
pub struct Exported<'a> {
    key: &'a Verifier,
    /// An older checkpoint that the log must go on from.
    from: Option<Checkpoint>,
    head: Option<(ExportHead, Checkpoint)>,
    attempts: HashSet<AttemptId>,
    /// The index of the newest record, and the number of the newest entry.
    last: Option<u64>,
    seq: Option<u64>,
    records: u64,
    is_over: bool,
}

/// What a checked export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Good {
    /// Records in it.
    pub records: u64,
    /// Records of the whole log that its checkpoint covers.
    pub size: u64,
}

fn wrong<T>(index: u64, what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem {
        first: index,
        last: index,
        what: what.into(),
    })
}

impl<'a> Exported<'a> {
    /// An export to be checked with this key, and against this older checkpoint.
    pub fn new(key: &'a Verifier, from: Option<Checkpoint>) -> Self {
        Self {
            key,
            from,
            head: None,
            attempts: HashSet::new(),
            last: None,
            seq: None,
            records: 0,
            is_over: false,
        }
    }

    /// How many records were good so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line(&mut self, line: &str) -> Result<(), Problem> {
        let next = self.last.map_or(0, |last| last + 1);
        if self.is_over {
            return wrong(next, "the export goes on after its end");
        }
        let Some((head, said)) = &self.head else {
            return self.begin(line);
        };
        if let Ok(end) = serde_json::from_str::<ExportEnd>(line) {
            self.is_over = true;
            return match end.records == self.records {
                true => Ok(()),
                false => wrong(
                    next,
                    format!("{} records stand where {} were", self.records, end.records),
                ),
            };
        }
        let Ok(proven) = serde_json::from_str::<ProvenRecord>(line) else {
            return wrong(next, "the line is no record");
        };
        if self.last.is_some_and(|last| proven.index <= last) {
            return wrong(proven.index, "it comes after a later record");
        }
        let bytes = check(&proven, said)?;
        let Ok(leaf) = Leaf::read(&bytes) else {
            return wrong(proven.index, "its bytes are no record");
        };
        let is_own = match about(&leaf) {
            About::Org(org, project) => {
                org.to_string() == head.org_id
                    && head
                        .project_id
                        .as_ref()
                        .is_none_or(|wanted| project.map(|id| id.to_string()).as_ref() == Some(wanted))
            }
            About::Attempt(attempt) => self.attempts.contains(&attempt),
        };
        if !is_own {
            return wrong(
                proven.index,
                "it belongs to another organization, or its call is missing",
            );
        }
        // Where a filter picked them, numbers are left out by right.
        let is_whole = head.project_id.is_none() && head.since.is_none() && head.until.is_none();
        match &leaf {
            Leaf::Call(Record::Intent(intent)) => {
                self.attempts.insert(intent.attempt);
            }
            Leaf::Change(entry) if is_whole && self.seq.is_some_and(|seq| entry.seq != seq + 1) => {
                return wrong(
                    proven.index,
                    format!("entry {} is missing", self.seq.unwrap_or(0) + 1),
                );
            }
            Leaf::Change(entry) => self.seq = Some(entry.seq),
            Leaf::Call(_) => {}
        }
        self.last = Some(proven.index);
        self.records += 1;
        Ok(())
    }

    fn begin(&mut self, line: &str) -> Result<(), Problem> {
        let head = match serde_json::from_str::<ExportHead>(line) {
            Ok(head) if head.format == EXPORT_FORMAT => head,
            _ => return wrong(0, "the first line is not that of an export"),
        };
        let said = self.key.open(&head.checkpoint);
        let said = said.or_else(|error| wrong(0, format!("its checkpoint: {error}")))?;
        if let Some(from) = &self.from {
            let proof = super::proofs::from_text(&head.consistency);
            let goes_on = head.from == Some(from.size)
                && from.at <= said.at
                && proof.is_some_and(|proof| {
                    verify_consistency(sha256, (from.size, &from.root), (said.size, &said.root), &proof)
                });
            if !goes_on {
                return Err(Problem {
                    first: 0,
                    last: from.size.saturating_sub(1),
                    what: "the log does not go on from the older checkpoint".to_owned(),
                });
            }
        }
        self.head = Some((head, said));
        Ok(())
    }

    /// After the last line.
    ///
    /// # Errors
    /// The export has no end.
    pub fn end(self) -> Result<Good, Problem> {
        match (self.is_over, self.head) {
            (true, Some((_, said))) => Ok(Good {
                records: self.records,
                size: said.size,
            }),
            _ => wrong(self.last.map_or(0, |last| last + 1), "the export is cut off"),
        }
    }
}

/// The bytes of a record that is in the log of the checkpoint and says what they say.
fn check(proven: &ProvenRecord, said: &Checkpoint) -> Result<Vec<u8>, Problem> {
    let index = proven.index;
    let Ok(bytes) = BASE64.decode(&proven.leaf) else {
        return wrong(index, "its bytes are no base64");
    };
    let Some(proof) = super::proofs::from_text(&proven.proof) else {
        return wrong(index, "its proof is no list of hashes");
    };
    let hash = leaf_hash(sha256, &bytes);
    if !verify_inclusion(sha256, &hash, index, said.size, &proof, &said.root) {
        return wrong(index, "it is not in the log that was signed");
    }
    let Ok(leaf) = Leaf::read(&bytes) else {
        return wrong(index, "its bytes are no record");
    };
    if record(&leaf) != proven.record {
        return wrong(index, "the words beside its bytes say something else");
    }
    if let Some(payload) = &proven.payload {
        let is_committed =
            matches!(&leaf, Leaf::Change(entry) if entry.payload_sha256 == commitment(payload.as_bytes()));
        if !is_committed {
            return wrong(index, "what was before and after is not what it commits to");
        }
    }
    Ok(bytes)
}

/// Checks a proof file. Gives what its checkpoint says.
///
/// # Errors
/// What is wrong with it.
pub fn check_proof(proof: &AuditProof, key: &Verifier) -> Result<Checkpoint, Problem> {
    if proof.format != PROOF_FORMAT {
        return wrong(0, "it is no proof that this version knows");
    }
    let said = key.open(&proof.checkpoint);
    let said = said.or_else(|error| wrong(0, format!("its checkpoint: {error}")))?;
    if proof.records.is_empty() {
        return wrong(0, "it proves no record");
    }
    for proven in &proof.records {
        check(proven, &said)?;
    }
    Ok(said)
}
