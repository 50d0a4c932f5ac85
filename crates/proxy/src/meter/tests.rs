mod fixtures;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use keystore_core::Bucket::{InputUncached, OutputText, Requests};

use super::*;
use fixtures::read;

/// About how many tokens every request of these tests has.
const INPUT_TOKENS: u64 = 100;

/// What a meter is made of.
struct Case {
    setup: MeterSetup,
    head: HeaderMap,
}

impl Case {
    fn plain(shape: UsageShape, content_type: &str) -> Self {
        let mut head = HeaderMap::new();
        head.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Self {
            setup: MeterSetup {
                shape,
                hide_usage_chunk: false,
                input_tokens: INPUT_TOKENS,
                asked: None,
            },
            head,
        }
    }
}

/// What a meter says of the chunks, and what it forwards.
fn run<'a>(case: &Case, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Metered, Vec<u8>) {
    let mut meter = Meter::new(case.setup, &case.head);
    let mut forwarded = Vec::new();
    for chunk in chunks {
        meter
            .on_chunk(Bytes::copy_from_slice(chunk))
            .for_each(|piece| forwarded.extend_from_slice(&piece));
    }
    forwarded.extend(meter.on_end().unwrap_or_default());
    (meter.finish(), forwarded)
}

#[test]
fn the_usage_chunk_that_only_we_asked_for_is_hidden() {
    for (name, hidden) in [
        ("streamed.sse", true),
        ("streamed_crlf.sse", true),
        ("streamed_azure.sse", true),
        ("streamed_zero.sse", true),
        ("streamed_tools.sse", true),
        // Usage in a chunk with choices belongs to the client.
        ("streamed_late.sse", false),
        ("streamed_duplicate.sse", false),
        ("streamed_groq.sse", false),
        ("streamed_missing.sse", false),
        ("streamed_error.sse", false),
        ("streamed_aborted.sse", false),
    ] {
        let chat = |hide_usage_chunk| {
            let mut case = Case::plain(UsageShape::OpenaiChat, "text/event-stream");
            case.setup.hide_usage_chunk = hide_usage_chunk;
            case
        };
        let body = read("openai_chat", name);
        let text = String::from_utf8(body.clone()).unwrap();
        let end = if name.contains("crlf") { "\r\n\r\n" } else { "\n\n" };
        let expected: String = text
            .split_inclusive(end)
            .filter(|event| !(hidden && event.contains("\"choices\":[]") && event.contains("\"usage\":{")))
            .collect();
        assert_eq!(expected.len() < text.len(), hidden, "{name}");
        let (plain, _) = run(&chat(false), [&body[..]]);
        for size in [1, 7, 64, body.len()] {
            let (metered, forwarded) = run(&chat(true), body.chunks(size));
            assert_eq!(
                String::from_utf8(forwarded).unwrap(),
                expected,
                "{name} by {size}"
            );
            assert_eq!(metered, plain, "{name} by {size}");
        }
    }
}

#[test]
fn shapes_that_are_not_read() {
    let none = Case::plain(UsageShape::None, "application/json");
    let (none, _) = run(&none, [&b"{}"[..]]);
    assert_eq!(
        (none.usage, none.basis),
        (Usage::ZERO.with(Requests, 1), Basis::Reported)
    );
    // A shape that cannot be read is not free.
    let unread = Case::plain(UsageShape::OpenaiRealtime, "application/json");
    let (unread, _) = run(&unread, [&[b'a'; 30][..]]);
    let expected = Usage::ZERO.with(InputUncached, INPUT_TOKENS).with(OutputText, 10);
    assert_eq!((unread.usage, unread.basis), (expected, Basis::Estimated));
}

#[test]
fn the_end_of_a_large_answer_is_searched() {
    let content = "a".repeat(9 << 20);
    let answer = format!(
        "{{\"choices\":[{{\"message\":{{\"content\":\"{content}\"}}}}],\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":9}}}}"
    );
    let case = Case::plain(UsageShape::OpenaiChat, "application/json");
    let (metered, forwarded) = run(&case, answer.as_bytes().chunks(100_000));
    assert_eq!(
        metered.usage,
        Usage::ZERO.with(InputUncached, 7).with(OutputText, 9)
    );
    assert_eq!(metered.basis, Basis::Reported);
    assert_eq!(forwarded.len(), answer.len());
    // Cut before its usage, it is estimated by its bytes.
    let cut = &answer.as_bytes()[..9 << 20];
    let (metered, _) = run(&case, cut.chunks(100_000));
    assert_eq!(metered.usage.get(OutputText), (cut.len() as u64).div_ceil(3));
    assert_eq!(metered.basis, Basis::Estimated);
}

