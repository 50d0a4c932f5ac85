//! Events, and the mails about them.

use keystore_core::Micros;
use keystore_core::ids::{EventId, UserId};
use keystore_store::events::{self, Event};
use keystore_store::members::{Member, Role};
use keystore_store::{credentials, mails, members, orgs, users};
use serde_json::json;

use crate::bench::{Bench, World};

fn event(bench: &Bench, world: &World, kind: &str) -> Event {
    Event {
        id: bench.id(EventId::new),
        org: world.org,
        project: Some(world.project),
        kind: kind.to_owned(),
        subject: "crd_x".to_owned(),
        at: Micros(10),
        data: json!({"name": "default"}),
    }
}

pub(crate) async fn what_is_due_is_found_and_an_event_is_raised_once(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut tx = store.begin().await.unwrap();
    let mut row = credentials::list(&mut tx, world.org, None, None, None, 1)
        .await
        .unwrap()
        .remove(0);
    (row.expires_at, row.rotate_after) = (Some(Micros(100)), Some(Micros(50)));
    assert!(credentials::update(&mut tx, &row).await.unwrap());
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    for (by, found) in [(49, 0), (50, 1), (100, 1)] {
        let due = credentials::due(&mut conn, world.org, None, None, (None, 10), Micros(by))
            .await
            .unwrap();
        assert_eq!(due.len(), found, "{by}");
        let all = credentials::all_due(&mut conn, Micros(by)).await.unwrap();
        assert_eq!(all.len(), found, "{by}");
    }
    let policies = credentials::policies(&mut conn, world.org, row.id, row.id)
        .await
        .unwrap();
    assert_eq!(policies.keys().collect::<Vec<_>>(), [&row.id]);
    drop(conn);
    let mut tx = store.begin().await.unwrap();
    for (kind, once, is_news) in [
        ("credential.expiring", "a", true),
        ("credential.expiring", "a", false),
        ("credential.expiring", "b", true),
        ("credential.rotation_due", "a", true),
    ] {
        let known = events::is_raised(&mut tx, world.org, kind, once).await.unwrap();
        let new = event(&bench, &world, kind);
        let raised = events::raise(&mut tx, &new, once).await.unwrap();
        assert_eq!((known, raised), (!is_news, is_news), "{kind} {once}");
    }
    tx.commit().await.unwrap();
}

pub(crate) async fn a_mail_waits_for_who_can_act_on_it(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut tx = store.begin().await.unwrap();
    for (name, role) in [
        ("owner", Role::Owner),
        ("admin", Role::Admin),
        ("viewer", Role::Viewer),
    ] {
        let person = users::User {
            id: bench.id(UserId::new),
            email: format!("{name}@example.com"),
            name: name.into(),
            password_hash: None,
            operator: false,
            verified_at: None,
            created_at: bench.now(),
            updated_at: bench.now(),
        };
        users::insert(&mut tx, &person).await.unwrap();
        let member = Member {
            org: world.org,
            user_id: person.id,
            role,
            created_at: bench.now(),
        };
        members::insert(&mut tx, &member).await.unwrap();
    }
    let told = event(&bench, &world, "credential.expiring");
    events::raise(&mut tx, &told, "a").await.unwrap();
    mails::queue(&mut tx, &told).await.unwrap();
    tx.commit().await.unwrap();
    let waiting = async |now| {
        let mut conn = store.read().await.unwrap();
        mails::waiting(&mut conn, Micros(now), 10).await.unwrap()
    };
    assert_eq!(waiting(9).await, []);
    let found = waiting(10).await;
    let mut addresses: Vec<_> = found.iter().map(|mail| mail.email.as_str()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["admin@example.com", "owner@example.com"]);
    assert_eq!(
        (found[0].project.as_deref(), &*found[0].org_name, &found[0].data),
        (Some("default"), "a", &told.data)
    );

    let mut tx = store.begin().await.unwrap();
    mails::put_off(&mut tx, &found[0], Micros(20)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(waiting(19).await, found[1..]);
    let mut tx = store.begin().await.unwrap();
    mails::done(&mut tx, &found[1]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(waiting(20).await, found[..1]);

    // Who lost the role is not written to.
    for (role, count) in [(Role::Member, 0), (Role::Admin, 1)] {
        let mut tx = store.begin().await.unwrap();
        members::set_role(&mut tx, world.org, found[0].user_id, role)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(waiting(20).await.len(), count);
    }

    let mut tx = store.begin().await.unwrap();
    assert_eq!(mails::old(&mut tx, Micros(10)).await.unwrap(), 0);
    assert_eq!(mails::old(&mut tx, Micros(11)).await.unwrap(), 1);
    assert_eq!(mails::delete_old(&mut tx, Micros(11)).await.unwrap(), 1);
    tx.commit().await.unwrap();

    // An organization that wants none gets none.
    let mut tx = store.begin().await.unwrap();
    let mut org = orgs::get(&mut tx, world.org).await.unwrap().unwrap();
    org.event_mails = false;
    orgs::update(&mut tx, &org).await.unwrap();
    let told = event(&bench, &world, "credential.invalid");
    events::raise(&mut tx, &told, "a").await.unwrap();
    mails::queue(&mut tx, &told).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(waiting(1_000).await, []);
}
