//! The ledger: what the database itself keeps.

use std::collections::BTreeMap;

use keystore_core::ids::{OrgId, TransactionId};
use keystore_core::ledger::{About, Account, Balances, Close, CrashRuling, Grant, Kind, Transaction};
use keystore_core::policy::Source;
use keystore_core::record::{ChargeLine, Ending, Intent, MarketCharge, Outcome};
use keystore_core::{Bucket, Micros, Month, NanoUsd};
use keystore_store::failpoints::Action;
use keystore_store::{Durability, Store, StoreError, billing, ledger};
use keystore_testkit::counts;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::bench::{Bench, World, outcome};

impl Bench {
    fn about(&self, org: OrgId) -> About {
        About {
            id: self.id(TransactionId::new),
            org,
            at: self.now(),
            subject: String::new(),
            memo: "a remark".to_owned(),
        }
    }
}

async fn post(store: &Store, transaction: &Transaction) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    ledger::post(&mut tx, transaction).await?;
    tx.commit().await
}

/// One of a kind that needs no other, from two amounts.
fn make(kind: u8, about: About, a: NanoUsd, b: NanoUsd) -> Transaction {
    let made = match kind {
        0..=3 => Transaction::usage(about, a, b),
        4 => Transaction::crash(about, a),
        5 => Transaction::top_up(about, a),
        6 => Transaction::promo_grant(about, a),
        7 => Transaction::refund(about, a),
        8 => Transaction::payment(about, a, a),
        _ => {
            let close = Close {
                rounding: NanoUsd(-a.0),
                tax: b,
                due: a,
            };
            let subject = about.id.to_string();
            Transaction::invoice(About { subject, ..about }, close)
        }
    };
    made.unwrap()
}

pub(crate) async fn random_transactions_balance(bench: Bench) {
    let store = bench.open().await;
    let orgs: [OrgId; 3] = std::array::from_fn(|_| bench.id(OrgId::new));
    let count = counts::soak(10_000, 1_000);
    let step = (
        0..10_u8,
        0..3_usize,
        1..1_000_000_000_i64,
        0..1_000_000_i64,
        0..3_u64,
    );
    let steps = prop::collection::vec(step, count..=count);
    let steps = steps
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    let (mut models, mut months) = ([Balances::default(); 3], BTreeMap::<_, Balances>::new());
    let mut charged = [0; 3];
    for chunk in steps.chunks(100) {
        let mut tx = store.begin().await.unwrap();
        for (kind, org, a, b, month) in chunk {
            let mut about = bench.about(orgs[*org]);
            about.at = about.at.plus(std::time::Duration::from_secs(month * 31 * 86_400));
            let transaction = make(*kind, about, NanoUsd(*a), NanoUsd(*b));
            ledger::post(&mut tx, &transaction).await.unwrap();
            models[*org].add(&transaction).unwrap();
            let month = Month::of(transaction.about().at);
            months
                .entry((*org, month))
                .or_default()
                .add(&transaction)
                .unwrap();
            if transaction.kind().is_charge() {
                charged[*org] += transaction.owed().unwrap().0;
            }
        }
        tx.commit().await.unwrap();
    }
    let mut conn = store.read().await.unwrap();
    let mut listed = 0;
    for ((org, model), charged) in orgs.into_iter().zip(models).zip(charged) {
        assert_eq!(ledger::balances(&mut conn, org).await.unwrap(), model);
        assert_eq!(ledger::charged(&mut conn, org).await.unwrap(), NanoUsd(charged));
        let (mut again, mut before) = (Balances::default(), None);
        loop {
            let page = ledger::list(&mut conn, org, None, before, 300).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.about().id);
            page.iter()
                .for_each(|transaction| again.add(transaction).unwrap());
            listed += page.len();
        }
        assert_eq!(again, model, "entries and sums agree");
    }
    assert_eq!(listed, count);
    for ((org, month), model) in months {
        let found = ledger::balances_in(&mut conn, orgs[org], month).await.unwrap();
        assert_eq!(found, model);
    }
    let all = ledger::balances_of_all(&mut conn).await.unwrap();
    assert_eq!(all.sum(), 0);
    let refunds = ledger::list(&mut conn, orgs[0], Some(Kind::Refund), None, 10)
        .await
        .unwrap();
    assert_eq!(refunds.len(), 10);
    assert!(refunds.iter().all(|refund| refund.kind() == Kind::Refund));
    drop(conn);
    assert_eq!(
        bench
            .count("SELECT CAST(SUM(amount) AS BIGINT) FROM ledger_entries")
            .await,
        0
    );
    store.close().await;
}

