//! The answers in `fixtures/`: one folder for each usage shape, with what each answer used in its `expected.toml`.
//!
//! Bedrock's binary frames are written as text and encoded here. Every fixture is read in one piece, byte by byte, and through gzip.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::answer::decode::Decoder;
use crate::meter::event_stream::encode;

/// What a fixture must be read as.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    usage: BTreeMap<String, u64>,
    #[serde(default = "reported")]
    basis: String,
    #[serde(default)]
    failed: bool,
    /// What the vendor says it costs, in nano-dollars.
    cost: Option<u64>,
    /// Empty: none.
    model: Option<String>,
    tier: Option<String>,
    geo: Option<String>,
    /// Headers of the answer.
    #[serde(default)]
    head: BTreeMap<String, String>,
    asked: Option<ExpectedUnits>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedUnits {
    bucket: String,
    units: u64,
    most: Option<u64>,
    /// The bucket in which the answer states them, and how many of them each of its units is.
    stated_as: Option<String>,
    each: Option<u64>,
    #[serde(default)]
    beside: bool,
}

fn reported() -> String {
    "reported".to_owned()
}

/// How a vendor answers, which says what fixtures there must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    Whole,
    WholeAndStreamed,
    /// The usage stands in the head.
    Head,
    /// The usage stands nowhere.
    Silent,
}

const SHAPES: [(&str, UsageShape, Answers); 29] = [
    ("openai_chat", UsageShape::OpenaiChat, Answers::WholeAndStreamed),
    (
        "openai_responses",
        UsageShape::OpenaiResponses,
        Answers::WholeAndStreamed,
    ),
    ("openai_embeddings", UsageShape::OpenaiEmbeddings, Answers::Whole),
    (
        "openai_images",
        UsageShape::OpenaiImages,
        Answers::WholeAndStreamed,
    ),
    ("openai_audio", UsageShape::OpenaiAudio, Answers::WholeAndStreamed),
    (
        "anthropic_messages",
        UsageShape::AnthropicMessages,
        Answers::WholeAndStreamed,
    ),
    ("gemini", UsageShape::Gemini, Answers::WholeAndStreamed),
    ("cohere", UsageShape::Cohere, Answers::WholeAndStreamed),
    ("bedrock", UsageShape::Bedrock, Answers::WholeAndStreamed),
    ("xai", UsageShape::Xai, Answers::WholeAndStreamed),
    ("perplexity", UsageShape::Perplexity, Answers::WholeAndStreamed),
    ("openrouter", UsageShape::Openrouter, Answers::WholeAndStreamed),
    ("ollama", UsageShape::Ollama, Answers::WholeAndStreamed),
    ("voyage", UsageShape::Voyage, Answers::Whole),
    ("jina", UsageShape::Jina, Answers::Whole),
    ("replicate", UsageShape::Replicate, Answers::Whole),
    ("deepgram", UsageShape::Deepgram, Answers::Whole),
    ("assemblyai", UsageShape::Assemblyai, Answers::Whole),
    ("elevenlabs", UsageShape::Elevenlabs, Answers::Head),
    ("fal", UsageShape::Fal, Answers::Head),
    ("tavily", UsageShape::Tavily, Answers::Whole),
    ("exa", UsageShape::Exa, Answers::Whole),
    ("serper", UsageShape::Serper, Answers::Whole),
    ("firecrawl", UsageShape::Firecrawl, Answers::Whole),
    ("pinecone", UsageShape::Pinecone, Answers::Whole),
    ("deepl", UsageShape::Deepl, Answers::Whole),
    ("mistral_ocr", UsageShape::MistralOcr, Answers::Whole),
    ("resend", UsageShape::Resend, Answers::Silent),
    ("video", UsageShape::Video, Answers::Silent),
];

/// What can become of an answer. Encoded ones are all of them: see `read_alike_however_it_arrives`.
const VARIANTS: [&str; 5] = ["aborted", "missing", "zero", "duplicate", "late"];

