//! Requests of agents for access.

use std::time::Duration;

use keystore_core::ids::{AccessRequestId, TokenId};
use keystore_core::policy::Source;
use keystore_store::access_requests::{self as rows, AccessRequest, Decision, Filter, State};

use crate::bench::Bench;

pub(crate) async fn a_request_is_decided_once_and_not_after_its_end(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let stranger = bench.world(&store, "b").await;
    let now = bench.now();
    let request = AccessRequest {
        id: bench.id(AccessRequestId::new),
        org: world.org,
        project: world.project,
        agent: world.policy.agent,
        token: bench.id(TokenId::new),
        provider: Some("tavily".into()),
        source: Some(Source::Byok),
        scopes: vec!["provider:tavily:read".into()],
        models: Vec::new(),
        budget_cents: None,
        reason: "search".into(),
        state: State::Open,
        created_at: now,
        expires_at: now.plus(Duration::from_secs(60)),
        decided_at: None,
        decided_by: None,
        note: None,
        granted: None,
    };
    let mut tx = store.begin().await.unwrap();
    rows::insert(&mut tx, &request).await.unwrap();
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    assert_eq!(
        rows::get(&mut conn, world.org, request.id).await.unwrap(),
        Some(request.clone())
    );
    assert_eq!(
        rows::get(&mut conn, stranger.org, request.id).await.unwrap(),
        None
    );
    let filter = |state, ends_after, ended_by| Filter {
        project: Some(world.project),
        agent: Some(world.policy.agent),
        state,
        ends_after,
        ended_by,
    };
    for (filter, expected) in [
        (filter(None, None, None), 1),
        (filter(Some(State::Open), Some(now), None), 1),
        (filter(Some(State::Open), Some(request.expires_at), None), 0),
        (filter(Some(State::Open), None, Some(request.expires_at)), 1),
        (filter(Some(State::Open), None, Some(now)), 0),
        (filter(Some(State::Approved), None, None), 0),
        (
            Filter {
                agent: Some(stranger.policy.agent),
                ..Filter::default()
            },
            0,
        ),
    ] {
        let found = rows::list(&mut conn, world.org, &filter, None, 10).await.unwrap();
        assert_eq!(found.len(), expected, "{filter:?}");
    }
    let filed = async |conn: &mut _, since| {
        rows::filed_since(conn, world.org, world.policy.agent, since)
            .await
            .unwrap()
    };
    assert_eq!(filed(&mut conn, now.minus(Duration::from_secs(1))).await, 1);
    assert_eq!(filed(&mut conn, now).await, 0);
    drop(conn);

    let decision = |at| Decision {
        state: State::Denied,
        at,
        by: "usr_x".into(),
        note: Some("no".into()),
        granted: None,
    };
    let mut tx = store.begin().await.unwrap();
    let late = rows::decide(&mut tx, world.org, request.id, &decision(request.expires_at)).await;
    assert!(!late.unwrap(), "it has expired by then");
    let foreign = rows::decide(&mut tx, stranger.org, request.id, &decision(now)).await;
    assert!(!foreign.unwrap());
    assert!(
        rows::decide(&mut tx, world.org, request.id, &decision(now))
            .await
            .unwrap()
    );
    assert!(
        !rows::decide(&mut tx, world.org, request.id, &decision(now))
            .await
            .unwrap(),
        "once"
    );
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let decided = rows::get(&mut conn, world.org, request.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (decided.state, decided.note.as_deref()),
        (State::Denied, Some("no"))
    );
    assert_eq!(rows::old(&mut conn, now).await.unwrap(), 0);
    assert_eq!(rows::old(&mut conn, request.expires_at).await.unwrap(), 1);
    drop(conn);
    let mut tx = store.begin().await.unwrap();
    rows::forget(&mut tx, request.expires_at).await.unwrap();
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    assert_eq!(rows::get(&mut conn, world.org, request.id).await.unwrap(), None);
}
