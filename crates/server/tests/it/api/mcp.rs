//! `/mcp`: who may use it and nothing else, the revisions of the protocol, and the tools of agents and of people.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operations::{May, Operation, ROLES, Things, operations};
use crate::support::{Answer, Client, TestApp};

const REVISION: &str = "2026-07-28";

/// A call of the present revision, as its clients make it.
async fn call(client: &Client, method: &str, mut params: Value) -> Answer {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let message = json!({"jsonrpc": "2.0", "id": "one", "method": method, "params": params});
    let request = client.request("POST", "/mcp").json(&message);
    let request = request
        .header("mcp-protocol-version", REVISION)
        .header("mcp-method", method);
    client
        .send(match name.is_empty() {
            true => request,
            false => request.header("mcp-name", name),
        })
        .await
}

async fn names(client: &Client) -> BTreeSet<String> {
    let listed = client.rpc("tools/list", json!({})).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_agents_token_opens_this_and_no_operation_of_the_api() {
    let app = TestApp::start().await;
    let things = Things::make(&app, app.owner_client()).await;
    let token = app.create_token("bot", &["openai"]).await;
    let agent = app.anonymous().with_token(&token);
    let mut tried = 0;
    for operation in operations().iter().filter(|one| one.may != May::Anybody) {
        let answer = operation.call(&things).send(&agent).await;
        answer.expect_problem(401, "unauthenticated");
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
    for path in ["/v1/agents", "/v1/access-requests"] {
        // Nor in another place.
        let cookie = app.anonymous().request("GET", path);
        let answer = agent
            .send(cookie.header("cookie", format!("keystore_session={token}")))
            .await;
        answer.expect_problem(401, "unauthenticated");
    }
    assert_eq!(names(&agent).await.len(), 5);
    app.finish().await;
}

#[tokio::test]
async fn only_a_bearer_value_opens_it_and_no_page_of_another_site() {
    let app = TestApp::start().await;
    let (owner, nobody) = (app.owner_client(), app.anonymous());
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let post = |client: &Client| client.request("POST", "/mcp").json(&list);
    for request in [
        post(&nobody),
        post(&nobody.with_token(&format!("ks_{}", "0".repeat(64)))),
        post(&nobody.with_token(&format!("ksm_{}", "0".repeat(64)))),
        post(&nobody.with_token("x")),
        // A browser sends a cookie by itself.
        post(&nobody).header("cookie", format!("keystore_session={}", owner.token())),
        post(owner).header("authorization", format!("Bearer {}", owner.token())),
    ] {
        let answer = nobody.send(request).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        answer.expect_problem(401, "unauthenticated");
    }
    let foreign = owner
        .send(post(owner).header("origin", "http://evil.example"))
        .await;
    foreign.expect_problem(403, "cross_site");
    let own = owner.send(post(owner).header("origin", app.api_url())).await;
    own.expect(200);
    for method in ["GET", "DELETE", "PUT"] {
        let answer = owner.send(owner.request(method, "/mcp")).await;
        assert_eq!(answer.headers["allow"], "POST");
        answer.expect_problem(405, "method_not_allowed");
    }
    let text = owner.request("POST", "/mcp").body(list.to_string());
    let answer = owner.send(text.header("content-type", "text/plain")).await;
    answer.expect_problem(415, "unsupported_media_type");
    let large = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "x".repeat(300_000)}});
    owner
        .post("/mcp", &large)
        .await
        .expect_problem(413, "body_too_large");
    app.finish().await;
}

#[tokio::test]
async fn a_call_of_the_present_revision_stands_alone() {
    let app = TestApp::start().await;
    let token = app.create_token("bot", &[]).await;
    let agent = app.anonymous().with_token(&token);
    let found = call(&agent, "server/discover", json!({})).await.expect(200);
    let found = &found["result"];
    assert_eq!(
        found["supportedVersions"],
        json!([REVISION, "2025-11-25", "2025-06-18"])
    );
    assert_eq!(
        (&found["resultType"], &found["cacheScope"]),
        (&json!("complete"), &json!("private"))
    );
    let listed = call(&agent, "tools/list", json!({})).await.expect(200);
    assert_eq!(listed["id"], "one");
    assert!(listed["result"]["ttlMs"].is_u64());
    let me = call(&agent, "tools/call", json!({"name": "whoami"}))
        .await
        .expect(200);
    assert_eq!(me["result"]["structuredContent"]["name"], "bot");
    assert_eq!(me["result"]["resultType"], "complete");
    for (method, status, code) in [
        ("initialize", 404, -32601),
        ("ping", 404, -32601),
        ("prompts/list", 404, -32601),
    ] {
        let fault = call(&agent, method, json!({})).await.expect(status);
        assert_eq!(fault["error"]["code"], code, "{method}");
    }
    let unknown = call(&agent, "tools/call", json!({"name": "get_agent"}))
        .await
        .expect(400);
    assert_eq!(unknown["error"]["code"], -32602, "a person's tool: {unknown}");
    let notice = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}});
    assert_eq!(agent.post("/mcp", &notice).await.expect(202), Value::Null);
    app.finish().await;
}

