//! `/healthz`, `/readyz`, `/metrics`, `/openapi.json`.

use crate::support::TestApp;

#[tokio::test]
async fn what_needs_no_account() {
    let app = TestApp::start().await;
    let anonymous = app.anonymous();
    assert_eq!(anonymous.get("/healthz").await.expect(200), "ok\n");
    let ready = anonymous.get("/readyz").await.expect(200);
    assert_eq!(ready["ready"], true);
    let checks = ready["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| &check["name"]).collect();
    assert_eq!(names, ["store", "kms", "journal", "memory", "accepting"]);
    for check in checks {
        assert_eq!(check["ok"], true);
        assert!(check["detail"].is_string(), "{check} says what was found");
    }
    let metrics = anonymous.get("/metrics").await.expect(200);
    let metrics = metrics.as_str().unwrap();
    for name in [
        "keystore_over_hold_charges_total 0",
        "keystore_journal_available 1",
        "# EOF",
    ] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    let document = anonymous.get("/openapi.json").await.expect(200);
    assert_eq!(document["info"]["title"], "Keystore");
    app.finish().await;
}
