//! Checks a whole log against what was signed of it: reads every record, hashes it anew, and compares it with the tree, and the tree with
//! every checkpoint. Needs the database and the verifier key, no server and no other key.
//!
//! A record that is not what was taken in is named by its index. Who changed the hashes along with it did not change a signature: then
//! the two checkpoints are named that it stands between. A credential that was put back to an older version than a call was made with is
//! found, too. What came after the newest checkpoint is compared with the tree alone.

mod records;
mod signed;

use std::collections::{BTreeMap, HashMap};

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::merkle::{Hash, TILE, Tile, Tree};
use keystore_store::audit as entries;
use keystore_store::audit_tree as rows;
use keystore_store::{Conn, StoreError};
use keystore_vault::commitment::sha256;
use keystore_vault::note::{Checkpoint, Verifier};

/// Rows that are read at a time.
const AT_A_TIME: u32 = 256;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Records that were looked at.
    pub records: u64,
    /// Records of which the retention left the hash alone.
    pub pruned: u64,
    /// Checkpoints that were compared, those from outside included.
    pub checkpoints: u64,
    /// Records that the newest of them covers. Those after it nobody has signed yet.
    pub signed: u64,
    /// What is wrong first; none where nothing is.
    pub problem: Option<Problem>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The first record that may be wrong.
    pub first: u64,
    /// The last one that may be the first wrong one: the same where it is known.
    pub last: u64,
    /// In words.
    pub what: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first == self.last {
            true => write!(f, "record {}: {}", self.first, self.what),
            false => write!(
                f,
                "between record {} and record {}: {}",
                self.first, self.last, self.what
            ),
        }
    }
}

/// Why a check ends early.
enum Stop {
    Wrong(Problem),
    Unread(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Unread(error)
    }
}

struct Check<'a> {
    conn: &'a mut Conn,
    /// Without one, checkpoints are taken at their word.
    key: Option<&'a Verifier>,
    tree: Tree,
    /// The tile of stored leaf hashes that is being compared.
    stored: Option<Tile>,
    /// Checkpoints to come, by size, time and root: what stands outside may say another root than the database does.
    expected: BTreeMap<(u64, Micros, Hash), Checkpoint>,
    /// Up to which size those of the database were read.
    listed: Option<u64>,
    is_listed: bool,
    /// The newest row of the journal, and entry of each organization, that was looked at.
    journal: i64,
    seen: HashMap<OrgId, i64>,
    /// The newest version of each credential that a call was made with, and the first record that says so.
    versions: HashMap<CredentialId, (u32, u64)>,
    /// The newest checkpoint that the log agrees with: its size and time.
    agreed: (u64, Option<Micros>),
    report: Report,
}

/// Checks the log against the checkpoints in the database and those from `outside`, which are signed notes. `progress` hears how many
/// records of how many were looked at.
///
/// # Errors
/// The database cannot be read. What is wrong with the log stands in the report.
pub async fn check(
    conn: &mut Conn,
    key: Option<&Verifier>,
    outside: &[String],
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Report, StoreError> {
    let mut check = Check {
        conn,
        key,
        tree: Tree::default(),
        stored: None,
        expected: BTreeMap::new(),
        listed: None,
        is_listed: false,
        journal: 0,
        seen: HashMap::new(),
        versions: HashMap::new(),
        agreed: (0, None),
        report: Report {
            records: 0,
            pruned: 0,
            checkpoints: 0,
            signed: 0,
            problem: None,
        },
    };
    let ended = check.run(outside, progress).await;
    check.report.records = check.tree.size();
    check.report.signed = check.agreed.0;
    match ended {
        Ok(()) => {}
        // A row that cannot be read in its form is as wrong as one with another content.
        Err(Stop::Unread(StoreError::Damaged(error))) => {
            let first = check.tree.size();
            check.report.problem = Some(at(first, format!("it cannot be read: {error}")));
        }
        Err(Stop::Unread(error)) => return Err(error),
        Err(Stop::Wrong(problem)) => check.report.problem = Some(problem),
    }
    Ok(check.report)
}

fn at(index: u64, what: impl Into<String>) -> Problem {
    Problem {
        first: index,
        last: index,
        what: what.into(),
    }
}

fn wrong<T>(index: u64, what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong(at(index, what)))
}