/// A list of chunks that is too large to be kept is read by its end, too.
#[test]
fn the_end_of_a_large_list_is_searched() {
    let chunk = |text: &str, usage: &str| {
        format!(
            "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}}}],\"usageMetadata\":{usage}}}"
        )
    };
    let list = format!(
        "[{},\r\n{}]",
        chunk(&"a".repeat(9 << 20), r#"{"promptTokenCount":7}"#),
        chunk("b", r#"{"promptTokenCount":7,"candidatesTokenCount":9}"#)
    );
    let case = Case::plain(UsageShape::Gemini, "application/json");
    let (metered, _) = run(&case, list.as_bytes().chunks(100_000));
    let expected = Usage::ZERO.with(InputUncached, 7).with(OutputText, 9);
    assert_eq!((metered.usage, metered.basis), (expected, Basis::Reported));
}

/// A model writes arguments of tools as it likes, and may be told to.
#[test]
fn what_a_model_writes_is_no_usage() {
    let body = |filler: &str| {
        format!(
            "{{\"type\":\"message\",\"content\":[{{\"type\":\"text\",\"text\":\"{filler}\"}},{{\"type\":\"tool_use\",\"input\":{{\"usage\":{{\"input_tokens\":0,\"output_tokens\":0}}}}}}]"
        )
    };
    let case = Case::plain(UsageShape::AnthropicMessages, "application/json");
    for filler in [String::new(), "a".repeat(9 << 20)] {
        let cut = body(&filler);
        let (metered, _) = run(&case, cut.as_bytes().chunks(1 << 20));
        assert_eq!(metered.basis, Basis::Estimated, "cut");
        let whole = format!("{cut},\"usage\":{{\"input_tokens\":5,\"output_tokens\":6}}}}");
        let (metered, _) = run(&case, whole.as_bytes().chunks(1 << 20));
        let expected = Usage::ZERO.with(InputUncached, 5).with(OutputText, 6);
        assert_eq!((metered.usage, metered.basis), (expected, Basis::Reported));
    }
}

#[test]
fn hostile_counters() {
    for (usage, expected) in [
        (r#"{"prompt_tokens":-5,"completion_tokens":"7"}"#, Some((0, 7))),
        (r#"{"prompt_tokens":1.2,"completion_tokens":null}"#, Some((2, 0))),
        (
            r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615}"#,
            Some((1 << 40, 1 << 40)),
        ),
        // More is cached than there is: the whole stays the whole.
        (
            r#"{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":99}}"#,
            Some((10, 1)),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":[]}}"#,
            Some((10, 1)),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":7}"#,
            None,
        ),
        (r#"{"prompt_tokens":{},"completion_tokens":true}"#, None),
        ("{}", None),
        ("[]", None),
        ("null", None),
    ] {
        let answer = format!("{{\"choices\":[],\"usage\":{usage}}}");
        let case = Case::plain(UsageShape::OpenaiChat, "application/json");
        let (metered, _) = run(&case, [answer.as_bytes()]);
        let read = (metered.usage.input_tokens(), metered.usage.output_tokens());
        assert_eq!(
            (metered.basis == Basis::Reported).then_some(read),
            expected,
            "{usage}"
        );
    }
}

/// Vertex has its own words for the tier that served.
#[test]
fn traffic_of_vertex() {
    for (traffic, tier) in [
        ("ON_DEMAND", Some("on_demand")),
        ("ON_DEMAND_PRIORITY", Some("priority")),
        ("ON_DEMAND_FLEX", Some("flex")),
        ("PROVISIONED_THROUGHPUT", None),
    ] {
        let answer = format!(
            "{{\"usageMetadata\":{{\"promptTokenCount\":7,\"trafficType\":\"{traffic}\"}},\"modelVersion\":\"gemini-2.5-flash\"}}"
        );
        let case = Case::plain(UsageShape::Gemini, "application/json");
        let (metered, _) = run(&case, [answer.as_bytes()]);
        assert_eq!(metered.service_tier.as_deref(), tier, "{traffic}");
        assert_eq!(metered.usage, Usage::ZERO.with(InputUncached, 7));
    }
}

#[test]
fn what_is_read() {
    assert!(reads(UsageShape::OpenaiChat) && reads(UsageShape::Gemini) && reads(UsageShape::Resend));
    assert!(!reads(UsageShape::None) && !reads(UsageShape::OpenaiRealtime));
}
