//! Exactly once: the projections against a naive fold.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use keystore_core::ids::BudgetId;
use keystore_core::record::{Ending, HeldBudget, Intent, Outcome, Refusal, Topup};
use keystore_core::{Micros, NanoUsd};
use keystore_store::failpoints::Action;
use keystore_store::{Durability, Store, budgets, requests, usage};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::bench::{Bench, REQUESTS, World, outcome};

/// One step of a random history.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// An intent that holds against the budgets of the mask.
    Intent {
        hold: i64,
        budgets: u8,
    },
    /// More is held for the intent with this number (modulo those there are); it may have ended.
    Topup {
        of: usize,
        more: i64,
    },
    /// An outcome of the intent with this number (modulo those there are); may be a second one.
    Outcome {
        of: usize,
        cost: i64,
        not_sent: bool,
    },
    Refusal,
    Project,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..1_000_i64, 0..4_u8).prop_map(|(hold, budgets)| Step::Intent { hold, budgets }),
        10 => (any::<usize>(), 0..2_000_i64, prop::bool::weighted(0.1))
            .prop_map(|(of, cost, not_sent)| Step::Outcome { of, cost, not_sent }),
        4 => (any::<usize>(), 0..500_i64).prop_map(|(of, more)| Step::Topup { of, more }),
        2 => Just(Step::Refusal),
        2 => Just(Step::Project),
        1 => Just(Step::Restart),
    ]
}

/// The naive fold: what every attempt cost, kept in the simplest way.
#[derive(Default)]
struct Model {
    intents: Vec<Intent<'static>>,
    ended: BTreeMap<usize, (i64, Ending)>,
    refusals: u32,
}

impl Model {
    fn settle(&mut self, number: usize, cost: i64, ending: Ending) {
        self.ended.entry(number).or_insert((cost, ending));
    }

    fn restart(&mut self) {
        for number in 0..self.intents.len() {
            let hold = self.intents[number].hold.0;
            self.settle(number, hold, Ending::Crash);
        }
    }

    fn spent(&self, budget: BudgetId) -> i64 {
        let counts = |number: &usize| {
            self.intents[*number]
                .budgets
                .iter()
                .any(|held| held.budget == budget)
        };
        self.ended
            .iter()
            .filter(|(number, _)| counts(number))
            .map(|(_, (cost, _))| cost)
            .sum()
    }

    fn admitted(&self) -> i64 {
        let returned = self
            .ended
            .values()
            .filter(|(_, ending)| *ending == Ending::NotSent)
            .count();
        (self.intents.len() - returned) as i64
    }
}

async fn play(
    bench: &Bench,
    mut store: Store,
    world: &World,
    budgets: &[BudgetId],
    steps: &[Step],
) -> (Store, Model) {
    let mut model = Model::default();
    for step in steps {
        match *step {
            Step::Intent { hold, budgets: mask } => {
                let chosen: Vec<_> = (0..2)
                    .filter(|bit| mask & (1 << bit) != 0)
                    .map(|bit| budgets[bit])
                    .collect();
                let intent = bench.intent(world, hold, &chosen);
                store
                    .journal()
                    .intent(&intent, Durability::Process)
                    .await
                    .unwrap();
                model.intents.push(intent);
            }
            Step::Topup { of, more } => {
                let Some(number) = of.checked_rem(model.intents.len()) else {
                    continue;
                };
                let topup = grown(&model.intents[number], more);
                store.journal().topup(&topup);
                if !model.ended.contains_key(&number) {
                    model.intents[number].grow(&topup);
                }
            }
            Step::Outcome { of, cost, not_sent } => {
                let Some(number) = of.checked_rem(model.intents.len()) else {
                    continue;
                };
                let (cost, ending) = if not_sent {
                    (0, Ending::NotSent)
                } else {
                    (cost, Ending::Complete)
                };
                let ended = Outcome {
                    ending,
                    ..outcome(&model.intents[number], cost)
                };
                store.journal().outcome(&ended);
                model.settle(number, cost, ending);
            }
            Step::Refusal => {
                store.journal().refusal(&bench.refusal(world, "rate_limited"));
                model.refusals += 1;
            }
            Step::Project => store.project_now().await.unwrap(),
            Step::Restart => {
                store = bench.reopen(store).await.0;
                model.restart();
            }
        }
    }
    store.project_now().await.unwrap();
    (store, model)
}

