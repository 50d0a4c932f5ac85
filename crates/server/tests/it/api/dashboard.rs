//! `/`: the dashboard's page, and that it takes no path from the API.

use crate::support::TestApp;

#[tokio::test]
async fn the_page_says_what_it_may_load_and_shadows_nothing() {
    let app = TestApp::start().await;
    let anonymous = app.anonymous();
    // With or without a built dashboard; what differs is the status.
    let page = anonymous.get("/").await;
    let status = page.status;
    assert!(matches!(status, 200 | 404), "{status}");
    let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'self'; "), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    for (path, status) in [("/healthz", 200), ("/openapi.json", 200), ("/v1/agents", 401)] {
        assert_eq!(anonymous.get(path).await.status, status, "{path}");
    }
    for path in [
        "/agents",
        "/v1/",
        "/v1/nothing",
        "/assets/nothing.js",
        "/assets/..%2findex.html",
    ] {
        let problem = anonymous.get(path).await.expect(404);
        assert_eq!(problem["code"], "not_found", "{path}");
    }
    let refused = anonymous.post("/", &serde_json::json!({})).await.expect(405);
    assert_eq!(refused["code"], "method_not_allowed");
    app.finish().await;
}
