//! The journal and what is read from it.

use std::time::Duration;

use keystore_core::ids::AgentId;
use keystore_core::record::Ending;
use keystore_core::{Bucket, Micros};
use keystore_store::usage::By;
use keystore_store::{Durability, OpenError, Recovery, Store, requests, tokens, usage};

use crate::bench::{Bench, REQUESTS, outcome};

pub(crate) async fn many_intents_share_few_rows(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let waiting: Vec<_> = (0..1_000)
        .map(|_| {
            store
                .journal()
                .intent(&bench.intent(&world, 1, &[]), Durability::Process)
        })
        .collect();
    for written in waiting {
        written.await.unwrap();
    }
    let rows = bench.count("SELECT COUNT(*) FROM journal").await;
    assert!(rows < 100, "{rows} rows");
    store.project_now().await.unwrap();
    assert_eq!(bench.count("SELECT COUNT(*) FROM open_intents").await, 1_000);
    store.close().await;
}

pub(crate) async fn an_intent_is_there_when_it_resolves(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    for (number, durability) in [Durability::Process, Durability::Power].into_iter().enumerate() {
        store
            .journal()
            .intent(&bench.intent(&world, 1, &[]), durability)
            .await
            .unwrap();
        // Read by another connection of the engine's own client.
        assert_eq!(
            bench.count("SELECT COUNT(*) FROM journal").await,
            number as i64 + 1
        );
    }
    store.close().await;
}

pub(crate) async fn a_reopened_store_settles_what_is_open(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(keystore_core::ids::BudgetId::new);
    let (open, ended, bare) = (
        bench.intent(&world, 700, &[budget]),
        bench.intent(&world, 500, &[budget]),
        bench.intent(&world, 90, &[]),
    );
    for intent in [&open, &ended, &bare] {
        store.journal().intent(intent, Durability::Process).await.unwrap();
    }
    store.journal().outcome(&outcome(&ended, 30));
    let (store, recovery) = bench.reopen(store).await;
    assert_eq!(recovery.crashed, 2);
    let [spent] = recovery.spent.as_slice() else {
        panic!("one budget")
    };
    assert_eq!((spent.budget, spent.settled), (budget, 730));
    assert_eq!(recovery.daily_requests.len(), 1);
    assert_eq!(recovery.daily_requests[0].admitted, 3);
    let mut conn = store.read().await.unwrap();
    let row = |rows: Vec<requests::RequestRow>| rows.into_iter().next().unwrap();
    let crashed = row(requests::get(&mut conn, world.org, open.request).await.unwrap());
    assert_eq!(
        (crashed.ending, crashed.cost.0, crashed.estimated),
        (Some(Ending::Crash), 700, false)
    );
    let guessed = row(requests::get(&mut conn, world.org, bare.request).await.unwrap());
    assert_eq!(
        (guessed.ending, guessed.cost.0, guessed.estimated),
        (Some(Ending::Crash), 90, true)
    );
    drop(conn);
    // The outcome that comes too late changes nothing.
    store.journal().outcome(&outcome(&open, 1));
    let (store, again) = bench.reopen(store).await;
    assert_eq!((again.crashed, again.spent), (0, recovery.spent));
    store.close().await;
}

pub(crate) async fn refusals_are_coalesced_in_a_flood(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    for _ in 0..500 {
        store.journal().refusal(&bench.refusal(&world, "rate_limited"));
    }
    store.journal().refusal(&bench.refusal(&world, "scope_denied"));
    bench.clock.advance(Duration::from_secs(1));
    store.journal().refusal(&bench.refusal(&world, "rate_limited"));
    store.project_now().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let filter = requests::Filter {
        refusal: Some("rate_limited".into()),
        ..requests::Filter::default()
    };
    let rows = requests::list(&mut conn, world.org, &filter, None, 100)
        .await
        .unwrap()
        .rows;
    assert_eq!(
        rows.iter().map(|row| row.count).sum::<u32>(),
        501,
        "the count is kept"
    );
    assert_eq!(
        rows.len(),
        10,
        "eight as they are, the rest of the second as one, and the next second's"
    );
    let sums = usage::grouped(&mut conn, world.org, &[By::Source], &usage::Filter::default(), 10)
        .await
        .unwrap();
    assert_eq!((sums[0].source, sums[0].refused, sums[0].calls), (None, 502, 0));
    drop(conn);
    store.close().await;
}

