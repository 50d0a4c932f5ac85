//! A log that somebody changed who can write the database and has no key. Every change before the newest checkpoint is found, and the
//! first bad record is named: by its index, or, where the hashes were changed along with it, by the two checkpoints it stands between.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use keystore_core::audit::Leaf;
use keystore_core::merkle::{Tree, leaf_hash};
use keystore_server::audit::Verifier;
use keystore_server::audit::check::{Problem, Report, check};
use keystore_server::audit::offline::notes;
use keystore_server::audit::sinks::{FileSink, Sink, Sinks};
use keystore_store::Look;
use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;
use keystore_vault::commitment::sha256;
use sqlx::{Connection, Executor, SqliteConnection};

use super::{key_of, some_traffic};
use crate::support::{Setup, TestApp};

const TABLES: [&str; 8] = [
    "journal",
    "audit_log",
    "audit_spans",
    "audit_tiles",
    "audit_tree",
    "audit_taken",
    "audit_checkpoints",
    "audit_pruned",
];

/// Where a leaf stands.
#[derive(Clone)]
enum Place {
    /// The row, and where in it: with its length before it.
    Call { row: i64, from: usize, to: usize },
    /// The organization and the number.
    Change { org: Vec<u8>, seq: i64 },
}

/// A log of some two hundred records, and who may change it.
struct Log {
    db: SqliteConnection,
    look: Look,
    key: Verifier,
    /// What was signed to a file.
    outside: Vec<String>,
    /// Sizes that were signed.
    signed: Vec<u64>,
    leaves: Vec<(Vec<u8>, Place)>,
    /// Kept until the test is over.
    _folder: tempfile::TempDir,
}

impl Log {
    async fn make() -> Self {
        let app = TestApp::with(Setup {
            postgres: false,
            sinks: |folder| Sinks::new(vec![Sink::File(FileSink::new(folder.join("kept.txt")))], None),
            ..Setup::default()
        })
        .await;
        app.create_credential("openai").await;
        let token = app
            .create_token_with("a", &["openai"], serde_json::json!({"rpmLimit": 100_000}))
            .await;
        for round in 0..56 {
            some_traffic(&app, &token, round).await;
            if round % 8 == 0 {
                app.do_jobs().await;
            }
        }
        let key = key_of(app.owner_client()).await;
        let folder = app.stop().await;
        let path = folder.path().join("keystore.db");
        let mut db = SqliteConnection::connect(&format!("sqlite://{}", path.display()))
            .await
            .unwrap();
        std::fs::copy(&path, folder.path().join("pristine.db")).unwrap();
        for statement in [
            format!(
                "ATTACH '{}' AS pristine",
                folder.path().join("pristine.db").display()
            ),
            "PRAGMA synchronous = OFF".to_owned(),
        ] {
            db.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        }
        let triggers: Vec<(String,)> =
            sqlx::query_as("SELECT name FROM main.sqlite_master WHERE type = 'trigger'")
                .fetch_all(&mut db)
                .await
                .unwrap();
        for (name,) in triggers {
            db.execute(sqlx::AssertSqlSafe(format!("DROP TRIGGER main.{name}")))
                .await
                .unwrap();
        }
        let outside = notes(&std::fs::read_to_string(folder.path().join("kept.txt")).unwrap());
        let mut signed: Vec<u64> = outside.iter().map(|note| key.open(note).unwrap().size).collect();
        signed.sort_unstable();
        signed.dedup();
        let leaves = leaves(&mut db).await;
        Self {
            look: look(&path).await,
            db,
            key,
            outside,
            signed,
            leaves,
            _folder: folder,
        }
    }

    async fn check(&self) -> Report {
        let mut conn = self.look.read().await.unwrap();
        check(&mut conn, Some(&self.key), &self.outside, &mut |_, _| {})
            .await
            .unwrap()
    }

    async fn sql(&mut self, statement: impl Into<String>) {
        let done = self
            .db
            .execute(sqlx::AssertSqlSafe(statement.into()))
            .await
            .unwrap();
        assert!(done.rows_affected() > 0);
    }

