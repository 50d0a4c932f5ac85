//! What the request path loads, and how it hears of changes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystore_core::ids::BudgetId;
use keystore_core::policy::{AgentStatus, BudgetPolicy, ScopePolicy};
use keystore_core::window::Window;
use keystore_store::failpoints::Action;
use keystore_store::{Change, agents, budgets, credentials, policies, scopes, tokens};

use crate::bench::Bench;

/// What a listener was called with.
type Heard = Arc<Mutex<Vec<(Vec<Change>, u64)>>>;

pub(crate) async fn a_token_loads_with_all_that_decides(bench: Bench) {
    let store = bench.open().await;
    let mut world = bench.world(&store, "a").await;
    bench.world(&store, "b").await;
    let budget = bench.id(BudgetId::new);
    let budget = BudgetPolicy {
        project: Some(world.project),
        agent: Some(world.agent),
        thresholds: vec![80],
        ..BudgetPolicy::new(budget, world.org, 5, Window::Month)
    };
    // Those of the organization and of the project count too, that of another project does not.
    let mut tx = store.begin().await.unwrap();
    let other = bench.project(&mut tx, world.org).await;
    let wider = [None, Some(world.project), Some(other)].map(|project| BudgetPolicy {
        budget: bench.id(BudgetId::new),
        project,
        agent: None,
        ..budget.clone()
    });
    for wider in &wider {
        budgets::insert(&mut tx, wider, b"budget mac", bench.now())
            .await
            .unwrap();
        let scope = ScopePolicy::open(world.org, wider.project);
        scopes::put(&mut tx, &scope, b"scope mac", bench.now())
            .await
            .unwrap();
    }
    budgets::insert(&mut tx, &budget, b"budget mac", bench.now())
        .await
        .unwrap();
    world.policy.budgets = vec![budget.budget];
    let changed = agents::NewAgent {
        name: "renamed",
        policy: &world.policy,
        mac: b"new mac",
        at: bench.now(),
    };
    assert!(agents::update(&mut tx, &changed).await.unwrap());
    tx.commit().await.unwrap();

    let mut conn = store.read().await.unwrap();
    let found = policies::load(&mut conn, world.token_policy.token_hash())
        .await
        .unwrap()
        .unwrap();
    let identity = &found.identity;
    assert_eq!(
        (identity.token, identity.agent, identity.org),
        (world.token, world.agent, world.org)
    );
    assert_eq!(identity.token_policy, world.token_policy.canonical());
    assert_eq!(identity.agent_policy, world.policy.canonical());
    assert_eq!(
        (identity.token_mac.as_slice(), identity.agent_mac.as_slice()),
        (&b"token mac"[..], &b"new mac"[..])
    );
    assert_eq!(
        (identity.agent_name.as_str(), identity.time_zone.as_str()),
        ("renamed", "UTC")
    );
    let ids: Vec<_> = found.budgets.iter().map(|row| row.id).collect();
    assert_eq!(ids, [budget.budget, wider[0].budget, wider[1].budget]);
    assert_eq!(found.budgets[0].policy, budget.canonical());
    let scopes: Vec<_> = found.scopes.iter().map(|row| row.decode().unwrap()).collect();
    for project in [None, Some(world.project)] {
        assert!(scopes.contains(&ScopePolicy::open(world.org, project)));
    }
    assert_eq!(scopes.len(), 2);
    let [credential] = found.credentials.as_slice() else {
        panic!("one credential")
    };
    assert_eq!((credential.id, credential.version), (world.credential, 1));
    assert_eq!(
        (credential.sealed.as_slice(), credential.kek_wrapped.as_slice()),
        (&b"sealed 1"[..], &b"wrapped kek"[..])
    );
    assert_eq!(credential.params["region"], "eu");
    let unknown = keystore_core::token::TokenHash([0xee; 32]);
    assert!(policies::load(&mut conn, unknown).await.unwrap().is_none());
    drop(conn);

    let mut tx = store.begin().await.unwrap();
    credentials::delete(&mut tx, world.org, world.credential)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let found = policies::load(&mut conn, world.token_policy.token_hash())
        .await
        .unwrap()
        .unwrap();
    assert!(
        found.credentials.is_empty(),
        "the token still loads: the grant is refused, not the token"
    );
    drop(conn);
    let mut tx = store.begin().await.unwrap();
    agents::delete(&mut tx, world.org, world.agent).await.unwrap();
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    assert!(
        policies::load(&mut conn, world.token_policy.token_hash())
            .await
            .unwrap()
            .is_none()
    );
    drop(conn);
    assert_eq!(
        bench.count("SELECT COUNT(*) FROM budgets").await,
        3,
        "its own went with it"
    );
    store.close().await;
}

