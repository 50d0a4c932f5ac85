//! How failures are told.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn every_failure_has_one_shape() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.anonymous()
        .get("/v1/agents")
        .await
        .expect_problem(401, "unauthenticated");
    owner.get("/v1/nothing").await.expect_problem(404, "not_found");
    owner
        .delete("/v1/agents")
        .await
        .expect_problem(405, "method_not_allowed");
    owner
        .get("/v1/agents/agt_nonsense")
        .await
        .expect_problem(404, "not_found");
    owner
        .get("/v1/tokens/nonsense")
        .await
        .expect_problem(404, "not_found");
    let text = owner.request("POST", "/v1/agents").body("{}");
    owner
        .send(text)
        .await
        .expect_problem(415, "unsupported_media_type");
    let broken = owner
        .request("POST", "/v1/agents")
        .header("content-type", "application/json")
        .body("{\"name\":");
    owner.send(broken).await.expect_problem(400, "bad_request");
    let trailing = owner
        .request("POST", "/v1/agents")
        .header("content-type", "application/json")
        .body("{\"name\":\"a\"} x");
    owner.send(trailing).await.expect_problem(400, "bad_request");
    let list = owner.post("/v1/agents", &json!(["a"])).await;
    list.expect_problem(422, "invalid_request");
    let huge = json!({"name": "x".repeat(300 << 10)});
    owner
        .post("/v1/agents", &huge)
        .await
        .expect_problem(413, "body_too_large");
    let unknown = owner
        .post("/v1/agents", &json!({"name": "a", "rpmLimt": 4}))
        .await;
    let problem = unknown.expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/rpmLimt");
    app.finish().await;
}

#[tokio::test]
async fn answers_stay_out_of_caches_and_pages() {
    let app = TestApp::start().await;
    let answer = app.owner_client().get("/v1/org").await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(
        answer.headers["x-request-id"]
            .to_str()
            .unwrap()
            .starts_with("req_")
    );
    app.finish().await;
}