    async fn restore(&mut self) {
        let mut all = String::from("BEGIN;");
        for table in TABLES {
            all.push_str(&format!(
                "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM pristine.{table};"
            ));
        }
        all.push_str("COMMIT");
        self.db.execute(sqlx::AssertSqlSafe(all)).await.unwrap();
    }

    async fn body(&mut self, row: i64) -> Vec<u8> {
        let query = sqlx::query_scalar("SELECT body FROM main.journal WHERE seq = ?");
        query.bind(row).fetch_one(&mut self.db).await.unwrap()
    }

    async fn set_body(&mut self, row: i64, body: &[u8]) {
        let query = sqlx::query("UPDATE main.journal SET body = ? WHERE seq = ?");
        query.bind(body).bind(row).execute(&mut self.db).await.unwrap();
    }

    async fn set_leaf(&mut self, (org, seq): (&[u8], i64), leaf: &[u8]) {
        let query = sqlx::query("UPDATE main.audit_log SET leaf = ? WHERE org = ? AND seq = ?");
        query
            .bind(leaf)
            .bind(org)
            .bind(seq)
            .execute(&mut self.db)
            .await
            .unwrap();
    }

    /// Puts these bytes in the place of a leaf's.
    async fn put(&mut self, index: usize, leaf: &[u8]) {
        match self.leaves[index].1.clone() {
            Place::Change { org, seq } => self.set_leaf((&org, seq), leaf).await,
            Place::Call { row, from, to } => {
                let mut body = self.body(row).await;
                body[from + 4..to].copy_from_slice(leaf);
                self.set_body(row, &body).await;
            }
        }
    }

    /// Writes the hashes of the leaves as they would be.
    async fn rehash(&mut self, leaves: &[Vec<u8>]) {
        let (mut tree, mut tiles) = (Tree::default(), Vec::new());
        leaves
            .iter()
            .for_each(|leaf| tree.push(sha256, leaf_hash(sha256, leaf), &mut tiles));
        tiles.extend(tree.edge());
        self.sql("DELETE FROM main.audit_tiles").await;
        for tile in tiles {
            let query = sqlx::query("INSERT INTO main.audit_tiles (level, tile, hashes) VALUES (?, ?, ?)");
            let query = query
                .bind(i64::from(tile.level))
                .bind(i64::try_from(tile.index).unwrap());
            query
                .bind(tile.hashes.concat())
                .execute(&mut self.db)
                .await
                .unwrap();
        }
    }

    fn calls(&self, dice: &mut Dice) -> (usize, i64, usize, usize) {
        loop {
            let index = usize::try_from(dice.below(self.leaves.len() as u64)).unwrap();
            if let Place::Call { row, from, to } = self.leaves[index].1 {
                return (index, row, from, to);
            }
        }
    }

    fn changes(&self, dice: &mut Dice) -> (usize, Vec<u8>, i64) {
        loop {
            let index = usize::try_from(dice.below(self.leaves.len() as u64)).unwrap();
            if let Place::Change { org, seq } = self.leaves[index].1.clone() {
                return (index, org, seq);
            }
        }
    }

    fn index_of_change(&self, wanted: &[u8], number: i64) -> Option<usize> {
        self.leaves.iter().position(
            |(_, place)| matches!(place, Place::Change { org, seq } if org == wanted && *seq == number),
        )
    }

    fn first_of_row(&self, wanted: i64) -> Option<usize> {
        self.leaves
            .iter()
            .position(|(_, place)| matches!(place, Place::Call { row, .. } if *row == wanted))
    }
}

async fn look(path: &Path) -> Look {
    Look::open(&format!("sqlite://{}", path.display())).await.unwrap()
}

