//! The resources of the control plane.

use keystore_core::ids::{
    AgentId, ApiKeyId, CredentialId, DeploymentId, KekId, OrgId, ProjectId, SessionId, UserId,
};
use keystore_core::{Clock, Micros};
use keystore_store::idempotency::{self, Claim};
use keystore_store::members::{Member, Role};
use keystore_store::{
    StoreError, agents, api_keys, credentials, deployment, keks, login_attempts, members, projects, sessions,
    sign_in_codes, tokens, users,
};

use crate::bench::{Bench, version};

fn user(bench: &Bench, email: &str) -> users::User {
    users::User {
        id: bench.id(UserId::new),
        email: email.into(),
        name: "Ada".into(),
        password_hash: Some("$argon2id$".into()),
        operator: true,
        verified_at: None,
        created_at: bench.now(),
        updated_at: bench.now(),
    }
}

pub(crate) async fn names_are_unique_where_they_must_be(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut policy = world.policy.clone();
    policy.agent = bench.id(AgentId::new);
    let mut tx = store.begin().await.unwrap();
    let again = agents::NewAgent {
        name: "agent-a",
        policy: &policy,
        mac: b"m",
        at: bench.now(),
    };
    let error = agents::insert(&mut tx, &again).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Conflict {
                what: "an agent with this name"
            }
        ),
        "{error}"
    );
    drop(tx);

    let mut tx = store.begin().await.unwrap();
    let id = bench.id(CredentialId::new);
    let twin = bench.credential(world.org, world.project, id, "default");
    let kek = keks::active(&mut tx, world.org).await.unwrap().unwrap().id;
    let error = credentials::insert(&mut tx, &twin, &version(id, kek, 1, bench.now()))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    drop(tx);

    let mut tx = store.begin().await.unwrap();
    users::insert(&mut tx, &user(&bench, "ada@example.com"))
        .await
        .unwrap();
    let error = users::insert(&mut tx, &user(&bench, "ada@example.com"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Conflict {
                what: "a user with this address"
            }
        ),
        "{error}"
    );
    drop(tx);

    // The same names are free in another tenant.
    bench.world(&store, "b").await;
    store.close().await;
}