pub(crate) async fn the_database_refuses_what_does_not_balance_or_changes(bench: Bench) {
    let store = bench.open().await;
    let org = bench.id(OrgId::new);
    let top_up = Transaction::top_up(bench.about(org), NanoUsd(10)).unwrap();
    post(&store, &top_up).await.unwrap();
    let sqlite = bench.url.starts_with("sqlite");
    // Another id of the same organization, and entries of it.
    let new = |entries: &str| {
        let other = if sqlite {
            "zeroblob(16)"
        } else {
            "'00000000-0000-0000-0000-000000000000'::uuid"
        };
        let values = entries.replace('#', other);
        format!("INSERT INTO ledger_entries (org, id, account, amount) {values}")
    };
    let append_only = [
        "DELETE FROM ledger_entries",
        "DELETE FROM ledger_transactions",
        "UPDATE ledger_entries SET amount = amount + 1",
        "UPDATE ledger_entries SET account = 'promo' WHERE account = 'cash'",
        "UPDATE ledger_transactions SET memo = 'x'",
        "INSERT INTO ledger_entries (org, id, account, amount) SELECT org, id, 'promo', 5 FROM ledger_transactions",
    ];
    for statement in append_only {
        let refused = bench.try_statement(statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    let own = match sqlite {
        true => [
            "INSERT OR REPLACE INTO ledger_transactions (org, id, at, kind, subject, memo) SELECT org, id, at, kind, subject, 'x' FROM ledger_transactions",
            "INSERT OR REPLACE INTO ledger_entries (org, id, account, amount) SELECT org, id, account, 2 * amount FROM ledger_entries",
        ],
        false => ["TRUNCATE ledger_transactions CASCADE", "TRUNCATE ledger_entries"],
    };
    for statement in own {
        let refused = bench.try_statement(statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    let head = "INSERT INTO ledger_transactions (org, id, at, kind, subject, memo) SELECT org, # , at, kind, subject, memo FROM ledger_transactions LIMIT 1";
    let unbalanced = [
        // None, one, and two that do not sum.
        vec![],
        vec![new("SELECT org, #, 'cash', 10 FROM ledger_transactions LIMIT 1")],
        vec![
            new("SELECT org, #, 'cash', 10 FROM ledger_transactions LIMIT 1"),
            new("SELECT org, #, 'promo', -9 FROM ledger_transactions LIMIT 1"),
        ],
    ];
    for mut statements in unbalanced {
        let other = if sqlite {
            "zeroblob(16)"
        } else {
            "'00000000-0000-0000-0000-000000000000'::uuid"
        };
        statements.push(head.replace('#', other));
        let refused = bench.try_transaction(&statements).await.unwrap_err().to_string();
        assert!(refused.contains("must sum to zero"), "{statements:?}: {refused}");
    }
    let orphan = [new("SELECT org, #, 'cash', 10 FROM ledger_transactions LIMIT 1")];
    let refused = bench.try_transaction(&orphan).await.unwrap_err();
    assert!(
        refused.as_database_error().unwrap().is_foreign_key_violation(),
        "{refused}"
    );
    let mut conn = store.read().await.unwrap();
    let kept = ledger::get(&mut conn, org, top_up.about().id).await.unwrap();
    assert_eq!(kept, Some(top_up));
    drop(conn);
    assert_eq!(bench.count("SELECT COUNT(*) FROM ledger_entries").await, 2);
    store.close().await;
}

pub(crate) async fn a_transaction_is_undone_once(bench: Bench) {
    let store = bench.open().await;
    let org = bench.id(OrgId::new);
    let crash = Transaction::crash(bench.about(org), NanoUsd(10)).unwrap();
    let top_up = Transaction::top_up(bench.about(org), NanoUsd(100)).unwrap();
    post(&store, &crash).await.unwrap();
    post(&store, &top_up).await.unwrap();
    let mut conn = store.read().await.unwrap();
    assert_eq!(
        ledger::crashes(&mut conn, None, 5).await.unwrap(),
        std::slice::from_ref(&crash)
    );
    drop(conn);
    let ruling = CrashRuling {
        charge: NanoUsd(4),
        vendor_cost: NanoUsd(3),
    };
    let rule = || Transaction::rule_on_crash(bench.about(org), &crash, ruling).unwrap();
    post(&store, &rule()).await.unwrap();
    let again = post(&store, &rule()).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    let undone = post(&store, &Transaction::reversal(bench.about(org), &crash).unwrap()).await;
    assert!(matches!(undone, Err(StoreError::Conflict { .. })), "{undone:?}");
    // A top-up goes back in parts.
    let mut back = NanoUsd::ZERO;
    for part in [30, 20] {
        let paid = Transaction::pay_back(bench.about(org), &top_up, back, NanoUsd(part)).unwrap();
        post(&store, &paid).await.unwrap();
        let mut conn = store.read().await.unwrap();
        back = ledger::paid_back(&mut conn, org, top_up.about().id)
            .await
            .unwrap();
    }
    assert_eq!(back, NanoUsd(50));
    let mut conn = store.read().await.unwrap();
    assert!(ledger::crashes(&mut conn, None, 5).await.unwrap().is_empty());
    let balances = ledger::balances(&mut conn, org).await.unwrap();
    assert_eq!(balances.of(Account::CustomerCredit), NanoUsd(4 - 50));
    assert_eq!(balances.of(Account::Suspense), NanoUsd::ZERO);
    drop(conn);
    store.close().await;
}

pub(crate) async fn a_grant_ends_once(bench: Bench) {
    let store = bench.open().await;
    let (org, now) = (bench.id(OrgId::new), bench.now());
    for expires_at in [Some(now), Some(Micros(now.0 + 1)), None] {
        let transaction = Transaction::promo_grant(bench.about(org), NanoUsd(10)).unwrap();
        let grant = Grant {
            id: transaction.about().id,
            amount: NanoUsd(10),
            expires_at,
            charged_before: NanoUsd::ZERO,
            charged_at_end: None,
        };
        let mut tx = store.begin().await.unwrap();
        ledger::post(&mut tx, &transaction).await.unwrap();
        ledger::insert_grant(&mut tx, org, &grant).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut conn = store.read().await.unwrap();
    let due = ledger::ended_by(&mut conn, now, 10).await.unwrap();
    drop(conn);
    assert_eq!(due.len(), 1);
    let mut tx = store.begin().await.unwrap();
    assert!(ledger::end_grant(&mut tx, due[0], NanoUsd(7)).await.unwrap());
    assert!(!ledger::end_grant(&mut tx, due[0], NanoUsd(8)).await.unwrap());
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let ends: Vec<_> = ledger::grants(&mut conn, org)
        .await
        .unwrap()
        .iter()
        .map(|grant| grant.charged_at_end)
        .collect();
    assert_eq!(ends, [Some(NanoUsd(7)), None, None]);
    assert!(ledger::ended_by(&mut conn, now, 10).await.unwrap().is_empty());
    drop(conn);
    store.close().await;
}

impl Bench {
    /// A call with a pooled credential, and how it ends: two lines, one of them of units that cost nothing.
    fn sale(&self, world: &World, cost: i64) -> (Intent<'static>, Outcome<'static>) {
        let intent = Intent {
            source: Source::Marketplace,
            ..self.intent(world, 900, &[])
        };
        let lines = vec![
            ChargeLine::new(Some(Bucket::OutputText), 5, NanoUsd(cost)),
            ChargeLine::new(Some(Bucket::CacheRead), 4, NanoUsd::ZERO),
        ];
        let market = MarketCharge {
            vendor_cost: NanoUsd(cost / 2),
            prices: 1,
            lines: lines.into(),
        };
        let outcome = Outcome {
            market: Some(market),
            ..outcome(&intent, cost)
        };
        (intent, outcome)
    }
}

async fn begin(store: &Store, intent: &Intent<'_>) {
    let written = store.journal().intent(intent, Durability::Process);
    written.await.unwrap();
}

/// Revenue, costs, suspense, and what was charged.
async fn books(store: &Store, org: OrgId) -> [i64; 4] {
    let mut conn = store.read().await.unwrap();
    let balances = ledger::balances(&mut conn, org).await.unwrap();
    assert_eq!(balances.sum(), 0);
    let charged = ledger::charged(&mut conn, org).await.unwrap();
    let accounts = [Account::Revenue, Account::Cogs, Account::Suspense];
    let [revenue, cogs, suspense] = accounts.map(|account| balances.of(account).0);
    [-revenue, cogs, -suspense, charged.0]
}

async fn billed(store: &Store, org: OrgId, month: Month) -> Vec<(String, u64, i64, u64)> {
    let mut conn = store.read().await.unwrap();
    let lines = billing::lines(&mut conn, org, month).await.unwrap();
    lines
        .into_iter()
        .map(|line| {
            assert_eq!((line.provider.as_str(), line.model.as_str()), ("openai", "gpt-5"));
            (line.bucket, line.units, line.amount.0, line.calls)
        })
        .collect()
}

pub(crate) async fn a_charge_is_posted_once(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let month = Month::of(bench.now());
    let (sold, ended) = bench.sale(&world, 100);
    let (other, other_ended) = bench.sale(&world, 10);
    let (crashed, _) = bench.sale(&world, 1);
    let own = bench.intent(&world, 50, &[]);
    for intent in [&sold, &other, &crashed, &own] {
        begin(&store, intent).await;
    }
    store.journal().outcome(&outcome(&own, 50));
    store.journal().outcome(&ended);
    // A second outcome does not count, nor does an attempt that another one took the place of.
    store.journal().outcome(&Outcome {
        cost: NanoUsd(7),
        ..ended.clone()
    });
    let (failed, failed_ended) = bench.sale(&world, 0);
    begin(&store, &failed).await;
    let failed_ended = Outcome {
        ending: Ending::FailedOver,
        market: None,
        ..failed_ended
    };
    store.journal().outcome(&failed_ended);
    store.project_now().await.unwrap();
    store.journal().outcome(&other_ended);
    store.project_now().await.unwrap();
    // The call that is open crashes at its hold.
    let (store, recovery) = bench.reopen(store).await;
    assert_eq!(recovery.crashed, 1);
    let expected = [110, 55, 900, 1_010];
    let lines = vec![
        ("cache_read".to_owned(), 8, 0, 2),
        ("output_text".to_owned(), 10, 110, 2),
    ];
    for _ in 0..2 {
        assert_eq!(books(&store, world.org).await, expected);
        assert_eq!(billed(&store, world.org, month).await, lines);
        store.rebuild_projections().await.unwrap();
    }
    let mut conn = store.read().await.unwrap();
    let id = TransactionId::new(sold.attempt.uuid());
    let posted = ledger::get(&mut conn, world.org, id).await.unwrap().unwrap();
    assert_eq!(posted.kind(), Kind::Usage);
    assert_eq!(posted.about().subject, sold.request.to_string());
    assert_eq!(
        (posted.about().memo.as_str(), posted.about().at),
        ("openai gpt-5", ended.at)
    );
    let crashes = ledger::crashes(&mut conn, None, 10).await.unwrap();
    assert_eq!(crashes.len(), 1);
    assert_eq!(crashes[0].about().id.uuid(), crashed.attempt.uuid());
    drop(conn);
    store.close().await;
}

pub(crate) async fn what_ends_after_the_close_is_billed_later(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let month = Month::of(bench.now());
    let (early, early_ended) = bench.sale(&world, 100);
    let (late, late_ended) = bench.sale(&world, 10);
    begin(&store, &early).await;
    begin(&store, &late).await;
    store.journal().outcome(&early_ended);
    // What waits in the journal is in the month.
    assert!(store.close_month(month).await.unwrap());
    assert!(!store.close_month(month).await.unwrap());
    store.journal().outcome(&late_ended);
    store.project_now().await.unwrap();
    for _ in 0..2 {
        let amounts = |lines: Vec<(String, u64, i64, u64)>| lines.iter().map(|line| line.2).sum::<i64>();
        assert_eq!(amounts(billed(&store, world.org, month).await), 100);
        assert_eq!(amounts(billed(&store, world.org, month.next()).await), 10);
        store.rebuild_projections().await.unwrap();
    }
    let mut conn = store.read().await.unwrap();
    for (month, revenue) in [(month, 100), (month.next(), 10)] {
        let balances = ledger::balances_in(&mut conn, world.org, month).await.unwrap();
        assert_eq!(balances.of(Account::Revenue), NanoUsd(-revenue));
    }
    assert_eq!(billing::first_month(&mut conn).await.unwrap(), Some(month));
    let unbilled = billing::unbilled(&mut conn, month, None, 5).await.unwrap();
    assert_eq!(unbilled, [world.org]);
    drop(conn);
    store.close().await;
}

pub(crate) async fn a_killed_posting_counts_once(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    for point in ["project.before_commit", "project.after_commit"] {
        bench.failpoints.set(point, Action::Fail);
        for _ in 0..5 {
            let (intent, ended) = bench.sale(&world, 10);
            begin(&store, &intent).await;
            store.journal().outcome(&ended);
            // Behind the commit there is nothing left to do where the store's own loop was there first.
            let failed = store.project_now().await.is_err();
            assert!(failed || point == "project.after_commit");
        }
        bench.failpoints.clear(point);
    }
    store.project_now().await.unwrap();
    assert_eq!(books(&store, world.org).await, [100, 50, 0, 100]);
    store.close().await;
}

pub(crate) async fn an_invoice_has_one_number_and_stays(bench: Bench) {
    let store = bench.open().await;
    let orgs = [bench.id(OrgId::new), bench.id(OrgId::new)];
    let month = Month::of(bench.now());
    let row = |number: i64, org| billing::InvoiceRow {
        number: format!("KS-2026-{number:06}"),
        org,
        month,
        total: NanoUsd(5),
        due: NanoUsd(4),
        created_at: bench.now(),
        body: "{}".to_owned(),
    };
    let mut dropped = store.begin().await.unwrap();
    assert_eq!(billing::next_number(&mut dropped, 2026).await.unwrap(), 1);
    drop(dropped);
    for (expected, org) in (1..).zip(orgs) {
        let mut tx = store.begin().await.unwrap();
        let number = billing::next_number(&mut tx, 2026).await.unwrap();
        assert_eq!(number, expected);
        billing::insert(&mut tx, &row(number, org)).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = store.begin().await.unwrap();
    let number = billing::next_number(&mut tx, 2026).await.unwrap();
    let second = billing::insert(&mut tx, &row(number, orgs[0])).await;
    assert!(matches!(second, Err(StoreError::Conflict { .. })), "{second:?}");
    // What it held is free when the next one begins.
    drop(tx);
    store.begin().await.unwrap().commit().await.unwrap();
    for statement in ["DELETE FROM invoices", "UPDATE invoices SET body = ''"] {
        let refused = bench.try_statement(statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    let mut conn = store.read().await.unwrap();
    assert_eq!(
        billing::list(&mut conn, orgs[0], None, 5).await.unwrap(),
        [row(1, orgs[0])]
    );
    let all = billing::list_of_all(&mut conn, None, 5).await.unwrap();
    assert_eq!(all, [row(2, orgs[1]), row(1, orgs[0])]);
    let rest = billing::list_of_all(&mut conn, Some("KS-2026-000002"), 5)
        .await
        .unwrap();
    assert_eq!(rest, [row(1, orgs[0])]);
    assert!(
        billing::get(&mut conn, orgs[1], "KS-2026-000001")
            .await
            .unwrap()
            .is_none()
    );
    drop(conn);
    store.close().await;
}