/// Every leaf in its order, read without the code under test.
async fn leaves(db: &mut SqliteConnection) -> Vec<(Vec<u8>, Place)> {
    let spans: Vec<(Option<Vec<u8>>, i64, i64)> =
        sqlx::query_as("SELECT org, since, until FROM main.audit_spans ORDER BY first")
            .fetch_all(&mut *db)
            .await
            .unwrap();
    let mut leaves = Vec::new();
    for (org, since, until) in spans {
        for number in since..=until {
            match &org {
                Some(org) => {
                    let query =
                        sqlx::query_scalar("SELECT leaf FROM main.audit_log WHERE org = ? AND seq = ?");
                    let leaf = query.bind(org).bind(number).fetch_one(&mut *db).await.unwrap();
                    leaves.push((
                        leaf,
                        Place::Change {
                            org: org.clone(),
                            seq: number,
                        },
                    ));
                }
                None => {
                    let query = sqlx::query_scalar("SELECT body FROM main.journal WHERE seq = ?");
                    let body: Vec<u8> = query.bind(number).fetch_one(&mut *db).await.unwrap();
                    let mut from = 1;
                    while from < body.len() {
                        let length = u32::from_le_bytes(body[from..from + 4].try_into().unwrap()) as usize;
                        let to = from + 4 + length;
                        leaves.push((
                            body[from + 4..to].to_vec(),
                            Place::Call {
                                row: number,
                                from,
                                to,
                            },
                        ));
                        from = to;
                    }
                }
            }
        }
    }
    leaves
}

/// What is expected to be found.
enum Expected {
    /// This record, exactly.
    At(usize),
    /// Something that is not later than this record.
    Until(usize),
    /// A range with this record in it.
    Around(usize),
    /// The change was none.
    Nothing,
}