pub(crate) async fn nothing_crosses_a_tenant(bench: Bench) {
    let store = bench.open().await;
    let (a, b) = (bench.world(&store, "a").await, bench.world(&store, "b").await);
    let mut conn = store.read().await.unwrap();
    assert!(agents::get(&mut conn, b.org, a.agent).await.unwrap().is_none());
    assert!(
        agents::by_name(&mut conn, b.org, a.project, "agent-a")
            .await
            .unwrap()
            .is_none()
    );
    assert!(tokens::get(&mut conn, b.org, a.token).await.unwrap().is_none());
    assert!(
        credentials::get(&mut conn, b.org, a.credential)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        credentials::current(&mut conn, b.org, a.credential)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        projects::get(&mut conn, b.org, a.project)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        agents::list(&mut conn, a.org, None, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        credentials::list(&mut conn, a.org, Some(b.project), None, None, 10)
            .await
            .unwrap()
            .len(),
        0
    );
    drop(conn);

    let mut tx = store.begin().await.unwrap();
    assert!(!agents::delete(&mut tx, b.org, a.agent).await.unwrap());
    assert!(!credentials::delete(&mut tx, b.org, a.credential).await.unwrap());
    let foreign = tokens::NewToken {
        org: b.org,
        name: "",
        policy: &a.token_policy,
        mac: b"m",
        at: bench.now(),
    };
    assert!(!tokens::update(&mut tx, &foreign).await.unwrap());
    let mut stolen = a.token_policy.clone();
    stolen.hash = [9; 32];
    stolen.token = keystore_core::ids::TokenId::new(keystore_core::IdSource::next(&*bench.ids));
    let foreign = tokens::NewToken {
        org: b.org,
        name: "",
        policy: &stolen,
        mac: b"m",
        at: bench.now(),
    };
    assert!(
        !tokens::insert(&mut tx, &foreign).await.unwrap(),
        "a token for another tenant's agent"
    );
    drop(tx);

    // Not even a row that is written on purpose: an agent of `b` in a project of `a`.
    let mut tx = store.begin().await.unwrap();
    let mut policy = b.policy.clone();
    (policy.agent, policy.project) = (bench.id(AgentId::new), a.project);
    let foreign = agents::NewAgent {
        name: "x",
        policy: &policy,
        mac: b"m",
        at: bench.now(),
    };
    assert!(agents::insert(&mut tx, &foreign).await.is_err());
    drop(tx);
    store.close().await;
}

pub(crate) async fn credentials_rotate_once_a_version(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut tx = store.begin().await.unwrap();
    let stored = credentials::get(&mut tx, world.org, world.credential)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        stored,
        bench.credential(world.org, world.project, world.credential, "default")
    );
    let kek = keks::active(&mut tx, world.org).await.unwrap().unwrap();
    let second = version(world.credential, kek.id, 2, bench.now());
    let status = credentials::CredentialStatus::Active;
    assert!(
        credentials::rotate(&mut tx, world.org, (1, &second), status)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();

    let mut tx = store.begin().await.unwrap();
    let late = credentials::rotate(&mut tx, world.org, (1, &second), status).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })));
    drop(tx);
    for (from, number) in [(1, 4), (3, 4), (2, 1)] {
        let mut tx = store.begin().await.unwrap();
        let other = version(world.credential, kek.id, number, bench.now());
        let refused = credentials::rotate(&mut tx, world.org, (from, &other), status).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { .. })),
            "{number} in the place of {from}"
        );
    }

    let mut tx = store.begin().await.unwrap();
    let current = credentials::current(&mut tx, world.org, world.credential)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((current.version, current.sealed), (2, b"sealed 2".to_vec()));
    assert!(
        credentials::version(&mut tx, world.org, world.credential, 1)
            .await
            .unwrap()
            .is_some()
    );
    let rewrapped = credentials::Replacement {
        credential: world.credential,
        version: 2,
        from: b"sealed 2",
        sealed: b"rewrapped",
        kek: kek.id,
        kek_generation: 2,
    };
    assert!(
        credentials::replace_sealed(&mut tx, world.org, &rewrapped)
            .await
            .unwrap()
    );
    assert!(
        !credentials::replace_sealed(&mut tx, world.org, &rewrapped)
            .await
            .unwrap(),
        "compare and swap"
    );
    assert_eq!(
        credentials::under_kek(&mut tx, world.org, kek.id).await.unwrap(),
        2
    );
    assert_eq!(
        credentials::users(&mut tx, world.org, world.credential, 9)
            .await
            .unwrap(),
        [world.agent]
    );
    assert_eq!(
        credentials::delete_versions(&mut tx, world.org, world.credential, 2)
            .await
            .unwrap(),
        1
    );
    assert!(
        credentials::delete(&mut tx, world.org, world.credential)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    assert_eq!(bench.count("SELECT COUNT(*) FROM credential_versions").await, 0);
    store.close().await;
}

pub(crate) async fn a_refused_credential_is_marked_once(bench: Bench) {
    use credentials::CredentialStatus;
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let (org, id, at) = (world.org, world.credential, bench.now());
    let mut tx = store.begin().await.unwrap();
    let other = credentials::refused(&mut tx, org, id, 2, at).await.unwrap();
    assert!(!other, "another version is in use");
    assert!(credentials::refused(&mut tx, org, id, 1, at).await.unwrap());
    assert!(!credentials::refused(&mut tx, org, id, 1, at).await.unwrap());
    let stored = credentials::get(&mut tx, org, id).await.unwrap().unwrap();
    assert_eq!(
        (stored.status, stored.tested_at, stored.updated_at),
        (CredentialStatus::Invalid, None, at)
    );
    credentials::set_status(&mut tx, org, id, CredentialStatus::Disabled, at)
        .await
        .unwrap();
    let disabled = credentials::refused(&mut tx, org, id, 1, at).await.unwrap();
    assert!(!disabled, "what a person switched off stays so");
    tx.commit().await.unwrap();
    store.close().await;
}

