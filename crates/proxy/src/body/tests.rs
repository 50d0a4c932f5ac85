use super::content::TOKENS_PER_IMAGE;
use super::*;
use bytes::Bytes;
use keystore_catalog::UsageShape;
use proptest::prelude::*;
use serde_json::{Value, json};

const CHAT: UsageShape = UsageShape::OpenaiChat;

/// The member that caps the operations of a shape, at the vendor that the shape is named for.
fn own(shape: UsageShape) -> Option<OutputCap> {
    match shape {
        UsageShape::OpenaiChat => Some(OutputCap::MaxCompletionTokens),
        UsageShape::OpenaiResponses => Some(OutputCap::MaxOutputTokens),
        UsageShape::AnthropicMessages => Some(OutputCap::MaxTokens),
        _ => None,
    }
}

#[test]
fn a_member_that_the_vendor_does_not_know_caps_nothing() {
    let body = br#"{"model":"m","max_completion_tokens":5}"#;
    let cap = |own| read(body, own).unwrap().max_output;
    assert_eq!(cap(Some(OutputCap::MaxCompletionTokens)), Some(5));
    assert_eq!(cap(Some(OutputCap::MaxTokens)), None);
    assert_eq!(cap(None), None);
}

fn facts(body: &str, shape: UsageShape) -> RequestFacts<'_> {
    read(body.as_bytes(), own(shape)).unwrap()
}

#[test]
fn a_chat_request() {
    let body = r#"{ "model": "gpt-5.2", "stream": true, "n": 3, "max_completion_tokens": 500, "service_tier": "flex",
        "stream_options": {"include_usage": false}, "messages": [{"role": "user", "content": "n: 7, \"stream\""}] }"#;
    let facts = facts(body, CHAT);
    assert_eq!(facts.model.as_deref(), Some("gpt-5.2"));
    assert!(facts.stream && !facts.unbounded_input && !facts.background);
    assert_eq!((facts.n, facts.max_output), (3, Some(500)));
    assert_eq!(facts.include_usage, Some(false));
    assert_eq!(facts.service_tier.as_deref(), Some("flex"));
    assert_eq!(facts.input_tokens, body.len() as u64 + TOKENS_AROUND_A_BODY);
    assert!(facts.calls.is_empty());
}

#[test]
fn the_least_request() {
    let facts = facts("{}", CHAT);
    assert_eq!((facts.model, facts.n, facts.max_output), (None, 1, None));
    assert!(!facts.stream);
}

#[test]
fn two_readings_are_refused() {
    for body in [
        "",
        "[]",
        "null",
        "\"{}\"",
        "{",
        "{}{}",
        "{} x",
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","mod\u0065l":"b"}"#,
        r#"{"model":"a","Model":"b"}"#,
        r#"{"Model":"b"}"#,
        r#"{"N":100}"#,
        r#"{"x":1,"X":2}"#,
        r#"{"stream_options":{"include_usage":true,"include_usage":false}}"#,
        r#"{"stream_options":{"include_usage":true,"Include_Usage":false}}"#,
        r#"{"model":"a",}"#,
        "{\"model\":\"a\nb\"}",
        "\u{feff}{}",
        r#"{"stream":"true"}"#,
        r#"{"stream":1}"#,
        r#"{"background":"true"}"#,
        r#"{"stream_options":{"include_usage":"false"}}"#,
        r#"{"n":"1_000"}"#,
        r#"{"n":"x"}"#,
    ] {
        assert_eq!(
            read(body.as_bytes(), own(CHAT)).err(),
            Some(Malformed::Json),
            "{body}"
        );
    }
    assert!(read(b"{\"model\":\"\xff\"}", own(CHAT)).is_err());
    let many: Vec<String> = (0..257).map(|number| format!("\"m{number}\":0")).collect();
    assert!(read(format!("{{{}}}", many.join(",")).as_bytes(), own(CHAT)).is_err());
    assert!(read(format!("{{{}}}", many[1..].join(",")).as_bytes(), own(CHAT)).is_ok());
}

