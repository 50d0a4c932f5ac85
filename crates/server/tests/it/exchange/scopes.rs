//! Budgets of every scope and unit: which calls count where, and that what one of them refuses counts in none.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CHAT, MESSAGES, chat, message, nanos, openai};
use crate::support::{Caller, Setup, TestApp};

/// What the fake says that a call of [`small`] used.
const SMALL: &str = "output-tokens=5";

/// A call that holds little.
fn small() -> Value {
    chat(json!({"max_tokens": 5}))
}

async fn make(app: &TestApp, body: Value) -> Value {
    app.owner_client().post("/v1/budgets", &body).await.expect(201)
}

async fn state(app: &TestApp, budget: &Value) -> Value {
    let path = format!("/v1/budgets/{}", budget["id"].as_str().unwrap());
    app.owner_client().get(&path).await.expect(200)
}

/// The call is refused for this budget.
async fn is_refused(caller: &Caller, path: &str, body: &Value, budget: &Value) {
    let reply = caller.post(path, body).await;
    let error = reply.refused(402, "budget_exceeded");
    assert_eq!(error["budgetId"], budget["id"], "{error:#}");
}

#[tokio::test]
async fn each_thing_that_is_named_narrows_a_budget() {
    let app = TestApp::start().await;
    app.create_credential("anthropic").await;
    let one = openai(&app, json!({})).await;
    let token = app.create_token("other", &["openai", "anthropic"]).await;
    let other = app.caller(&token);
    let nothing = |more: Value| {
        let mut body = json!({"limit": "0", "window": "day"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    // (the budget, whether it stops `agent` at OpenAI, `other` there, and `other` at Anthropic)
    let cases = [
        (json!({}), [true, true, true]),
        (json!({"project": "default"}), [true, true, true]),
        (json!({"agent": "other"}), [false, true, true]),
        (json!({"provider": "anthropic"}), [false, false, true]),
        (
            json!({"agent": "other", "provider": "openai"}),
            [false, true, false],
        ),
        (json!({"model": "gpt-4o-mini"}), [true, true, false]),
        (json!({"model": "gpt-4o*"}), [true, true, false]),
        (json!({"model": "gpt-5"}), [false, false, false]),
        (json!({"source": "byok"}), [true, true, true]),
        (json!({"source": "marketplace"}), [false, false, false]),
        (json!({"endUser": "*"}), [false, false, false]),
    ];
    for (narrow, stops) in cases {
        let budget = make(&app, nothing(narrow.clone())).await;
        let calls = [
            (&one, CHAT, small()),
            (&other, CHAT, small()),
            (&other, MESSAGES, message(json!({"max_tokens": 5}))),
        ];
        for ((caller, path, body), stops) in calls.iter().zip(stops) {
            match stops {
                true => is_refused(caller, path, body, &budget).await,
                false => {
                    caller.post(path, body).await.expect(200);
                }
            }
        }
        let path = format!("/v1/budgets/{}", budget["id"].as_str().unwrap());
        app.owner_client().delete(&path).await.expect(204);
        one.post(CHAT, &small()).await.expect(200);
        assert_eq!(app.owner_client().get(&path).await.status, 404, "{narrow}");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_one_budget_refuses_counts_in_none() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let wide = make(&app, json!({"limit": "100", "window": "month"})).await;
    let narrow = make(
        &app,
        json!({"limit": "2", "unit": "calls", "window": "total", "model": "gpt-4o-mini"}),
    )
    .await;
    for _ in 0..2 {
        caller.post_with(CHAT, SMALL, &small()).await.expect(200);
    }
    let before = state(&app, &wide).await;
    is_refused(&caller, CHAT, &small(), &narrow).await;
    let after = state(&app, &wide).await;
    assert_eq!(
        (&after["spent"], &after["held"]),
        (&before["spent"], &json!("0.00"))
    );
    assert!(nanos(&after["spent"]) > 0);
    let narrow = state(&app, &narrow).await;
    assert_eq!((&narrow["spent"], &narrow["limit"]), (&json!("2"), &json!("2")));
    assert_eq!(app.fake_upstream().count(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_model_is_found_under_its_other_names() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let budget = make(
        &app,
        json!({"limit": "0", "window": "day", "model": "gpt-4o-mini"}),
    )
    .await;
    // A dated name has the same row of prices, and a fallback counts as well.
    let dated = chat(json!({"model": "gpt-4o-mini-2024-07-18", "max_tokens": 5}));
    is_refused(&caller, CHAT, &dated, &budget).await;
    let elsewhere = chat(json!({"model": "gpt-4.1-mini", "max_tokens": 5}));
    caller.post(CHAT, &elsewhere).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn an_alert_refuses_nothing_not_even_what_has_no_price() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let budget = make(&app, json!({"limit": "0", "window": "day", "action": "alert"})).await;
    caller.post_with(CHAT, SMALL, &small()).await.expect(200);
    caller
        .post(CHAT, &chat(json!({"model": "unheard-of", "max_tokens": 5})))
        .await
        .expect(200);
    assert!(nanos(&state(&app, &budget).await["spent"]) > 0);
    app.finish().await;
}

#[tokio::test]
async fn each_end_user_has_the_limit_for_itself() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let agents = app.owner_client().get("/v1/agents").await.expect(200);
    let agent = format!("/v1/agents/{}", agents["data"][0]["id"].as_str().unwrap());
    app.owner_client()
        .patch(&agent, &json!({"endUsers": true}))
        .await
        .expect(200);
    let budget = make(
        &app,
        json!({"limit": "1", "unit": "calls", "window": "total", "endUser": "*"}),
    )
    .await;
    let ada_too = make(
        &app,
        json!({"limit": "9", "unit": "calls", "window": "total", "endUser": "ada"}),
    )
    .await;
    let call = async |user: &str| {
        let request = caller.request("POST", CHAT).header("x-keystore-end-user", user);
        caller.send(request.json(&small())).await
    };
    caller.post(CHAT, &small()).await.refused(400, "end_user_missing");
    call("").await.refused(400, "end_user_missing");
    call(&"x".repeat(129)).await.refused(400, "end_user_missing");
    for user in ["ada", "bob"] {
        call(user).await.expect(200);
        let error = call(user).await.refused(402, "budget_exceeded");
        assert_eq!(error["budgetId"], budget["id"]);
    }
    let sent = app.fake_upstream().last();
    assert!(sent.header("x-keystore-end-user").is_none(), "it goes no further");
    let path = format!("/v1/budgets/{}?endUser=bob", budget["id"].as_str().unwrap());
    let of_bob = app.owner_client().get(&path).await.expect(200);
    assert_eq!(of_bob["spent"], "1");
    assert_eq!(state(&app, &ada_too).await["spent"], "1");
    let path = format!(
        "/v1/budgets/{}/history?endUser=ada",
        budget["id"].as_str().unwrap()
    );
    let history = app.owner_client().get(&path).await.expect(200);
    assert_eq!(history["data"][0]["spent"], "1");
    app.finish().await;
}

#[tokio::test]
async fn e_mails_are_counted_by_recipient_before_they_are_sent() {
    let app = TestApp::start().await;
    app.create_credential("resend").await;
    let caller = app.caller(&app.create_token("mailer", &["resend"]).await);
    let budget = make(
        &app,
        json!({"limit": "3", "unit": "emails", "window": "day", "provider": "resend"}),
    )
    .await;
    let mail = |to: &[&str]| json!({"from": "a@example.com", "to": to, "subject": "s", "text": "t"});
    caller
        .post("/v1/resend/emails", &mail(&["b@example.com", "c@example.com"]))
        .await
        .expect(200);
    is_refused(
        &caller,
        "/v1/resend/emails",
        &mail(&["d@example.com", "e@example.com"]),
        &budget,
    )
    .await;
    caller
        .post("/v1/resend/emails", &mail(&["d@example.com"]))
        .await
        .expect(200);
    assert_eq!(state(&app, &budget).await["spent"], "3");
    assert_eq!(app.fake_upstream().count(), 2);
    app.finish().await;
}

#[tokio::test]
async fn calls_are_counted_where_the_vendor_bills_otherwise() {
    let app = TestApp::start().await;
    app.create_credential("stripe").await;
    let caller = app.caller(&app.create_token("payer", &["stripe"]).await);
    let budget = make(
        &app,
        json!({"limit": "2", "unit": "calls", "window": "day", "agent": "payer"}),
    )
    .await;
    for _ in 0..2 {
        caller.get("/v1/stripe/v1/balance").await.expect(200);
    }
    // Stripe's clients take 402 for a declined card.
    let error = caller
        .get("/v1/stripe/v1/balance")
        .await
        .refused(403, "budget_exceeded");
    assert_eq!(
        (&error["budgetId"], &error["unit"]),
        (&budget["id"], &json!("calls"))
    );
    assert_eq!(app.fake_upstream().count(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_raise_lets_more_through_for_a_while() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let budget = make(&app, json!({"limit": "0", "window": "day"})).await;
    is_refused(&caller, CHAT, &small(), &budget).await;
    let path = format!("/v1/budgets/{}/raise", budget["id"].as_str().unwrap());
    let raise = json!({"limit": "5.00", "until": "2099-01-01T00:00:00.000Z"});
    let raised = app.owner_client().post(&path, &raise).await.expect(200);
    assert_eq!((&raised["limit"], &raised["raise"]), (&json!("0.00"), &raise));
    caller.post(CHAT, &small()).await.expect(200);
    app.owner_client().delete(&path).await.expect(200);
    is_refused(&caller, CHAT, &small(), &budget).await;
    let late = json!({"limit": "5.00", "until": "2001-01-01T00:00:00.000Z"});
    app.owner_client().post(&path, &late).await.expect(422);
    app.finish().await;
}

#[tokio::test]
async fn a_limit_that_is_lowered_bites_at_once_and_forgets_nothing() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let budget = make(&app, json!({"limit": "1", "window": "month"})).await;
    caller.post_with(CHAT, SMALL, &small()).await.expect(200);
    let spent = state(&app, &budget).await["spent"].take();
    let path = format!("/v1/budgets/{}", budget["id"].as_str().unwrap());
    let changed = app
        .owner_client()
        .patch(&path, &json!({"limit": "0.000001"}))
        .await
        .expect(200);
    assert_eq!(changed["spent"], spent);
    is_refused(&caller, CHAT, &small(), &budget).await;
    app.owner_client()
        .patch(&path, &json!({"limit": "1"}))
        .await
        .expect(200);
    caller.post(CHAT, &small()).await.expect(200);
    app.finish().await;
}

/// Both what was used and the terms are found again by the next process.
#[tokio::test]
async fn a_restart_forgets_no_budget() {
    let app = TestApp::start().await;
    openai(&app, json!({})).await;
    let token = app.create_token("again", &["openai"]).await;
    let budget = make(&app, json!({"limit": "2", "unit": "calls", "window": "total"})).await;
    app.caller(&token).post(CHAT, &small()).await.expect(200);
    let app = app.restart().await;
    assert_eq!(state(&app, &budget).await["spent"], "1");
    app.caller(&token).post(CHAT, &small()).await.expect(200);
    is_refused(&app.caller(&token), CHAT, &small(), &budget).await;
    app.finish().await;
}

/// Who can only write to the database cannot take a budget away.
#[tokio::test]
async fn a_budget_that_is_missing_stops_everything() {
    for statement in [
        "DELETE FROM budgets",
        "DELETE FROM scope_policies",
        "UPDATE scope_policies SET mac = policy",
        "UPDATE budgets SET mac = policy",
    ] {
        let app = TestApp::start().await;
        openai(&app, json!({})).await;
        make(&app, json!({"limit": "5", "window": "day"})).await;
        let token = app.create_token("later", &["openai"]).await;
        app.statement(statement).await;
        app.caller(&token)
            .post(CHAT, &small())
            .await
            .refused(401, "invalid_token");
        assert_eq!(app.fake_upstream().count(), 0, "{statement}");
        app.leave();
    }
}

#[tokio::test]
async fn a_check_says_what_a_call_would_meet() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let budget = make(&app, json!({"limit": "0.01", "window": "day"})).await;
    make(
        &app,
        json!({"limit": "0", "window": "day", "provider": "anthropic"}),
    )
    .await;
    let check = async |more: Value| {
        let mut body = json!({"agent": "agent", "provider": "openai"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        app.owner_client()
            .post("/v1/budgets/check", &body)
            .await
            .expect(200)
    };
    let small = check(json!({"model": "gpt-4o-mini", "inputTokens": 1_000, "maxOutputTokens": 100})).await;
    assert_eq!(
        (&small["admitted"], small["budgets"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
    let large =
        check(json!({"model": "gpt-4o-mini", "inputTokens": 100_000, "maxOutputTokens": 16_000})).await;
    assert_eq!(large["admitted"], false);
    assert!(
        large["reason"]
            .as_str()
            .unwrap()
            .contains(budget["id"].as_str().unwrap())
    );
    assert_eq!(check(json!({"cost": "0.01"})).await["admitted"], true);
    assert_eq!(check(json!({"cost": "0.010000001"})).await["admitted"], false);
    assert_eq!(check(json!({"model": "unheard-of"})).await["admitted"], false);
    assert_eq!(
        check(json!({"provider": "anthropic", "cost": "0"})).await["admitted"],
        false,
        "no grant"
    );
    // What it says is what happens.
    caller
        .post(CHAT, &chat(json!({"max_tokens": 16_000, "n": 9})))
        .await
        .refused(402, "budget_exceeded");
    app.finish().await;
}

/// By estimate a call holds little, more of it is held as it comes, and a stream is cut when the budget affords no more.
#[tokio::test]
async fn a_stream_is_cut_when_an_estimated_budget_affords_no_more() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    // 600 nano-dollars a token of output.
    let budget = make(
        &app,
        json!({"limit": "0.002", "window": "day", "mode": "estimate"}),
    )
    .await;
    let body = chat(json!({"stream": true, "max_tokens": 100}));
    let reply = caller.post_with(CHAT, "output-tokens=100", &body).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    let first = nanos(&state(&app, &budget).await["spent"]);
    assert!((60_000..100_000).contains(&first), "{first}");

    // Without a cap it holds what 1,024 tokens cost, and goes on to cost more than there is.
    let body = chat(json!({"stream": true}));
    let reply = caller.post_with(CHAT, "output-tokens=4000", &body).await;
    let text = reply.text();
    assert!(
        text.contains("budget_exceeded") && !text.contains("[DONE]"),
        "{}",
        &text[text.len().saturating_sub(600)..]
    );
    let record = super::ended(&app, "over_budget").await;
    assert_eq!(record["code"], "budget_exceeded", "{record:#}");
    let state = state(&app, &budget).await;
    let spent = nanos(&state["spent"]);
    // The limit is passed by no more than one piece.
    assert!((1_900_000..2_100_000).contains(&spent), "{state:#}");
    assert_eq!(state["held"], "0.00");
    is_refused(&caller, CHAT, &small(), &budget).await;
    app.finish().await;
}

/// What goes on without its client, for what it costs, costs no more than is left.
#[tokio::test]
async fn a_stream_whose_client_left_is_cut_by_an_estimated_budget_too() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let budget = make(
        &app,
        json!({"limit": "0.0015", "window": "day", "mode": "estimate"}),
    )
    .await;
    let request = caller
        .request("POST", CHAT)
        .header("x-fake", "chunk-delay-ms=1; output-tokens=4000")
        .json(&chat(json!({"stream": true})));
    let mut answer = caller.open(request).await;
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    let record = super::ended(&app, "over_budget").await;
    assert_eq!(record["code"], "budget_exceeded", "{record:#}");
    let state = state(&app, &budget).await;
    assert!(
        (1_400_000..1_600_000).contains(&nanos(&state["spent"])),
        "{state:#}"
    );
    assert_eq!(state["held"], "0.00");
    app.finish().await;
}

/// While a call runs, what it holds stands apart from what is spent: by call, in the budget and in usage.
#[tokio::test]
async fn what_running_calls_hold_is_listed() {
    let app = TestApp::with(Setup {
        proxy: |config| config.metering_timeout = Duration::from_millis(200),
        ..Setup::default()
    })
    .await;
    let caller = openai(&app, json!({})).await;
    let budget = make(&app, json!({"limit": "1", "window": "day"})).await;
    caller.post_with(CHAT, SMALL, &small()).await.expect(200);
    let spent = state(&app, &budget).await["spent"].clone();
    let body = chat(json!({"stream": true, "max_tokens": 1_000}));
    let request = caller.request("POST", CHAT).header("x-fake", "stall-after=2");
    let running = caller.open(request.json(&body)).await;
    let path = format!("/v1/budgets/{}/holds", budget["id"].as_str().unwrap());
    let holds = app.owner_client().get(&path).await.expect(200);
    let [hold] = &holds["data"].as_array().unwrap()[..] else {
        panic!("{holds:#}");
    };
    let stands = state(&app, &budget).await;
    assert_eq!(
        (&hold["amount"], &hold["provider"]),
        (&stands["held"], &json!("openai")),
        "{hold:#}"
    );
    assert_eq!(stands["spent"], spent);
    for by in ["provider", "agent,model,source", "project,day"] {
        let usage = app
            .owner_client()
            .get(&format!("/v1/usage?by={by}"))
            .await
            .expect(200);
        assert_eq!(usage["data"].as_array().unwrap().len(), 1, "{usage:#}");
        assert_eq!(
            (
                &usage["data"][0]["held"],
                &usage["total"]["held"],
                &usage["total"]["cost"]
            ),
            (&hold["amount"], &hold["amount"], &spent),
            "{usage:#}"
        );
    }
    let elsewhere = app
        .owner_client()
        .get("/v1/usage?provider=anthropic")
        .await
        .expect(200);
    assert_eq!(elsewhere["total"]["held"], "0.00");
    drop(running);
    super::ended(&app, "client_gone").await;
    let holds = app.owner_client().get(&path).await.expect(200);
    assert_eq!(holds["data"], json!([]));
    app.finish().await;
}

/// The money that calls move is held by the request, and counts as the answer confirms it.
#[tokio::test]
async fn money_that_moves_is_limited_by_what_the_request_says() {
    let app = TestApp::start().await;
    app.create_credential("stripe").await;
    let caller = app.caller(&app.create_token("agent", &["stripe"]).await);
    let budget = make(
        &app,
        json!({"limit": "100", "window": "day", "unit": "usd_moved", "provider": "stripe"}),
    )
    .await;
    let send = async |path: &str, form: &[(&str, &str)], fake: &str| {
        let request = caller.request("POST", &format!("/v1/stripe/v1/{path}"));
        let fields: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        caller
            .send(request.header("x-fake", fake).body(fields.join("&")))
            .await
    };
    let spent = async || state(&app, &budget).await["spent"].as_str().unwrap().to_owned();
    let dollars = [("amount", "2000"), ("currency", "usd")];
    send("payment_intents", &dollars, "").await.expect(200);
    assert_eq!(spent().await, "20.00");
    // A refund does not name its currency: a cent and a half for each unit is held, and the answer tells that it is in dollars.
    send("refunds", &[("charge", "ch_1"), ("amount", "1000")], "")
        .await
        .expect(200);
    assert_eq!(spent().await, "30.00");
    send("refunds", &[("charge", "ch_eur_1"), ("amount", "1000")], "")
        .await
        .expect(200);
    assert_eq!(spent().await, "45.00");
    // What the vendor refuses has moved nothing; of what failed there nobody knows.
    assert_eq!(send("payouts", &dollars, "status=402").await.status, 402);
    assert_eq!(spent().await, "45.00");
    assert_eq!(send("payouts", &dollars, "status=500").await.status, 500);
    assert_eq!(spent().await, "65.00");
    let refused = send("transfers", &[("amount", "3600"), ("currency", "usd")], "").await;
    let error = refused.refused(403, "budget_exceeded");
    assert_eq!(
        (&error["budgetId"], &error["needed"]),
        (&budget["id"], &json!("36.00")),
        "{error:#}"
    );
    // A whole refund, a confirmation and what nobody knows do not say how much they move.
    for (path, form) in [
        ("refunds", vec![("charge", "ch_1")]),
        ("payment_intents/pi_1/confirm", vec![]),
        ("refunds", vec![("amount", "1"), ("amount", "2")]),
    ] {
        send(path, &form, "").await.refused(403, "unpriced_operation");
    }
    send("customers", &[("name", "Ada")], "").await.expect(200);
    caller.get("/v1/stripe/v1/balance").await.expect(200);
    assert_eq!(spent().await, "65.00");
    let check = json!({"agent": "agent", "provider": "stripe", "cost": "0", "moved": "35.01"});
    let check = app
        .owner_client()
        .post("/v1/budgets/check", &check)
        .await
        .expect(200);
    assert_eq!(
        (&check["admitted"], &check["budgets"][0]["needed"]),
        (&json!(false), &json!("35.01")),
        "{check:#}"
    );
    // A budget that refuses nothing counts what it can.
    let path = format!("/v1/budgets/{}", budget["id"].as_str().unwrap());
    app.owner_client()
        .patch(&path, &json!({"action": "alert"}))
        .await
        .expect(200);
    send("refunds", &[("charge", "ch_1")], "").await.expect(200);
    send("transfers", &dollars, "").await.expect(200);
    assert_eq!(spent().await, "85.00");
    app.finish().await;
}

/// A call of which no answer came counts as what it asked for.
#[tokio::test]
async fn what_may_have_been_sent_counts_without_an_answer() {
    let app = TestApp::start().await;
    app.create_credential("resend").await;
    let caller = app.caller(&app.create_token("agent", &["resend"]).await);
    let budget = make(
        &app,
        json!({"limit": "5", "window": "day", "unit": "emails", "provider": "resend"}),
    )
    .await;
    let mail = json!({"from": "a@example.com", "to": ["b@example.com", "c@example.com"], "subject": "x", "text": "y"});
    let reply = caller.post_with("/v1/resend/emails", "no-head", &mail).await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert_eq!(state(&app, &budget).await["spent"], "2");
    app.finish().await;
}

#[tokio::test]
async fn thresholds_and_refusals_are_told_once_a_window() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let body = json!({"limit": "4", "unit": "calls", "window": "day", "thresholds": [50, 100]});
    let budget = make(&app, body).await;
    let told = async |app: &TestApp| {
        app.do_jobs().await;
        let events = app.owner_client().get("/v1/events").await.expect(200);
        let mut events = events["data"].as_array().unwrap().clone();
        events.retain(|event| event["kind"] != "agent.created");
        let what = |event: &Value| {
            assert_eq!(event["subject"], budget["id"]);
            (
                event["kind"].as_str().unwrap().to_owned(),
                event["data"]["threshold"].as_u64(),
            )
        };
        events.iter().map(what).collect::<Vec<_>>()
    };
    caller.post(CHAT, &small()).await.expect(200);
    assert_eq!(told(&app).await, []);
    for _ in 0..3 {
        caller.post(CHAT, &small()).await.expect(200);
    }
    let threshold = |percent| ("usage.threshold".to_owned(), Some(percent));
    let mut expected = vec![threshold(100), threshold(50)];
    assert_eq!(told(&app).await, expected);
    for _ in 0..3 {
        is_refused(&caller, CHAT, &small(), &budget).await;
    }
    expected.insert(0, ("agent.budget_exceeded".to_owned(), None));
    assert_eq!(told(&app).await, expected);
    // The next process tells none of it again.
    let app = app.restart().await;
    let token = app.create_token("later", &["openai"]).await;
    is_refused(&app.caller(&token), CHAT, &small(), &budget).await;
    assert_eq!(told(&app).await, expected);
    app.finish().await;
}
