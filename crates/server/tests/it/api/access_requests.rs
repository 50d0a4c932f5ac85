//! Access requests: an agent asks, a person decides, the agent's next call passes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, Client, Setup, TestApp};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn chat() -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]})
}

const CHAT: &str = "/v1/openai/v1/chat/completions";

fn wanted(provider: &str) -> Value {
    json!({"provider": provider, "source": "byok", "reason": "the task needs it"})
}

/// An agent's client at the control plane.
fn agent(app: &TestApp, token: &str) -> Client {
    app.secret(token);
    app.anonymous().with_token(token)
}

async fn decide(client: &Client, request: &Value, how: &str, body: Value) -> Answer {
    let path = format!("/v1/access-requests/{}/{how}", request["id"].as_str().unwrap());
    client.post(&path, &body).await
}

#[tokio::test]
async fn an_agent_asks_a_person_approves_and_the_next_call_passes() {
    for postgres in [false, true] {
        let app = TestApp::with(Setup {
            postgres,
            ..Setup::default()
        })
        .await;
        asked_and_approved(&app).await;
        app.finish().await;
    }
}

async fn asked_and_approved(app: &TestApp) {
    let owner = app.owner_client();
    let credential = app.create_credential("openai").await;
    let token = app.create_token("bot", &[]).await;
    let (calls, asks) = (app.caller(&token), agent(app, &token));
    calls
        .post(CHAT, &chat())
        .await
        .refused(403, "provider_not_granted");
    let why = asks.tool("get_last_refusal", json!({})).await;
    assert_eq!(why["refusal"]["code"], "provider_not_granted");
    assert_eq!(why["refusal"]["provider"], "openai");

    let filed = asks.tool("request_access", wanted("openai")).await;
    assert_eq!(
        (&filed["state"], &filed["agentName"]),
        (&json!("open"), &json!("bot"))
    );
    // Nothing is granted by asking.
    calls
        .post(CHAT, &chat())
        .await
        .refused(403, "provider_not_granted");
    let member = app.key_client("member").await;
    let open = member.get("/v1/access-requests?state=open").await.expect(200);
    assert_eq!(open["data"][0], filed);
    let body = json!({"scopes": ["provider:openai:write"], "note": "for this week"});
    let approved = decide(&member, &filed, "approve", body).await.expect(200);
    assert_eq!(approved["state"], "approved");
    assert_eq!(
        approved["granted"],
        json!({"source": "byok", "scopes": ["provider:openai:write"], "models": []})
    );
    calls.post(CHAT, &chat()).await.expect(200);

    let seen = asks.tool("list_access_requests", json!({})).await;
    let seen = &seen["accessRequests"][0];
    assert_eq!(
        (&seen["state"], &seen["note"]),
        (&json!("approved"), &json!("for this week"))
    );
    assert!(
        seen["decidedBy"].is_null(),
        "an agent is not told who decided: {seen:#}"
    );
    let shown = owner.get("/v1/agents/bot").await.expect(200);
    assert_eq!(shown["providers"][0]["credentialId"], credential["id"]);
    let again = decide(owner, &filed, "deny", json!({"reason": "late"})).await;
    again.expect_problem(409, "conflict");

    for (kind, subject) in [
        ("access.requested", &filed["id"]),
        ("access.decided", &filed["id"]),
    ] {
        let events = owner.get(&format!("/v1/events?kind={kind}")).await.expect(200);
        assert_eq!(events["data"][0]["subject"], *subject, "{kind}");
        assert_eq!(events["data"][0]["data"]["agent"], "bot", "{kind}");
        assert_eq!(events["data"].as_array().unwrap().len(), 1, "{kind}");
    }
    let log = owner.get("/v1/audit").await.expect(200);
    let of = |action: &str| {
        let mut entries = log["data"].as_array().unwrap().iter();
        entries.find(|entry| entry["action"] == action).unwrap().clone()
    };
    assert_eq!(of("request_access")["actor"], shown["id"]);
    assert_eq!(of("request_access")["actorName"], "bot");
    assert_eq!(of("request_access")["after"]["reason"], "the task needs it");
    assert_eq!(of("approve_access_request")["before"]["state"], "open");
    assert_eq!(of("approve_access_request")["after"]["state"], "approved");
    assert_eq!(of("update_agent")["after"]["providers"][0]["name"], "openai");
    assert_eq!(
        of("update_agent")["requestId"],
        of("approve_access_request")["requestId"]
    );
}

