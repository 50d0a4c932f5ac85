//! The table of roles and rights, from the outside.

use serde_json::{Value, json};

use crate::support::TestApp;

/// Method, path, body, and the roles that may. A call that may is answered with anything but 403.
const EVERYBODY: &str = "owner admin member billing viewer";

fn table() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let none = || Value::Null;
    vec![
        ("GET", "/v1/org", none(), EVERYBODY),
        ("GET", "/v1/projects", none(), EVERYBODY),
        ("GET", "/v1/providers", none(), EVERYBODY),
        ("GET", "/v1/agents", none(), "owner admin member viewer"),
        ("GET", "/v1/tokens", none(), "owner admin member viewer"),
        ("GET", "/v1/credentials", none(), "owner admin member viewer"),
        ("GET", "/v1/requests", none(), "owner admin member viewer"),
        ("GET", "/v1/usage", none(), EVERYBODY),
        ("GET", "/v1/budgets", none(), EVERYBODY),
        ("POST", "/v1/agents", json!({"name": ""}), "owner admin member"),
        ("POST", "/v1/tokens", json!({}), "owner admin member"),
        ("POST", "/v1/agents/none/pause", none(), "owner admin member"),
        ("PATCH", "/v1/agents/none", json!({}), "owner admin member"),
        ("DELETE", "/v1/agents/none", none(), "owner admin member"),
        (
            "POST",
            "/v1/credentials",
            json!({"provider": "none", "secret": "x"}),
            "owner admin",
        ),
        (
            "POST",
            "/v1/credentials/none/rotate",
            json!({"secret": "x"}),
            "owner admin",
        ),
        ("POST", "/v1/credentials/none/test", none(), "owner admin"),
        ("DELETE", "/v1/credentials/none", none(), "owner admin"),
        ("GET", "/v1/api-keys", none(), "owner admin"),
        (
            "POST",
            "/v1/api-keys",
            json!({"name": "", "role": "viewer"}),
            "owner admin",
        ),
    ]
}

#[tokio::test]
async fn each_role_may_what_the_table_says_and_nothing_else() {
    let app = TestApp::start().await;
    for role in EVERYBODY.split(' ') {
        let client = app.key_client(role).await;
        for (method, path, body, may) in table() {
            let request = client.request(method, path);
            let answer = client
                .send(if body.is_null() {
                    request
                } else {
                    request.json(&body)
                })
                .await;
            let allowed = may.split(' ').any(|name| name == role);
            assert_eq!(
                answer.status != 403,
                allowed,
                "{role} {method} {path}: {:#}",
                answer.body
            );
            assert_ne!(answer.status, 500, "{role} {method} {path}: {:#}", answer.body);
        }
    }
}