#[test]
fn numbers_however_they_are_written() {
    for (n, expected) in [
        ("4", 4),
        ("4.0", 4),
        ("3.2", 4),
        ("4e0", 4),
        ("\"4\"", 4),
        ("null", 1),
        ("-3", 1),
        ("0", 1),
        ("true", 1),
        ("[9]", 1),
        ("99999999999999999999999", u64::MAX),
        ("1e400", u64::MAX),
    ] {
        let body = format!("{{\"n\":{n}}}");
        assert_eq!(facts(&body, CHAT).n, expected, "{n}");
    }
}

#[test]
fn every_prompt_of_a_completion_is_answered() {
    for (body, n) in [
        (r#"{"prompt":"a","n":2}"#, 2),
        (r#"{"prompt":["a","b","c"],"n":2,"best_of":5}"#, 15),
        (r#"{"prompt":[1,2,3]}"#, 1),
        (r#"{"prompt":[[1],[2]]}"#, 2),
        (
            r#"{"generationConfig":{"candidateCount":4,"maxOutputTokens":9}}"#,
            4,
        ),
    ] {
        assert_eq!(facts(body, CHAT).n, n, "{body}");
    }
}

#[test]
fn the_cap_is_the_member_of_the_shape() {
    let all = r#"{"max_tokens":1,"max_completion_tokens":2,"max_output_tokens":3}"#;
    assert_eq!(facts(all, CHAT).max_output, Some(2));
    assert_eq!(facts(all, UsageShape::OpenaiResponses).max_output, Some(3));
    assert_eq!(facts(all, UsageShape::AnthropicMessages).max_output, Some(1));
    assert_eq!(facts(r#"{"max_tokens":null}"#, CHAT).max_output, None);
    assert_eq!(facts(r#"{"max_tokens":-1}"#, CHAT).max_output, None);
}

#[test]
fn input_that_the_body_does_not_bound() {
    for body in [
        r#"{"previous_response_id":"resp_1"}"#,
        r#"{"conversation":{"id":"conv_1"}}"#,
        r#"{"prompt":{"id":"pmpt_1"}}"#,
        r#"{"input":[{"type":"item_reference","id":"m_1"}]}"#,
        r#"{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}"#,
        r#"{"input":[{"content":[{"type":"input_image","image_url":"https://example.org/a.png"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"image_url","image_url":{"detail":"low","url":"https://example.org/a.png"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"image_url","image\u005furl":{"url":"https://example.org/a.png"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AA"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"image","source":{"type":"url","url":"https://example.org/a.png"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf"}}]}]}"#,
        r#"{"contents":[{"parts":[{"fileData":{"fileUri":"gs://a/b"}}]}]}"#,
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"Video/mp4","data":"AA"}}]}]}"#,
        r#"{"messages":[{"content":[{"document":{"format":"pdf","source":{"bytes":"AA"}}}]}]}"#,
        r#"{"messages":[{"content":[{"image":{"format":"png","source":{"s3Location":{"uri":"s3://a/b"}}}}]}]}"#,
        r#"{"input":[{"image":"https://example.org/a.png"}]}"#,
        r#"{"images":["https://example.org/a.png"]}"#,
        r#"{"conversation_id":"c"}"#,
        r#"{"tools":[{"type":"function","name":"f"},{"type":"code_interpreter"}]}"#,
        r#"{"tools":[{"googleSearch":{}}]}"#,
        r#"{"tools":[{"type":"function","type":"mcp"}]}"#,
        r#"{"tools":"all"}"#,
        r#"{"mcp_servers":[{"url":"https://example.org"}]}"#,
    ] {
        let facts = facts(body, CHAT);
        assert!(facts.unbounded_input || facts.rounds.is_none(), "{body}");
    }
    for body in [
        r#"{"previous_response_id":null,"conversation":null}"#,
        r#"{"messages":[{"content":"https://example.org/a.png file_id previous_response_id"}]}"#,
        r#"{"messages":[{"content":[{"type":"tool_use","name":"fetch","input":{"url":"https://example.org"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a"}}]}]}"#,
        r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"file_id":{}}}}}]}"#,
        r#"{"tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}]}"#,
        r#"{"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#,
        r#"{"tools":null}"#,
    ] {
        let facts = facts(body, CHAT);
        assert!(!facts.unbounded_input && facts.rounds == Some(1), "{body}");
    }
}

