use super::*;
use keystore_core::Bucket::{
    AudioIn, AudioOut, CacheRead, CacheWrite, CacheWrite1h, CacheWrite5m, FileSearches, InputUncached,
    OutputText, Reasoning, Requests, WebSearches,
};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

const REQUEST_BYTES: u64 = 300;

/// A fixture, what it used, whether the vendor reported that, and whether it failed.
type Case = (&'static str, &'static [(Bucket, u64)], bool, bool);

const CHAT: &[Case] = &[
    (
        "buffered.json",
        &[
            (InputUncached, 176),
            (CacheRead, 1_024),
            (OutputText, 118),
            (Reasoning, 192),
        ],
        true,
        false,
    ),
    (
        "cached.json",
        &[
            (InputUncached, 500),
            (CacheRead, 3_000),
            (CacheWrite, 1_500),
            (OutputText, 20),
        ],
        true,
        false,
    ),
    ("zero.json", &[], true, false),
    (
        "missing.json",
        &[(InputUncached, 100), (OutputText, 100)],
        false,
        false,
    ),
    (
        "duplicate.json",
        &[(InputUncached, 40), (OutputText, 7)],
        true,
        false,
    ),
    (
        "aborted.json",
        &[
            (InputUncached, 176),
            (CacheRead, 1_024),
            (OutputText, 118),
            (Reasoning, 192),
        ],
        true,
        false,
    ),
    (
        "audio.json",
        &[
            (InputUncached, 50),
            (CacheRead, 50),
            (AudioIn, 200),
            (OutputText, 20),
            (AudioOut, 80),
        ],
        true,
        false,
    ),
    ("error.json", &[(InputUncached, 100)], false, true),
    ("embeddings.json", &[(InputUncached, 8)], true, false),
    (
        "deepseek.json",
        &[
            (InputUncached, 260),
            (CacheRead, 640),
            (OutputText, 15),
            (Reasoning, 45),
        ],
        true,
        false,
    ),
    (
        "xai.json",
        &[(InputUncached, 100), (OutputText, 9), (Reasoning, 291)],
        true,
        false,
    ),
    (
        "streamed.sse",
        &[
            (InputUncached, 176),
            (CacheRead, 1_024),
            (OutputText, 118),
            (Reasoning, 192),
        ],
        true,
        false,
    ),
    (
        "streamed_crlf.sse",
        &[
            (InputUncached, 176),
            (CacheRead, 1_024),
            (OutputText, 118),
            (Reasoning, 192),
        ],
        true,
        false,
    ),
    (
        "streamed_missing.sse",
        &[(InputUncached, 100), (OutputText, 10)],
        false,
        false,
    ),
    // "Hello" and " there é", in 14 bytes.
    (
        "streamed_aborted.sse",
        &[(InputUncached, 100), (OutputText, 5)],
        false,
        false,
    ),
    ("streamed_zero.sse", &[], true, false),
    (
        "streamed_duplicate.sse",
        &[(InputUncached, 12), (OutputText, 2)],
        true,
        false,
    ),
    (
        "streamed_late.sse",
        &[(InputUncached, 30), (OutputText, 4)],
        true,
        false,
    ),
    (
        "streamed_tools.sse",
        &[(InputUncached, 80), (OutputText, 15)],
        true,
        false,
    ),
    (
        "streamed_azure.sse",
        &[
            (InputUncached, 176),
            (CacheRead, 1_024),
            (OutputText, 118),
            (Reasoning, 192),
        ],
        true,
        false,
    ),
    (
        "streamed_groq.sse",
        &[(InputUncached, 21), (OutputText, 5)],
        true,
        false,
    ),
    (
        "streamed_error.sse",
        &[(InputUncached, 100), (OutputText, 5)],
        false,
        true,
    ),
];

