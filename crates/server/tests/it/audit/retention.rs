//! What the retention removes, and what it does not take from the proofs.

use std::sync::Arc;
use std::time::Duration;

use keystore_server::audit::offline::check_database;
use keystore_testkit::clock::MockClock;
use serde_json::json;

use super::checked;
use crate::support::{Setup, TestApp};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn old_entries_go_and_everything_else_is_proven_as_before() {
    let clock = Arc::new(MockClock::default());
    let app = TestApp::with(Setup {
        clock: Some(Arc::clone(&clock)),
        audit_retention: Some(10 * DAY),
        ..Setup::default()
    })
    .await;
    let key = app.audit_key().await;
    let admin = app.key_client("admin").await;
    let make = async |name: &str| {
        let new = json!({"name": name, "role": "viewer"});
        admin.post("/v1/api-keys", &new).await.expect(201);
    };
    make("an old one").await;
    app.do_jobs().await;
    clock.advance(9 * DAY);
    make("a newer one").await;
    app.do_jobs().await;
    let count = "SELECT COUNT(*) FROM audit_log WHERE org IN (SELECT id FROM orgs)";
    let before = app.number(count).await;
    clock.advance(3 * DAY);
    app.do_jobs().await;
    app.do_jobs().await;
    let after = app.number(count).await;
    assert!(after < before, "{after} of {before}");
    let listed = admin.get("/v1/audit").await.expect(200);
    assert_eq!(listed["data"][0]["action"], "prune_audit_log");
    assert_eq!(listed["data"][1]["after"]["name"], "a newer one");
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let report = async || {
        check_database(&app.store_url(), &key, &[], &mut |_, _| {})
            .await
            .unwrap()
    };
    let whole = report().await;
    assert_eq!(whole.problem, None);
    assert!(whole.pruned > 0 && whole.records > whole.pruned);
    let text = admin.get("/v1/audit/export").await.body;
    assert_eq!(checked(text.as_str().unwrap(), &key), Ok(2));
    admin
        .get("/v1/audit/proofs/1")
        .await
        .expect_problem(404, "not_found");
    // Who removes more than the retention did is found out by it, whatever they write beside it.
    app.tamper("UPDATE audit_pruned SET seq = (SELECT MAX(seq) FROM audit_log WHERE audit_log.org = audit_pruned.org) - 1").await;
    app.tamper("DELETE FROM audit_log WHERE action = 'create_api_key'")
        .await;
    let problem = report().await.problem.unwrap();
    assert!(problem.what.contains("nothing signed says"), "{problem}");
    app.leave();
}