/// One change, drawn at random.
async fn change(log: &mut Log, dice: &mut Dice) -> (u64, Expected) {
    let kind = dice.below(15);
    let bit = 1_u8 << dice.below(8);
    let expected = match kind {
        // A bit of a record of the journal, of its length, or of its row's format.
        0 => {
            let (_, row, ..) = log.calls(dice);
            let mut body = log.body(row).await;
            let at = usize::try_from(dice.below(body.len() as u64)).unwrap();
            body[at] ^= bit;
            log.set_body(row, &body).await;
            let first = log.first_of_row(row).unwrap();
            let hit = log.leaves.iter().position(|(_, place)| matches!(place, Place::Call { row: its, from, to } if *its == row && (*from..*to).contains(&at)));
            Expected::At(hit.unwrap_or(first))
        }
        // A bit of an entry.
        1 => {
            let (index, org, seq) = log.changes(dice);
            let mut leaf = log.leaves[index].0.clone();
            let at = usize::try_from(dice.below(leaf.len() as u64)).unwrap();
            leaf[at] ^= bit;
            log.set_leaf((&org, seq), &leaf).await;
            Expected::At(index)
        }
        // A column beside an entry, by which it is found.
        2 => {
            let (index, org, seq) = log.changes(dice);
            let column = ["action", "actor", "subject"][usize::try_from(dice.below(3)).unwrap()];
            let statement =
                format!("UPDATE main.audit_log SET {column} = {column} || 'x' WHERE org = ? AND seq = ?");
            let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(org).bind(seq);
            query.execute(&mut log.db).await.unwrap();
            Expected::At(index)
        }
        3 => {
            let (_, row, ..) = log.calls(dice);
            log.sql(format!("DELETE FROM main.journal WHERE seq = {row}"))
                .await;
            Expected::At(log.first_of_row(row).unwrap())
        }
        4 => {
            let (index, org, seq) = log.changes(dice);
            let query = sqlx::query("DELETE FROM main.audit_log WHERE org = ? AND seq = ?")
                .bind(org)
                .bind(seq);
            query.execute(&mut log.db).await.unwrap();
            Expected::At(index)
        }
        // A record stands twice.
        5 => {
            let (index, row, from, to) = log.calls(dice);
            let mut body = log.body(row).await;
            let record = body[from..to].to_vec();
            body.splice(to..to, record);
            log.set_body(row, &body).await;
            Expected::At(index + 1)
        }
        // A record is cut out of its row.
        6 => {
            let (index, row, from, to) = log.calls(dice);
            let mut body = log.body(row).await;
            body.drain(from..to);
            log.set_body(row, &body).await;
            Expected::At(index)
        }
        // Two rows change places.
        7 => {
            let ((_, one, ..), (_, two, ..)) = (log.calls(dice), log.calls(dice));
            let (first, second) = (log.body(one).await, log.body(two).await);
            log.set_body(one, &second).await;
            log.set_body(two, &first).await;
            match one == two {
                true => Expected::Nothing,
                false => Expected::At(log.first_of_row(one.min(two)).unwrap()),
            }
        }
        // Two entries change places.
        8 => {
            let (index, org, seq) = log.changes(dice);
            match log.index_of_change(&org, seq + 1) {
                None => Expected::Nothing,
                Some(other) => {
                    let (first, second) = (log.leaves[index].0.clone(), log.leaves[other].0.clone());
                    log.set_leaf((&org, seq), &second).await;
                    log.set_leaf((&org, seq + 1), &first).await;
                    Expected::At(index)
                }
            }
        }
        // A row comes between others.
        9 => {
            let (_, row, ..) = log.calls(dice);
            let body = log.body(if row == 1 { 2 } else { 1 }).await;
            log.sql(format!(
                "UPDATE main.journal SET seq = -seq - 1 WHERE seq >= {row}"
            ))
            .await;
            log.sql("UPDATE main.journal SET seq = -seq WHERE seq < 0").await;
            let query = sqlx::query("INSERT INTO main.journal (seq, at, body) VALUES (?, 0, ?)");
            let query = query.bind(row).bind(body);
            query.execute(&mut log.db).await.unwrap();
            Expected::Until(log.first_of_row(row).unwrap())
        }
        // The end is cut off, with all that tells of it in the database.
        10 => {
            let size = usize::try_from(dice.below(log.leaves.len() as u64 - 1)).unwrap() + 1;
            cut(log, size).await;
            return (kind, Expected::Until(size));
        }
        // A bit of a stored hash.
        11 => {
            let index = usize::try_from(dice.below(log.leaves.len() as u64)).unwrap();
            let query =
                sqlx::query_scalar("SELECT hashes FROM main.audit_tiles WHERE level = 0 AND tile = ?");
            let tile = i64::try_from(index / 256).unwrap();
            let mut hashes: Vec<u8> = query.bind(tile).fetch_one(&mut log.db).await.unwrap();
            hashes[index % 256 * 32 + usize::try_from(dice.below(32)).unwrap()] ^= bit;
            let query = sqlx::query("UPDATE main.audit_tiles SET hashes = ? WHERE level = 0 AND tile = ?");
            query.bind(hashes).bind(tile).execute(&mut log.db).await.unwrap();
            Expected::At(index)
        }
        // What says what the leaves are.
        12 => {
            let column = ["count", "since", "until", "first"][usize::try_from(dice.below(4)).unwrap()];
            // Two spans cannot begin at one record.
            let by = if column == "first" { 100_000 } else { 1 };
            let place = dice.below(log.leaves.len() as u64);
            log.sql(format!(
                "UPDATE main.audit_spans SET {column} = {column} + {by} WHERE first = \
                 (SELECT MAX(first) FROM main.audit_spans WHERE first <= {place})"
            ))
            .await;
            Expected::Until(log.leaves.len())
        }
        // A signed note.
        13 => {
            let query =
                sqlx::query_as("SELECT size, note FROM main.audit_checkpoints ORDER BY random() LIMIT 1");
            let (size, note): (i64, String) = query.fetch_one(&mut log.db).await.unwrap();
            let mut note = note.into_bytes();
            let at = usize::try_from(dice.below(note.len() as u64)).unwrap();
            note[at] = if note[at] == b'1' { b'2' } else { b'1' };
            let note = String::from_utf8_lossy(&note).into_owned();
            let query = sqlx::query("UPDATE main.audit_checkpoints SET note = ? WHERE size = ?");
            query.bind(note).bind(size).execute(&mut log.db).await.unwrap();
            Expected::Until(usize::try_from(size).unwrap())
        }
        // A record with all the hashes over it: who has all but the key.
        _ => {
            let index = usize::try_from(dice.below(log.leaves.len() as u64)).unwrap();
            let mut all: Vec<Vec<u8>> = log.leaves.iter().map(|(leaf, _)| leaf.clone()).collect();
            let at = usize::try_from(dice.below(all[index].len() as u64)).unwrap();
            all[index][at] ^= bit;
            let leaf = all[index].clone();
            log.put(index, &leaf).await;
            log.rehash(&all).await;
            // What is no record, or not what stands beside it, is named exactly all the same.
            Expected::Around(index)
        }
    };
    (kind, expected)
}