#[tokio::test]
async fn a_client_of_an_older_revision_introduces_itself() {
    let app = TestApp::start().await;
    let token = app.create_token("bot", &[]).await;
    let agent = app.anonymous().with_token(&token);
    for (asked, agreed) in [
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        (REVISION, "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
    ] {
        let params = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = agent.rpc("initialize", params).await;
        assert_eq!(answer["result"]["protocolVersion"], agreed);
        assert!(
            answer["result"]["instructions"]
                .as_str()
                .unwrap()
                .contains("request_access")
        );
        assert!(answer["result"]["resultType"].is_null());
    }
    assert_eq!(agent.rpc("ping", json!({})).await["result"], json!({}));
    assert_eq!(
        agent.rpc("resources/list", json!({})).await["error"]["code"],
        -32601
    );
    let old = agent
        .request("POST", "/mcp")
        .header("mcp-protocol-version", "2024-11-05");
    let answer = agent
        .send(old.json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})))
        .await;
    let fault = answer.expect(400);
    assert_eq!(fault["error"]["code"], -32022);
    app.finish().await;
}

#[tokio::test]
async fn an_agent_learns_what_it_has_and_why_it_was_refused() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let more = json!({"budgetCentsMonthly": 100, "rpmLimit": 2});
    let token = app.create_token_with("bot", &["openai"], more).await;
    let (agent, calls) = (app.anonymous().with_token(&token), app.caller(&token));
    assert_eq!(agent.tool("get_last_refusal", json!({})).await, json!({}));
    let me = agent.tool("whoami", json!({})).await;
    let base = format!("{}/v1/openai", app.proxy_url());
    assert_eq!(me["providers"][0]["baseUrl"], base);
    assert_eq!(
        me["providers"][0]["environment"],
        json!({"OPENAI_BASE_URL": format!("{base}/v1")})
    );
    assert_eq!(me["proxyUrl"], app.proxy_url());
    let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
    let path = "/v1/openai/v1/chat/completions";
    calls.post(path, &chat).await.expect(200);
    let left = agent.tool("get_allowance", json!({})).await;
    let limit = |left: &Value, kind: &str| {
        let limits = left["providers"][0]["limits"].as_array().unwrap();
        limits.iter().find(|limit| limit["kind"] == kind).unwrap().clone()
    };
    assert_eq!(
        limit(&left, "rpm"),
        json!({"kind": "rpm", "limit": 2, "used": 1, "remaining": 1})
    );
    assert_eq!(limit(&left, "rpd")["used"], 1);
    let budget = &left["budgets"][0];
    assert_eq!((&budget["limit"], &budget["own"]), (&json!("1.00"), &json!(true)));
    assert_ne!(budget["spent"], "0.00");
    calls.post(path, &chat).await.expect(200);
    let refused = calls.post(path, &chat).await;
    let error = refused.refused(429, "rate_limited");
    let last = agent.tool("get_last_refusal", json!({})).await["refusal"].clone();
    assert_eq!(last["requestId"], refused.id());
    for member in ["code", "message", "remedy"] {
        assert_eq!(last[member], error[member], "the same words");
    }
    app.owner_client()
        .delete("/v1/credentials/none")
        .await
        .expect_problem(404, "not_found");
    let extra = agent.tool_fails("whoami", json!({"agent": "other"})).await;
    assert_eq!(extra["code"], "invalid_request");
    let app = app.restart().await;
    // Nothing is remembered but the code.
    let agent = agent.at(app.api_url());
    let last = agent.tool("get_last_refusal", json!({})).await["refusal"].clone();
    assert_eq!(
        (&last["code"], &last["requestId"]),
        (&json!("rate_limited"), &refused.id().into())
    );
    app.finish().await;
}