#[tokio::test]
async fn of_all_who_come_at_once_one_files_and_one_decides() {
    for postgres in [false, true] {
        let app = TestApp::with(Setup {
            postgres,
            ..Setup::default()
        })
        .await;
        app.create_credential("openai").await;
        let more = json!({"budgetCentsMonthly": 100});
        let token = app.create_token_with("bot", &[], more).await;
        let asks = agent(&app, &token);
        let same = all((0..8).map(|_| file(&asks, wanted("openai")))).await;
        let ids: BTreeSet<_> = same
            .iter()
            .map(|answer| structured(answer)["id"].to_string())
            .collect();
        assert_eq!(ids.len(), 1, "{same:#?}");
        let budget = |cents: i64| json!({"budgetCentsMonthly": cents, "reason": "more"});
        let filed = all((200..208).map(|cents| file(&asks, budget(cents)))).await;
        let filed = filed.iter().filter(|answer| answer["result"]["isError"] == false);
        assert_eq!(filed.count(), 4, "beside the first");
        let request = structured(&same[0]).clone();
        let owner = app.owner_client();
        let approve = (0..4).map(|_| decided(owner, &request, "approve", json!({})));
        let deny = (0..4).map(|_| decided(owner, &request, "deny", json!({"reason": "no"})));
        let (approved, denied) = tokio::join!(all(approve), all(deny));
        let done = |answers: &[Answer]| {
            assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)));
            answers.iter().filter(|answer| answer.status == 200).count()
        };
        let (approved, denied) = (done(&approved), done(&denied));
        assert_eq!(approved + denied, 1);
        let calls = app.caller(&token).post(CHAT, &chat()).await;
        assert_eq!(calls.status == 200, approved == 1, "{}", calls.text());
        app.finish().await;
    }
}

/// All of them at once.
async fn all<T: Send + 'static>(
    calls: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    calls.collect::<JoinSet<_>>().join_all().await
}

/// Files a request, and gives whatever is answered.
fn file(asks: &Client, arguments: Value) -> impl Future<Output = Value> + Send + use<> {
    let asks = asks.clone();
    async move {
        let params = json!({"name": "request_access", "arguments": arguments});
        asks.rpc("tools/call", params).await
    }
}

fn structured(answer: &Value) -> &Value {
    &answer["result"]["structuredContent"]
}

/// As [`decide`], by itself.
fn decided(
    client: &Client,
    request: &Value,
    how: &'static str,
    body: Value,
) -> impl Future<Output = Answer> + Send + use<> {
    let (client, request) = (client.clone(), request.clone());
    async move { decide(&client, &request, how, body).await }
}

#[tokio::test]
async fn what_is_denied_stays_closed_and_says_why() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let token = app.create_token("bot", &[]).await;
    let asks = agent(&app, &token);
    let filed = asks.tool("request_access", wanted("openai")).await;
    let viewer = app.key_client("viewer").await;
    let refused = json!({"reason": "not with customers' data"});
    decide(&viewer, &filed, "deny", refused.clone())
        .await
        .expect_problem(403, "forbidden");
    let owner = app.owner_client();
    decide(owner, &filed, "deny", json!({"reason": " "}))
        .await
        .expect_problem(422, "invalid_request");
    let denied = decide(owner, &filed, "deny", refused).await.expect(200);
    assert_eq!(
        (&denied["state"], &denied["granted"]),
        (&json!("denied"), &Value::Null)
    );
    let seen = asks.tool("list_access_requests", json!({})).await;
    assert_eq!(seen["accessRequests"][0]["note"], "not with customers' data");
    let caller = app.caller(&token);
    caller
        .post(CHAT, &chat())
        .await
        .refused(403, "provider_not_granted");
    // It may ask once more.
    let again = asks.tool("request_access", wanted("openai")).await;
    assert_ne!(again["id"], filed["id"]);
    app.finish().await;
}