/// Cuts the log off after so many records, and makes everything in the database agree with that.
async fn cut(log: &mut Log, size: usize) {
    let all: Vec<Vec<u8>> = log.leaves[..size].iter().map(|(leaf, _)| leaf.clone()).collect();
    log.rehash(&all).await;
    for (_, place) in log.leaves.clone().split_off(size) {
        match place {
            Place::Call { row, from, .. } => {
                let mut body = log.body(row).await;
                body.truncate(from.min(body.len()));
                log.set_body(row, &body).await;
            }
            Place::Change { org, seq } => {
                let query = sqlx::query("DELETE FROM main.audit_log WHERE org = ? AND seq = ?")
                    .bind(&org)
                    .bind(seq);
                query.execute(&mut log.db).await.unwrap();
                let query = sqlx::query("UPDATE main.audit_taken SET seq = MIN(seq, ?) WHERE org = ?")
                    .bind(seq - 1)
                    .bind(&org);
                query.execute(&mut log.db).await.unwrap();
                let query = sqlx::query("UPDATE main.audit_spans SET until = MIN(until, ?) WHERE org = ?")
                    .bind(seq - 1)
                    .bind(&org);
                query.execute(&mut log.db).await.unwrap();
            }
        }
    }
    log.db
        .execute(sqlx::AssertSqlSafe(format!(
            "DELETE FROM main.audit_spans WHERE first >= {size}"
        )))
        .await
        .unwrap();
    log.db
        .execute(sqlx::AssertSqlSafe(format!(
            "UPDATE main.audit_spans SET count = MIN(count, {size} - first)"
        )))
        .await
        .unwrap();
    log.db
        .execute(sqlx::AssertSqlSafe(format!(
            "DELETE FROM main.audit_checkpoints WHERE size > {size}"
        )))
        .await
        .unwrap();
    log.sql(format!("UPDATE main.audit_tree SET size = {size}, journal = COALESCE((SELECT MAX(until) FROM main.audit_spans WHERE org IS NULL), 0)")).await;
}

#[tokio::test]
async fn whatever_is_changed_is_found_and_named() {
    let mut log = Log::make().await;
    let whole = log.check().await;
    assert_eq!(whole.problem, None);
    assert_eq!(whole.records, log.leaves.len() as u64);
    assert_eq!(whole.signed, whole.records);
    assert!(whole.checkpoints >= 6 && log.leaves.len() > 200, "{whole:?}");
    let mut dice = Dice::new(1);
    let mut kinds = [0_u32; 15];
    for round in 0..soak(10_000, 1_000) {
        let (kind, expected) = change(&mut log, &mut dice).await;
        let found = log.check().await.problem;
        let named = |from: usize, to: usize| {
            let problem = found
                .as_ref()
                .unwrap_or_else(|| panic!("round {round}: a change of kind {kind} was not found"));
            let (first, last) = (
                usize::try_from(problem.first).unwrap(),
                usize::try_from(problem.last).unwrap(),
            );
            assert!(
                first <= to && last >= from,
                "round {round}, kind {kind}: {problem} is not {from} to {to}"
            );
            (first, last)
        };
        match expected {
            Expected::Nothing => assert_eq!(found, None, "round {round}"),
            Expected::At(index) => assert_eq!(
                named(index, index),
                (index, index),
                "round {round}, kind {kind}: {found:?}"
            ),
            Expected::Until(index) => drop(named(0, index)),
            Expected::Around(index) => {
                let (first, last) = named(index, index);
                let before = log
                    .signed
                    .iter()
                    .rfind(|size| **size <= index as u64)
                    .copied()
                    .unwrap_or(0);
                let after = log
                    .signed
                    .iter()
                    .find(|size| **size > index as u64)
                    .copied()
                    .unwrap();
                assert!(
                    first as u64 >= before && (last as u64) < after,
                    "round {round}: {found:?}"
                );
            }
        }
        kinds[usize::try_from(kind).unwrap()] += 1;
        log.restore().await;
    }
    assert!(kinds.iter().all(|count| *count > 20), "{kinds:?}");
    assert_eq!(log.check().await, whole);
}

