//! Budgets: what is held, what is settled, and that no interleaving spends more than the limit.

use std::time::Duration;

use keystore_testkit::upstream::Behaviour;
use serde_json::{Value, json};

use super::{CHAT, MESSAGES, budget, chat, message, nanos, openai, record};
use crate::support::{Caller, TestApp};

/// A cent in nano-dollars.
const CENT: i64 = 10_000_000;

/// What gpt-4o-mini costs, by what the fake says it used.
fn spent_upstream(app: &TestApp) -> i64 {
    let used = app.fake_upstream().log();
    let cost = |(input, output): (u64, u64)| input as i64 * 150 + output as i64 * 600;
    used.iter().map(|received| cost(received.tokens)).sum()
}

/// `count` calls at once; gives how many were answered, and how many were refused for the budget.
async fn burst(caller: &Caller, count: usize, fake: &'static str, body: &Value) -> (usize, usize) {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (caller, body) = (caller.clone(), body.clone());
        calls.spawn(async move { caller.post_with(CHAT, fake, &body).await });
    }
    let mut counts = (0, 0);
    for reply in calls.join_all().await {
        match reply.status {
            200 => counts.0 += 1,
            _ => {
                reply.refused(402, "budget_exceeded");
                counts.1 += 1;
            }
        }
    }
    counts
}

#[tokio::test]
async fn a_running_call_holds_its_most_and_settles_at_its_cost() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 100})).await;
    let body = chat(json!({"stream": true, "max_tokens": 1_000}));
    let request = caller
        .request("POST", CHAT)
        .header("x-fake", "chunk-delay-ms=80")
        .json(&body);
    let mut answer = caller.open(request).await;
    answer.chunk().await.unwrap().unwrap();
    let running = budget(&app).await;
    // At the dearest tier, priority: 1,000 a token.
    assert!(nanos(&running["held"]) >= 1_000_000, "{running:#}");
    assert_eq!(running["spent"], "0.00");
    while answer.chunk().await.unwrap().is_some() {}
    let ended = budget(&app).await;
    assert_eq!(
        (&ended["held"], nanos(&ended["spent"])),
        (&json!("0.00"), spent_upstream(&app))
    );
    app.finish().await;
}

#[tokio::test]
async fn a_refusal_tells_where_the_budget_stands() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1})).await;
    caller
        .post(CHAT, &chat(json!({"max_tokens": 50})))
        .await
        .expect(200);
    let spent = budget(&app).await["spent"].take();
    let reply = caller.post(CHAT, &chat(json!({"max_tokens": 50_000}))).await;
    let error = reply.refused(402, "budget_exceeded");
    assert_eq!(
        (
            &error["limitType"],
            &error["limit"],
            &error["spent"],
            &error["held"]
        ),
        (&json!("budget"), &json!("0.01"), &spent, &json!("0.00"))
    );
    assert!(
        error["resetAt"].as_str().unwrap().ends_with("-01T00:00:00.000Z"),
        "{error:#}"
    );
    assert!(
        error["remedy"].as_str().unwrap().contains("ks budget raise bud_"),
        "{error:#}"
    );
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    assert_eq!(budget(&app).await["spent"], spent, "a refusal costs nothing");
    assert_eq!(app.fake_upstream().count(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_budget_of_nothing_stops_no_call_that_the_vendor_bills_otherwise() {
    let app = TestApp::start().await;
    app.create_credential("stripe").await;
    let token = app
        .create_token_with("a", &["stripe"], json!({"budgetCentsMonthly": 0}))
        .await;
    let caller = app.caller(&token);
    caller.get("/v1/stripe/v1/balance").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn parallel_calls_never_spend_more_than_the_limit() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1, "rpmLimit": 100_000})).await;
    // Each uses all that it may.
    let body = chat(json!({"max_tokens": 1_500}));
    let mut answered = 0;
    for _ in 0..3 {
        let (ok, refused) = burst(&caller, 64, "output-tokens=1500; head-delay-ms=20", &body).await;
        assert_eq!(ok + refused, 64);
        answered += ok;
    }
    let spent = spent_upstream(&app);
    assert!(answered >= 5, "{answered} calls were answered");
    assert_eq!(app.fake_upstream().count(), answered);
    assert!(spent <= CENT, "{spent} nano-dollars were spent");
    assert_eq!(nanos(&budget(&app).await["spent"]), spent);
    app.finish().await;
}

#[tokio::test]
async fn a_call_without_a_cap_is_given_one_that_the_budget_affords() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1, "rpmLimit": 100_000})).await;
    let mut caps = Vec::new();
    loop {
        let reply = caller
            .post_with(CHAT, "output-tokens=1000000", &chat(json!({})))
            .await;
        if reply.status != 200 {
            reply.refused(402, "budget_exceeded");
            break;
        }
        let announced: u64 = reply.header("x-keystore-max-output").unwrap().parse().unwrap();
        let sent = app.fake_upstream().last().json();
        assert_eq!(sent["max_completion_tokens"], announced);
        assert_eq!(
            app.fake_upstream().last().tokens.1,
            announced,
            "all of it was used"
        );
        caps.push(announced);
    }
    assert!(caps.len() > 1 && caps.is_sorted_by(|a, b| a > b), "{caps:?}");
    assert!(caps.iter().all(|cap| *cap >= 256), "{caps:?}");
    let spent = spent_upstream(&app);
    assert!(spent <= CENT, "{spent} nano-dollars were spent");
    assert_eq!(nanos(&budget(&app).await["spent"]), spent);
    app.finish().await;
}

