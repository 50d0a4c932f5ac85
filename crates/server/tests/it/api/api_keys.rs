//! `/v1/api-keys`.

use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn a_key_works_until_it_is_deleted() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let made = owner
        .post("/v1/api-keys", &json!({"name": "ci", "role": "member"}))
        .await
        .expect(201);
    let value = made["key"].as_str().unwrap();
    assert!(value.starts_with("ksm_"), "{value}");
    let key = app.anonymous().with_token(value);
    let me = key.get("/v1/auth/me").await.expect(200);
    assert_eq!(
        (&me["via"], &me["role"], &me["apiKeyName"]),
        (&json!("api_key"), &json!("member"), &json!("ci"))
    );
    assert!(
        !owner
            .get("/v1/api-keys")
            .await
            .expect(200)
            .to_string()
            .contains(value)
    );
    let path = format!("/v1/api-keys/{}", made["apiKey"]["id"].as_str().unwrap());
    assert_eq!(owner.delete(&path).await.status, 204);
    key.get("/v1/auth/me")
        .await
        .expect_problem(401, "unauthenticated");
    owner.delete(&path).await.expect_problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_do_more_or_lasts_longer_than_they_do() {
    let app = TestApp::start().await;
    let admin = app.key_client("admin").await;
    for role in ["owner", "billing"] {
        admin
            .post("/v1/api-keys", &json!({"name": role, "role": role}))
            .await
            .expect_problem(403, "forbidden");
    }
    admin
        .post("/v1/api-keys", &json!({"name": "m", "role": "member"}))
        .await
        .expect(201);

    let soon = json!({"name": "soon", "role": "admin", "expiresAt": "2099-01-01T00:00:00Z"});
    let made = app.owner_client().post("/v1/api-keys", &soon).await.expect(201);
    let key = app.anonymous().with_token(made["key"].as_str().unwrap());
    key.post("/v1/api-keys", &json!({"name": "n", "role": "viewer"}))
        .await
        .expect_problem(403, "forbidden");
    let within = json!({"name": "n", "role": "viewer", "expiresAt": "2098-01-01T00:00:00Z"});
    key.post("/v1/api-keys", &within).await.expect(201);
    app.finish().await;
}

/// The operator's key is bound to nothing and does not end.
#[tokio::test]
async fn a_key_with_bounds_does_not_set_the_operator_up() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let mut bounded = Vec::new();
    for body in [
        json!({"name": "one project", "role": "owner", "project": "default"}),
        json!({"name": "ends", "role": "owner", "expiresAt": "2099-01-01T00:00:00Z"}),
    ] {
        let made = owner.post("/v1/api-keys", &body).await.expect(201);
        bounded.push(app.anonymous().with_token(made["key"].as_str().unwrap()));
    }
    for key in &bounded {
        let refused = key.post("/v1/operator", &Value::Null).await;
        refused.expect_problem(403, "forbidden");
    }
    let unbounded = app.key_client("owner").await;
    let made = unbounded.post("/v1/operator", &Value::Null).await.expect(200);
    assert!(made["apiKey"].as_str().unwrap().starts_with("ksm_"));
    for key in &bounded {
        let refused = key.post("/v1/operator", &Value::Null).await;
        refused.expect_problem(403, "forbidden");
    }
    let again = owner.post("/v1/operator", &Value::Null).await.expect(200);
    assert_eq!((&again["orgId"], again.get("apiKey")), (&made["orgId"], None));
    app.finish().await;
}

#[tokio::test]
async fn an_admin_cannot_end_an_owners_key() {
    let app = TestApp::start().await;
    let made = app
        .owner_client()
        .post("/v1/api-keys", &json!({"name": "o", "role": "owner"}))
        .await
        .expect(201);
    let path = format!("/v1/api-keys/{}", made["apiKey"]["id"].as_str().unwrap());
    app.key_client("admin")
        .await
        .delete(&path)
        .await
        .expect_problem(403, "forbidden");
    app.finish().await;
}
