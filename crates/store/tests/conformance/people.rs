//! Organizations, members, invitations and projects: how they end.

use keystore_core::Micros;
use keystore_core::ids::{ApiKeyId, InvitationId, OrgId, ProjectId, SessionId, UserId};
use keystore_store::members::{Member, Role};
use keystore_store::{
    Store, StoreError, agents, api_keys, credentials, invitations, keks, members, orgs, policies, projects,
    sessions, users,
};

use crate::bench::{Bench, World};

/// What outlives an organization: its records.
const RECORDS: [&str; 12] = [
    "audit_log",
    "audit_heads",
    "requests",
    "usage_daily",
    "ledger_transactions",
    "ledger_entries",
    "ledger_balances",
    "ledger_charged",
    "billing_lines",
    "invoices",
    "billing_terms",
    "payments",
];

async fn person(bench: &Bench, store: &Store, org: OrgId, email: &str, role: Role) -> UserId {
    let user = users::User {
        id: bench.id(UserId::new),
        email: email.to_owned(),
        name: "Ada".to_owned(),
        password_hash: None,
        operator: false,
        verified_at: None,
        created_at: bench.now(),
        updated_at: bench.now(),
    };
    let member = Member {
        org,
        user_id: user.id,
        role,
        created_at: bench.now(),
    };
    let session = sessions::Session {
        id: bench.id(SessionId::new),
        hash: hash(bench),
        user_id: user.id,
        org,
        created_at: bench.now(),
        expires_at: Micros(i64::MAX),
        last_seen_at: bench.now(),
        client: None,
        address: None,
        second_factor: false,
    };
    let mut tx = store.begin().await.unwrap();
    users::insert(&mut tx, &user).await.unwrap();
    members::insert(&mut tx, &member).await.unwrap();
    sessions::insert(&mut tx, &session).await.unwrap();
    tx.commit().await.unwrap();
    user.id
}

fn hash(bench: &Bench) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(bench.id(|id| id).as_bytes());
    hash
}