async fn compare(bench: &Bench, store: &Store, world: &World, budgets: &[BudgetId], model: &Model) {
    let mut conn = store.read().await.unwrap();
    for budget in budgets {
        let settled = budgets::spent(&mut conn, *budget, Micros(0)).await.unwrap();
        assert_eq!(settled, model.spent(*budget));
    }
    let rows = requests::list(&mut conn, world.org, &requests::Filter::default(), None, 100_000)
        .await
        .unwrap()
        .rows;
    let ended: Vec<_> = rows.iter().filter(|row| row.attempt.is_some()).collect();
    assert_eq!(ended.len(), model.ended.len());
    for (number, (cost, ending)) in &model.ended {
        let attempt = Some(model.intents[*number].attempt);
        let [row] = ended
            .iter()
            .filter(|row| row.attempt == attempt)
            .collect::<Vec<_>>()[..]
        else {
            panic!("one row of attempt {number}");
        };
        assert_eq!((row.cost.0, row.ending), (*cost, Some(*ending)));
    }
    let refused: u32 = rows
        .iter()
        .filter(|row| row.attempt.is_none())
        .map(|row| row.count)
        .sum();
    assert_eq!(refused, model.refusals);
    let seqs: BTreeSet<i64> = rows.iter().map(|row| row.seq).collect();
    assert!(seqs.into_iter().eq(1..=rows.len() as i64), "numbers without gaps");
    let sums = usage::grouped(&mut conn, world.org, &[], &usage::Filter::default(), 1)
        .await
        .unwrap();
    let cost: i64 = model.ended.values().map(|(cost, _)| cost).sum();
    assert_eq!((sums[0].calls, sums[0].cost.0), (model.ended.len() as u64, cost));
    assert_eq!(sums[0].refused, u64::from(model.refusals));
    drop(conn);
    let open = (model.intents.len() - model.ended.len()) as i64;
    assert_eq!(bench.count("SELECT COUNT(*) FROM open_intents").await, open);
    let admitted = bench
        .count("SELECT CAST(COALESCE(SUM(admitted), 0) AS BIGINT) FROM daily_requests")
        .await;
    assert_eq!(admitted, model.admitted());
}

pub(crate) async fn projections_equal_a_naive_fold(bench: Bench) {
    // Histories are drawn from proptest's own strategies; every one goes on in the same database under agents of its own.
    let mut runner = TestRunner::deterministic();
    let mut store = bench.open().await;
    for number in 0..8 {
        let steps = prop::collection::vec(step(), 1..80)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let world = bench.world(&store, &number.to_string()).await;
        let budgets = [bench.id(BudgetId::new), bench.id(BudgetId::new)];
        let (played, model) = play(&bench, store, &world, &budgets, &steps).await;
        let mut conn = played.read().await.unwrap();
        for budget in &budgets {
            let settled = budgets::spent(&mut conn, *budget, Micros(0)).await.unwrap();
            assert_eq!(settled, model.spent(*budget), "{steps:?}");
        }
        drop(conn);
        // What this history left open does not reach into the next.
        store = bench.reopen(played).await.0;
    }
    store.close().await;
    let fresh = another(&bench).await;
    let store = fresh.open().await;
    let world = fresh.world(&store, "long").await;
    let budgets = [fresh.id(BudgetId::new), fresh.id(BudgetId::new)];
    let steps = prop::collection::vec(step(), 600..601)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let (store, model) = play(&fresh, store, &world, &budgets, &steps).await;
    compare(&fresh, &store, &world, &budgets, &model).await;
    store.close().await;
}