pub(crate) async fn changes_are_heard_before_commit_returns(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let heard: Heard = Arc::default();
    let epoch = store.epoch_cell();
    store.on_change({
        let heard = Arc::clone(&heard);
        Arc::new(move |changes, at| {
            let in_memory = epoch.load(std::sync::atomic::Ordering::SeqCst);
            assert_eq!(in_memory, at, "the epoch is bumped before listeners are called");
            heard.lock().unwrap().push((changes.to_vec(), at));
        })
    });
    let before = store.epoch();
    let mut tx = store.begin().await.unwrap();
    let mut paused = world.policy.clone();
    paused.status = AgentStatus::Paused;
    let changed = agents::NewAgent {
        name: "agent-a",
        policy: &paused,
        mac: b"m",
        at: bench.now(),
    };
    agents::update(&mut tx, &changed).await.unwrap();
    let mut revoked = world.token_policy.clone();
    revoked.revoked = true;
    let changed = tokens::NewToken {
        org: world.org,
        name: "t",
        policy: &revoked,
        mac: b"m",
        at: bench.now(),
    };
    assert!(tokens::update(&mut tx, &changed).await.unwrap());
    assert!(heard.lock().unwrap().is_empty(), "not before the commit");
    tx.commit().await.unwrap();
    let expected = vec![
        Change::Agent(world.agent),
        Change::Token(world.token_policy.token_hash()),
    ];
    assert_eq!(heard.lock().unwrap().clone(), [(expected, before + 1)]);
    let token = tokens::get(&mut store.read().await.unwrap(), world.org, world.token)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(token.revoked_at, Some(bench.now()));

    // A write that no cache holds moves nothing.
    let mut tx = store.begin().await.unwrap();
    tokens::touch(&mut tx, world.token, bench.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((heard.lock().unwrap().len(), store.epoch()), (1, before + 1));
    store.close().await;
}

/// Whoever is told of a change was told of every earlier one, and of nothing else at the same time.
pub(crate) async fn changes_are_told_one_after_the_other(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let told: Arc<Mutex<Vec<u64>>> = Arc::default();
    store.on_change({
        let told = Arc::clone(&told);
        Arc::new(move |_, epoch| {
            let mut told = told.try_lock().unwrap();
            // Long enough for the next commit to come.
            std::thread::sleep(Duration::from_millis(2));
            told.push(epoch);
        })
    });
    let before = store.epoch();
    let mut commits = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (store, token) = (store.clone(), world.token_policy.clone());
        let (org, at) = (world.org, bench.now());
        commits.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let name = format!("t{number}");
            let changed = tokens::NewToken {
                org,
                name: &name,
                policy: &token,
                mac: b"m",
                at,
            };
            assert!(tokens::update(&mut tx, &changed).await.unwrap());
            tx.commit_epoch().await.unwrap()
        });
    }
    let mut epochs = commits.join_all().await;
    epochs.sort_unstable();
    assert_eq!(epochs, (before + 1..=before + 20).collect::<Vec<_>>());
    assert_eq!(*told.lock().unwrap(), epochs);
    store.close().await;
}