const RESPONSES: &[Case] = &[
    (
        "buffered.json",
        &[
            (InputUncached, 388),
            (CacheRead, 512),
            (OutputText, 86),
            (Reasoning, 64),
        ],
        true,
        false,
    ),
    (
        "tools.json",
        &[
            (InputUncached, 388),
            (CacheRead, 512),
            (OutputText, 86),
            (Reasoning, 64),
            (WebSearches, 2),
            (FileSearches, 1),
        ],
        true,
        false,
    ),
    ("zero.json", &[], true, false),
    // "Hello there".
    (
        "missing.json",
        &[(InputUncached, 100), (OutputText, 4)],
        false,
        false,
    ),
    (
        "cached.json",
        &[
            (InputUncached, 100),
            (CacheRead, 300),
            (CacheWrite, 600),
            (OutputText, 10),
        ],
        true,
        false,
    ),
    (
        "streamed.sse",
        &[
            (InputUncached, 388),
            (CacheRead, 512),
            (OutputText, 86),
            (Reasoning, 64),
        ],
        true,
        false,
    ),
    (
        "streamed_unnamed.sse",
        &[
            (InputUncached, 388),
            (CacheRead, 512),
            (OutputText, 86),
            (Reasoning, 64),
            (WebSearches, 2),
            (FileSearches, 1),
        ],
        true,
        false,
    ),
    (
        "streamed_tools.sse",
        &[
            (InputUncached, 388),
            (CacheRead, 512),
            (OutputText, 86),
            (Reasoning, 64),
            (WebSearches, 2),
            (FileSearches, 1),
        ],
        true,
        false,
    ),
    // The searches that were made before the stream broke off are counted.
    (
        "streamed_tools_aborted.sse",
        &[
            (InputUncached, 100),
            (OutputText, 4),
            (WebSearches, 2),
            (FileSearches, 1),
        ],
        false,
        false,
    ),
    (
        "streamed_incomplete.sse",
        &[
            (InputUncached, 388),
            (CacheRead, 512),
            (OutputText, 86),
            (Reasoning, 64),
        ],
        true,
        false,
    ),
    (
        "streamed_failed.sse",
        &[(InputUncached, 100), (OutputText, 4)],
        false,
        true,
    ),
    ("streamed_error.sse", &[(InputUncached, 100)], false, true),
];

const ANTHROPIC: &[Case] = &[
    (
        "buffered.json",
        &[
            (InputUncached, 25),
            (CacheRead, 12_000),
            (CacheWrite5m, 1_000),
            (CacheWrite1h, 2_000),
            (OutputText, 480),
            (WebSearches, 3),
        ],
        true,
        false,
    ),
    (
        "cached_without_lifetimes.json",
        &[(InputUncached, 10), (CacheWrite5m, 700), (OutputText, 5)],
        true,
        false,
    ),
    (
        "reasoning.json",
        &[(InputUncached, 10), (OutputText, 80), (Reasoning, 420)],
        true,
        false,
    ),
    ("fast.json", &[(InputUncached, 10), (OutputText, 5)], true, false),
    ("zero.json", &[], true, false),
    (
        "missing.json",
        &[(InputUncached, 100), (OutputText, 4)],
        false,
        false,
    ),
    ("error.json", &[(InputUncached, 100)], false, true),
    (
        "aborted.json",
        &[
            (InputUncached, 25),
            (CacheRead, 12_000),
            (CacheWrite5m, 1_000),
            (CacheWrite1h, 2_000),
            (OutputText, 480),
            (WebSearches, 3),
        ],
        true,
        false,
    ),
    (
        "streamed.sse",
        &[
            (InputUncached, 25),
            (CacheRead, 12_000),
            (CacheWrite5m, 1_000),
            (CacheWrite1h, 2_000),
            (OutputText, 480),
        ],
        true,
        false,
    ),
    (
        "streamed_late.sse",
        &[
            (InputUncached, 9_000),
            (CacheRead, 12_500),
            (CacheWrite5m, 1_000),
            (CacheWrite1h, 2_000),
            (OutputText, 510),
            (WebSearches, 2),
        ],
        true,
        false,
    ),
    (
        "streamed_duplicate.sse",
        &[
            (InputUncached, 25),
            (CacheRead, 12_000),
            (CacheWrite5m, 1_000),
            (CacheWrite1h, 2_000),
            (OutputText, 480),
        ],
        true,
        false,
    ),
    // The input is known; the output is what was relayed: 5 and 42 bytes.
    (
        "streamed_aborted.sse",
        &[
            (InputUncached, 25),
            (CacheRead, 12_000),
            (CacheWrite5m, 1_000),
            (CacheWrite1h, 2_000),
            (OutputText, 16),
        ],
        false,
        false,
    ),
    (
        "streamed_error.sse",
        &[
            (InputUncached, 25),
            (CacheRead, 12_000),
            (CacheWrite5m, 1_000),
            (CacheWrite1h, 2_000),
            (OutputText, 16),
        ],
        false,
        true,
    ),
    (
        "streamed_missing.sse",
        &[(InputUncached, 100), (OutputText, 16)],
        false,
        false,
    ),
    (
        "streamed_tools.sse",
        &[(InputUncached, 400), (OutputText, 33)],
        true,
        false,
    ),
];

