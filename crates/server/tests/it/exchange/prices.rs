//! Prices of an organization's own: in place of the list's, and where the list has none.

use serde_json::{Value, json};

use super::{CHAT, budget, chat, nanos, openai, record};
use crate::support::{Reply, TestApp};

const OUTPUT: &str = "output-tokens=10";

async fn set(app: &TestApp, body: Value) -> Value {
    app.owner_client().post("/v1/prices", &body).await.expect(200)
}

async fn cost(app: &TestApp, reply: &Reply) -> i64 {
    nanos(&record(app, &reply.id()).await["cost"])
}

#[tokio::test]
async fn a_model_without_a_price_passes_once_it_has_one() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = super::with(chat(json!({"max_tokens": 20})), json!({"model": "our-own-tune"}));
    let refused = caller.post(CHAT, &body).await;
    let error = refused.refused(403, "unpriced_operation");
    let remedy = error["remedy"].as_str().unwrap();
    assert!(remedy.contains("ks price set openai/our-own-tune "), "{remedy}");
    let price = json!({
        "provider": "openai", "model": "our-own-tune", "units": {"input_uncached": "2", "output_text": "5.5"},
    });
    set(&app, price.clone()).await;
    let reply = caller.post_with(CHAT, OUTPUT, &body).await.expect(200);
    let tokens = app.fake_upstream().last().tokens.0 as i64;
    assert_eq!(cost(&app, &reply).await, tokens * 2_000 + 10 * 5_500);
    // Without an output cap it takes more to bound a call.
    let uncapped = super::with(chat(json!({})), json!({"model": "our-own-tune"}));
    caller
        .post(CHAT, &uncapped)
        .await
        .refused(403, "unpriced_operation");
    set(&app, super::with(price.clone(), json!({"contextWindow": 8_000}))).await;
    // A window bounds it, and is no length that a vendor takes for an answer.
    let reply = caller.post_with(CHAT, OUTPUT, &uncapped).await.expect(200);
    assert_eq!(reply.header("x-keystore-max-output"), None);
    assert!(!app.fake_upstream().last().json().to_string().contains("max_"));
    set(
        &app,
        super::with(price, json!({"contextWindow": 8_000, "maxOutputTokens": 1_000})),
    )
    .await;
    let reply = caller.post_with(CHAT, OUTPUT, &uncapped).await.expect(200);
    assert_eq!(reply.header("x-keystore-max-output"), Some("1000"));
    let owner = app.owner_client();
    let check = json!({
        "agent": "agent", "provider": "openai", "model": "our-own-tune", "inputTokens": 1_000, "maxOutputTokens": 0,
    });
    let check = owner.post("/v1/budgets/check", &check).await.expect(200);
    // A few tokens that a vendor puts around every body are counted, too.
    let cost = nanos(&check["cost"]);
    assert!((2_000_000..2_010_000).contains(&cost), "{check:#}");
    let unset = json!({"provider": "openai", "model": "our-own-tune"});
    assert_eq!(owner.post("/v1/prices/unset", &unset).await.status, 204);
    caller.post(CHAT, &body).await.refused(403, "unpriced_operation");
    assert_eq!(budget(&app).await["held"], "0.00");
    app.finish().await;
}

#[tokio::test]
async fn a_contract_of_ones_own_takes_the_place_of_the_list() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let owner = app.owner_client();
    let in_force = "/v1/prices/in-force?provider=openai&model=gpt-4o-mini";
    let listed = owner.get(in_force).await.expect(200);
    assert_eq!(
        (
            &listed["units"]["input_uncached"],
            &listed["units"]["output_text"],
            &listed["setAt"]
        ),
        (&json!("0.15"), &json!("0.60"), &Value::Null),
        "{listed:#}"
    );
    let own = json!({"provider": "openai", "model": "gpt-4o-mini", "units": {"input_uncached": "0.10"}});
    set(&app, own.clone()).await;
    let now = owner.get(in_force).await.expect(200);
    assert_eq!(
        (&now["units"]["input_uncached"], &now["units"]["output_text"]),
        (&json!("0.10"), &json!("0.60"))
    );
    assert_ne!(now["setAt"], Value::Null);
    let body = chat(json!({"max_tokens": 20}));
    let reply = caller.post_with(CHAT, OUTPUT, &body).await.expect(200);
    let tokens = app.fake_upstream().last().tokens.0 as i64;
    assert_eq!(cost(&app, &reply).await, tokens * 100 + 10 * 600);
    // Under its dated name, too.
    let dated = super::with(body, json!({"model": "gpt-4o-mini-2024-07-18"}));
    let reply = caller.post_with(CHAT, OUTPUT, &dated).await.expect(200);
    assert_eq!(cost(&app, &reply).await, tokens * 100 + 10 * 600);
    let listed = owner.get("/v1/prices").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    set(&app, super::with(own, json!({"units": {"input_uncached": "0"}}))).await;
    let log = owner.get("/v1/audit?action=set_price").await.expect(200);
    assert_eq!(
        (
            &log["data"][0]["before"]["units"],
            &log["data"][0]["after"]["units"]
        ),
        (
            &json!({"input_uncached": "0.10"}),
            &json!({"input_uncached": "0.00"})
        ),
        "{log:#}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_price_is_set_in_units_that_there_are() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let price = json!({"provider": "openai", "model": "x", "units": {"input_uncached": "1"}});
    for (wrong, pointer) in [
        (json!({"units": {}}), "/units"),
        (json!({"units": {"apples": "1"}}), "/units/apples"),
        (
            json!({"units": {"usd_moved_nanos": "1"}}),
            "/units/usd_moved_nanos",
        ),
        (
            json!({"units": {"input_uncached": "-1"}}),
            "/units/input_uncached",
        ),
        (
            json!({"units": {"input_uncached": "a lot"}}),
            "/units/input_uncached",
        ),
        (json!({"model": ""}), "/model"),
    ] {
        let answer = owner.post("/v1/prices", &super::with(price.clone(), wrong)).await;
        let problem = answer.expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    }
    let unknown = super::with(price, json!({"provider": "nobody"}));
    owner
        .post("/v1/prices", &unknown)
        .await
        .expect_problem(404, "unknown_provider");
    let none = json!({"provider": "openai", "model": "x"});
    let none = owner.post("/v1/prices/unset", &none).await;
    none.expect_problem(404, "not_found");
    let none = owner.get("/v1/prices/in-force?provider=openai&model=x").await;
    none.expect_problem(404, "not_found");
    app.finish().await;
}
