//! Reminders of credentials, and their mails.

use keystore_core::Micros;
use keystore_core::ids::UserId;
use keystore_store::members::{Member, Role};
use keystore_store::reminders::{self, DueKind, Reminder};
use keystore_store::{credentials, members, users};

use crate::bench::Bench;

fn of(kind: DueKind, days: u32) -> Reminder {
    Reminder {
        kind,
        due_at: Micros(100),
        days,
    }
}

pub(crate) async fn what_is_due_is_found_and_reminded_of_once(bench: Bench) {
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
        let all = reminders::all_due(&mut conn, Micros(by)).await.unwrap();
        assert_eq!(all.len(), found, "{by}");
    }
    let policies = credentials::policies(&mut conn, world.org, row.id, row.id)
        .await
        .unwrap();
    assert_eq!(policies.keys().collect::<Vec<_>>(), [&row.id]);
    drop(conn);
    let mut tx = store.begin().await.unwrap();
    let mut note = async |kind, days| {
        reminders::note(&mut tx, &row, of(kind, days), Micros(1))
            .await
            .unwrap()
    };
    assert!(note(DueKind::Expiry, 7).await);
    assert!(!note(DueKind::Expiry, 7).await);
    assert!(note(DueKind::Expiry, 1).await);
    assert!(note(DueKind::Rotation, 7).await);
    for (reminder, noted) in [
        (of(DueKind::Rotation, 7), true),
        (of(DueKind::Rotation, 1), false),
    ] {
        assert_eq!(
            reminders::is_noted(&mut tx, row.id, reminder).await.unwrap(),
            noted
        );
    }
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert!(
        credentials::delete(&mut tx, world.org, row.id).await.unwrap(),
        "its reminders go with it"
    );
    tx.commit().await.unwrap();
}

pub(crate) async fn a_reminders_mail_waits_for_who_can_act_on_it(bench: Bench) {
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
    let mut row = credentials::list(&mut tx, world.org, None, None, None, 1)
        .await
        .unwrap()
        .remove(0);
    row.expires_at = Some(Micros(100));
    credentials::update(&mut tx, &row).await.unwrap();
    let reminder = of(DueKind::Expiry, 7);
    reminders::note(&mut tx, &row, reminder, Micros(10))
        .await
        .unwrap();
    reminders::queue(&mut tx, &row, reminder, Micros(10))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let waiting = async |now| {
        let mut conn = store.read().await.unwrap();
        reminders::waiting(&mut conn, Micros(now), 10).await.unwrap()
    };
    assert_eq!(waiting(9).await, []);
    let mails = waiting(10).await;
    let mut addresses: Vec<_> = mails.iter().map(|mail| mail.email.as_str()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["admin@example.com", "owner@example.com"]);
    assert_eq!(
        (
            mails[0].project.as_str(),
            mails[0].org_name.as_str(),
            mails[0].due_at
        ),
        ("default", "a", Micros(100))
    );

    let mut tx = store.begin().await.unwrap();
    reminders::put_off(&mut tx, &mails[0], Micros(20)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(waiting(19).await, mails[1..]);
    let mut tx = store.begin().await.unwrap();
    reminders::sent(&mut tx, &mails[1]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(waiting(20).await, mails[..1]);

    // Who lost the role, and a date that was moved, are not written about.
    let mut tx = store.begin().await.unwrap();
    members::set_role(&mut tx, world.org, mails[0].user_id, Role::Member)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(waiting(20).await, []);
    let mut tx = store.begin().await.unwrap();
    members::set_role(&mut tx, world.org, mails[0].user_id, Role::Admin)
        .await
        .unwrap();
    row.expires_at = Some(Micros(200));
    credentials::update(&mut tx, &row).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(waiting(20).await, []);

    let mut tx = store.begin().await.unwrap();
    assert_eq!(reminders::old(&mut tx, Micros(10)).await.unwrap(), 0);
    assert_eq!(reminders::old(&mut tx, Micros(11)).await.unwrap(), 1);
    assert_eq!(reminders::delete_old(&mut tx, Micros(11)).await.unwrap(), 1);
    tx.commit().await.unwrap();
}
