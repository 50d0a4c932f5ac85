//! Backups of a database under load, and what comes back of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keystore_server::backup::{backup, check_database, restore};
use keystore_store::{Options, Store};
use keystore_testkit::clock::MockClock;
use keystore_testkit::counts::soak;
use keystore_testkit::ids::SeededIds;
use keystore_testkit::pg::{self, PgCluster};
use serde_json::json;

use crate::support::{Setup, TestApp};

/// At any instant: every call that the provider had seen before is in it, what was running is settled once, the ledger sums to zero, the
/// audit log is whole, and projections that are made anew are the ones that are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_any_instant_under_load_comes_back_consistent() {
    let app = TestApp::with(Setup {
        postgres: false,
        ..Setup::default()
    })
    .await;
    app.create_credential("openai").await;
    let token = app
        .create_token_with(
            "a",
            &["openai"],
            json!({"rpmLimit": 1_000_000, "rpdLimit": 1_000_000, "budgetCentsMonthly": 100_000}),
        )
        .await;
    let key = app.audit_key().await;
    let running = AtomicBool::new(true);
    let traffic = async || {
        let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
        while running.load(Ordering::Relaxed) {
            app.caller(&token)
                .post("/v1/openai/v1/chat/completions", &body)
                .await
                .expect(200);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let backups = async {
        let url = app.store_url();
        for round in 0..soak(200, 4) {
            let before = app.fake_upstream().count();
            let file = app.folder().join(format!("backup-{round}.db"));
            backup(&url, &file, &mut |_, _| {}).await.unwrap();
            let to = app.folder().join(format!("restored-{round}.db"));
            let checked = restore(&file, &to, Some(&key), &[], &mut |_, _| {})
                .await
                .unwrap();
            assert_eq!(checked.problems, Vec::<String>::new());
            comes_back_whole(&to, before).await;
            for path in [file.clone(), file.with_extension("db.sha256"), to] {
                std::fs::remove_file(path).unwrap();
            }
        }
        running.store(false, Ordering::Relaxed);
    };
    tokio::join!(traffic(), traffic(), traffic(), backups);
    app.finish().await;
}

async fn comes_back_whole(database: &std::path::Path, seen: usize) {
    let url = format!("sqlite://{}", database.display());
    let options = Options {
        spool: Some(database.with_extension("spool")),
        spool_bytes: 1 << 16,
        ..Options::default()
    };
    let opened = Store::open(
        &url,
        options,
        Arc::new(MockClock::default()),
        Arc::new(SeededIds::default()),
    )
    .await;
    let (store, recovery) = opened.unwrap();
    assert_eq!(recovery.crashed, 0, "it was settled by the restore");
    let rows = crate::support::all_rows(&store).await;
    let calls = rows.iter().filter(|row| row.attempt.is_some()).count();
    assert!(calls >= seen, "{calls} of {seen} calls are in it");
    store.rebuild_projections().await.unwrap();
    assert_eq!(crate::support::all_rows(&store).await, rows);
    store.close().await;
    for extension in ["spool", "db.lock"] {
        let _ = std::fs::remove_file(database.with_extension(extension));
    }
}

/// As docs/operations.md says, while calls run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_postgresql_under_load_comes_back_consistent() {
    let app = TestApp::with(Setup {
        postgres: true,
        ..Setup::default()
    })
    .await;
    app.create_credential("openai").await;
    let token = app
        .create_token_with("a", &["openai"], json!({"rpmLimit": 1_000_000}))
        .await;
    let key = app.audit_key().await;
    let running = AtomicBool::new(true);
    let traffic = async || {
        let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
        while running.load(Ordering::Relaxed) {
            app.caller(&token)
                .post("/v1/openai/v1/chat/completions", &body)
                .await
                .expect(200);
        }
    };
    let file = app.folder().join("keystore.dump");
    let run = async |program: &str, args: &[&str]| {
        let mut command = tokio::process::Command::new(pg::program(program).unwrap());
        let done = command.args(args).output().await.unwrap();
        assert!(
            done.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    let refused = backup(&app.store_url(), &file, &mut |_, _| {}).await.unwrap_err();
    assert!(refused.to_string().contains("pg_dump"));
    let dump = async {
        while app.fake_upstream().count() < 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let seen = app.fake_upstream().count();
        let out = format!("--file={}", file.display());
        run("pg_dump", &["--format=custom", &out, &app.store_url()]).await;
        running.store(false, Ordering::Relaxed);
        seen
    };
    let ((), (), seen) = tokio::join!(traffic(), traffic(), dump);
    let restored = PgCluster::shared_database().unwrap();
    let to = format!("--dbname={restored}");
    run(
        "pg_restore",
        &["--exit-on-error", "--no-owner", &to, &file.display().to_string()],
    )
    .await;
    let options = Options {
        spool: Some(app.folder().join("restored.spool")),
        spool_bytes: 1 << 16,
        ..Options::default()
    };
    let opened = Store::open(
        &restored,
        options,
        Arc::new(MockClock::default()),
        Arc::new(SeededIds::default()),
    )
    .await;
    let (store, _) = opened.unwrap();
    let rows = crate::support::all_rows(&store).await;
    let calls = rows.iter().filter(|row| row.attempt.is_some()).count();
    assert!(calls >= seen, "{calls} of {seen}");
    store.close().await;
    let checked = check_database(&restored, Some(&key), &[], &mut |_, _| {})
        .await
        .unwrap();
    assert_eq!(checked.problems, Vec::<String>::new());
    app.finish().await;
}

#[tokio::test]
async fn nothing_is_overwritten_and_a_damaged_backup_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let app = TestApp::with(Setup {
        postgres: false,
        ..Setup::default()
    })
    .await;
    let (url, folder) = (app.store_url(), app.folder().to_owned());
    let (file, to) = (folder.join("b.db"), folder.join("r.db"));
    let made = backup(&url, &file, &mut |_, _| {}).await.unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!folder.join("b.db.partial").exists());
    let sum = std::fs::read_to_string(folder.join("b.db.sha256")).unwrap();
    assert_eq!(sum, format!("{}  b.db\n", made.sha256));
    let refused = |done: anyhow::Result<()>, words: &str| {
        let error = done.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let again = backup(&url, &file, &mut |_, _| {}).await;
    refused(again.map(drop), "overwrites nothing");
    std::fs::write(&to, "mine").unwrap();
    refused(
        restore(&file, &to, None, &[], &mut |_, _| {}).await.map(drop),
        "overwrites nothing",
    );
    assert_eq!(std::fs::read(&to).unwrap(), b"mine");
    std::fs::remove_file(&to).unwrap();
    // What another backup has begun, and what only has such a name, is left alone.
    let (other, begun) = (folder.join("c.db"), folder.join("c.db.partial"));
    std::fs::write(folder.join("c.partial"), "mine").unwrap();
    std::fs::write(&begun, "theirs").unwrap();
    let there = backup(&url, &other, &mut |_, _| {}).await;
    refused(there.map(drop), "c.db.partial exists");
    assert_eq!(std::fs::read(&begun).unwrap(), b"theirs");
    std::fs::remove_file(&begun).unwrap();
    backup(&url, &other, &mut |_, _| {}).await.unwrap();
    assert_eq!(std::fs::read(folder.join("c.partial")).unwrap(), b"mine");
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    refused(
        restore(&file, &to, None, &[], &mut |_, _| {}).await.map(drop),
        "damaged",
    );
    std::fs::write(&file, &whole).unwrap();
    // A checkpoint that was kept elsewhere and is about more than came back.
    let key = app.audit_key().await;
    app.owner_client()
        .post("/v1/api-keys", &json!({"name": "later", "role": "viewer"}))
        .await
        .expect(201);
    let later = app.newest_note().await;
    refused(
        restore(&file, &to, Some(&key), &[later], &mut |_, _| {})
            .await
            .map(drop),
        "records were signed",
    );
    assert!(!to.exists() && !folder.join("r.db.restoring").exists());
    restore(&file, &to, Some(&key), &[], &mut |_, _| {})
        .await
        .unwrap();
    let url = format!("sqlite://{}", to.display());
    let checked = check_database(&url, Some(&key), &[], &mut |_, _| {})
        .await
        .unwrap();
    assert_eq!(checked.problems, Vec::<String>::new());
    assert!(
        !std::fs::read(&file)
            .unwrap()
            .windows(32)
            .any(|bytes| bytes == app.root_key()),
        "the root key is not in it"
    );
    app.finish().await;
}
