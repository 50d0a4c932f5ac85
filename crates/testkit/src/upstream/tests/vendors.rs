//! The shapes of Gemini, Cohere and Mistral, and the errors of each.

use super::*;

fn contents(extra: &Value) -> Value {
    let mut request = json!({"contents": [{"role": "user", "parts": [{"text": "12345678"}]}]});
    request
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    request
}

async fn mistral() -> FakeUpstream {
    let options = Options {
        dialect: Dialect::Mistral,
        ..Options::default()
    };
    FakeUpstream::with(options).await.unwrap()
}

#[tokio::test]
async fn gemini_answers_whole_as_events_and_as_an_array() {
    let upstream = FakeUpstream::start().await;
    let path = "/v1beta/models/gemini-x";
    let fake = "x-fake: cached-tokens=4; reasoning-tokens=2\r\n";
    let body = contents(&json!({"generationConfig": {"maxOutputTokens": 5}}));
    let whole = ask(&upstream, &format!("{path}:generateContent"), fake, &body)
        .await
        .json();
    assert_eq!(whole["candidates"][0]["content"]["parts"][0]["text"], "w1 w2 w3");
    let usage = json!({
        "promptTokenCount": 11, "cachedContentTokenCount": 4, "candidatesTokenCount": 3, "thoughtsTokenCount": 2,
        "totalTokenCount": 16, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}],
    });
    assert_eq!(
        (&whole["usageMetadata"], &whole["modelVersion"]),
        (&usage, &"gemini-x".into())
    );
    assert_eq!(upstream.last().tokens, (11, 5));

    let stream = format!("{path}:streamGenerateContent");
    let chunks = events(&ask(&upstream, &format!("{stream}?alt=sse"), fake, &body).await);
    let array = ask(&upstream, &stream, fake, &body).await;
    assert_eq!(array.header("content-type"), Some("application/json"));
    let of = |chunk: &Value| chunk["candidates"][0]["content"].clone();
    let array = array.json();
    let array: Vec<_> = array.as_array().unwrap().iter().map(of).collect();
    assert_eq!(array, chunks.iter().map(of).collect::<Vec<_>>());
    assert_eq!(chunks.len(), 3);
    assert_eq!(chunks[2]["usageMetadata"], usage);
    assert!(chunks[0]["usageMetadata"].get("candidatesTokenCount").is_none());
    assert_eq!(chunks[2]["candidates"][0]["finishReason"], "STOP");
}