pub(crate) async fn the_newest_request_wakes_a_follower(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut notice = store.requests_notice();
    let seen = *notice.borrow_and_update();
    let intent = bench.intent(&world, 1, &[]);
    store
        .journal()
        .intent(&intent, Durability::Process)
        .await
        .unwrap();
    store.journal().outcome(&outcome(&intent, 1));
    // Nobody asks for it: the task is woken by the journal.
    tokio::time::timeout(Duration::from_secs(5), notice.changed())
        .await
        .unwrap()
        .unwrap();
    let mut conn = store.read().await.unwrap();
    let rows = requests::since_seq(&mut conn, world.org, &requests::Filter::default(), seen, 10)
        .await
        .unwrap()
        .rows;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id, rows[0].seq), (intent.request, *notice.borrow()));
    drop(conn);
    store.close().await;
}

pub(crate) async fn a_second_server_is_refused(bench: Bench) {
    let store = bench.open().await;
    let second = bench.try_open().await.err().unwrap();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    store.close().await;
    bench.open().await.close().await;
}

pub(crate) async fn requests_are_filtered_and_paged(bench: Bench) {
    let store = bench.open().await;
    let (a, b) = (bench.world(&store, "a").await, bench.world(&store, "b").await);
    let mut ids = Vec::new();
    for number in 0..30_u16 {
        let mut intent = bench.intent(&a, 10, &[]);
        intent.provider = if number % 3 == 0 { "anthropic" } else { "openai" };
        store
            .journal()
            .intent(&intent, Durability::Process)
            .await
            .unwrap();
        let mut ended = outcome(&intent, i64::from(number));
        ended.status = if number % 10 == 9 { 500 } else { 200 };
        store.journal().outcome(&ended);
        store.journal().flush().await.unwrap();
        ids.push(intent.request);
        bench.clock.advance(Duration::from_secs(1));
    }
    store.journal().refusal(&bench.refusal(&a, "budget_exceeded"));
    let foreign = bench.intent(&b, 1, &[]);
    store
        .journal()
        .intent(&foreign, Durability::Process)
        .await
        .unwrap();
    store.journal().outcome(&outcome(&foreign, 1));
    store.project_now().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let all = requests::Filter::default();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = requests::list(&mut conn, a.org, &all, before, 7).await.unwrap();
        seen.extend(page.rows);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 31, "no row of the other tenant");
    assert!(seen.is_sorted_by(|left, right| left.seq > right.seq));
    assert!(
        seen[1..].iter().rev().map(|row| row.id).eq(ids.iter().copied()),
        "in the order of endings"
    );
    let one = &seen[30];
    assert_eq!(
        (one.hold.0, one.cost.0, one.total_us, one.response_bytes),
        (10, 0, 300_000, 1_024)
    );
    assert_eq!(
        one.usage,
        serde_json::json!({"input_uncached": 10, "cache_read": 4, "output_text": 5})
    );
    assert_eq!(
        (one.model.as_deref(), one.served_model.as_deref()),
        (Some("gpt-5"), Some("gpt-5-0815"))
    );
    for (filter, expected) in [
        (
            requests::Filter {
                provider: Some("anthropic".into()),
                ..all.clone()
            },
            10,
        ),
        (
            requests::Filter {
                status: Some(500),
                ..all.clone()
            },
            3,
        ),
        (
            requests::Filter {
                refused: Some(true),
                ..all.clone()
            },
            1,
        ),
        (
            requests::Filter {
                refused: Some(false),
                ..all.clone()
            },
            30,
        ),
        (
            requests::Filter {
                agent: Some(b.agent),
                ..all.clone()
            },
            0,
        ),
        (
            requests::Filter {
                project: Some(a.project),
                model: Some("gpt-5".into()),
                ..all.clone()
            },
            30,
        ),
        (
            requests::Filter {
                since: Some(Micros(one.at.0 + 5_000_000)),
                until: Some(Micros(one.at.0 + 8_000_000)),
                ..all.clone()
            },
            3,
        ),
    ] {
        let rows = requests::list(&mut conn, a.org, &filter, None, 100)
            .await
            .unwrap()
            .rows;
        assert_eq!(rows.len(), expected, "{filter:?}");
    }
    assert!(requests::get(&mut conn, b.org, ids[0]).await.unwrap().is_empty());
    drop(conn);
    store.close().await;
}