const SHAPES: [(&str, UsageShape, &[Case]); 3] = [
    ("openai_chat", UsageShape::OpenaiChat, CHAT),
    ("openai_responses", UsageShape::OpenaiResponses, RESPONSES),
    ("anthropic_messages", UsageShape::AnthropicMessages, ANTHROPIC),
];

fn fixture(shape: &str, name: &str) -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(shape)
            .join(name),
    )
    .unwrap()
}

fn setup(shape: UsageShape, name: &str, hide_usage_chunk: bool) -> MeterSetup {
    MeterSetup {
        shape,
        streamed: name.ends_with(".sse"),
        hide_usage_chunk,
        request_bytes: REQUEST_BYTES,
    }
}

/// What a meter says of the chunks, and what it forwards.
fn run<'a>(setup: MeterSetup, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Metered, Vec<u8>) {
    let mut meter = Meter::new(setup);
    let mut forwarded = Vec::new();
    for chunk in chunks {
        meter
            .on_chunk(Bytes::copy_from_slice(chunk))
            .for_each(|piece| forwarded.extend_from_slice(&piece));
    }
    forwarded.extend(meter.on_end().unwrap_or_default());
    (meter.finish(), forwarded)
}

fn metered(shape: UsageShape, folder: &str, name: &str) -> Metered {
    run(setup(shape, name, false), [&fixture(folder, name)[..]]).0
}

#[test]
fn fixtures_in_one_piece_and_byte_by_byte() {
    for (folder, shape, cases) in SHAPES {
        for (name, usage, reported, failed) in cases {
            let body = fixture(folder, name);
            let expected = usage
                .iter()
                .fold(Usage::ZERO, |usage, (bucket, units)| usage.with(*bucket, *units));
            let setup = setup(shape, name, false);
            let (whole, forwarded) = run(setup, [&body[..]]);
            assert_eq!(whole.usage, expected, "{folder}/{name}");
            assert_eq!(
                (whole.reported, whole.failed),
                (*reported, *failed),
                "{folder}/{name}"
            );
            assert_eq!(whole.output_bytes_seen, body.len() as u64);
            assert_eq!(forwarded, body, "{folder}/{name}");
            assert_eq!(
                run(setup, body.chunks(1)),
                (whole, body.clone()),
                "{folder}/{name} in bytes"
            );
        }
    }
}

#[test]
fn every_fixture_is_in_a_table() {
    for (folder, _, cases) in SHAPES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(folder);
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut expected: Vec<_> = cases.iter().map(|(name, ..)| (*name).to_owned()).collect();
        expected.sort();
        assert_eq!(names, expected, "{folder}");
    }
}