pub(crate) async fn a_commit_that_nobody_waits_for_is_still_heard(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    store.on_change(Arc::new(move |_, epoch| sender.send(epoch).unwrap()));
    let mut tx = store.begin().await.unwrap();
    agents::delete(&mut tx, world.org, world.agent).await.unwrap();
    let commit = tx.commit();
    // Polled once and dropped, as when a client hangs up.
    let _ = tokio::time::timeout(Duration::ZERO, commit).await;
    let heard = tokio::time::timeout(Duration::from_secs(5), receiver.recv()).await;
    assert!(heard.unwrap().is_some());
    assert!(
        agents::get(&mut store.read().await.unwrap(), world.org, world.agent)
            .await
            .unwrap()
            .is_none()
    );
    store.close().await;
}

pub(crate) async fn a_transaction_that_is_dropped_leaves_nothing(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let before = store.epoch();
    let mut tx = store.begin().await.unwrap();
    assert!(agents::delete(&mut tx, world.org, world.agent).await.unwrap());
    drop(tx);
    // The writer is usable again at once, by transactions and by the journal.
    let mut tx = store.begin().await.unwrap();
    assert!(
        agents::get(&mut tx, world.org, world.agent)
            .await
            .unwrap()
            .is_some()
    );
    drop(tx);
    let intent = bench.intent(&world, 1, &[]);
    store
        .journal()
        .intent(&intent, keystore_store::Durability::Process)
        .await
        .unwrap();
    assert_eq!(store.epoch(), before);
    store.close().await;
}

pub(crate) async fn the_epoch_survives_a_restart(bench: Bench) {
    let store = bench.open().await;
    bench.world(&store, "a").await;
    let before = store.epoch();
    assert!(before > 1);
    let (store, _) = bench.reopen(store).await;
    assert_eq!(store.epoch(), before);
    let changes = bench.count("SELECT COUNT(*) FROM changes").await;
    assert_eq!(changes, 3, "the credential, the agent, the token");
    store.close().await;
}

/// Policies are read, changed and written back whole.
pub(crate) async fn what_a_writer_has_read_stays_so_until_it_commits(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let (store, budget, at) = (store.clone(), bench.id(BudgetId::new), bench.now());
            let (org, id) = (world.org, world.agent);
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let agent = agents::get(&mut tx, org, id).await.unwrap().unwrap();
                let mut policy = agent.decode().unwrap();
                policy.budgets.push(budget);
                tokio::task::yield_now().await;
                let changed = agents::NewAgent {
                    name: &agent.name,
                    policy: &policy,
                    mac: b"mac",
                    at,
                };
                assert!(agents::update(&mut tx, &changed).await.unwrap());
                tx.commit().await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut conn = store.read().await.unwrap();
    let agent = agents::get(&mut conn, world.org, world.agent).await.unwrap();
    assert_eq!(agent.unwrap().decode().unwrap().budgets.len(), 16);
    drop(conn);
    store.close().await;
}

/// Whoever looks things up while it is told tells by the epoch whether something has changed meanwhile.
pub(crate) async fn no_epoch_is_told_twice_after_a_commit_that_failed(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let pause = async || {
        let mut policy = world.policy.clone();
        policy.status = AgentStatus::Paused;
        let changed = agents::NewAgent {
            name: "agent-a",
            policy: &policy,
            mac: b"m",
            at: bench.now(),
        };
        let mut tx = store.begin().await.unwrap();
        agents::update(&mut tx, &changed).await.unwrap();
        tx.commit_epoch().await
    };
    bench.failpoints.set("tx.before_commit", Action::Fail);
    assert!(pause().await.is_err());
    bench.failpoints.clear("tx.before_commit");
    let told = store.epoch();
    assert!(pause().await.unwrap() > told);
    assert!(store.epoch() > told);
    store.close().await;
}