#[tokio::test]
async fn nothing_is_granted_beyond_what_was_asked_for() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let token = app
        .create_token_with("bot", &[], json!({"budgetCentsMonthly": 100}))
        .await;
    let owner = app.owner_client();
    owner
        .patch("/v1/agents/bot", &json!({"allowedModels": ["gpt-4o-mini"]}))
        .await
        .expect(200);
    let asks = agent(&app, &token);
    let body = json!({"provider": "openai", "scopes": ["provider:openai:read"], "models": ["gpt-5.2"],
        "budgetCentsMonthly": 500, "reason": "a larger model"});
    let filed = asks.tool("request_access", body).await;
    for (body, pointer) in [
        (json!({}), "/source"),
        (
            json!({"source": "byok", "scopes": ["provider:openai:*"]}),
            "/scopes",
        ),
        (json!({"source": "byok", "scopes": []}), "/scopes"),
        (
            json!({"source": "byok", "scopes": ["provider:anthropic:read"]}),
            "/scopes",
        ),
        (json!({"source": "byok", "models": ["gpt-5.2", "o3"]}), "/models"),
        (
            json!({"source": "byok", "budgetCentsMonthly": 501}),
            "/budgetCentsMonthly",
        ),
        (
            json!({"source": "byok", "budgetCentsMonthly": 100}),
            "/budgetCentsMonthly",
        ),
        (json!({"source": "byok", "note": "\u{1b}[2J"}), "/note"),
    ] {
        let refused = decide(owner, &filed, "approve", body.clone()).await;
        let problem = refused.expect_problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let body = json!({"source": "byok", "budgetCentsMonthly": null});
    let approved = decide(owner, &filed, "approve", body).await.expect(200);
    let granted = json!({"source": "byok", "scopes": ["provider:openai:read"], "models": ["gpt-5.2"]});
    assert_eq!(approved["granted"], granted);
    let shown = owner.get("/v1/agents/bot").await.expect(200);
    assert_eq!(shown["allowedModels"], json!(["gpt-4o-mini", "gpt-5.2"]));
    assert_eq!(shown["budgetCentsMonthly"], 100);
    // What it has is kept when more comes to it.
    let body = json!({"provider": "openai", "scopes": ["provider:openai:write"], "budgetCentsMonthly": 500, "reason": "to write"});
    let more = asks.tool("request_access", body).await;
    let body = json!({"budgetCentsMonthly": 300});
    decide(owner, &more, "approve", body).await.expect(200);
    let shown = owner.get("/v1/agents/bot").await.expect(200);
    assert_eq!(
        shown["providers"][0]["scopes"],
        json!(["provider:openai:read", "provider:openai:write"])
    );
    assert_eq!(shown["budgetCentsMonthly"], 300);
    app.finish().await;
}

/// What an agent may do with one key is not asked for with another one, and a request for one takes nothing away from the other.
#[tokio::test]
async fn approving_moves_no_grant_to_another_key() {
    let app = TestApp::start().await;
    app.secret("sk-pooled-canary");
    let (owner, operator) = (app.owner_client(), app.operator().await);
    let pooled = json!({"provider": "openai", "name": "first", "secret": "sk-pooled-canary", "baseUrl": app.fake_upstream().url()});
    operator.post("/v1/operator/pool", &pooled).await.expect(201);
    let enable = "/v1/marketplace/openai/enable";
    owner.post(enable, &Value::Null).await.expect(204);
    let own = app.create_credential("openai").await;
    app.secret("sk-second-canary");
    let second = json!({"provider": "openai", "name": "second", "secret": "sk-second-canary"});
    owner.post("/v1/credentials", &second).await.expect(201);
    let ask = |source: Option<&str>| json!({"provider": "openai", "source": source, "scopes": ["provider:openai:read"], "reason": "x"});

    // It may do everything with the organization's key.
    let everything = app.create_token("everything", &["openai"]).await;
    let wanted = ask(Some("marketplace"));
    let filed = agent(&app, &everything).tool("request_access", wanted).await;
    let problem = decide(owner, &filed, "approve", json!({}))
        .await
        .expect_problem(409, "conflict");
    let remedy = problem["remedy"].as_str().unwrap();
    assert!(
        remedy.contains("with the source byok") && remedy.contains("`ks migrate`"),
        "{remedy}"
    );
    let grants = async |name: &str| {
        let shown = owner.get(&format!("/v1/agents/{name}")).await.expect(200);
        shown["providers"].clone()
    };
    let before = grants("everything").await;
    assert_eq!(
        (
            &before[0]["source"],
            &before[0]["credentialId"],
            &before[0]["scopes"]
        ),
        (&json!("byok"), &own["id"], &json!([]))
    );
    // With the source that is there, it stays as it is.
    decide(owner, &filed, "approve", json!({"source": "byok"}))
        .await
        .expect(200);
    assert_eq!(grants("everything").await, before);

    // It may write with the organization's key.
    let scoped = json!({"name": "scoped", "providers": [{"name": "openai", "source": "byok", "credential": "default", "scopes": ["provider:openai:write"]}]});
    let made = owner.post("/v1/tokens", &scoped).await.expect(201);
    let asks = agent(&app, made["token"].as_str().unwrap());
    let filed = asks.tool("request_access", ask(None)).await;
    let before = grants("scoped").await;
    for body in [
        json!({"source": "marketplace"}),
        json!({"source": "byok", "credential": "second"}),
        json!({"credential": "second"}),
    ] {
        let refused = decide(owner, &filed, "approve", body).await;
        refused.expect_problem(409, "conflict");
        assert_eq!(grants("scoped").await, before, "nothing was moved");
    }
    // A person moves it by hand; then what was asked for comes to what it has.
    let order = json!({"provider": "openai", "to": "marketplace", "agents": ["scoped"]});
    owner.post("/v1/migrations", &order).await.expect(200);
    decide(owner, &filed, "approve", json!({})).await.expect(200);
    let moved = grants("scoped").await;
    assert_eq!(
        (&moved[0]["source"], &moved[0]["scopes"]),
        (
            &json!("marketplace"),
            &json!(["provider:openai:read", "provider:openai:write"])
        )
    );
    app.finish().await;
}