impl Answers {
    /// The fixtures that a shape must have at least.
    fn variants(self) -> Vec<String> {
        let with = |first: &str, prefix: &str| {
            let rest = VARIANTS.iter().map(move |variant| format!("{prefix}{variant}"));
            std::iter::once(first.to_owned()).chain(rest).collect::<Vec<_>>()
        };
        match self {
            Self::Whole => with("buffered", ""),
            Self::WholeAndStreamed => [with("buffered", ""), with("streamed", "streamed_")].concat(),
            Self::Head => ["buffered", "aborted", "missing", "zero"]
                .map(str::to_owned)
                .to_vec(),
            Self::Silent => vec!["buffered".to_owned()],
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The bytes of an answer.
pub(super) fn read(shape: &str, name: &str) -> Vec<u8> {
    let bytes = fs::read(root().join(shape).join(name)).unwrap();
    if name.ends_with(".frames") {
        frames(&String::from_utf8(bytes).unwrap())
    } else {
        bytes
    }
}

/// Frames that are written as their headers, an empty line, the payload and another empty line.
fn frames(text: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut parts = text.split("\n\n");
    while let (Some(headers), Some(payload)) = (parts.next(), parts.next()) {
        let headers: Vec<(&str, &str)> = headers
            .lines()
            .map(|line| line.split_at(line.rfind(": ").unwrap()))
            .map(|(name, value)| (name, &value[2..]))
            .collect();
        encoded.extend(encode(&headers, payload.trim_end().as_bytes()));
    }
    encoded
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap() {
        "json" => "application/json",
        "sse" => "text/event-stream; charset=utf-8",
        "ndjson" => "application/x-ndjson",
        "frames" => "application/vnd.amazon.eventstream",
        "mp3" => "audio/mpeg",
        "txt" => "text/plain",
        other => panic!("{other}"),
    }
}

fn bucket(name: &str) -> Bucket {
    Bucket::ALL
        .into_iter()
        .find(|bucket| bucket.name() == name)
        .unwrap_or_else(|| panic!("{name} is no bucket"))
}

struct Fixture {
    name: String,
    case: Case,
    body: Vec<u8>,
    expected: Expected,
}

impl Fixture {
    fn new(folder: &str, shape: UsageShape, name: &str, expected: Expected) -> Self {
        let mut case = Case::plain(shape, content_type(name));
        for (header, value) in &expected.head {
            case.head.insert(
                http::HeaderName::from_bytes(header.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        case.setup.asked = expected.asked.as_ref().map(|asked| Asked {
            bucket: bucket(&asked.bucket),
            units: asked.units,
            most: asked.most,
            stated: match &asked.stated_as {
                None if asked.beside => Stated::Beside,
                None => Stated::Itself,
                Some(name) => Stated::As(bucket(name), asked.each.unwrap_or(1)),
            },
            also: None,
        });
        Self {
            name: format!("{folder}/{name}"),
            case,
            body: read(folder, name),
            expected,
        }
    }

    fn check(&self, metered: &Metered) {
        let (name, expected) = (&self.name, &self.expected);
        let usage = expected.usage.iter().fold(Usage::ZERO, |usage, (name, units)| {
            usage.with(bucket(name), *units)
        });
        assert_eq!(metered.usage, usage, "{name}");
        let basis = match metered.basis {
            Basis::Reported => "reported",
            Basis::Asked => "asked",
            Basis::Estimated => "estimated",
        };
        assert_eq!(
            (basis, metered.failed),
            (&*expected.basis, expected.failed),
            "{name}"
        );
        assert_eq!(metered.cost, expected.cost, "{name}");
        let served = |expected: &Option<String>, served: &Option<String>| {
            if let Some(expected) = expected {
                assert_eq!(served.as_deref().unwrap_or_default(), expected, "{name}");
            }
        };
        served(&expected.model, &metered.served_model);
        served(&expected.tier, &metered.service_tier);
        served(&expected.geo, &metered.inference_geo);
        assert_eq!(metered.output_bytes_seen, self.body.len() as u64);
    }
}

fn expected(folder: &str) -> BTreeMap<String, Expected> {
    let text = fs::read_to_string(root().join(folder).join("expected.toml")).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{folder}: {error}"))
}

/// Every fixture.
static ALL: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    let mut fixtures = Vec::new();
    for (folder, shape, _) in SHAPES {
        for (name, expected) in expected(folder) {
            fixtures.push(Fixture::new(folder, shape, &name, expected));
        }
    }
    fixtures
});

#[test]
fn every_shape_that_is_read_has_every_variant_that_applies() {
    let mut folders: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut shapes: Vec<&str> = SHAPES.iter().map(|(folder, ..)| *folder).collect();
    shapes.sort_unstable();
    assert_eq!(folders, shapes);
    for (folder, shape, answers) in SHAPES {
        assert!(reads(shape), "{folder}");
        let mut names: Vec<String> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "expected.toml")
            .collect();
        names.sort();
        let expected: Vec<String> = expected(folder).into_keys().collect();
        assert_eq!(names, expected, "{folder}");
        for variant in answers.variants() {
            let has = names.iter().any(|name| name.split('.').next() == Some(&variant));
            assert!(has, "{folder} has no `{variant}`");
        }
    }
}

#[test]
fn read_alike_however_it_arrives() {
    for fixture in ALL.iter() {
        let (whole, forwarded) = run(&fixture.case, [&fixture.body[..]]);
        fixture.check(&whole);
        assert_eq!(forwarded, fixture.body, "{}", fixture.name);
        let bytes = run(&fixture.case, fixture.body.chunks(1));
        assert_eq!(
            bytes,
            (whole.clone(), fixture.body.clone()),
            "{} in bytes",
            fixture.name
        );
        let decoded = gunzipped(&gzipped(&fixture.body));
        let chunks: Vec<&[u8]> = decoded.iter().map(AsRef::as_ref).collect();
        assert_eq!(
            run(&fixture.case, chunks).0,
            whole,
            "{} through gzip",
            fixture.name
        );
    }
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// The pieces that come of an encoded answer which arrives in small ones.
fn gunzipped(encoded: &[u8]) -> Vec<Bytes> {
    let mut decoder = Decoder::named(b"gzip").ok().flatten().unwrap();
    let mut pieces = Vec::new();
    for chunk in encoded.chunks(17) {
        decoder.feed(Bytes::copy_from_slice(chunk));
        while let Ok(Some(piece)) = decoder.next() {
            pieces.push(piece);
        }
    }
    pieces.extend(decoder.end().ok().flatten());
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Wherever the chunks end: the same usage, and the same bytes.
    #[test]
    fn chunks_do_not_matter(
        fixture in any::<prop::sample::Index>(),
        hide: bool,
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let Fixture { case, body, .. } = fixture.get(&ALL);
        let case = Case { setup: MeterSetup { hide_usage_chunk: hide, ..case.setup }, head: case.head.clone() };
        let mut places: Vec<usize> = places.iter().map(|place| place.index(body.len() + 1)).chain([0, body.len()]).collect();
        places.sort_unstable();
        let chunks = places.windows(2).map(|pair| &body[pair[0]..pair[1]]);
        prop_assert_eq!(run(&case, chunks), run(&case, [&body[..]]));
    }

    /// Wherever an answer breaks off: it is never free unless the vendor says so, and what is forwarded is what came.
    #[test]
    fn broken_answers(fixture in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let Fixture { case, body, .. } = fixture.get(&ALL);
        let cut = &body[..at.index(body.len())];
        let (metered, forwarded) = run(case, [cut]);
        prop_assert_eq!(&forwarded, &cut);
        prop_assert!(metered.basis == Basis::Reported || metered.usage.iter().next().is_some());
    }

    /// Any bytes at all, at any vendor.
    #[test]
    fn damaged_answers(
        fixture in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        size in 1_usize..200,
    ) {
        let Fixture { case, body, .. } = fixture.get(&ALL);
        let mut body = body.clone();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let (metered, forwarded) = run(case, body.chunks(size));
        prop_assert_eq!(&forwarded, &body);
        prop_assert_eq!(metered.output_bytes_seen, forwarded.len() as u64);
    }
}
