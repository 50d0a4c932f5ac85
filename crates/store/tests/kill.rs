//! `kill -9` in the middle of traffic: what was acknowledged is there afterwards, once.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "the child process is told by its environment which database to use, and spawns its own tasks"
)]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use keystore_core::ids::{AgentId, AttemptId, BudgetId, CredentialId, OrgId, ProjectId, RequestId, TokenId};
use keystore_core::policy::Source;
use keystore_core::record::{ChargeFlags, Ending, HeldBudget, Intent, Outcome};
use keystore_core::{Micros, NanoUsd, Usage};
use keystore_store::{Durability, Options, Store, budgets, requests};
use keystore_testkit::clock::MockClock;
use keystore_testkit::ids::SeededIds;
use keystore_testkit::pg::PgCluster;
use uuid::Uuid;

const URL: &str = "KEYSTORE_STORE_KILL_URL";
const SPOOL: &str = "KEYSTORE_STORE_KILL_SPOOL";
const SEED: &str = "KEYSTORE_STORE_KILL_SEED";

const HOLD: i64 = 100;
const COST: i64 = 7;

fn org() -> OrgId {
    OrgId::new(Uuid::from_u128(1))
}

fn budget() -> BudgetId {
    BudgetId::new(Uuid::from_u128(2))
}

async fn open(url: &str, spool: &str, seed: u64) -> (Store, keystore_store::Recovery) {
    let options = Options {
        spool: Some(spool.into()),
        spool_bytes: 1 << 16,
        ..Options::default()
    };
    let (clock, ids) = (Arc::new(MockClock::default()), Arc::new(SeededIds::new(seed)));
    Store::open(url, options, clock, ids).await.unwrap()
}

fn intent(store: &Store) -> Intent<'static> {
    Intent {
        attempt: AttemptId::new(store.ids().next()),
        request: RequestId::new(store.ids().next()),
        at: store.clock().now(),
        org: org(),
        project: ProjectId::new(Uuid::nil()),
        agent: AgentId::new(Uuid::nil()),
        token: TokenId::new(Uuid::nil()),
        provider: "openai",
        operation: "chat",
        method: "POST",
        path: "/v1/chat/completions",
        model: None,
        source: Source::Byok,
        credential: CredentialId::new(Uuid::nil()),
        credential_version: 1,
        hold: NanoUsd(HOLD),
        budgets: Cow::Owned(vec![HeldBudget {
            budget: budget(),
            window_start: Micros(0),
            unit: keystore_core::policy::Unit::Usd,
            amount: None,
        }]),
        end_user: None,
        query: None,
    }
}