/// Whatever the pages are like, they read as the rows that they are made of.
pub(crate) async fn requests_are_found_in_their_pages(bench: Bench) {
    let store = bench.open().await;
    let (a, b) = (bench.world(&store, "a").await, bench.world(&store, "b").await);
    let agents = [a.agent, bench.id(AgentId::new), bench.id(AgentId::new)];
    let begun_long_ago = bench.intent(&a, 1, &[]);
    let written = store.journal().intent(&begun_long_ago, Durability::Process);
    written.await.unwrap();
    // One chunk of several pages, some of few calls, and one of a single call.
    for (chunk, calls) in [150, 7, 1, 40].into_iter().enumerate() {
        // Far enough for ids of another minute.
        bench.ids.skip(100_000);
        for number in 0..calls {
            let world = if number % 5 == 3 { &b } else { &a };
            let mut intent = bench.intent(world, 1, &[]);
            // The second agent called at first only.
            intent.agent = match number % 5 {
                3 => b.agent,
                1 if chunk == 0 => agents[1],
                2 => agents[2],
                _ => agents[0],
            };
            drop(store.journal().intent(&intent, Durability::Process));
            store.journal().outcome(&outcome(&intent, 1));
            bench.clock.advance(Duration::from_millis(10));
        }
        if chunk == 2 {
            store.journal().outcome(&outcome(&begun_long_ago, 1));
        }
        store.project_now().await.unwrap();
        // Some chunks are of the same hour.
        bench.clock.advance(Duration::from_mins(40));
    }
    let mut conn = store.read().await.unwrap();
    let all = requests::Filter::default();
    let rows = requests::list(&mut conn, a.org, &all, None, 1000)
        .await
        .unwrap()
        .rows;
    assert_eq!(rows.len(), 160);
    assert_eq!(requests::newest(&mut conn).await.unwrap(), 199);
    assert!(rows.iter().any(|row| row.id == begun_long_ago.request));
    let filters = agents.map(|agent| requests::Filter {
        agent: Some(agent),
        ..all.clone()
    });
    let times = [(100, 20), (159, 100), (30, 0), (150, 10)].map(|(since, until)| requests::Filter {
        since: Some(rows[since].at),
        until: Some(rows[until].at),
        ..all.clone()
    });
    let of_agent = times.clone().map(|filter| requests::Filter {
        agent: Some(a.agent),
        ..filter
    });
    let never = [(i64::MAX, i64::MAX), (0, 1)].map(|(since, until)| requests::Filter {
        since: Some(Micros(since)),
        until: Some(Micros(until)),
        ..all.clone()
    });
    for filter in never {
        let found = requests::list(&mut conn, a.org, &filter, None, 1000)
            .await
            .unwrap();
        assert_eq!((found.rows, found.next), (Vec::new(), None), "{filter:?}");
    }
    for filter in filters.into_iter().chain([all]).chain(times).chain(of_agent) {
        let wanted: Vec<_> = rows
            .iter()
            .filter(|row| filter.agent.is_none_or(|agent| agent == row.agent))
            .filter(|row| filter.since.is_none_or(|since| row.at >= since))
            .filter(|row| filter.until.is_none_or(|until| row.at < until))
            .cloned()
            .collect();
        assert!(wanted.len() >= 15, "{filter:?}");
        for from in [0, 1, 17, 63, 64, 65, 130, 199, 300] {
            let older = wanted.iter().filter(|row| row.seq < from).take(30);
            let found = requests::list(&mut conn, a.org, &filter, Some(from), 30)
                .await
                .unwrap();
            assert!(found.rows.iter().eq(older), "before {from}: {filter:?}");
            let newer = wanted.iter().rev().filter(|row| row.seq > from).take(30);
            let found = requests::since_seq(&mut conn, a.org, &filter, from, 30)
                .await
                .unwrap();
            assert!(found.rows.iter().eq(newer), "after {from}: {filter:?}");
        }
    }
    for row in &rows {
        let found = requests::get(&mut conn, a.org, row.id).await.unwrap();
        assert_eq!(found, std::slice::from_ref(row));
        assert!(requests::get(&mut conn, b.org, row.id).await.unwrap().is_empty());
    }
    drop(conn);
    store.close().await;
}

