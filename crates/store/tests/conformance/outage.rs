//! When the journal cannot be written: closed for what is new, nothing lost of what runs, and back by itself.

use std::time::{Duration, Instant};

use keystore_core::Micros;
use keystore_core::ids::BudgetId;
use keystore_core::record::{Ending, Intent};
use keystore_store::failpoints::Action;
use keystore_store::{Durability, JournalError, Store, budgets, requests};
use keystore_testkit::counts::within;

use crate::bench::{Bench, REQUESTS, World, outcome};

async fn is_back(store: &Store) {
    let begun = Instant::now();
    while !store.journal().is_available() {
        assert!(
            begun.elapsed() < within(Duration::from_secs(5)),
            "back within five seconds"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn admitted(
    bench: &Bench,
    store: &Store,
    world: &World,
    budget: BudgetId,
    count: usize,
) -> Vec<Intent<'static>> {
    let mut intents = Vec::new();
    for _ in 0..count {
        let intent = bench.intent(world, 100, &[budget]);
        store
            .journal()
            .intent(&intent, Durability::Process)
            .await
            .unwrap();
        intents.push(intent);
    }
    intents
}

async fn spent(store: &Store, budget: BudgetId) -> i64 {
    budgets::spent(&mut store.read().await.unwrap(), budget, Micros(0))
        .await
        .unwrap()
}

pub(crate) async fn intents_are_refused_and_outcomes_survive(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    let running = admitted(&bench, &store, &world, budget, 10).await;
    bench.failpoints.set("journal.before_append", Action::Fail);
    let refused = bench.intent(&world, 100, &[budget]);
    let first = store.journal().intent(&refused, Durability::Process).await;
    assert_eq!(first, Err(JournalError::Unavailable));
    assert!(!store.journal().is_available());
    let begun = Instant::now();
    for _ in 0..1_000 {
        let written = store
            .journal()
            .intent(&bench.intent(&world, 100, &[budget]), Durability::Process)
            .await;
        assert_eq!(written, Err(JournalError::Unavailable));
    }
    assert!(
        begun.elapsed() < within(Duration::from_secs(1)),
        "refused at once"
    );
    for intent in &running {
        store.journal().outcome(&outcome(intent, 3));
    }
    store
        .journal()
        .refusal(&bench.refusal(&world, "audit_unavailable"));
    assert_eq!(store.journal().flush().await, Err(JournalError::Unavailable));
    tokio::time::sleep(Duration::from_millis(300)).await;
    bench.failpoints.clear("journal.before_append");
    is_back(&store).await;
    store.project_now().await.unwrap();
    assert_eq!(spent(&store, budget).await, 30);
    assert_eq!(bench.count("SELECT COUNT(*) FROM open_intents").await, 0);
    admitted(&bench, &store, &world, budget, 1).await;
    let (store, recovery) = bench.reopen(store).await;
    assert_eq!(recovery.crashed, 1, "only the one that was admitted last");
    store.close().await;
}

pub(crate) async fn a_row_that_landed_all_the_same_is_not_charged(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    // The database takes the row, and its answer is lost.
    bench.failpoints.set("journal.after_append", Action::Fail);
    let intent = bench.intent(&world, 100, &[budget]);
    let written = store.journal().intent(&intent, Durability::Process).await;
    assert_eq!(written, Err(JournalError::Unavailable));
    assert!(bench.count("SELECT COUNT(*) FROM journal").await > 0);
    bench.failpoints.clear("journal.after_append");
    is_back(&store).await;
    store.project_now().await.unwrap();
    assert_eq!(spent(&store, budget).await, 0);
    let rows = requests::get(&mut store.read().await.unwrap(), world.org, intent.request)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].ending, rows[0].refusal.as_deref()),
        (Some(Ending::NotSent), Some("audit_unavailable"))
    );
    let (store, recovery) = bench.reopen(store).await;
    assert_eq!(recovery.crashed, 0);
    store.close().await;
}

/// Leaves outcomes of `running` in the spool and closes the store in the middle of the outage.
async fn close_in_an_outage(bench: &Bench, store: Store, world: &World, running: &[Intent<'_>]) {
    bench.failpoints.set("journal.before_append", Action::Fail);
    let written = store
        .journal()
        .intent(&bench.intent(world, 1, &[]), Durability::Process)
        .await;
    assert_eq!(written, Err(JournalError::Unavailable));
    for intent in running {
        store.journal().outcome(&outcome(intent, 3));
    }
    store
        .journal()
        .refusal(&bench.refusal(world, "audit_unavailable"));
    store.close().await;
    bench.failpoints.clear("journal.before_append");
}

pub(crate) async fn a_restart_imports_the_spool(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    let running = admitted(&bench, &store, &world, budget, 10).await;
    close_in_an_outage(&bench, store, &world, &running).await;
    let (store, recovery) = bench.try_open().await.unwrap();
    assert_eq!((recovery.crashed, spent(&store, budget).await), (0, 30));
    let filter = requests::Filter {
        status: Some(429),
        ..requests::Filter::default()
    };
    let rows = requests::list(&mut store.read().await.unwrap(), world.org, &filter, None, 10)
        .await
        .unwrap()
        .rows;
    assert_eq!(rows.len(), 1);
    let spool = std::fs::read(bench.spool()).unwrap();
    assert_eq!(&spool[..8], [0; 8], "the spool is empty again");
    store.close().await;
}

pub(crate) async fn an_import_twice_counts_once(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    let running = admitted(&bench, &store, &world, budget, 10).await;
    close_in_an_outage(&bench, store, &world, &running).await;
    let spool = std::fs::read(bench.spool()).unwrap();
    assert_ne!(&spool[..4], [0; 4]);
    bench.open().await.close().await;
    // As after a crash between the import and the emptying.
    std::fs::write(bench.spool(), spool).unwrap();
    let store = bench.open().await;
    assert_eq!(spent(&store, budget).await, 30);
    assert_eq!(bench.count(REQUESTS).await, 11);
    let refused = bench
        .count("SELECT CAST(SUM(refused) AS BIGINT) FROM usage_daily")
        .await;
    assert_eq!(refused, 1);
    store.close().await;
}

pub(crate) async fn what_does_not_fit_the_spool_stays_in_memory(bench: Bench) {
    let mut bench = bench;
    bench.spool_bytes = 512;
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    let running = admitted(&bench, &store, &world, budget, 200).await;
    bench.failpoints.set("journal.before_append", Action::Fail);
    for intent in &running {
        store.journal().outcome(&outcome(intent, 3));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!store.journal().is_available());
    bench.failpoints.clear("journal.before_append");
    is_back(&store).await;
    store.project_now().await.unwrap();
    assert_eq!(spent(&store, budget).await, 600);
    store.close().await;
}
