//! The audit log.

use keystore_core::Micros;
use keystore_core::ids::OrgId;
use keystore_store::audit::{self, Filter, NewEntry};

use crate::bench::Bench;

fn entry(org: OrgId, subject: &str) -> NewEntry {
    NewEntry {
        org,
        action: "update_agent",
        actor: "system".to_owned(),
        subject: subject.to_owned(),
        project: None,
        request: None,
        payload: "{}".to_owned(),
        payload_sha256: [7; 32],
    }
}

pub(crate) async fn entries_are_numbered_by_organization_and_come_with_their_change(bench: Bench) {
    let store = bench.open().await;
    let (one, two) = (bench.id(OrgId::new), bench.id(OrgId::new));
    for number in 0..3 {
        let mut tx = store.begin().await.unwrap();
        tx.audit(entry(one, &format!("a{number}")));
        tx.audit(entry(two, &format!("b{number}")));
        tx.commit().await.unwrap();
        let mut dropped = store.begin().await.unwrap();
        dropped.audit(entry(one, "never"));
    }
    let mut conn = store.read().await.unwrap();
    let all = audit::list(&mut conn, one, &Filter::default(), None, 10)
        .await
        .unwrap();
    let seen: Vec<_> = all
        .iter()
        .map(|row| {
            let entry = row.entry().unwrap();
            assert_eq!((entry.org, entry.seq, entry.at), (one, row.seq, bench.now()));
            (row.seq, entry.subject)
        })
        .collect();
    assert_eq!(
        seen,
        [(3, "a2".to_owned()), (2, "a1".to_owned()), (1, "a0".to_owned())]
    );
    let filters = [
        (
            Filter {
                subject: Some("a1".into()),
                ..Filter::default()
            },
            1,
        ),
        (
            Filter {
                action: Some("update_agent".into()),
                ..Filter::default()
            },
            3,
        ),
        (
            Filter {
                action: Some("create_agent".into()),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                actor: Some("usr_x".into()),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                since: Some(Micros(bench.now().0 + 1)),
                ..Filter::default()
            },
            0,
        ),
        (
            Filter {
                until: Some(bench.now()),
                ..Filter::default()
            },
            0,
        ),
    ];
    for (filter, count) in filters {
        let found = audit::list(&mut conn, one, &filter, None, 10).await.unwrap();
        assert_eq!(found.len(), count, "{filter:?}");
    }
    let rest = audit::list(&mut conn, one, &Filter::default(), Some(2), 10)
        .await
        .unwrap();
    assert_eq!(rest.iter().map(|row| row.seq).collect::<Vec<_>>(), [1]);
    drop(conn);
    store.close().await;
}

pub(crate) async fn writers_at_once_leave_no_gap(bench: Bench) {
    let store = bench.open().await;
    let org = bench.id(OrgId::new);
    let writers: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                tx.audit(entry(org, &number.to_string()));
                tx.commit().await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut conn = store.read().await.unwrap();
    let all = audit::list(&mut conn, org, &Filter::default(), None, 100)
        .await
        .unwrap();
    let seqs: Vec<_> = all.iter().rev().map(|row| row.seq).collect();
    assert_eq!(seqs, (1..=20).collect::<Vec<u64>>());
    drop(conn);
    store.close().await;
}

pub(crate) async fn the_database_refuses_to_change_what_is_recorded(bench: Bench) {
    let store = bench.open().await;
    let mut tx = store.begin().await.unwrap();
    tx.audit(entry(bench.id(OrgId::new), "a"));
    tx.commit().await.unwrap();
    for statement in [
        "DELETE FROM audit_log",
        "UPDATE audit_log SET at = at + 1",
        "UPDATE audit_log SET actor = 'x'",
    ] {
        let refused = bench.try_statement(statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    // What a leaf commits to may be erased.
    bench
        .try_statement("UPDATE audit_log SET payload = NULL")
        .await
        .unwrap();
    store.close().await;
}
