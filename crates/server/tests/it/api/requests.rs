//! `/v1/requests` and `/v1/usage`, with traffic through the data plane.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestApp;

async fn call(app: &TestApp, token: &str) -> reqwest::Response {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{}/v1/openai/v1/chat/completions", app.proxy_url()))
        .bearer_auth(token)
        .json(&json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_call_shows_up_in_requests_and_usage() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    app.create_credential("openai").await;
    let token = app.create_token("a", &["openai"]).await;
    let answer = call(&app, &token).await;
    let id = answer.headers()["x-keystore-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    drop(answer.bytes().await);
    let mut listed = json!([]);
    for _ in 0..50 {
        listed = owner.get("/v1/requests").await.expect(200)["data"].clone();
        if listed != json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        (&listed[0]["id"], &listed[0]["status"]),
        (&json!(id), &json!(200)),
        "{listed:#}"
    );
    assert_eq!(
        (&listed[0]["agentName"], &listed[0]["provider"]),
        (&json!("a"), &json!("openai"))
    );
    let one = owner.get(&format!("/v1/requests/{id}")).await.expect(200);
    assert_eq!(one, listed[0]);
    let usage = owner.get("/v1/usage?by=agent,provider").await.expect(200);
    assert_eq!(
        (&usage["data"][0]["calls"], &usage["total"]["calls"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(usage["total"]["cost"], one["cost"]);
    app.stranger()
        .await
        .get(&format!("/v1/requests/{id}"))
        .await
        .expect_problem(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn the_stream_tells_of_requests_as_they_end_and_resumes() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let token = app.create_token("a", &["openai"]).await;
    let open = |resume: Option<String>| {
        let request = app.owner_client().request("GET", "/v1/requests/stream");
        let request = match resume {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        async move { request.send().await.unwrap() }
    };
    let mut stream = open(None).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    call(&app, &token).await.bytes().await.unwrap();
    let (id, first) = next_event(&mut stream).await;
    assert_eq!(first["agentName"], "a");
    drop(stream);
    call(&app, &token).await.bytes().await.unwrap();
    let mut resumed = open(Some(id.clone())).await;
    let (next, second) = next_event(&mut resumed).await;
    assert!(next.parse::<i64>().unwrap() > id.parse::<i64>().unwrap());
    assert_ne!(second["id"], first["id"]);
    drop(resumed);
    app.finish().await;
}

async fn next_event(stream: &mut reqwest::Response) -> (String, Value) {
    let mut text = String::new();
    let read = async {
        while let Some(bytes) = stream.chunk().await.unwrap() {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
            if let Some(event) = text.split("\n\n").find(|part| part.starts_with("event: request"))
                && text.ends_with("\n\n")
            {
                let line = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap()
                        .to_owned()
                };
                return (line("id: "), serde_json::from_str(&line("data: ")).unwrap());
            }
        }
        panic!("the stream ended: {text}");
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap()
}