/// Who holds the signing key, too, can sign another history at the old sizes and times, but not where the checkpoints were kept.
#[tokio::test]
async fn what_was_signed_elsewhere_counts_beside_what_is_signed_here() {
    let mut log = Log::make().await;
    let kept = std::mem::take(&mut log.outside);
    for note in &kept[..2] {
        let said = log.key.open(note).unwrap();
        let root = |root: &[u8]| base64::engine::general_purpose::STANDARD.encode(root);
        log.outside = vec![note.replace(&root(&said.root), &root(&[7; 32]))];
        let mut conn = log.look.read().await.unwrap();
        let report = check(&mut conn, None, &log.outside, &mut |_, _| {})
            .await
            .unwrap();
        let problem = report.problem.unwrap();
        assert!(
            problem.what.contains("is not the one that was signed"),
            "{problem}"
        );
        assert_eq!(problem.last, said.size - 1);
    }
}

/// Changes that a check which takes the spans at their word would never come to the end of.
#[tokio::test]
async fn a_check_ends_whatever_the_spans_say() {
    let mut log = Log::make().await;
    let ends = async |log: &Log| {
        let found = tokio::time::timeout(Duration::from_secs(30), log.check()).await;
        found.expect("the check ends").problem.unwrap()
    };
    // The last row of a span of the journal, with others behind it.
    let (first, row): (i64, i64) = sqlx::query_as(
        "SELECT first, until FROM main.audit_spans WHERE org IS NULL AND until < (SELECT MAX(seq) FROM main.journal) LIMIT 1",
    )
    .fetch_one(&mut log.db)
    .await
    .unwrap();
    log.sql(format!("DELETE FROM main.journal WHERE seq = {row}"))
        .await;
    let found = ends(&log).await;
    assert!(found.first >= first.unsigned_abs(), "{found}");
    assert_eq!(found.what, format!("row {row} of the journal is missing"));
    log.restore().await;
    // A last span of no leaf, which the schema refuses to who does not write the file.
    let statement = "PRAGMA ignore_check_constraints = ON";
    log.db.execute(statement).await.unwrap();
    log.sql(
        "UPDATE main.audit_spans SET (org, since, until, count) = (SELECT org, MAX(until) + 1, MAX(until), 0 \
            FROM main.audit_spans WHERE org IS NOT NULL AND first < (SELECT MAX(first) FROM main.audit_spans) GROUP BY org LIMIT 1) \
         WHERE first = (SELECT MAX(first) FROM main.audit_spans)",
    )
    .await;
    let found = ends(&log).await;
    assert!(found.what.contains("holds no leaf"), "{found}");
}

/// In the soak every bit of every record; otherwise one of a few bytes of each.
#[tokio::test]
async fn every_flipped_bit_is_found_at_its_record() {
    let mut log = Log::make().await;
    let step = 4096 / soak(4096, 4);
    let mut bit = 0;
    for index in 0..log.leaves.len() {
        let leaf = log.leaves[index].0.clone();
        assert!(Leaf::read(&leaf).is_ok());
        while bit < leaf.len() * 8 {
            let mut changed = leaf.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            log.put(index, &changed).await;
            let found = log.check().await.problem;
            let at = found
                .as_ref()
                .map(|problem: &Problem| (problem.first, problem.last));
            assert_eq!(at, Some((index as u64, index as u64)), "bit {bit}: {found:?}");
            bit += step;
        }
        bit -= leaf.len() * 8;
        log.put(index, &leaf).await;
    }
    assert_eq!(log.check().await.problem, None);
}