async fn another(bench: &Bench) -> Bench {
    if bench.url.starts_with("sqlite") {
        Bench::sqlite()
    } else {
        Bench::postgres().await
    }
}

pub(crate) async fn the_first_outcome_counts(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    let intent = bench.intent(&world, 50, &[budget]);
    store
        .journal()
        .intent(&intent, Durability::Process)
        .await
        .unwrap();
    store.journal().outcome(&outcome(&intent, 20));
    store.journal().outcome(&outcome(&intent, 21));
    store.project_now().await.unwrap();
    store.journal().outcome(&outcome(&intent, 22));
    // An outcome whose intent was never written charges nothing.
    store
        .journal()
        .outcome(&outcome(&bench.intent(&world, 9, &[budget]), 9));
    store.project_now().await.unwrap();
    let settled = budgets::spent(&mut store.read().await.unwrap(), budget, Micros(0))
        .await
        .unwrap();
    assert_eq!(settled, 20);
    assert_eq!(bench.count(REQUESTS).await, 1);
    store.close().await;
}

/// The top-up by which `more` is held for the call, in each of its budgets.
fn grown(intent: &Intent<'_>, more: i64) -> Topup<'static> {
    let hold = NanoUsd(intent.hold.0 + more);
    let held = intent.budgets.iter().map(|held| HeldBudget {
        amount: Some(held.amount.unwrap_or(intent.hold.0) + more),
        ..*held
    });
    Topup {
        attempt: intent.attempt,
        hold,
        budgets: Cow::Owned(held.collect()),
    }
}

pub(crate) async fn a_crash_settles_at_the_hold_as_it_grew(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    let mut intents = Vec::new();
    for _ in 0..3 {
        let intent = bench.intent(&world, 50, &[budget]);
        let written = store.journal().intent(&intent, Durability::Process);
        written.await.unwrap();
        intents.push(intent);
    }
    // One grows twice: in the chunk of its intent, and when it is in the table already. One grows in the table alone. One has ended.
    store.journal().topup(&grown(&intents[0], 10));
    store.journal().outcome(&outcome(&intents[2], 7));
    store.project_now().await.unwrap();
    store.journal().topup(&grown(&intents[0], 100));
    store.journal().topup(&grown(&intents[1], 1_000));
    store.journal().topup(&grown(&intents[2], 5));
    store.project_now().await.unwrap();
    let (store, recovery) = bench.reopen(store).await;
    assert_eq!(recovery.crashed, 2);
    let mut conn = store.read().await.unwrap();
    let settled = budgets::spent(&mut conn, budget, Micros(0)).await.unwrap();
    assert_eq!(settled, 150 + 1_050 + 7);
    let rows = requests::list(&mut conn, world.org, &requests::Filter::default(), None, 10)
        .await
        .unwrap()
        .rows;
    let costs: BTreeSet<i64> = rows.iter().map(|row| row.cost.0).collect();
    assert_eq!(costs, BTreeSet::from([7, 150, 1_050]));
    drop(conn);
    store.close().await;
}

pub(crate) async fn a_killed_projection_counts_once(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    bench.failpoints.set("project.before_commit", Action::Fail);
    for _ in 0..20 {
        let intent = bench.intent(&world, 50, &[budget]);
        store
            .journal()
            .intent(&intent, Durability::Process)
            .await
            .unwrap();
        store.journal().outcome(&outcome(&intent, 7));
        assert!(store.project_now().await.is_err());
    }
    assert_eq!(bench.count(REQUESTS).await, 0);
    bench.failpoints.clear("project.before_commit");
    store.project_now().await.unwrap();
    store.project_now().await.unwrap();
    let settled = budgets::spent(&mut store.read().await.unwrap(), budget, Micros(0))
        .await
        .unwrap();
    assert_eq!(settled, 140);
    store.close().await;
}

pub(crate) async fn a_rebuild_changes_nothing(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budgets = [bench.id(BudgetId::new), bench.id(BudgetId::new)];
    let mut runner = TestRunner::deterministic();
    let steps = prop::collection::vec(step(), 200..201)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let (store, model) = play(&bench, store, &world, &budgets, &steps).await;
    let all = requests::Filter::default();
    let before = requests::list(&mut store.read().await.unwrap(), world.org, &all, None, 10_000)
        .await
        .unwrap();
    store.rebuild_projections().await.unwrap();
    compare(&bench, &store, &world, &budgets, &model).await;
    let after = requests::list(&mut store.read().await.unwrap(), world.org, &all, None, 10_000)
        .await
        .unwrap();
    assert_eq!(before, after);
    store.close().await;
}

pub(crate) async fn not_sent_gives_its_place_in_the_day_back(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let (sent, unsent) = (bench.intent(&world, 5, &[]), bench.intent(&world, 5, &[]));
    for intent in [&sent, &unsent] {
        store.journal().intent(intent, Durability::Process).await.unwrap();
    }
    store.project_now().await.unwrap();
    assert_eq!(bench.count("SELECT admitted FROM daily_requests").await, 2);
    store.journal().outcome(&Outcome {
        ending: Ending::NotSent,
        ..outcome(&unsent, 0)
    });
    store.journal().outcome(&outcome(&sent, 1));
    let (store, recovery) = bench.reopen(store).await;
    assert_eq!(recovery.daily_requests.len(), 1);
    assert_eq!(recovery.daily_requests[0].admitted, 1);
    store.close().await;
}

pub(crate) async fn a_new_version_makes_a_projection_anew(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(BudgetId::new);
    let intent = bench.intent(&world, 50, &[budget]);
    let written = store.journal().intent(&intent, Durability::Process);
    written.await.unwrap();
    store.journal().outcome(&outcome(&intent, 20));
    store.close().await;
    // What a migration does to a table whose shape changes.
    for statement in [
        "DELETE FROM request_pages",
        "DELETE FROM request_agents",
        "DELETE FROM request_ids",
        "DELETE FROM request_hours",
        "UPDATE watermarks SET seq = 0 WHERE projection = 'requests'",
    ] {
        bench.try_statement(statement).await.unwrap();
    }
    let (store, recovery) = bench.try_open().await.unwrap();
    assert_eq!((recovery.crashed, recovery.spent[0].settled), (0, 20));
    let mut conn = store.read().await.unwrap();
    let rows = requests::get(&mut conn, world.org, intent.request).await.unwrap();
    assert_eq!((rows.len(), rows[0].seq, rows[0].cost.0), (1, 1, 20));
    drop(conn);
    store.close().await;
}

pub(crate) async fn a_refusal_is_told_from_an_attempt_of_its_request(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let intent = bench.intent(&world, 5, &[]);
    let written = store.journal().intent(&intent, Durability::Process);
    written.await.unwrap();
    store.journal().outcome(&Outcome {
        ending: Ending::NotSent,
        refusal: Some("audit_unavailable"),
        ..outcome(&intent, 0)
    });
    store.project_now().await.unwrap();
    let refusal = Refusal {
        request: intent.request,
        ..bench.refusal(&world, "audit_unavailable")
    };
    // The second time it is known.
    for _ in 0..2 {
        store.journal().refusal(&refusal);
        store.project_now().await.unwrap();
    }
    let mut conn = store.read().await.unwrap();
    let rows = requests::get(&mut conn, world.org, intent.request).await.unwrap();
    let attempts: Vec<_> = rows.iter().map(|row| row.attempt).collect();
    assert_eq!(attempts, [None, Some(intent.attempt)]);
    drop(conn);
    store.close().await;
}
