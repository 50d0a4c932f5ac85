//! What passes and what does not: bytes in both directions, headers by name, query and path as received.

use keystore_testkit::upstream::FakeUpstream;
use serde_json::json;

use super::{CHAT, MESSAGES, MODELS, chat, message, openai};
use crate::support::{CANARY, TestApp};

#[tokio::test]
async fn a_body_passes_byte_for_byte() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    // White space, escapes, member order and number forms that no serialiser would write again.
    let body = "\n{ \"n\" :1.0e0,\t\"messages\":[ {\"content\":\"\\u00e9\\/ \u{1f511}\",\"role\":\"user\"} ],\"x\":[],\r\n\"model\" : \"gpt-4o-mini\" }  ";
    let request = caller
        .request("POST", CHAT)
        .header("content-type", "application/json; charset=UTF-8")
        .body(body);
    let reply = caller.send(request).await.expect(200);
    let seen = app.fake_upstream().last();
    assert_eq!(seen.body, body);
    assert_eq!(
        seen.header("content-type"),
        Some("application/json; charset=UTF-8")
    );
    assert_eq!(
        seen.header("content-length"),
        Some(body.len().to_string().as_str())
    );

    // Another fake's first answer is the same as this one's.
    let other = FakeUpstream::start().await;
    let direct = reqwest::Client::builder().no_proxy().build().unwrap();
    let direct = direct
        .post(format!("{}/v1/chat/completions", other.url()))
        .bearer_auth(CANARY)
        .body(body)
        .send()
        .await
        .unwrap();
    let names = ["content-type", "content-length"];
    for name in names {
        assert_eq!(reply.header(name), direct.headers()[name].to_str().ok(), "{name}");
    }
    assert_eq!(reply.body, direct.bytes().await.unwrap());
    app.finish().await;
}

#[tokio::test]
async fn asking_for_usage_adds_to_a_body_and_changes_nothing_in_it() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let body = "{ \"stream\" : true, \"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\"}],\"model\":\"gpt-4o-mini\"}\n";
    caller
        .send(caller.request("POST", CHAT).body(body))
        .await
        .expect(200);
    let seen = app.fake_upstream().last();
    let text = String::from_utf8(seen.body.to_vec()).unwrap();
    assert_eq!(
        text.replace("\"stream_options\":{\"include_usage\":true},", ""),
        body
    );
    assert!(text.len() > body.len());
    app.finish().await;
}

#[tokio::test]
async fn bytes_that_are_not_metered_pass_in_both_directions() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let request = caller
        .request("POST", "/v1/openai/v1/files")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(bytes.clone());
    let reply = caller.send(request).await.expect(200);
    assert_eq!(reply.json()["bodyBytes"], bytes.len());
    assert!(app.fake_upstream().last().body == bytes);
    let request = caller.request("GET", "/v1/openai/v1/files/file-1/content");
    let reply = caller
        .send(request.header("x-fake", "body-bytes=2000000"))
        .await
        .expect(200);
    assert_eq!(reply.body.len(), 2_000_000);
    assert_eq!(reply.header("content-length"), Some("2000000"));
    assert_eq!(super::record(&app, &reply.id()).await["responseBytes"], 2_000_000);
    app.finish().await;
}

#[tokio::test]
async fn headers_of_a_request_pass_unless_they_are_ours_to_stop() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let passing = [
        ("user-agent", "OpenAI/Python 2.0"),
        ("accept", "application/json"),
        ("accept-language", "en"),
        ("idempotency-key", "k-1"),
        ("openai-beta", "assistants=v2"),
        ("anthropic-beta", "one-2025,two-2025"),
        ("range", "bytes=0-99"),
        ("if-none-match", "\"a\""),
        ("x-stainless-lang", "python"),
        ("x-unheard-of", "1"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ];
    let stopped = [
        ("cookie", "a=b"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
        ("via", "1.1 other"),
        ("proxy-authorization", "Basic eA=="),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/admin"),
        ("x-keystore-request-id", "req_forged"),
        ("x-keystore-anything", "1"),
        ("openai-organization", "org-other"),
        ("openai-project", "proj-other"),
        ("x-api-key", "sk-of-another-vendor"),
        ("x-goog-api-key", "AIza-of-another-vendor"),
        ("api-key", "of-another-vendor"),
        ("x_api_key", "in-disguise"),
        ("x-hop", "named by connection"),
        ("connection", "x-hop"),
        ("te", "trailers"),
    ];
    let mut request = caller
        .request("GET", MODELS)
        .header("accept-encoding", "gzip, br");
    for (name, value) in passing.iter().chain(&stopped) {
        request = request.header(*name, *value);
    }
    request = request.header("x-twice", "one").header("x-twice", "two");
    caller.send(request).await.expect(200);
    let seen = app.fake_upstream().last();
    for (name, value) in passing {
        assert_eq!(seen.header(name), Some(value));
    }
    let twice: Vec<_> = seen.headers.get_all("x-twice").iter().collect();
    assert_eq!(twice, ["one", "two"]);
    for (name, _) in stopped {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(
        seen.header("host"),
        Some(app.fake_upstream().authority().as_str())
    );
    assert_eq!(seen.credentials.len(), 1, "{:?}", seen.credentials);
    app.finish().await;
}

#[tokio::test]
async fn headers_of_an_answer_pass_unless_they_concern_the_vendors_host_or_account() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    for body in [chat(json!({})), chat(json!({"stream": true}))] {
        let reply = caller.post_with(CHAT, "hostile", &body).await.expect(200);
        for name in [
            "set-cookie",
            "set-cookie2",
            "alt-svc",
            "nel",
            "report-to",
            "strict-transport-security",
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "x-keystore-error",
            "openai-organization",
            "x-hop",
        ] {
            assert_eq!(reply.header(name), None, "{name}");
        }
        assert_ne!(reply.id(), "req_forged");
        assert_eq!(reply.headers.get_all("x-keystore-request-id").iter().count(), 1);
    }
    let reply = caller
        .send(caller.request("GET", MODELS).header("x-fake", "html"))
        .await
        .expect(200);
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        reply.header("content-security-policy"),
        Some("default-src 'none'")
    );
    let reply = caller
        .send(caller.request("GET", MODELS).header("x-fake", "trailers"))
        .await
        .expect(200);
    assert!(reply.json()["data"].is_array(), "trailers end here");
    app.finish().await;
}