#[tokio::test]
async fn parallel_calls_without_a_cap_never_spend_more_than_the_limit() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1, "rpmLimit": 100_000})).await;
    let (answered, refused) = burst(&caller, 64, "output-tokens=1000000", &chat(json!({}))).await;
    assert!(answered >= 1 && refused >= 1);
    let spent = spent_upstream(&app);
    assert!(spent <= CENT, "{spent} nano-dollars were spent");
    app.finish().await;
}

#[tokio::test]
async fn answers_in_parallel_count_one_by_one() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1})).await;
    let body = chat(json!({"n": 4, "max_tokens": 1_000}));
    let reply = caller
        .post_with(CHAT, "output-tokens=1000", &body)
        .await
        .expect(200);
    assert_eq!(record(&app, &reply.id()).await["usage"]["output_text"], 4_000);
    caller
        .post(CHAT, &chat(json!({"n": 20, "max_tokens": 1_000})))
        .await
        .refused(402, "budget_exceeded");
    app.finish().await;
}

#[tokio::test]
async fn a_changed_limit_bites_at_once_and_keeps_what_was_spent() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1})).await;
    let body = chat(json!({"max_tokens": 5_000}));
    let fake = "output-tokens=5000";
    caller.post_with(CHAT, fake, &body).await.expect(200);
    let spent = nanos(&budget(&app).await["spent"]);
    caller.post_with(CHAT, fake, &body).await.expect(200);
    caller
        .post_with(CHAT, fake, &body)
        .await
        .refused(402, "budget_exceeded");
    let set = |cents: Value| {
        let owner = app.owner_client().clone();
        let patch = json!({"budgetCentsMonthly": cents});
        async move { owner.patch("/v1/agents/agent", &patch).await.expect(200) }
    };
    set(json!(2)).await;
    assert_eq!(nanos(&budget(&app).await["spent"]), 2 * spent);
    caller.post_with(CHAT, fake, &body).await.expect(200);
    set(json!(1)).await;
    let lowered = budget(&app).await;
    assert_eq!(
        (nanos(&lowered["spent"]), &lowered["limit"]),
        (3 * spent, &json!("0.01"))
    );
    caller
        .post_with(CHAT, fake, &body)
        .await
        .refused(402, "budget_exceeded");
    set(Value::Null).await;
    caller.post_with(CHAT, fake, &body).await.expect(200);
    // A budget that is taken away and set again is no way to spend twice.
    set(json!(1)).await;
    assert_eq!(nanos(&budget(&app).await["spent"]), 3 * spent);
    caller
        .post_with(CHAT, fake, &body)
        .await
        .refused(402, "budget_exceeded");
    app.finish().await;
}

#[tokio::test]
async fn a_month_starts_anew_and_a_call_counts_in_the_month_that_admitted_it() {
    let (app, clock) = TestApp::clocked().await;
    let caller = openai(&app, json!({"budgetCentsMonthly": 1})).await;
    let viewer = app.key_client("owner").await;
    let spent = || async { nanos(&viewer.get("/v1/budgets").await.expect(200)["data"][0]["spent"]) };
    let body = chat(json!({"max_tokens": 9_000}));
    let fake = "output-tokens=9000";
    caller.post_with(CHAT, fake, &body).await.expect(200);
    caller
        .post_with(CHAT, fake, &body)
        .await
        .refused(402, "budget_exceeded");
    // To 2026-11-30T23:59:59Z.
    clock.advance(Duration::from_secs(7 * 86_400 + 14 * 3_600 + 29 * 60 + 59));
    caller
        .post_with(CHAT, fake, &body)
        .await
        .refused(402, "budget_exceeded");

    let november = spent().await;
    let streamed = chat(json!({"max_tokens": 100, "stream": true}));
    app.fake_upstream()
        .script([Behaviour::parse("chunk-delay-ms=30").unwrap()]);
    let mut answer = caller.open(caller.request("POST", CHAT).json(&streamed)).await;
    answer.chunk().await.unwrap().unwrap();
    clock.advance(Duration::from_secs(1));
    while answer.chunk().await.unwrap().is_some() {}
    assert_eq!(spent().await, 0, "December");
    caller.post_with(CHAT, fake, &body).await.expect(200);
    let december = spent().await;
    assert!(december > 0 && december == november, "{december} {november}");
    app.finish().await;
}

#[tokio::test]
async fn anthropic_calls_are_held_by_their_own_cap() {
    let app = TestApp::start().await;
    app.create_credential("anthropic").await;
    let token = app
        .create_token_with(
            "a",
            &["anthropic"],
            json!({"budgetCentsMonthly": 10, "rpmLimit": 1_000}),
        )
        .await;
    let caller = app.caller(&token);
    // 5,000 tokens of output cost 7.5 cents.
    let body = message(json!({"max_tokens": 5_000}));
    let fake = "output-tokens=5000";
    caller.post_with(MESSAGES, fake, &body).await.expect(200);
    caller
        .post_with(MESSAGES, fake, &body)
        .await
        .refused(402, "budget_exceeded");
    assert_eq!(
        app.fake_upstream().last().json(),
        body,
        "no second cap was put in"
    );
    app.finish().await;
}
