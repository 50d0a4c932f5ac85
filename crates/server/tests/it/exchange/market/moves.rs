//! Moves that are undone: what an agent has again, and what keeps it where it is.

use serde_json::{Value, json};

use super::Market;

impl Market {
    async fn grants(&self, agent: &str) -> Value {
        let path = format!("/v1/agents/{agent}");
        self.app.owner_client().get(&path).await.expect(200)["providers"].take()
    }
}

fn undo(made: &Value) -> String {
    format!("/v1/migrations/{}/undo", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn who_comes_back_has_the_key_and_the_fallback_of_before() {
    let market = Market::open("10").await;
    let owner = market.app.owner_client();
    market.app.create_credential("openai").await;
    let spare = "sk-spare-canary-0123456789";
    market.app.secret(spare);
    let spare = json!({"provider": "openai", "name": "spare", "secret": spare, "baseUrl": market.app.fake_upstream().url()});
    owner.post("/v1/credentials", &spare).await.expect(201);
    let grant = json!({"name": "openai", "source": "byok", "credential": "spare", "scopes": ["provider:openai:write"],
        "fallback": {"source": "marketplace", "budgetCentsMonthly": 500}});
    let saver = json!({"name": "saver", "providers": [grant]});
    owner.post("/v1/agents", &saver).await.expect(201);
    let before = market.grants("saver").await;
    let order = |to: &str| json!({"provider": "openai", "to": to, "agents": ["saver"]});
    // It is there already: neither its key nor its fallback changes.
    owner
        .post("/v1/migrations", &order("byok"))
        .await
        .expect_problem(409, "conflict");
    assert_eq!(market.grants("saver").await, before);
    let made = owner
        .post("/v1/migrations", &order("marketplace"))
        .await
        .expect(200);
    let there = market.grants("saver").await;
    assert_eq!(there[0]["source"], "marketplace");
    assert_eq!(
        (&there[0]["scopes"], &there[0]["fallback"]),
        (&before[0]["scopes"], &Value::Null)
    );
    owner.post(&undo(&made), &Value::Null).await.expect(200);
    assert_eq!(market.grants("saver").await, before);
    market.app.finish().await;
}

#[tokio::test]
async fn an_agent_moves_once_and_comes_back_to_a_key_that_is_there_alone() {
    let market = Market::open("10").await;
    let owner = market.app.owner_client();
    let credential = market.app.create_credential("openai").await;
    market.app.create_token("mover", &["openai"]).await;
    let id = owner.get("/v1/agents/mover").await.expect(200)["id"].take();
    let order = |to: &str, agents: Value| json!({"provider": "openai", "to": to, "agents": agents});
    let too_many = order("marketplace", json!(vec!["mover"; 10_001]));
    owner
        .post("/v1/migrations", &too_many)
        .await
        .expect_problem(422, "invalid_request");
    let twice = order("marketplace", json!(["mover", id]));
    let made = owner.post("/v1/migrations", &twice).await.expect(200);
    assert_eq!(made["agents"].as_array().unwrap().len(), 1);
    owner.post(&undo(&made), &Value::Null).await.expect(200);

    let made = owner.post("/v1/migrations", &twice).await.expect(200);
    let path = format!(
        "/v1/credentials/{}?force=true",
        credential["id"].as_str().unwrap()
    );
    owner.delete(&path).await.expect(204);
    let refused = owner.post(&undo(&made), &Value::Null).await;
    let refused = refused.expect_problem(409, "conflict").to_string();
    assert!(
        refused.contains("the credential that `mover` had was deleted")
            && refused.contains("ks migrate openai --to byok"),
        "{refused}"
    );
    assert_eq!(market.grants("mover").await[0]["source"], "marketplace");
    // As the answer says.
    market.app.create_credential("openai").await;
    let back = order("byok", json!(["mover"]));
    owner.post("/v1/migrations", &back).await.expect(200);
    assert_eq!(market.grants("mover").await[0]["source"], "byok");
    market.app.finish().await;
}