#[test]
fn what_the_vendor_says_it_served() {
    for (folder, shape, name, model, tier) in [
        (
            "openai_chat",
            UsageShape::OpenaiChat,
            "buffered.json",
            Some("gpt-5.2-2025-12-11"),
            Some("default"),
        ),
        (
            "openai_chat",
            UsageShape::OpenaiChat,
            "streamed_aborted.sse",
            Some("gpt-5.2"),
            None,
        ),
        ("openai_chat", UsageShape::OpenaiChat, "error.json", None, None),
        (
            "openai_responses",
            UsageShape::OpenaiResponses,
            "streamed.sse",
            Some("gpt-5.2-2025-12-11"),
            Some("default"),
        ),
        (
            "openai_responses",
            UsageShape::OpenaiResponses,
            "streamed_tools_aborted.sse",
            Some("gpt-5.2-2025-12-11"),
            Some("default"),
        ),
        (
            "anthropic_messages",
            UsageShape::AnthropicMessages,
            "streamed.sse",
            Some("claude-opus-4-6"),
            Some("standard"),
        ),
        (
            "anthropic_messages",
            UsageShape::AnthropicMessages,
            "reasoning.json",
            Some("claude-opus-4-6"),
            Some("priority"),
        ),
        (
            "anthropic_messages",
            UsageShape::AnthropicMessages,
            "fast.json",
            Some("claude-opus-4-6"),
            Some("fast"),
        ),
    ] {
        let metered = metered(shape, folder, name);
        let served = (metered.served_model.as_deref(), metered.service_tier.as_deref());
        assert_eq!(served, (model, tier), "{folder}/{name}");
    }
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
        let body = fixture("openai_chat", name);
        let text = String::from_utf8(body.clone()).unwrap();
        let end = if name.contains("crlf") { "\r\n\r\n" } else { "\n\n" };
        let expected: String = text
            .split_inclusive(end)
            .filter(|event| !(hidden && event.contains("\"choices\":[]") && event.contains("\"usage\":{")))
            .collect();
        assert_eq!(expected.len() < text.len(), hidden, "{name}");
        let (plain, _) = run(setup(UsageShape::OpenaiChat, name, false), [&body[..]]);
        for size in [1, 7, 64, body.len()] {
            let (metered, forwarded) = run(setup(UsageShape::OpenaiChat, name, true), body.chunks(size));
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
    let setup = |shape| MeterSetup {
        shape,
        streamed: false,
        hide_usage_chunk: false,
        request_bytes: REQUEST_BYTES,
    };
    let (none, _) = run(setup(UsageShape::None), [&b"{}"[..]]);
    assert_eq!((none.usage, none.reported), (Usage::ZERO.with(Requests, 1), true));
    // A shape that cannot be read yet is not free.
    let (unread, _) = run(setup(UsageShape::Cohere), [&[b'a'; 30][..]]);
    let expected = Usage::ZERO.with(InputUncached, 100).with(OutputText, 10);
    assert_eq!((unread.usage, unread.reported), (expected, false));
}

#[test]
fn the_end_of_a_large_answer_is_searched() {
    let content = "a".repeat(9 << 20);
    let answer = format!(
        "{{\"choices\":[{{\"message\":{{\"content\":\"{content}\"}}}}],\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":9}}}}"
    );
    let setup = setup(UsageShape::OpenaiChat, "large.json", false);
    let (metered, forwarded) = run(setup, answer.as_bytes().chunks(100_000));
    assert_eq!(
        metered.usage,
        Usage::ZERO.with(InputUncached, 7).with(OutputText, 9)
    );
    assert!(metered.reported);
    assert_eq!(forwarded.len(), answer.len());
    // Cut before its usage, it is estimated by its bytes.
    let cut = &answer.as_bytes()[..9 << 20];
    let (metered, _) = run(setup, cut.chunks(100_000));
    assert_eq!(metered.usage.get(OutputText), (cut.len() as u64).div_ceil(3));
    assert!(!metered.reported);
}

#[test]
fn hostile_counters() {
    for (usage, expected) in [
        (r#"{"prompt_tokens":-5,"completion_tokens":"7"}"#, Some((0, 7))),
        (r#"{"prompt_tokens":1.2,"completion_tokens":null}"#, Some((2, 0))),
        (
            r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615}"#,
            Some((u64::MAX, u64::MAX)),
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
        let (metered, _) = run(
            setup(UsageShape::OpenaiChat, "a.json", false),
            [answer.as_bytes()],
        );
        let read = (metered.usage.input_tokens(), metered.usage.output_tokens());
        assert_eq!(metered.reported.then_some(read), expected, "{usage}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Wherever the chunks end: the same usage, and the same bytes.
    #[test]
    fn chunks_do_not_matter(
        shape in 0_usize..3,
        case in any::<prop::sample::Index>(),
        hide: bool,
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let (folder, shape, cases) = SHAPES[shape];
        let (name, ..) = cases[case.index(cases.len())];
        let body = fixture(folder, name);
        let setup = setup(shape, name, hide);
        let mut places: Vec<usize> = places.iter().map(|place| place.index(body.len() + 1)).chain([0, body.len()]).collect();
        places.sort_unstable();
        let chunks = places.windows(2).map(|pair| &body[pair[0]..pair[1]]);
        prop_assert_eq!(run(setup, chunks), run(setup, [&body[..]]));
    }

    /// Wherever a stream breaks off: it is never free, what was said before stands, and what is forwarded is what came.
    #[test]
    fn broken_streams(shape in 0_usize..3, case in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let (folder, shape, cases) = SHAPES[shape];
        let (name, ..) = cases[case.index(cases.len())];
        let body = fixture(folder, name);
        let cut = &body[..at.index(body.len())];
        let (metered, forwarded) = run(setup(shape, name, false), [cut]);
        prop_assert_eq!(&forwarded, &cut);
        prop_assert!(metered.reported || metered.usage.input_tokens() > 0);
    }
}

#[test]
fn what_is_read() {
    assert!(reads(UsageShape::OpenaiChat) && reads(UsageShape::AnthropicMessages));
    assert!(!reads(UsageShape::None) && !reads(UsageShape::Gemini));
}
