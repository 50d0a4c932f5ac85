//! Key-encryption keys: who may be sealed under, what is left under which, and how far work on them is.

use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::KekId;
use keystore_store::kek_jobs::{self, KekJob, KekStep};
use keystore_store::keks::{self, KekState};
use keystore_store::{StoreError, credentials};

use crate::bench::{Bench, version};

pub(crate) async fn nothing_is_sealed_under_a_key_that_is_gone(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut conn = store.read().await.unwrap();
    let old = keks::active(&mut conn, world.org).await.unwrap().unwrap();
    drop(conn);
    let new = keks::Kek {
        id: bench.id(KekId::new),
        generation: 2,
        ..old.clone()
    };
    let mut tx = store.begin().await.unwrap();
    keks::set_state(&mut tx, world.org, old.id, KekState::Retiring)
        .await
        .unwrap();
    keks::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.begin().await.unwrap();
    let left = credentials::sealed(&mut tx, world.org, Some(new.id), (world.credential, 0), 10)
        .await
        .unwrap();
    assert_eq!((left.len(), left[0].version, left[0].kek == old.id), (1, 1, true));
    let after = credentials::sealed(&mut tx, world.org, Some(new.id), (world.credential, 1), 10);
    assert!(after.await.unwrap().is_empty());
    assert_eq!(
        credentials::not_under_kek(&mut tx, world.org, Some(new.id))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        keks::set_verified(&mut tx, world.org, Micros(7)).await.unwrap(),
        0
    );
    let replaced = |from: &'static [u8]| credentials::Replacement {
        credential: world.credential,
        version: 1,
        from,
        sealed: b"moved",
        kek: new.id,
        kek_generation: 2,
    };
    let another = replaced(b"another");
    assert!(
        !credentials::replace_sealed(&mut tx, world.org, &another)
            .await
            .unwrap()
    );
    let moves = replaced(b"sealed 1");
    assert!(
        credentials::replace_sealed(&mut tx, world.org, &moves)
            .await
            .unwrap()
    );
    assert!(
        !credentials::replace_sealed(&mut tx, world.org, &moves)
            .await
            .unwrap(),
        "somebody was quicker"
    );
    assert_eq!(
        keks::set_verified(&mut tx, world.org, Micros(7)).await.unwrap(),
        1
    );
    keks::set_state(&mut tx, world.org, old.id, KekState::Retired)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.begin().await.unwrap();
    let late = version(world.credential, old.id, 2, Micros(2));
    let refused = credentials::rotate(
        &mut tx,
        world.org,
        (1, &late),
        credentials::CredentialStatus::Untested,
    )
    .await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    assert!(keks::destroy(&mut tx, world.org, old.id).await.unwrap());
    tx.commit().await.unwrap();
    let mut conn = store.read().await.unwrap();
    let gone = keks::get(&mut conn, world.org, old.id).await.unwrap().unwrap();
    assert_eq!((gone.state, gone.wrapped.len()), (KekState::Destroyed, 0));
    drop(conn);
    store.close().await;
}

pub(crate) async fn a_wrapped_key_is_replaced_only_as_it_was_read(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut tx = store.begin().await.unwrap();
    let kek = keks::active(&mut tx, world.org).await.unwrap().unwrap();
    assert!(
        keks::put_under(&mut tx, &kek, b"under", Some("aws:a"))
            .await
            .unwrap()
    );
    assert!(!keks::put_under(&mut tx, &kek, b"late", None).await.unwrap());
    assert!(!keks::rewrap(&mut tx, &kek, b"late").await.unwrap());
    let under = keks::get(&mut tx, world.org, kek.id).await.unwrap().unwrap();
    assert_eq!(
        (&under.wrapped[..], under.customer.as_deref()),
        (&b"under"[..], Some("aws:a"))
    );
    assert!(keks::rewrap(&mut tx, &under, b"moved").await.unwrap());
    keks::count_wraps(&mut tx, world.org, kek.id, 64).await.unwrap();
    keks::count_wraps(&mut tx, world.org, kek.id, 1).await.unwrap();
    let counted = keks::get(&mut tx, world.org, kek.id).await.unwrap().unwrap();
    assert_eq!(
        (counted.wraps, &counted.wrapped[..]),
        (kek.wraps + 65, &b"moved"[..])
    );
    let day = kek.created_at.plus(Duration::from_secs(86_400));
    let due = async |tx: &mut keystore_store::Tx, wraps, by| keks::due(tx, wraps, by).await.unwrap().len();
    assert_eq!(due(&mut tx, counted.wraps + 1, Micros(0)).await, 0);
    assert_eq!(due(&mut tx, counted.wraps, Micros(0)).await, 1);
    assert_eq!(due(&mut tx, counted.wraps + 1, day).await, 1);
    drop(tx);
    store.close().await;
}

pub(crate) async fn work_on_keys_tells_how_far_it_is(bench: Bench) {
    let store = bench.open().await;
    let world = bench.world(&store, "a").await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(kek_jobs::get(&mut tx, world.org).await.unwrap(), None);
    let job = KekJob::begin(world.org, KekStep::Rewrap, 5, Micros(3));
    kek_jobs::put(&mut tx, &job).await.unwrap();
    assert_eq!(
        kek_jobs::running(&mut tx).await.unwrap(),
        std::slice::from_ref(&job)
    );
    let next = KekJob {
        step: KekStep::Verify,
        credential: world.credential,
        version: 4,
        done: 5,
        failed: 1,
        problem: Some("does not open".to_owned()),
        ended_at: Some(Micros(9)),
        ..job
    };
    kek_jobs::put(&mut tx, &next).await.unwrap();
    assert_eq!(kek_jobs::get(&mut tx, world.org).await.unwrap(), Some(next));
    assert!(kek_jobs::running(&mut tx).await.unwrap().is_empty());
    drop(tx);
    store.close().await;
}