#[tokio::test]
async fn a_grant_is_checked_as_one_that_is_made_by_hand() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let token = app.create_token("bot", &[]).await;
    let asks = agent(&app, &token);
    let own = asks.tool("request_access", wanted("openai")).await;
    decide(owner, &own, "approve", json!({}))
        .await
        .expect_problem(409, "conflict");
    let body = json!({"provider": "anthropic", "source": "marketplace", "reason": "no key of our own"});
    let sold = asks.tool("request_access", body).await;
    let refused = decide(owner, &sold, "approve", json!({})).await;
    refused.expect_problem(409, "marketplace_unavailable");
    app.operator().await;
    let refused = decide(owner, &sold, "approve", json!({})).await;
    assert!(refused.status >= 400, "it is not sold: {:#}", refused.body);
    owner
        .patch("/v1/agents/bot", &json!({"labels": ["phi"]}))
        .await
        .expect(200);
    app.create_credential("openai").await;
    let rule = json!({"label": "phi", "sources": ["byok"], "providers": ["anthropic"]});
    owner.post("/v1/labels", &rule).await.expect(200);
    let refused = decide(owner, &own, "approve", json!({})).await;
    refused.expect_problem(403, "label_forbids_provider");
    // What was refused changed nothing, and the request waits on.
    let open = owner.get("/v1/access-requests?state=open").await.expect(200);
    assert_eq!(open["data"].as_array().unwrap().len(), 2);
    owner
        .post("/v1/agents/bot/revoke", &Value::Null)
        .await
        .expect(200);
    let refused = decide(owner, &own, "approve", json!({})).await;
    refused.expect_problem(409, "conflict");
    app.finish().await;
}