/// Nobody keeps the database busy with looking for what is rare.
pub(crate) async fn rare_requests_are_looked_for_in_several_goes(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut ids = Vec::new();
    for provider in ["anthropic", "openai"] {
        let mut intent = bench.intent(&world, 1, &[]);
        intent.provider = provider;
        drop(store.journal().intent(&intent, Durability::Process));
        store.journal().outcome(&outcome(&intent, 1));
        store.project_now().await.unwrap();
        ids.push(intent.request);
    }
    // A thousand pages, and some more, as the second one.
    bench
        .try_statement(
            "INSERT INTO request_pages (first, last, org, since, until, body) \
             WITH RECURSIVE more (by) AS (SELECT 1 UNION ALL SELECT by + 1 FROM more WHERE by < 1100) \
             SELECT first + by, last + by, org, since, until, body FROM request_pages, more WHERE first = 2",
        )
        .await
        .unwrap();
    let mut conn = store.read().await.unwrap();
    let rare = requests::Filter {
        provider: Some("anthropic".into()),
        ..requests::Filter::default()
    };
    let found = requests::list(&mut conn, world.org, &rare, None, 10)
        .await
        .unwrap();
    assert_eq!(found.rows, [], "it is farther away");
    let rest = requests::list(&mut conn, world.org, &rare, found.next, 10);
    let rest = rest.await.unwrap();
    assert!(found.next.is_some() && rest.next.is_none());
    assert_eq!((rest.rows.len(), rest.rows[0].id), (1, ids[0]));
    let found = requests::since_seq(&mut conn, world.org, &rare, 1, 10)
        .await
        .unwrap();
    assert_eq!(found.rows, []);
    let rest = requests::since_seq(&mut conn, world.org, &rare, found.next.unwrap(), 10);
    assert_eq!(rest.await.unwrap().next, None);
    // All of them, whatever the goes.
    let (mut seen, mut after) = (0, Some(0));
    let all = requests::Filter::default();
    while let Some(from) = after {
        let found = requests::since_seq(&mut conn, world.org, &all, from, 700);
        let found = found.await.unwrap();
        (seen, after) = (seen + found.rows.len(), found.next);
    }
    assert_eq!(seen, 1_102);
    drop(conn);
    store.close().await;
}

pub(crate) async fn usage_is_grouped(bench: Bench) {
    let store = bench.open().await;
    let (a, b) = (bench.world(&store, "a").await, bench.world(&store, "b").await);
    for day in 0..2 {
        for provider in ["openai", "openai", "anthropic"] {
            let mut intent = bench.intent(&a, 10, &[]);
            intent.provider = provider;
            store
                .journal()
                .intent(&intent, Durability::Process)
                .await
                .unwrap();
            let mut ended = outcome(&intent, 100 + day);
            ended.status = if provider == "anthropic" { 500 } else { 200 };
            store.journal().outcome(&ended);
        }
        bench.clock.advance(Duration::from_secs(86_400));
    }
    store.project_now().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let all = usage::Filter::default();
    let sums = usage::grouped(&mut conn, a.org, &[], &all, 10).await.unwrap();
    assert_eq!(sums.len(), 1);
    let total = &sums[0];
    assert_eq!(
        (total.calls, total.errors, total.refused, total.cost.0),
        (6, 2, 0, 603)
    );
    assert_eq!(
        (total.input_tokens, total.cache_read_tokens, total.output_tokens),
        (60, 24, 30)
    );
    assert!(total.provider.is_none() && total.day.is_none() && total.agent.is_none());
    let rows = usage::grouped(&mut conn, a.org, &[By::Day, By::Provider], &all, 10)
        .await
        .unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.provider.as_deref(), row.calls, row.cost.0))
        .collect();
    assert_eq!(
        found,
        [
            (Some("anthropic"), 1, 100),
            (Some("anthropic"), 1, 101),
            (Some("openai"), 2, 200),
            (Some("openai"), 2, 202)
        ]
    );
    let first_day = rows[0].day.unwrap();
    let only = usage::Filter {
        until: Some(Micros((first_day + 1) * 86_400_000_000)),
        ..all.clone()
    };
    let rows = usage::grouped(
        &mut conn,
        a.org,
        &[By::Project, By::Agent, By::Model, By::Source],
        &only,
        10,
    )
    .await
    .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].project, rows[0].agent, rows[0].calls),
        (Some(a.project), Some(a.agent), 3)
    );
    assert_eq!(rows[0].model.as_deref(), Some("gpt-5"));
    let none = usage::grouped(&mut conn, b.org, &[], &all, 10).await.unwrap();
    assert_eq!((none.len(), none[0].calls), (1, 0));
    drop(conn);
    store.close().await;
}