fn ended(intent: &Intent<'_>) -> Outcome<'static> {
    Outcome {
        attempt: intent.attempt,
        at: intent.at,
        ending: Ending::Complete,
        status: 200,
        served_model: None,
        usage: Usage::ZERO,
        cost: NanoUsd(COST),
        flags: ChargeFlags::default(),
        first_byte_us: 1,
        total_us: 2,
        request_bytes: 3,
        response_bytes: 4,
        refusal: None,
        market: None,
        steps: None,
    }
}

/// The process that is killed: says every attempt that was acknowledged, and every outcome that is durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests of this file"]
async fn child() {
    let (url, spool) = (std::env::var(URL).unwrap(), std::env::var(SPOOL).unwrap());
    let (store, _) = open(&url, &spool, std::env::var(SEED).unwrap().parse().unwrap()).await;
    let tasks: Vec<_> = (0..16).map(|_| tokio::spawn(traffic(store.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn traffic(store: Store) {
    // More than a round lets it do.
    for _ in 0..1_000_000 {
        let intent = intent(&store);
        store
            .journal()
            .intent(&intent, Durability::Process)
            .await
            .unwrap();
        println!("intent {}", intent.attempt);
        tokio::task::yield_now().await;
        store.journal().outcome(&ended(&intent));
        // The time part of the id counts up.
        if (intent.attempt.uuid().as_u128() >> 80).is_multiple_of(16) {
            store.journal().flush().await.unwrap();
            println!("outcome {}", intent.attempt);
        }
    }
}

/// Runs the child until it has said `lines` lines, kills it, and gives them.
fn run_and_kill(url: &str, spool: &str, seed: u64, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .envs([(URL, url), (SPOOL, spool), (SEED, &seed.to_string())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let known = |line: &String| line.starts_with("intent ") || line.starts_with("outcome ");
    let mut heard: Vec<String> = said.by_ref().filter(known).take(lines).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(heard.len(), lines, "the child ended by itself");
    // What it said before it died; the last line may be cut.
    heard.extend(
        said.filter(known)
            .filter(|line| line.len() >= "intent att_".len() + 26),
    );
    heard
}

async fn rounds(url: &str, count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool.bin").display().to_string();
    let mut acknowledged: BTreeSet<AttemptId> = BTreeSet::new();
    let mut durable: BTreeSet<AttemptId> = BTreeSet::new();
    for round in 0..count {
        let lines = 40 + usize::try_from(round * 173 % 400).unwrap();
        for line in run_and_kill(url, &spool, round + 1, lines) {
            match line.split_once(' ').unwrap() {
                ("intent", id) => acknowledged.insert(id.parse().unwrap()),
                (_, id) => durable.insert(id.parse().unwrap()),
            };
        }
        let (store, recovery) = open(url, &spool, 0).await;
        let mut conn = store.read().await.unwrap();
        let all = requests::Filter::default();
        let rows = requests::list(&mut conn, org(), &all, None, 1_000_000)
            .await
            .unwrap()
            .rows;
        let by_attempt: BTreeMap<AttemptId, &requests::RequestRow> =
            rows.iter().map(|row| (row.attempt.unwrap(), row)).collect();
        assert_eq!(by_attempt.len(), rows.len(), "one row an attempt");
        for attempt in &acknowledged {
            assert!(
                by_attempt.contains_key(attempt),
                "{attempt} was acknowledged and is lost"
            );
        }
        for attempt in &durable {
            assert_eq!(
                by_attempt[attempt].ending,
                Some(Ending::Complete),
                "{attempt} was settled"
            );
        }
        for row in &rows {
            let expected = if row.ending == Some(Ending::Crash) {
                HOLD
            } else {
                COST
            };
            assert_eq!(row.cost.0, expected);
        }
        let crashed = rows
            .iter()
            .filter(|row| row.ending == Some(Ending::Crash))
            .count();
        assert!(recovery.crashed <= 16 && u64::try_from(crashed).unwrap() >= recovery.crashed);
        let spent: i64 = rows.iter().map(|row| row.cost.0).sum();
        assert_eq!(
            budgets::spent(&mut conn, budget(), Micros(0)).await.unwrap(),
            spent
        );
        assert_eq!(recovery.spent[0].settled, spent);
        drop(conn);
        store.close().await;
    }
    assert!(
        durable.len() > 10 && acknowledged.len() > 100,
        "the rounds tested something"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    rounds(&format!("sqlite://{}", folder.path().join("k.db").display()), 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_loses_nothing() {
    rounds(&PgCluster::shared_database().unwrap(), 4).await;
}

/// A database that was torn is named as such, and what helps.
#[tokio::test]
async fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, spool) = (
        folder.path().join("k.db"),
        folder.path().join("spool.bin").display().to_string(),
    );
    let url = format!("sqlite://{}", path.display());
    let (store, _) = open(&url, &spool, 1).await;
    for _ in 0..200 {
        store
            .journal()
            .intent(&intent(&store), Durability::Process)
            .await
            .unwrap();
    }
    store.close().await;
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let options = Options {
        spool: Some(spool.into()),
        ..Options::default()
    };
    let (clock, ids) = (Arc::new(MockClock::default()), Arc::new(SeededIds::new(1)));
    let error = Store::open(&url, options, clock, ids).await.err().unwrap();
    assert!(
        matches!(error, keystore_store::OpenError::Corrupt { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("put a backup in its place"));
}