#[tokio::test]
async fn the_vendors_version_is_filled_in_and_never_overwritten() {
    let app = TestApp::start().await;
    app.create_credential("anthropic").await;
    let caller = app.caller(&app.create_token("a", &["anthropic"]).await);
    caller.post(MESSAGES, &message(json!({}))).await.expect(200);
    assert_eq!(
        app.fake_upstream().last().header("anthropic-version"),
        Some("2023-06-01")
    );
    let request = caller
        .request("POST", MESSAGES)
        .header("anthropic-version", "2099-01-01")
        .header("anthropic-beta", "a-1")
        .header("anthropic-beta", "b-2")
        .json(&message(json!({})));
    caller.send(request).await.expect(200);
    let seen = app.fake_upstream().last();
    assert_eq!(seen.header("anthropic-version"), Some("2099-01-01"));
    let betas: Vec<_> = seen.headers.get_all("anthropic-beta").iter().collect();
    assert_eq!(betas, ["a-1", "b-2"]);
    app.finish().await;
}

#[tokio::test]
async fn path_and_query_pass_as_received() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    for target in [
        "/v1/files/f%C3%A4%20x?a=1&b=%2F&c&d=%E2%82%AC&a=2",
        "/v1/files?",
        "/v1/files/~x:y@z;p=1,2!$'()*+",
        "/v1/files/",
    ] {
        let reply = super::protocols::raw_get(&app, &caller, &format!("/v1/openai{target}")).await;
        assert_eq!(reply.status, 200, "{target}");
        assert_eq!(app.fake_upstream().last().target, target);
    }
    let sent = app.fake_upstream().count();
    for target in [
        "/v1/files/a%2fb",
        "/v1/files/../x",
        "/v1//files",
        "/v1/%2e%2e/x",
        "/v1/a%5cb",
    ] {
        let reply = super::protocols::raw_get(&app, &caller, &format!("/v1/openai{target}")).await;
        assert_eq!(reply.status, 400, "{target}");
    }
    assert_eq!(app.fake_upstream().count(), sent);
    app.finish().await;
}

#[tokio::test]
async fn an_answer_without_a_body_is_a_complete_one() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let gone = caller
        .send(
            caller
                .request("DELETE", "/v1/openai/v1/files/f")
                .header("x-fake", "status=204"),
        )
        .await
        .expect(204);
    let head = caller.send(caller.request("HEAD", MODELS)).await.expect(200);
    let unchanged = caller
        .send(caller.request("GET", MODELS).header("x-fake", "status=304"))
        .await
        .expect(304);
    for (reply, status) in [(gone, 204), (head, 200), (unchanged, 304)] {
        let record = super::record(&app, &reply.id()).await;
        assert_eq!(
            (&record["ending"], &record["status"]),
            (&json!("complete"), &json!(status)),
            "{record:#}"
        );
    }
    let failed = caller
        .send(caller.request("HEAD", MODELS).header("x-fake", "status=500"))
        .await
        .expect(500);
    let whole = caller
        .send(caller.request("GET", MODELS).header("x-fake", "status=500"))
        .await
        .expect(500);
    assert_eq!(
        failed.header("content-length"),
        whole.header("content-length"),
        "a HEAD tells the length of a GET"
    );
    app.finish().await;
}