#[tokio::test]
async fn gemini_calls_a_tool_until_its_result_is_there() {
    let upstream = FakeUpstream::start().await;
    let path = "/v1beta/models/gemini-x:generateContent";
    let tools = json!({"tools": [{"functionDeclarations": [{"name": "weather"}]}]});
    let called = ask(&upstream, path, "", &contents(&tools)).await.json();
    let call = json!({"functionCall": {"name": "weather", "args": {"city": "Paris"}}});
    assert_eq!(called["candidates"][0]["content"]["parts"], json!([call]));
    let mut answered = contents(&tools);
    answered["contents"]
        .as_array_mut()
        .unwrap()
        .push(json!({"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {}}}]}));
    let text = ask(&upstream, path, "", &answered).await.json();
    assert!(text["candidates"][0]["content"]["parts"][0]["text"].is_string());
}

#[tokio::test]
async fn cohere_chats_embeds_and_ranks() {
    let upstream = FakeUpstream::start().await;
    let whole = ask(&upstream, "/v2/chat", "", &chat(&json!({"max_tokens": 3})))
        .await
        .json();
    assert_eq!(whole["message"]["content"][0]["text"], "w1 w2 w3");
    let usage = json!({
        "billed_units": {"input_tokens": 11.0, "output_tokens": 3.0},
        "tokens": {"input_tokens": 75.0, "output_tokens": 3.0}, "cached_tokens": 0.0,
    });
    assert_eq!(whole["usage"], usage);
    let streamed = ask(
        &upstream,
        "/v2/chat",
        "",
        &chat(&json!({"stream": true, "max_tokens": 3})),
    )
    .await;
    assert!(streamed.body.starts_with(b"event: message-start\ndata: "));
    let end = events(&streamed).pop().unwrap();
    assert_eq!(
        (&end["type"], &end["delta"]["usage"]),
        (&"message-end".into(), &usage)
    );
    let embedded = json!({"model": "e", "texts": ["a", "b"], "input_type": "search_document"});
    let embedded = ask(&upstream, "/v2/embed", "", &embedded).await.json();
    assert_eq!(embedded["embeddings"]["float"].as_array().unwrap().len(), 2);
    assert_eq!(embedded["meta"]["billed_units"]["input_tokens"], 9.0);
    let ranked = json!({"model": "r", "query": "q", "documents": ["a", "b", "c"], "top_n": 2});
    let ranked = ask(&upstream, "/v2/rerank", "", &ranked).await.json();
    assert_eq!(ranked["results"].as_array().unwrap().len(), 2);
    assert_eq!(ranked["meta"]["billed_units"]["search_units"], 1.0);
}

#[tokio::test]
async fn mistral_reports_usage_in_the_last_chunk_without_being_asked() {
    let upstream = mistral().await;
    let body = chat(&json!({"stream": true, "max_tokens": 3}));
    let chunks = events(&ask(&upstream, "/v1/chat/completions", "", &body).await);
    let [.., last, done] = chunks.as_slice() else {
        panic!("{chunks:?}")
    };
    assert_eq!(
        (&last["usage"]["completion_tokens"], done),
        (&3.into(), &"[DONE]".into())
    );
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert!(
        chunks
            .iter()
            .rev()
            .skip(2)
            .all(|chunk| chunk.get("usage").is_none())
    );
}

#[tokio::test]
async fn every_vendor_fails_in_its_own_shape() {
    let upstream = FakeUpstream::start().await;
    let mistral = mistral().await;
    let generate = "/v1beta/models/g:generateContent";
    let stream = "/v1beta/models/g:streamGenerateContent";
    let compatible = "/v1beta/openai/chat/completions";
    for (fake, path, told, status, pointer, value) in [
        (
            &upstream,
            generate,
            401,
            400,
            "/error/details/0/reason",
            "API_KEY_INVALID",
        ),
        (
            &upstream,
            stream,
            401,
            400,
            "/0/error/details/0/reason",
            "API_KEY_INVALID",
        ),
        (
            &upstream,
            compatible,
            401,
            400,
            "/0/error/details/0/reason",
            "API_KEY_INVALID",
        ),
        (
            &upstream,
            generate,
            429,
            429,
            "/error/details/1/retryDelay",
            "12.7s",
        ),
        (&upstream, "/v2/chat", 401, 401, "/message", "invalid api token"),
        (
            &mistral,
            "/v1/chat/completions",
            401,
            401,
            "/detail",
            "Unauthorized",
        ),
        (
            &mistral,
            "/v1/chat/completions",
            422,
            422,
            "/detail/0/type",
            "missing",
        ),
        (&mistral, "/v1/chat/completions", 429, 429, "/code", "1300"),
        (
            &upstream,
            "/search",
            401,
            401,
            "/detail/error",
            "Unauthorized: missing or invalid API key.",
        ),
        (&upstream, "/emails", 422, 422, "/name", "validation_error"),
        (
            &upstream,
            "/v1/customers",
            402,
            402,
            "/error/code",
            "card_declined",
        ),
    ] {
        let answer = ask(fake, path, &format!("x-fake: status={told}\r\n"), &json!({})).await;
        assert_eq!(answer.status, status, "{path} {told}");
        assert_eq!(
            answer.json().pointer(pointer),
            Some(&value.into()),
            "{path} {told}"
        );
    }
    let broken = ask(
        &upstream,
        stream,
        "x-fake: stream-error\r\n",
        &contents(&json!({})),
    )
    .await;
    assert_eq!(broken.json()[2]["error"]["status"], "UNAVAILABLE");
}