fn key(bench: &Bench, world: &World, name: &str, made_by: UserId) -> api_keys::ApiKey {
    api_keys::ApiKey {
        id: bench.id(ApiKeyId::new),
        hash: hash(bench),
        org: world.org,
        project: Some(world.project),
        name: name.to_owned(),
        role: Role::Admin,
        created_by: Some(made_by),
        created_at: bench.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

fn invitation(bench: &Bench, org: OrgId, email: &str, by: UserId) -> invitations::Invitation {
    invitations::Invitation {
        id: bench.id(InvitationId::new),
        org,
        email: email.to_owned(),
        role: Role::Viewer,
        hash: hash(bench),
        invited_by: Some(by),
        created_at: bench.now(),
        expires_at: Micros(bench.now().0 + 1),
    }
}

pub(crate) async fn an_organization_ends_with_everything_but_its_records(bench: Bench) {
    let store = bench.open().await;
    let (ended, kept) = (
        bench.world(&store, "ended").await,
        bench.world(&store, "kept").await,
    );
    let user = person(&bench, &store, ended.org, "ada@example.com", Role::Owner).await;
    let mut tx = store.begin().await.unwrap();
    api_keys::insert(&mut tx, &key(&bench, &ended, "k", user))
        .await
        .unwrap();
    invitations::insert(&mut tx, &invitation(&bench, ended.org, "eve@example.com", user))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let epoch = store.epoch();
    let mut tx = store.begin().await.unwrap();
    assert!(orgs::delete(&mut tx, ended.org).await.unwrap());
    tx.commit().await.unwrap();
    assert!(store.epoch() > epoch, "the data plane hears of it");
    let mut conn = store.read().await.unwrap();
    let gone = policies::load(&mut conn, ended.token_policy.token_hash())
        .await
        .unwrap();
    assert!(gone.is_none());
    assert!(
        policies::load(&mut conn, kept.token_policy.token_hash())
            .await
            .unwrap()
            .is_some()
    );
    assert!(keks::active(&mut conn, ended.org).await.unwrap().is_none());
    assert!(
        users::get(&mut conn, user).await.unwrap().is_some(),
        "people are nobody's"
    );
    drop(conn);
    // Every table that knows an organization, those of tomorrow included.
    for table in bench.tables_with("org").await {
        if !RECORDS.contains(&table.as_str()) {
            assert_eq!(bench.rows_of(&table, ended.org.uuid()).await, 0, "{table}");
        }
    }
    assert_eq!(bench.rows_of("agents", kept.org.uuid()).await, 1);
    let mut tx = store.begin().await.unwrap();
    assert!(!orgs::delete(&mut tx, ended.org).await.unwrap());
    drop(tx);
    store.close().await;
}

pub(crate) async fn a_project_ends_with_what_it_holds(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let other = projects::Project {
        id: bench.id(ProjectId::new),
        org: world.org,
        slug: "other".to_owned(),
        name: "Other".to_owned(),
        labels: Vec::new(),
        created_at: bench.now(),
        updated_at: bench.now(),
    };
    let user = person(&bench, &store, world.org, "ada@example.com", Role::Owner).await;
    let mut tx = store.begin().await.unwrap();
    projects::insert(&mut tx, &other).await.unwrap();
    api_keys::insert(&mut tx, &key(&bench, &world, "k", user))
        .await
        .unwrap();
    let held = projects::contents(&mut tx, world.org, world.project)
        .await
        .unwrap();
    assert_eq!(
        (held.agents, held.tokens, held.credentials, held.api_keys),
        (1, 1, 1, 1)
    );
    let empty = projects::contents(&mut tx, world.org, other.id).await.unwrap();
    assert_eq!((empty.agents, empty.credentials, empty.api_keys), (0, 0, 0));
    assert!(projects::delete(&mut tx, world.org, world.project).await.unwrap());
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    assert!(
        agents::get(&mut conn, world.org, world.agent)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        credentials::get(&mut conn, world.org, world.credential)
            .await
            .unwrap()
            .is_none()
    );
    let left = projects::list(&mut conn, world.org, None, 10).await.unwrap();
    assert_eq!(
        left.iter().map(|project| project.id).collect::<Vec<_>>(),
        [other.id]
    );
    drop(conn);
    store.close().await;
}

pub(crate) async fn an_invitation_is_found_by_its_link_until_it_ends(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let user = person(&bench, &store, world.org, "ada@example.com", Role::Owner).await;
    let (other, second) = (
        invitation(&bench, world.org, "eve@example.com", user),
        invitation(&bench, world.org, "eve@example.com", user),
    );
    let mut tx = store.begin().await.unwrap();
    invitations::insert(&mut tx, &second).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let refused = invitations::insert(&mut tx, &other).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    assert!(
        invitations::by_hash(&mut tx, &other.hash, bench.now())
            .await
            .unwrap()
            .is_none()
    );
    let open = invitations::by_hash(&mut tx, &second.hash, bench.now())
        .await
        .unwrap();
    assert_eq!(open.map(|open| open.id), Some(second.id));
    let late = invitations::by_hash(&mut tx, &second.hash, second.expires_at)
        .await
        .unwrap();
    assert!(late.is_none());
    assert_eq!(
        invitations::of_inviter(&mut tx, world.org, user)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(invitations::delete(&mut tx, world.org, second.id).await.unwrap());
    assert!(!invitations::delete(&mut tx, world.org, second.id).await.unwrap());
    drop(tx);
    store.close().await;
}

pub(crate) async fn of_two_owners_who_demote_each_other_one_remains(bench: Bench) {
    let store = bench.open().await;
    let org = bench.world(&store, "a").await.org;
    let mut owners = Vec::new();
    for email in ["ada@example.com", "grace@example.com"] {
        owners.push(person(&bench, &store, org, email, Role::Owner).await);
    }
    let demotions = owners.into_iter().map(|owner| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut tx = store.begin().await.unwrap();
            assert!(orgs::hold(&mut tx, org).await.unwrap());
            members::set_role(&mut tx, org, owner, Role::Viewer)
                .await
                .unwrap();
            if members::owners(&mut tx, org).await.unwrap() > 0 {
                tx.commit().await.unwrap();
            }
        })
    });
    for demotion in demotions.collect::<Vec<_>>() {
        demotion.await.unwrap();
    }
    let left = members::owners(&mut store.read().await.unwrap(), org)
        .await
        .unwrap();
    assert_eq!(left, 1);
    store.close().await;
}
