use super::*;

fn asked(shape: UsageShape, path: &str, body: &str) -> Option<(Bucket, u64, Option<u64>)> {
    read(shape, path, body.as_bytes()).map(|asked| (asked.bucket, asked.units, asked.most))
}

#[track_caller]
fn counts(shape: UsageShape, path: &str, bucket: Bucket, cases: &[(&str, u64)]) {
    for (body, units) in cases {
        let expected = Some((bucket, *units, Some(*units)));
        assert_eq!(asked(shape, path, body), expected, "{path} {body}");
    }
}

#[test]
fn credits_of_tavily() {
    let of = |path, cases| counts(UsageShape::Tavily, path, Bucket::Credits, cases);
    of(
        "/search",
        &[
            (r#"{"query":"a"}"#, 1),
            (r#"{"query":"a","search_depth":"basic"}"#, 1),
            (r#"{"query":"a","search_depth":"advanced"}"#, 2),
            (r#"{"query":"a","search_depth":"deepest"}"#, 2),
            (
                r#"{"query":"a","search_depth":"advanced","search_depth":"basic"}"#,
                2,
            ),
            (r#"{"query":"a","Search_Depth":"advanced"}"#, 2),
            (r#"{"query":"a","auto_parameters":true}"#, 2),
            (r#"{"query":"a","auto_parameters":false}"#, 1),
        ],
    );
    of(
        "/extract",
        &[
            (r#"{"urls":"https://example.org"}"#, 1),
            (r#"{"urls":["1","2","3","4","5"]}"#, 1),
            (r#"{"urls":["1","2","3","4","5","6"]}"#, 2),
            (
                r#"{"urls":["1","2","3","4","5","6"],"extract_depth":"advanced"}"#,
                4,
            ),
        ],
    );
    of(
        "/map",
        &[
            (r#"{"url":"https://example.org"}"#, 5),
            (r#"{"url":"https://example.org","limit":11}"#, 2),
            (
                r#"{"url":"https://example.org","limit":11,"instructions":"all"}"#,
                4,
            ),
        ],
    );
    of(
        "/crawl",
        &[(
            r#"{"url":"https://example.org","limit":20,"extract_depth":"advanced"}"#,
            2 + 8,
        )],
    );
    for (path, body) in [("/search", "[]"), ("/search", "{"), ("/research", "{}")] {
        assert_eq!(asked(UsageShape::Tavily, path, body), None, "{path} {body}");
    }
}

#[test]
fn every_recipient_gets_an_email() {
    counts(
        UsageShape::Resend,
        "/emails",
        Bucket::Emails,
        &[
            (r#"{"to":"a@example.org"}"#, 1),
            (
                r#"{"to":["a@example.org","b@example.org"],"cc":"c@example.org","bcc":null}"#,
                3,
            ),
            (
                r#"{"to":["a@example.org"],"to":["b@example.org"],"BCC":["c@example.org"]}"#,
                3,
            ),
            ("{}", 1),
        ],
    );
    counts(
        UsageShape::Resend,
        "/emails/batch",
        Bucket::Emails,
        &[
            (r#"[{"to":["a","b"]},{"to":"c"},{"subject":"to nobody"}]"#, 4),
            ("[]", 0),
        ],
    );
    assert_eq!(asked(UsageShape::Resend, "/emails", "[{}"), None);
    assert_eq!(asked(UsageShape::Resend, "/emails", "[1]"), None);
}

#[test]
fn searches_images_and_letters() {
    counts(
        UsageShape::Serper,
        "/search",
        Bucket::Searches,
        &[
            (r#"{"q":"a"}"#, 1),
            (r#"{"q":"a","num":11}"#, 2),
            (r#"[{"q":"a"},{"q":"b","num":100}]"#, 3),
        ],
    );
    counts(
        UsageShape::Gemini,
        "/v1beta/models/imagen-4:predict",
        Bucket::Images,
        &[
            (r#"{"instances":[{"prompt":"a"}]}"#, 4),
            (r#"{"parameters":{"sampleCount":2}}"#, 2),
        ],
    );
    counts(
        UsageShape::OpenaiAudio,
        "/v1/audio/speech",
        Bucket::Characters,
        &[(r#"{"model":"tts-1","input":"h\u00e9llo 😀"}"#, 7)],
    );
    counts(
        UsageShape::Deepl,
        "/v2/translate",
        Bucket::Characters,
        &[
            (r#"{"text":["one","two"],"target_lang":"DE"}"#, 6),
            ("text=one&target_lang=DE", 23),
        ],
    );
    assert_eq!(
        asked(UsageShape::OpenaiAudio, "/v1/audio/speech", r#"{"input":7}"#),
        None
    );
    assert_eq!(
        asked(UsageShape::Exa, "/answer", "{}"),
        Some((Bucket::Requests, 1, Some(1)))
    );
    assert_eq!(asked(UsageShape::Exa, "/search", "{}"), None);
}

#[test]
fn searches_of_a_reranker() {
    let rerank = |query: usize, documents: usize, bytes: usize| {
        let documents: Vec<String> = vec!["d".repeat(bytes); documents];
        let body = serde_json::json!({"query": "q".repeat(query), "documents": documents}).to_string();
        asked(UsageShape::Cohere, "/v2/rerank", &body).unwrap().1
    };
    assert_eq!(rerank(5, 3, 10), 1);
    assert_eq!(
        rerank(5, 100, 2),
        2,
        "all but empty, and yet there is no telling their tokens"
    );
    assert_eq!(rerank(5, 10, 50_000), 11);
    assert_eq!(rerank(600, 1, 1_000), 11);
}

#[test]
fn pages_of_a_document() {
    let ocr = |body: &str| asked(UsageShape::MistralOcr, "/v1/ocr", body);
    let url = r#""document":{"type":"document_url","document_url":"https://example.org/a.pdf"}"#;
    assert_eq!(ocr(&format!("{{{url}}}")), Some((Bucket::Pages, 1, Some(1_000))));
    assert_eq!(
        ocr(&format!("{{{url},\"pages\":[0,1,2]}}")),
        Some((Bucket::Pages, 3, Some(3)))
    );
    assert_eq!(
        ocr(&format!("{{{url},\"pages\":\"0-7\"}}")),
        Some((Bucket::Pages, 1, Some(1_000)))
    );
    assert_eq!(
        ocr(r#"{"document":{"type":"image_url","image_url":"https://example.org/a.png"}}"#),
        Some((Bucket::Pages, 1, Some(1)))
    );
    assert_eq!(
        ocr(&format!("{{{url},\"document_annotation_format\":{{}}}}")),
        Some((Bucket::AnnotatedPages, 1, Some(1_000)))
    );
}