pub(crate) async fn a_deployment_is_made_once(bench: Bench) {
    let store = bench.open().await;
    let new = deployment::Deployment {
        id: bench.id(DeploymentId::new),
        wrapped_key: vec![1; 60],
        kdf_salt: vec![],
        root_key: "file:abc".into(),
        created_at: bench.now(),
        operator_org: None,
    };
    let mut tx = store.begin().await.unwrap();
    assert!(deployment::get(&mut tx).await.unwrap().is_none());
    deployment::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let (store, _) = bench.reopen(store).await;
    let mut tx = store.begin().await.unwrap();
    assert!(matches!(
        deployment::insert(&mut tx, &new).await,
        Err(StoreError::Conflict { .. })
    ));
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    deployment::rewrap(&mut tx, b"other", b"salt", "passphrase")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let found = deployment::get(&mut store.read().await.unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.id, found.wrapped_key, found.root_key),
        (new.id, b"other".to_vec(), "passphrase".into())
    );
    store.close().await;
}

pub(crate) async fn pages_are_complete_and_in_order(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut tx = store.begin().await.unwrap();
    for number in 0..25 {
        let mut policy = world.policy.clone();
        policy.agent = bench.id(AgentId::new);
        let name = format!("n{number}");
        let new = agents::NewAgent {
            name: &name,
            policy: &policy,
            mac: b"m",
            at: bench.now(),
        };
        agents::insert(&mut tx, &new).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = agents::list(&mut conn, world.org, Some(world.project), after, 10)
            .await
            .unwrap();
        assert!(page.len() <= 10);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|agent| agent.id));
    }
    assert_eq!(seen.len(), 26);
    assert!(seen.is_sorted_by(|a, b| a < b));
    drop(conn);
    store.close().await;
}

pub(crate) async fn a_code_is_good_for_one_use(bench: Bench) {
    use sign_in_codes::Purpose;
    let store = bench.open().await;
    let ada = user(&bench, "ada@example.com");
    let mut tx = store.begin().await.unwrap();
    users::insert(&mut tx, &ada).await.unwrap();
    let ends = Micros(bench.now().0 + 10);
    sign_in_codes::insert(&mut tx, &[1; 32], ada.id, Purpose::SignIn, ends)
        .await
        .unwrap();
    sign_in_codes::insert(&mut tx, &[2; 32], ada.id, Purpose::SignIn, ends)
        .await
        .unwrap();
    let now = bench.clock.now();
    assert_eq!(
        sign_in_codes::take(&mut tx, &[1; 32], Purpose::ResetPassword, now)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        sign_in_codes::take(&mut tx, &[1; 32], Purpose::SignIn, now)
            .await
            .unwrap(),
        Some(ada.id)
    );
    assert_eq!(
        sign_in_codes::take(&mut tx, &[1; 32], Purpose::SignIn, now)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        sign_in_codes::take(&mut tx, &[2; 32], Purpose::SignIn, ends)
            .await
            .unwrap(),
        None
    );
    assert_eq!(sign_in_codes::delete_expired(&mut tx, ends).await.unwrap(), 1);
    tx.commit().await.unwrap();
    store.close().await;
}

pub(crate) async fn failures_are_counted_until_they_are_old(bench: Bench) {
    let store = bench.open().await;
    let mut tx = store.begin().await.unwrap();
    for expected in 1..=3 {
        let found = login_attempts::fail(&mut tx, "ada", Micros(100 + expected), Micros(0))
            .await
            .unwrap();
        assert_eq!(i64::from(found.failures), expected);
    }
    assert_eq!(
        login_attempts::fail(&mut tx, "ada", Micros(900), Micros(500))
            .await
            .unwrap()
            .failures,
        1
    );
    assert_eq!(
        login_attempts::get(&mut tx, "ada")
            .await
            .unwrap()
            .unwrap()
            .last_at,
        Micros(900)
    );
    assert!(login_attempts::get(&mut tx, "bob").await.unwrap().is_none());
    login_attempts::clear(&mut tx, "ada").await.unwrap();
    assert!(login_attempts::get(&mut tx, "ada").await.unwrap().is_none());
    tx.commit().await.unwrap();
    store.close().await;
}

