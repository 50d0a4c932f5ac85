//! Prebuilt answers for benchmarks: what they measure is the proxy, so the upstream must cost next to nothing. A chat completion
//! of about 1 KB, and a stream of 50 chunks with usage.

use std::collections::VecDeque;
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use super::answer::Answer;

const USAGE: &str = concat!(
    r#""usage":{"prompt_tokens":25,"completion_tokens":120,"total_tokens":145,"#,
    r#""prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"#,
    r#""audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#,
);

static WHOLE: LazyLock<Bytes> = LazyLock::new(|| {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(10);
    let body = format!(
        concat!(
            r#"{{"id":"chatcmpl-fixed","object":"chat.completion","created":1795000000,"model":"gpt-fake","choices":[{{"index":0,"#,
            r#""message":{{"role":"assistant","content":"{}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],{},"#,
            r#""service_tier":"default","system_fingerprint":"fp_fake"}}"#,
        ),
        text, USAGE
    );
    body.into()
});

static CHUNKS: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    let chunk = |choices: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-fixed\",\"object\":\"chat.completion.chunk\",\"created\":1795000000,\"model\":\"gpt-fake\",\"choices\":[{choices}],{usage}}}\n\n"
        )
    };
    let word = r#"{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}"#;
    let end = r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#;
    let mut chunks: Vec<String> = (0..47).map(|_| chunk(word, r#""usage":null"#)).collect();
    chunks.push(chunk(end, r#""usage":null"#));
    chunks.push(chunk("", USAGE));
    chunks.push("data: [DONE]\n\n".to_owned());
    chunks.into_iter().map(Bytes::from).collect()
});

/// The whole answer or the stream, as the request's body asks.
pub(super) fn answer(body: &[u8]) -> Response<Answer> {
    let asks_for = |text: &[u8]| memchr::memmem::find(body, text).is_some();
    let streamed = asks_for(br#""stream":true"#) || asks_for(br#""stream": true"#);
    let (kind, body) = if streamed {
        let chunks: VecDeque<Bytes> = CHUNKS.iter().cloned().collect();
        ("text/event-stream", Answer::pieces(chunks, true))
    } else {
        ("application/json", Answer::whole(WHOLE.clone()))
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