pub(crate) async fn what_an_answer_claims_stops_nothing(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let budget = bench.id(keystore_core::ids::BudgetId::new);
    let call = async |store: &Store, model: &'static str, units: u64, cost: i64| {
        let mut intent = bench.intent(&world, 1, &[budget]);
        intent.model = Some(model);
        store
            .journal()
            .intent(&intent, Durability::Process)
            .await
            .unwrap();
        let mut ended = outcome(&intent, cost);
        ended.usage.set(Bucket::InputUncached, units);
        store.journal().outcome(&ended);
        // Each in a transaction of its own, which adds to what the one before has written.
        store.project_now().await.unwrap();
    };
    for model in ["one", "one", "other"] {
        call(&store, model, u64::MAX, i64::MAX).await;
    }
    let (store, _) = bench.reopen(store).await;
    call(&store, "one", 7, 7).await;
    let mut conn = store.read().await.unwrap();
    let sums = usage::grouped(&mut conn, world.org, &[], &usage::Filter::default(), 10)
        .await
        .unwrap();
    assert_eq!(
        (sums[0].calls, sums[0].input_tokens, sums[0].cost.0),
        (4, 2 << 56, 2 << 56),
        "as much as is believed, of two models"
    );
    drop(conn);
    let spent = bench.count("SELECT settled FROM budget_spend").await;
    assert_eq!(spent, i64::MAX);
    store.close().await;
}

pub(crate) async fn what_a_model_is_called_stops_nothing(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    // What nobody could press into an index.
    let long = (0..20_000_u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26));
    let long: &'static str = String::leak(long.collect());
    for model in ["a\0b", long] {
        let mut intent = bench.intent(&world, 1, &[]);
        intent.model = Some(model);
        store
            .journal()
            .intent(&intent, Durability::Process)
            .await
            .unwrap();
        store.journal().outcome(&outcome(&intent, 1));
        store.project_now().await.unwrap();
    }
    let (store, _) = bench.reopen(store).await;
    let mut conn = store.read().await.unwrap();
    let sums = usage::grouped(&mut conn, world.org, &[By::Model], &usage::Filter::default(), 10)
        .await
        .unwrap();
    assert_eq!(sums.iter().map(|sums| sums.calls).sum::<u64>(), 2);
    drop(conn);
    store.close().await;
}

pub(crate) async fn the_newest_version_that_served_is_known(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    for (version, agent) in [
        (3, world.agent),
        (2, world.agent),
        // One that is only tested may never serve.
        (9, AgentId::new(uuid::Uuid::nil())),
    ] {
        let mut intent = bench.intent(&world, 1, &[]);
        (intent.credential_version, intent.agent) = (version, agent);
        store
            .journal()
            .intent(&intent, Durability::Process)
            .await
            .unwrap();
        store.journal().outcome(&outcome(&intent, 1));
        store.project_now().await.unwrap();
    }
    let known = |recovery: Recovery| {
        let served = recovery.served.into_iter();
        served
            .map(|served| (served.credential, served.version))
            .collect::<Vec<_>>()
    };
    let (store, recovery) = bench.reopen(store).await;
    assert_eq!(known(recovery), [(world.credential, 3)]);
    // Projections can be made anew.
    store.rebuild_projections().await.unwrap();
    let (store, recovery) = bench.reopen(store).await;
    assert_eq!(known(recovery), [(world.credential, 3)]);
    store.close().await;
}

pub(crate) async fn a_control_plane_write_waits_its_turn(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let traffic = tokio::spawn({
        let (store, intents) = (
            store.clone(),
            (0..200).map(|_| bench.intent(&world, 1, &[])).collect::<Vec<_>>(),
        );
        async move {
            for intent in &intents {
                store.journal().intent(intent, Durability::Process).await.unwrap();
                store.journal().outcome(&outcome(intent, 1));
            }
        }
    });
    for number in 1..=50 {
        let mut tx = store.begin().await.unwrap();
        tokens::touch(&mut tx, world.token, Micros(number)).await.unwrap();
        tx.commit().await.unwrap();
    }
    traffic.await.unwrap();
    store.project_now().await.unwrap();
    assert_eq!(bench.count(REQUESTS).await, 200);
    assert_eq!(bench.count("SELECT last_used_at FROM tokens").await, 50);
    store.close().await;
}