#[tokio::test]
async fn an_agent_is_held_to_its_addresses_and_asks_so_often() {
    let app = TestApp::start().await;
    let token = app.create_token("bot", &[]).await;
    let agent = app.anonymous().with_token(&token);
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for _ in 0..120 {
        agent.post("/mcp", &ping).await.expect(200);
    }
    let limited = agent.post("/mcp", &ping).await;
    assert!(limited.headers.contains_key("retry-after"));
    limited.expect_problem(429, "rate_limited");
    let change = json!({"allowedIps": ["192.0.2.0/24"]});
    app.owner_client()
        .patch("/v1/agents/bot", &change)
        .await
        .expect(200);
    agent
        .post("/mcp", &ping)
        .await
        .expect_problem(403, "address_not_allowed");
    app.finish().await;
}

#[tokio::test]
async fn each_role_sees_the_tools_that_the_table_of_operations_gives_it() {
    let app = TestApp::start().await;
    let known = operations();
    let mut all = BTreeSet::new();
    // The owner comes first, and sees all of them.
    for role in ROLES {
        let key = app.key_client(role).await;
        let seen = names(&key).await;
        all.extend(seen.iter().filter(|_| role == "owner").cloned());
        let may: BTreeSet<String> = known
            .iter()
            .filter(|one| all.contains(&one.name))
            .filter(|one| matches!(one.may, May::Roles(roles) if roles.split(' ').any(|name| name == role)))
            .map(|one| one.name.clone())
            .collect();
        assert_eq!(seen, may, "{role}");
        for name in all.difference(&seen) {
            // What is not listed is refused all the same, by the API itself.
            let error = key.tool_fails(name, arguments(&known, name)).await;
            assert_eq!(error["code"], "forbidden", "{role} {name}");
        }
    }
    app.finish().await;
}

/// Arguments that name nothing.
fn arguments(known: &[Operation], name: &str) -> Value {
    let operation = known.iter().find(|one| one.name == name).unwrap();
    let call = operation.call(&Things::nothing());
    let mut arguments = if call.body.is_object() {
        call.body
    } else {
        json!({})
    };
    for part in operation.path.split('/') {
        if let Some(kind) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            arguments[kind] = Things::nothing().id(kind).into();
        }
    }
    arguments
}

#[tokio::test]
async fn a_tool_is_an_operation_with_its_rights_its_log_and_its_keys() {
    let app = TestApp::start().await;
    let things = Things::make(&app, app.owner_client()).await;
    let key = app.key_client("member").await;
    let new = json!({"name": "made", "rpmLimit": 7, "idempotencyKey": "once"});
    let made = key.tool("create_agent", new.clone()).await;
    assert_eq!(
        key.tool("create_agent", new.clone()).await["id"],
        made["id"],
        "once"
    );
    let mut other = new;
    other["rpmLimit"] = 8.into();
    assert_eq!(
        key.tool_fails("create_agent", other).await["code"],
        "idempotency_mismatch"
    );
    let wrong = key
        .tool_fails("create_agent", json!({"name": "", "rpmLimit": "x"}))
        .await;
    assert_eq!(
        (&wrong["code"], &wrong["errors"][0]["pointer"]),
        (&json!("invalid_request"), &json!("/rpmLimit"))
    );
    for (arguments, pointer) in [
        (json!({}), "/agent"),
        (json!({"agent": ".."}), "/agent"),
        (json!({"agent": "made", "force": true}), "/force"),
    ] {
        let wrong = key.tool_fails("get_agent", arguments).await;
        assert_eq!(wrong["errors"][0]["pointer"], pointer);
    }
    let paused = key.tool("pause_agent", json!({"agent": "made"})).await;
    assert_eq!(paused["status"], "paused");
    let log = app
        .owner_client()
        .get("/v1/audit?action=pause_agent")
        .await
        .expect(200);
    let entry = &log["data"][0];
    assert_eq!(
        (&entry["actorName"], &entry["address"]),
        (&json!("key of a member"), &json!("127.0.0.1"))
    );
    let decided = json!({"accessRequest": things.id("accessRequest"), "reason": "no"});
    assert_eq!(key.tool("deny_access_request", decided).await["state"], "denied");
    let stopped = json!({"scope": "agent", "id": "made", "reason": "test"});
    assert_eq!(key.tool("create_revocation", stopped).await["scope"], "agent");
    // What is another organization's does not exist.
    let stranger = app.stranger().await;
    for (name, arguments) in [
        ("get_agent", json!({"agent": things.id("agent")})),
        ("get_request", json!({"request": things.id("request")})),
        (
            "approve_access_request",
            json!({"accessRequest": things.id("accessRequest")}),
        ),
        ("revoke_token", json!({"token": things.id("token")})),
        ("list_requests", json!({"agent": things.id("agent")})),
    ] {
        assert_eq!(
            stranger.tool_fails(name, arguments).await["code"],
            "not_found",
            "{name}"
        );
    }
    app.finish().await;
}