#[tokio::test]
async fn a_request_is_bounded_and_not_filed_twice() {
    let (app, clock) = TestApp::clocked().await;
    app.create_credential("openai").await;
    let token = app.create_token("bot", &["openai"]).await;
    let asks = agent(&app, &token);
    for (arguments, code) in [
        (json!({}), "invalid_request"),
        (json!({"reason": "because"}), "invalid_request"),
        (json!({"provider": "tavily", "reason": ""}), "invalid_request"),
        (
            json!({"provider": "tavily", "reason": "x".repeat(1_001)}),
            "invalid_request",
        ),
        (
            json!({"provider": "tavily", "reason": "a\u{9b}2J"}),
            "invalid_request",
        ),
        (
            json!({"provider": "tavily", "reason": "x", "scopes": ["provider:openai:read"]}),
            "invalid_request",
        ),
        (
            json!({"provider": "tavily", "reason": "x", "models": ["sonar"]}),
            "invalid_request",
        ),
        (
            json!({"budgetCentsMonthly": 10, "reason": "x"}),
            "invalid_request",
        ),
        (
            json!({"provider": "tavily", "reason": "x", "grant": true}),
            "invalid_request",
        ),
        (json!({"provider": "no-such", "reason": "x"}), "unknown_provider"),
        (wanted("openai"), "conflict"),
    ] {
        let error = asks.tool_fails("request_access", arguments.clone()).await;
        assert_eq!(error["code"], code, "{arguments}: {error:#}");
    }
    let first = asks.tool("request_access", wanted("tavily")).await;
    let mut again = wanted("tavily");
    again["reason"] = "please".into();
    assert_eq!(asks.tool("request_access", again).await["id"], first["id"]);
    for provider in ["exa", "anthropic", "mistral", "cohere"] {
        asks.tool("request_access", wanted(provider)).await;
    }
    let error = asks.tool_fails("request_access", wanted("groq")).await;
    assert_eq!(error["code"], "conflict", "five wait: {error:#}");
    // A session would not last as long.
    let owner = &app.key_client("owner").await;
    let listed = owner.get("/v1/access-requests?agent=bot").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 5);

    // Nobody decided.
    clock.advance(7 * DAY);
    let expired = owner.get("/v1/access-requests?state=expired").await.expect(200);
    assert_eq!(expired["data"].as_array().unwrap().len(), 5);
    let late = decide(owner, &first, "approve", json!({})).await;
    late.expect_problem(409, "conflict");
    assert_ne!(
        asks.tool("request_access", wanted("tavily")).await["id"],
        first["id"]
    );
    app.finish().await;
}

#[tokio::test]
async fn an_agent_files_so_many_requests_a_day_and_old_ones_are_forgotten() {
    let (app, clock) = TestApp::clocked().await;
    let owner = &app.key_client("owner").await;
    let token = app
        .create_token_with("bot", &[], json!({"budgetCentsMonthly": 100}))
        .await;
    let asks = agent(&app, &token);
    for number in 0..20 {
        let body = json!({"budgetCentsMonthly": 200 + number, "reason": "more"});
        let filed = asks.tool("request_access", body).await;
        let denied = decide(owner, &filed, "deny", json!({"reason": "no"})).await;
        denied.expect(200);
    }
    let body = json!({"budgetCentsMonthly": 900, "reason": "more"});
    let error = asks.tool_fails("request_access", body.clone()).await;
    assert_eq!(error["code"], "rate_limited", "{error:#}");
    clock.advance(DAY + Duration::from_secs(1));
    asks.tool("request_access", body).await;
    clock.advance(98 * DAY);
    app.do_jobs().await;
    let left = owner.get("/v1/access-requests").await.expect(200);
    assert_eq!(left["data"], json!([]));
    app.finish().await;
}

#[tokio::test]
async fn a_paused_agent_looks_and_asks_for_nothing() {
    let app = TestApp::start().await;
    let token = app.create_token("bot", &[]).await;
    let asks = agent(&app, &token);
    let owner = app.owner_client();
    owner.post("/v1/agents/bot/pause", &Value::Null).await.expect(200);
    let me = asks.tool("whoami", json!({})).await;
    assert_eq!(me["refused"]["code"], "agent_paused");
    let error = asks.tool_fails("request_access", wanted("tavily")).await;
    assert_eq!(error["code"], "agent_paused");
    owner
        .post("/v1/agents/bot/revoke", &Value::Null)
        .await
        .expect(200);
    let answer = asks.post("/mcp", &json!({})).await;
    answer.expect_problem(401, "unauthenticated");
    app.finish().await;
}

#[tokio::test]
async fn people_who_can_act_are_told_by_mail() {
    let (app, _, _smtp) = TestApp::mailing().await;
    let token = app.create_token("bot", &[]).await;
    let body = json!({"provider": "tavily", "reason": "open https://evil.example\nand run this"});
    let filed = agent(&app, &token).tool("request_access", body).await;
    app.do_jobs().await;
    let id = filed["id"].as_str().unwrap();
    let of_it = || app.mails_about("owner@example.com", &format!("ks access show {id}"));
    for _ in 0..100 {
        if of_it() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(of_it(), 1);
    app.finish().await;
}
