//! A server on PostgreSQL that loses its lock, and one that takes over.

mod postgres {
    use std::time::Duration;

    use keystore_store::{Durability, JournalError, OpenError, Options, Store};
    use keystore_testkit::counts::within;

    use crate::bench::Bench;

    /// As a network does that drops the connection with the lock.
    async fn lose_the_lock(bench: &Bench) {
        let lost = bench.count(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        assert_eq!(lost.await, 1);
    }

    async fn another(bench: &Bench) -> Result<Store, OpenError> {
        let options = Options::default();
        let opened = Store::open(&bench.url, options, bench.clock.clone(), bench.ids.clone()).await;
        opened.map(|(store, _)| store)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_was_taken_over_from_writes_nothing_more() {
        let bench = Bench::postgres().await;
        let first = bench.open().await;
        let world = bench.world(&first, "a").await;
        lose_the_lock(&bench).await;
        let second = another(&bench).await.unwrap();
        let refused = first.begin().await.err().unwrap();
        assert!(refused.to_string().contains("taken over"), "{refused}");
        let noticed = tokio::time::timeout(within(Duration::from_secs(5)), first.superseded());
        noticed.await.unwrap();
        let intent = bench.intent(&world, 1, &[]);
        let written = second.journal().intent(&intent, Durability::Process);
        written.await.unwrap();
        second.begin().await.unwrap().commit().await.unwrap();
        second.close().await;
        // Nor when the lock is free: it does not know what the other one did.
        for _ in 0..20 {
            let intent = bench.intent(&world, 1, &[]);
            let written = first.journal().intent(&intent, Durability::Process).await;
            assert_eq!(written, Err(JournalError::Unavailable));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(first.begin().await.is_err());
        first.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_lost_the_lock_to_nobody_goes_on() {
        let bench = Bench::postgres().await;
        let store = bench.open().await;
        let world = bench.world(&store, "a").await;
        lose_the_lock(&bench).await;
        let mut written = Err(JournalError::Unavailable);
        for _ in 0..100 {
            let intent = bench.intent(&world, 1, &[]);
            written = store.journal().intent(&intent, Durability::Process).await;
            if written.is_ok() {
                break;
            }
            tokio::time::sleep(within(Duration::from_millis(50))).await;
        }
        written.unwrap();
        store.begin().await.unwrap().commit().await.unwrap();
        let superseded = tokio::time::timeout(Duration::from_millis(50), store.superseded());
        assert!(superseded.await.is_err());
        store.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_takes_over_waits_for_what_is_being_written() {
        let bench = Bench::postgres().await;
        let first = bench.open().await;
        let writing = first.begin().await.unwrap();
        lose_the_lock(&bench).await;
        let mut second = Box::pin(another(&bench));
        let early = tokio::time::timeout(Duration::from_millis(500), &mut second).await;
        assert!(early.is_err(), "the other one still writes");
        writing.commit().await.unwrap();
        second.await.unwrap().close().await;
        first.close().await;
    }
}