pub(crate) async fn sessions_and_keys_end(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let ada = user(&bench, "ada@example.com");
    let now = bench.now();
    let later = Micros(now.0 + 1_000);
    let mut tx = store.begin().await.unwrap();
    users::insert(&mut tx, &ada).await.unwrap();
    assert_eq!(users::count(&mut tx).await.unwrap(), 1);
    let member = Member {
        org: world.org,
        user_id: ada.id,
        role: Role::Owner,
        created_at: now,
    };
    members::insert(&mut tx, &member).await.unwrap();
    assert_eq!(
        members::of_user(&mut tx, ada.id).await.unwrap(),
        std::slice::from_ref(&member)
    );
    assert_eq!(members::owners(&mut tx, world.org).await.unwrap(), 1);
    assert!(
        members::set_role(&mut tx, world.org, ada.id, Role::Billing)
            .await
            .unwrap()
    );
    let session = |number: u8| sessions::Session {
        id: bench.id(SessionId::new),
        hash: [number; 32],
        user_id: ada.id,
        org: world.org,
        created_at: now,
        expires_at: later,
        last_seen_at: now,
        client: None,
        address: None,
        second_factor: false,
    };
    let (one, two, three) = (session(1), session(2), session(3));
    for session in [&one, &two, &three] {
        sessions::insert(&mut tx, session).await.unwrap();
    }
    assert!(sessions::by_hash(&mut tx, &[1; 32], now).await.unwrap().is_some());
    assert!(
        sessions::by_hash(&mut tx, &[1; 32], later)
            .await
            .unwrap()
            .is_none(),
        "expired"
    );
    let list = async |tx: &mut keystore_store::Tx, at, after| {
        let found = sessions::list(tx, ada.id, at, after, 2).await.unwrap();
        found.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&mut tx, now, None).await, [one.id, two.id]);
    assert_eq!(list(&mut tx, now, Some(two.id)).await, [three.id]);
    assert_eq!(list(&mut tx, later, None).await, []);
    let stranger = bench.id(UserId::new);
    assert!(sessions::take(&mut tx, stranger, one.id).await.unwrap().is_none());
    let taken = sessions::take(&mut tx, ada.id, three.id).await.unwrap();
    assert_eq!(taken.unwrap().hash, [3; 32]);
    assert!(sessions::take(&mut tx, ada.id, three.id).await.unwrap().is_none());
    sessions::insert(&mut tx, &three).await.unwrap();
    assert!(
        sessions::replace(&mut tx, one.id, &[7; 32], later, now)
            .await
            .unwrap()
    );
    assert!(sessions::by_hash(&mut tx, &[1; 32], now).await.unwrap().is_none());
    assert_eq!(
        sessions::revoke_all(&mut tx, ada.id, Some(one.id)).await.unwrap(),
        2
    );
    assert!(sessions::revoke(&mut tx, one.id).await.unwrap());
    let key = api_keys::ApiKey {
        id: bench.id(ApiKeyId::new),
        hash: [5; 32],
        org: world.org,
        project: Some(world.project),
        name: "ci".into(),
        role: Role::Member,
        created_by: Some(ada.id),
        created_at: now,
        expires_at: Some(later),
        revoked_at: None,
        last_used_at: None,
    };
    api_keys::insert(&mut tx, &key).await.unwrap();
    assert_eq!(
        api_keys::by_hash(&mut tx, &[5; 32], now)
            .await
            .unwrap()
            .unwrap()
            .role,
        Role::Member
    );
    assert!(
        api_keys::by_hash(&mut tx, &[5; 32], later)
            .await
            .unwrap()
            .is_none(),
        "expired"
    );
    assert!(api_keys::revoke(&mut tx, world.org, key.id, now).await.unwrap());
    assert!(
        api_keys::by_hash(&mut tx, &[5; 32], now).await.unwrap().is_none(),
        "revoked"
    );
    // A revoked key gives its name back.
    let next = api_keys::ApiKey {
        id: bench.id(ApiKeyId::new),
        hash: [6; 32],
        ..key.clone()
    };
    api_keys::insert(&mut tx, &next).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.begin().await.unwrap();
    let foreign = api_keys::ApiKey {
        id: bench.id(ApiKeyId::new),
        hash: [8; 32],
        name: "x".into(),
        project: Some(bench.id(ProjectId::new)),
        ..key
    };
    assert!(
        api_keys::insert(&mut tx, &foreign).await.is_err(),
        "bound to a project that is not there"
    );
    drop(tx);
    store.close().await;
}