impl Check<'_> {
    async fn run(
        &mut self,
        outside: &[String],
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<(), Stop> {
        for note in outside {
            let said = self.open(note);
            let said = said.or_else(|error| wrong(0, format!("a checkpoint from outside: {error}")))?;
            self.expect(said);
        }
        // Before the size is read: what is signed by now is not more than what is there then.
        let newest = rows::newest_checkpoint(self.conn)
            .await?
            .map(|newest| newest.size);
        let outside = self.expected.last_key_value().map(|((size, ..), _)| *size);
        let taken = rows::taken(self.conn).await?;
        let strays = entries::strays(self.conn).await?;
        self.checkpoints_of(0).await?;
        while self.tree.size() < taken.size {
            let spans = rows::spans(self.conn, self.tree.size(), AT_A_TIME).await?;
            if spans.is_empty() {
                return wrong(self.tree.size(), "the log ends before the tree does");
            }
            for span in spans {
                if self.tree.size() >= taken.size {
                    break;
                }
                self.span(&span).await?;
                progress(self.tree.size(), taken.size);
            }
        }
        self.edge().await?;
        let (size, signed) = (self.tree.size(), newest.max(outside).unwrap_or(0));
        if signed > size {
            return wrong(
                size,
                format!("the log ends here, and {signed} records were signed"),
            );
        }
        if strays > 0 {
            return wrong(
                self.tree.size(),
                format!("{strays} rows stand outside of the log's numbers"),
            );
        }
        self.marks(taken).await?;
        self.versions().await
    }

    async fn leaf(&mut self, hash: Hash) -> Result<(), Stop> {
        let index = self.tree.size();
        match self.stored_hash(index).await? {
            Some(stored) if stored == hash => self.grow(hash).await,
            Some(_) => wrong(index, "it is not the record that was taken in"),
            None => wrong(index, "the tree has no hash of it"),
        }
    }

    async fn stored_hash(&mut self, index: u64) -> Result<Option<Hash>, Stop> {
        let tile = index / TILE as u64;
        if self.stored.as_ref().is_none_or(|stored| stored.index != tile) {
            let hashes = rows::tile(self.conn, 0, tile).await?.unwrap_or_default();
            self.stored = Some(Tile {
                level: 0,
                index: tile,
                hashes,
            });
        }
        let place = usize::try_from(index % TILE as u64).unwrap_or(TILE);
        Ok(self
            .stored
            .as_ref()
            .and_then(|stored| stored.hashes.get(place).copied()))
    }

    async fn grow(&mut self, hash: Hash) -> Result<(), Stop> {
        let mut filled = Vec::new();
        self.tree.push(sha256, hash, &mut filled);
        for tile in filled.iter().filter(|tile| tile.level > 0) {
            self.compare(tile).await?;
        }
        let size = self.tree.size();
        if self
            .expected
            .first_key_value()
            .is_some_and(|((next, ..), _)| *next <= size)
        {
            self.agree().await?;
        }
        Ok(())
    }

    /// That the stored tile begins with these hashes; it may have grown meanwhile.
    async fn compare(&mut self, tile: &Tile) -> Result<(), Stop> {
        let stored = rows::tile(self.conn, tile.level, tile.index)
            .await?
            .unwrap_or_default();
        if stored.starts_with(&tile.hashes) {
            return Ok(());
        }
        let bad = stored
            .iter()
            .zip(&tile.hashes)
            .position(|(stored, hash)| stored != hash);
        let bad = bad.unwrap_or(stored.len()) as u64 + tile.index * TILE as u64;
        let first = bad << (8 * tile.level);
        wrong(
            first,
            format!(
                "the hash over the records from it on is wrong (tile {} of level {})",
                tile.index, tile.level
            ),
        )
    }

    async fn edge(&mut self) -> Result<(), Stop> {
        let edge: Vec<Tile> = self.tree.edge().filter(|tile| tile.level > 0).collect();
        for tile in &edge {
            self.compare(tile).await?;
        }
        Ok(())
    }

    /// That nothing that is recorded was passed over.
    async fn marks(&mut self, taken: rows::Taken) -> Result<(), Stop> {
        let size = self.tree.size();
        let now = rows::taken(self.conn).await?;
        let is_still = now == taken;
        if self.journal != taken.journal {
            return wrong(size, "rows of the journal were passed over");
        }
        for (org, mark) in rows::taken_entries(self.conn).await? {
            let seen = self.seen.get(&org).copied().unwrap_or(0);
            if mark < seen || (is_still && mark != seen) {
                return wrong(size, format!("entries of {org} were passed over"));
            }
        }
        Ok(())
    }
}