#[test]
fn images_in_the_body_count_as_the_dearest_image() {
    let body = r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
        {"type":"input_image","image_url":"DATA:image/png;base64,AAAA"},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}"#;
    let facts = facts(body, CHAT);
    assert!(!facts.unbounded_input);
    assert_eq!(
        facts.input_tokens,
        body.len() as u64 + TOKENS_AROUND_A_BODY + 3 * TOKENS_PER_IMAGE
    );
}

#[test]
fn tools_with_a_fee() {
    let web = |most| vec![(Bucket::WebSearches, most)];
    let responses = UsageShape::OpenaiResponses;
    assert_eq!(
        facts(r#"{"tools":[{"type":"web_search"}]}"#, responses).calls,
        web(None)
    );
    assert_eq!(
        facts(
            r#"{"max_tool_calls":3,"tools":[{"type":"web_search"}]}"#,
            responses
        )
        .calls,
        web(Some(3))
    );
    assert_eq!(
        facts(
            r#"{"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":5}]}"#,
            UsageShape::AnthropicMessages
        )
        .calls,
        web(Some(5))
    );
    assert_eq!(facts(r#"{"web_search_options":{}}"#, CHAT).calls, web(Some(1)));
    let facts = facts(
        r#"{"tools":[{"type":"bash_20250124","name":"bash"}]}"#,
        UsageShape::AnthropicMessages,
    );
    assert!(facts.calls.is_empty() && !facts.unbounded_input);
    assert!(facts.input_tokens > 51 + TOKENS_AROUND_A_BODY);
}

/// A tool that runs at the vendor has it read the input once more after each call.
#[test]
fn rounds_are_bounded_by_the_calls_of_served_tools() {
    for (body, rounds) in [
        ("{}", Some(1)),
        (r#"{"tools":[{"type":"function","name":"f"}]}"#, Some(1)),
        (
            r#"{"tools":[{"type":"bash_20250124","name":"bash"},{"type":"computer_use_preview"}]}"#,
            Some(1),
        ),
        (
            r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
            None,
        ),
        (
            r#"{"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":5}]}"#,
            Some(6),
        ),
        (
            r#"{"tools":[{"type":"web_search_20250305","name":"a","max_uses":5},{"type":"web_fetch_20250910","name":"b","max_uses":2}]}"#,
            Some(8),
        ),
        (
            r#"{"tools":[{"type":"web_search_20250305","name":"a","max_uses":5},{"type":"web_fetch_20250910","name":"b"}]}"#,
            None,
        ),
        (
            r#"{"tools":[{"functionDeclarations":[{"name":"f"}]},{"urlContext":{}}]}"#,
            None,
        ),
        (r#"{"mcp_servers":[{"url":"https://example.org"}]}"#, None),
        (
            r#"{"mcp_servers":null,"plugins":null,"enable_search":false}"#,
            Some(1),
        ),
        (r#"{"plugins":[{"id":"web"}]}"#, None),
        (r#"{"enable_search":true}"#, None),
        (r#"{"connectors":[{"id":"web-search"}]}"#, None),
        (
            r#"{"toolConfig":{"tools":[{"toolSpec":{"name":"f"}},{"cachePoint":{"type":"default"}}]}}"#,
            Some(1),
        ),
        (
            r#"{"toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}}"#,
            None,
        ),
        (r#"{"additionalModelRequestFields":{"top_k":5}}"#, Some(1)),
        (r#"{"additionalModelRequestFields":{"max_tokens":5}}"#, None),
        (
            r#"{"additionalModelRequestFields":{"inferenceConfig":{"maxTokens":5}}}"#,
            None,
        ),
        (r#"{"performanceConfig":{"latency":"optimized"}}"#, None),
        (
            r#"{"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"compaction":null}"#,
            Some(1),
        ),
        (
            r#"{"context_management":{"edits":[{"type":"compact_20260112","trigger":{"type":"input_tokens","value":50000}}]}}"#,
            None,
        ),
        (
            r#"{"context_management":[{"type":"compaction","compact_threshold":200000}]}"#,
            None,
        ),
        (r#"{"compaction":{"type":"summarize"}}"#, None),
    ] {
        assert_eq!(facts(body, CHAT).rounds, rounds, "{body}");
    }
}

/// `max_tool_calls` is a member of OpenAI's responses: others ignore it.
#[test]
fn rounds_are_bounded_by_the_calls_that_openai_allows() {
    const RESPONSES: UsageShape = UsageShape::OpenaiResponses;
    let both = r#"{"max_tool_calls":3,"tools":[{"type":"web_search"},{"type":"mcp","server_url":"https://example.org"}]}"#;
    assert_eq!(facts(both, RESPONSES).rounds, Some(4));
    assert_eq!(facts(both, CHAT).rounds, None);
    for body in [
        r#"{"max_tool_calls":3,"tools":[{"type":"code_interpreter"}]}"#,
        r#"{"max_tool_calls":3,"tools":[{"googleSearch":{}}]}"#,
    ] {
        assert_eq!(facts(body, RESPONSES).rounds, None, "{body}");
    }
}

/// A tool that is not known may cost anything: its uses bound nothing.
#[test]
fn uses_bound_what_known_tools_cost() {
    for (rounds, kinds) in [
        (
            Some(1),
            &[
                "function",
                "custom",
                "bash_20250124",
                "text_editor_20250728",
                "computer_20251124",
                "computer_use_preview",
                "memory_20250818",
                "local_shell",
                "apply_patch",
            ][..],
        ),
        (
            Some(3),
            &[
                "web_search",
                "web_search_preview_2025_03_11",
                "web_search_20250305",
                "web_fetch_20250910",
                "tool_search_tool_bm25_20251119",
                "file_search",
                "image_generation",
                "mcp",
            ][..],
        ),
        (
            None,
            &[
                "advisor_20260301",
                "openrouter:advisor",
                "openrouter:web_search",
                "bash_code_execution",
                "code_execution_20250825",
                "code_interpreter",
                "shell",
                "x_search",
                "mcp_toolset",
                "",
            ][..],
        ),
    ] {
        for kind in kinds {
            let body =
                format!(r#"{{"max_tool_calls":3,"tools":[{{"type":"{kind}","name":"a","max_uses":2}}]}}"#);
            assert_eq!(facts(&body, UsageShape::OpenaiResponses).rounds, rounds, "{kind}");
        }
    }
}

#[test]
fn whatever_else_may_serve_a_request_is_named() {
    let facts = facts(
        r#"{"model":"a","models":["b","c"],"serviceTier":{"type":"flex"}}"#,
        CHAT,
    );
    assert_eq!(facts.other_models, ["b", "c"]);
    assert_eq!(facts.service_tier.as_deref(), Some("flex"));
}

#[test]
fn fallbacks_may_serve_a_request_too() {
    for (body, models, rounds) in [
        (r#"{"fallbacks":null}"#, vec![], Some(1)),
        (r#"{"fallbacks":[{"model":"b"},"c"]}"#, vec!["b", "c"], Some(1)),
        (
            r#"{"models":["b"],"fallbacks":{"model":"c"}}"#,
            vec!["b", "c"],
            Some(1),
        ),
        // The vendor chooses: no list of models has it.
        (r#"{"fallbacks":"default"}"#, vec!["default"], Some(1)),
        (
            r#"{"fallbacks":[{"model":"b","Model":"c","max_tokens":null}]}"#,
            vec!["b", "c"],
            Some(1),
        ),
        (
            r#"{"fallbacks":[{"model":"b","max_tokens":128000}]}"#,
            vec!["b"],
            None,
        ),
        (r#"{"fallbacks":[{"model":"b","speed":"fast"}]}"#, vec!["b"], None),
    ] {
        let facts = facts(body, UsageShape::AnthropicMessages);
        assert_eq!(facts.other_models, models, "{body}");
        assert_eq!(facts.rounds, rounds, "{body}");
    }
    for body in [
        r#"{"fallbacks":true}"#,
        r#"{"fallbacks":{}}"#,
        r#"{"fallbacks":[7]}"#,
        r#"{"fallbacks":[["b"]]}"#,
        r#"{"fallbacks":[{"model":7}]}"#,
        r#"{"fallbacks":["b",{"max_tokens":9}]}"#,
        r#"{"Fallbacks":["b"]}"#,
    ] {
        assert!(read(body.as_bytes(), own(CHAT)).is_err(), "{body}");
    }
}

#[test]
fn fast_stays_whatever_tier_is_asked_for() {
    for body in [
        r#"{"speed":"fast","service_tier":"standard_only"}"#,
        r#"{"service_tier":"standard_only","speed":"fast"}"#,
    ] {
        let facts = facts(body, UsageShape::AnthropicMessages);
        assert_eq!(facts.service_tier.as_deref(), Some("fast"), "{body}");
    }
    let twice = br#"{"service_tier":"flex","serviceTier":{"type":"priority"}}"#;
    assert!(read(twice, None).is_err());
}

/// Without it a budget could not bound what the model says.
#[test]
fn operations_name_the_cap_that_stands_inside() {
    for (slug, operation, cap) in [
        ("aws-bedrock", "converse", OutputCap::InferenceConfig),
        ("aws-bedrock", "converse_stream", OutputCap::InferenceConfig),
        ("vertex-ai", "generate_content", OutputCap::GenerationConfig),
        (
            "vertex-ai",
            "stream_generate_content",
            OutputCap::GenerationConfig,
        ),
    ] {
        let provider = keystore_catalog::provider(slug).unwrap();
        let mut operations = provider.operations.iter();
        let found = operations.find(|known| known.name == operation).unwrap();
        assert_eq!(found.output_cap, Some(cap), "{slug} {operation}");
    }
}

/// Only Gemini knows two spellings. Elsewhere the other one caps nothing, and is refused where it could seem to.
#[test]
fn a_cap_is_spelled_as_the_vendor_does() {
    for (body, own, expected) in [
        (
            r#"{"inferenceConfig":{"maxTokens":9}}"#,
            OutputCap::InferenceConfig,
            Some(Some(9)),
        ),
        (
            r#"{"max_tokens":9,"generationConfig":{"maxTokens":9,"":9}}"#,
            OutputCap::InferenceConfig,
            Some(None),
        ),
        (
            r#"{"inferenceConfig":{"max_tokens":9}}"#,
            OutputCap::InferenceConfig,
            None,
        ),
        (
            r#"{"inference_config":{"maxTokens":9}}"#,
            OutputCap::InferenceConfig,
            None,
        ),
        (
            r#"{"inferenceConfig":{"maxTokens":9},"inference_config":{}}"#,
            OutputCap::InferenceConfig,
            None,
        ),
        (r#"{"options":{"numPredict":9}}"#, OutputCap::Options, None),
        (r#"{"generationConfig":{"":9}}"#, OutputCap::MaxTokens, Some(None)),
    ] {
        let read = read(body.as_bytes(), Some(own)).ok();
        assert_eq!(read.map(|facts| facts.max_output), expected, "{body}");
    }
}

#[test]
fn caps_that_stand_inside() {
    const GEMINI: Option<OutputCap> = Some(OutputCap::GenerationConfig);
    for (body, cap, n) in [
        ("{}", None, 1),
        (
            r#"{"generationConfig":{"maxOutputTokens":9,"candidateCount":4}}"#,
            Some(9),
            4,
        ),
        (
            r#"{"generation_config":{"max_output_tokens":9,"candidate_count":4}}"#,
            Some(9),
            4,
        ),
        (r#"{"generationConfig":{"maxOutputTokens":null}}"#, None, 1),
        (r#"{"generationConfig":null,"max_tokens":5}"#, None, 1),
        (
            r#"{"contents":[{"generationConfig":{"maxOutputTokens":9}}]}"#,
            None,
            1,
        ),
    ] {
        let facts = read(body.as_bytes(), GEMINI).unwrap();
        assert_eq!((facts.max_output, facts.n), (cap, n), "{body}");
    }
    for body in [
        r#"{"generationConfig":{"maxOutputTokens":9},"generation_config":{"max_output_tokens":90}}"#,
        r#"{"generationConfig":{"maxOutputTokens":9,"max_output_tokens":90}}"#,
        r#"{"generationConfig":{"maxOutputTokens":9,"maxOutputTokens":90}}"#,
        r#"{"GenerationConfig":{}}"#,
    ] {
        assert!(read(body.as_bytes(), GEMINI).is_err(), "{body}");
    }
    let with = |body: &str, member| {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let layout = read(&body, Some(member)).unwrap().layout;
        let edits = Edits {
            output_cap: Some((member, 512)),
            ..Edits::default()
        };
        String::from_utf8(splice(&body, &layout, edits).to_vec()).unwrap()
    };
    for (body, member, expected) in [
        (
            "{}",
            OutputCap::GenerationConfig,
            r#"{"generationConfig":{"maxOutputTokens":512}}"#,
        ),
        (
            r#"{"contents":[],"generation_config":{ "temperature": 1 }}"#,
            OutputCap::GenerationConfig,
            r#"{"contents":[],"generation_config":{"maxOutputTokens":512, "temperature": 1 }}"#,
        ),
        (
            r#"{"generationConfig": {"max_output_tokens" : null}}"#,
            OutputCap::GenerationConfig,
            r#"{"generationConfig": {"max_output_tokens" : 512}}"#,
        ),
        (
            r#"{"generationConfig":null}"#,
            OutputCap::GenerationConfig,
            r#"{"generationConfig":{"maxOutputTokens":512}}"#,
        ),
        (
            r#"{"messages":[],"inferenceConfig":{}}"#,
            OutputCap::InferenceConfig,
            r#"{"messages":[],"inferenceConfig":{"maxTokens":512}}"#,
        ),
        // Another vendor's object is not the place.
        (
            r#"{"generationConfig":{}}"#,
            OutputCap::InferenceConfig,
            r#"{"inferenceConfig":{"maxTokens":512},"generationConfig":{}}"#,
        ),
        (
            r#"{"options":{"num_predict":-1}}"#,
            OutputCap::Options,
            r#"{"options":{"num_predict":512}}"#,
        ),
    ] {
        assert_eq!(with(body, member), expected, "{body}");
    }
}

fn spliced(body: &str, edits: Edits<'_>) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let layout = read(&body, own(CHAT)).unwrap().layout;
    String::from_utf8(splice(&body, &layout, edits).to_vec()).unwrap()
}

#[test]
fn splices_touch_nothing_else() {
    let usage = Edits {
        include_usage: true,
        ..Edits::default()
    };
    for (body, expected) in [
        ("{}", r#"{"stream_options":{"include_usage":true}}"#),
        (" { } ", r#" {"stream_options":{"include_usage":true} } "#),
        (
            r#"{ "a" : 1}"#,
            r#"{"stream_options":{"include_usage":true}, "a" : 1}"#,
        ),
        (
            r#"{"stream_options":null,"b":2}"#,
            r#"{"stream_options":{"include_usage":true},"b":2}"#,
        ),
        (
            r#"{"stream_options": { } }"#,
            r#"{"stream_options": {"include_usage":true } }"#,
        ),
        (
            r#"{"stream_options":{"include_obfuscation":false}}"#,
            r#"{"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
        ),
        (
            r#"{"a":{"stream_options":0},"stream_options":{"x":1,"include_usage": false}}"#,
            r#"{"a":{"stream_options":0},"stream_options":{"x":1,"include_usage": true}}"#,
        ),
    ] {
        assert_eq!(spliced(body, usage), expected);
    }
    let both = Edits {
        include_usage: true,
        output_cap: Some((OutputCap::MaxCompletionTokens, 4_096)),
        ..Edits::default()
    };
    let named = |member| Edits {
        end_user: Some((member, "0a1b")),
        ..both
    };
    assert_eq!(
        spliced(r#"{"stream_options":{}}"#, named("user")),
        r#"{"max_completion_tokens":4096,"user":"0a1b","stream_options":{"include_usage":true}}"#
    );
    assert_eq!(
        spliced("{}", named("metadata.user_id")),
        r#"{"stream_options":{"include_usage":true},"max_completion_tokens":4096,"metadata":{"user_id":"0a1b"}}"#
    );
    assert_eq!(
        spliced("{}", both),
        r#"{"stream_options":{"include_usage":true},"max_completion_tokens":4096}"#
    );
    assert_eq!(
        spliced(r#"{"max_completion_tokens" : null, "stream_options":{}}"#, both),
        r#"{"max_completion_tokens" : 4096, "stream_options":{"include_usage":true}}"#
    );
    let untouched = Bytes::from_static(b"{}");
    let layout = read(&untouched, own(CHAT)).unwrap().layout;
    assert_eq!(
        splice(&untouched, &layout, Edits::default()).as_ptr(),
        untouched.as_ptr()
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~é\\\\\"]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\{}]{0,6}", inner, 0..4)
                .prop_map(|members| Value::from(serde_json::Map::from_iter(members))),
        ]
    })
}

fn request() -> impl Strategy<Value = Value> {
    let options = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!({"include_obfuscation": false})),
        any::<bool>().prop_map(|include| json!({"include_usage": include, "other": [1]})),
        Just(json!({"include_usage": null})),
    ];
    let cap = prop_oneof![Just(Value::Null), (0_u64..100_000).prop_map(Value::from)];
    let name = "(model|stream|messages|[a-z]{1,3}|\"\\\\[{}]{0,4})";
    (
        prop::collection::btree_map(name, value(), 0..6),
        prop::option::of(options),
        prop::collection::btree_map(
            prop::sample::select(&["max_tokens", "max_completion_tokens"][..]),
            cap,
            0..3,
        ),
    )
        .prop_map(|(members, options, caps)| {
            let mut request = serde_json::Map::from_iter(members);
            // Refused, each with a test of its own.
            request.retain(|name, value| match name.as_str() {
                "stream" => value.is_boolean() || value.is_null(),
                "n" => !value.is_string(),
                _ => true,
            });
            request.extend(options.map(|options| ("stream_options".to_owned(), options)));
            request.extend(caps.into_iter().map(|(name, cap)| (name.to_owned(), cap)));
            Value::from(request)
        })
}

proptest! {
    /// After a splice the body says what it said before, and the edit; and every byte that was there is still there, but for
    /// values that an edit replaces.
    #[test]
    fn a_splice_says_its_edit_and_nothing_else(
        request in request(),
        pretty: bool,
        include_usage: bool,
        cap in prop::option::of(256_u64..100_000),
        member in prop::sample::select(&OutputCap::ALL[..2]),
    ) {
        let text = if pretty { serde_json::to_string_pretty(&request) } else { serde_json::to_string(&request) }.unwrap();
        let edits = Edits { include_usage, output_cap: cap.map(|cap| (member, cap)), end_user: None };
        let after: Value = serde_json::from_str(&spliced(&text, edits)).unwrap();

        let mut expected = request;
        if include_usage {
            if !expected["stream_options"].is_object() {
                expected["stream_options"] = json!({});
            }
            expected["stream_options"]["include_usage"] = json!(true);
        }
        if let Some(cap) = cap {
            expected[member.as_str()] = json!(cap);
        }
        prop_assert_eq!(&after, &expected);
        let again = read(text.as_bytes(), own(CHAT)).unwrap();
        prop_assert_eq!(again.max_output, ["max_tokens", "max_completion_tokens"]
            .iter()
            .filter_map(|name| serde_json::from_str::<Value>(&text).unwrap()[name].as_u64())
            .max());
    }

    /// Whatever the bytes are: what is accepted is a JSON object for `serde_json` too.
    #[test]
    fn damaged_bodies(request in request(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut body = serde_json::to_vec(&request).unwrap();
        let at = at.index(body.len());
        body[at] = byte;
        let parsed = serde_json::from_slice::<Value>(&body);
        // A number beyond the range of a float is JSON all the same.
        let object = match &parsed {
            Ok(value) => value.is_object(),
            Err(error) => error.to_string().starts_with("number out of range"),
        };
        prop_assert!(object || read(&body, own(CHAT)).is_err());
    }
}