pub(crate) async fn one_kek_is_active(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut tx = store.begin().await.unwrap();
    let old = keks::active(&mut tx, world.org).await.unwrap().unwrap();
    let next = keks::Kek {
        id: bench.id(KekId::new),
        generation: 2,
        ..old.clone()
    };
    assert!(
        keks::set_state(&mut tx, world.org, old.id, keks::KekState::Retiring)
            .await
            .unwrap()
    );
    keks::insert(&mut tx, &next).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let third = keks::Kek {
        id: bench.id(KekId::new),
        generation: 3,
        ..old
    };
    assert!(matches!(
        keks::insert(&mut tx, &third).await,
        Err(StoreError::Conflict { .. })
    ));
    drop(tx);
    let mut conn = store.read().await.unwrap();
    assert_eq!(
        keks::active(&mut conn, world.org).await.unwrap().unwrap().id,
        next.id
    );
    assert_eq!(keks::list(&mut conn, world.org).await.unwrap().len(), 2);
    assert!(
        keks::get(&mut conn, bench.id(OrgId::new), next.id)
            .await
            .unwrap()
            .is_none()
    );
    drop(conn);
    store.close().await;
}

pub(crate) async fn a_key_is_claimed_once(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let claim = |at: i64| Claim {
        org: world.org,
        caller: world.org.uuid(),
        key: "k".into(),
        request: [7; 32],
        at: Micros(at),
    };
    let take = async |claim: Claim, forgotten_before: i64| {
        let mut tx = store.begin().await.unwrap();
        let claimed = idempotency::claim(&mut tx, &claim, Micros(forgotten_before))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        claimed
    };
    let known = async || {
        idempotency::get(&mut store.read().await.unwrap(), &claim(0))
            .await
            .unwrap()
    };
    assert!(take(claim(10), 0).await);
    assert!(!take(claim(11), 0).await, "it is taken");
    let other = Claim {
        caller: world.project.uuid(),
        ..claim(11)
    };
    assert!(take(other, 0).await, "another caller's key is another key");

    let mut tx = store.begin().await.unwrap();
    idempotency::keep(&mut tx, &claim(10), 201, Some("{}"))
        .await
        .unwrap();
    idempotency::release(&mut tx, &claim(10)).await.unwrap();
    tx.commit().await.unwrap();
    let kept = known().await.unwrap();
    assert_eq!(
        (kept.status, kept.answer.as_deref()),
        (Some(201), Some("{}")),
        "an answer stays"
    );

    assert!(take(claim(30), 20).await, "an old one is claimed anew");
    let mut tx = store.begin().await.unwrap();
    idempotency::keep(&mut tx, &claim(10), 201, Some("old"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        known().await.unwrap().status,
        None,
        "who lost the claim keeps nothing"
    );

    let mut tx = store.begin().await.unwrap();
    idempotency::release(&mut tx, &claim(30)).await.unwrap();
    assert_eq!(idempotency::old(&mut tx, Micros(12)).await.unwrap(), 1);
    assert_eq!(
        idempotency::forget(&mut tx, Micros(12)).await.unwrap(),
        1,
        "the other caller's"
    );
    tx.commit().await.unwrap();
    assert_eq!(known().await, None);
}
