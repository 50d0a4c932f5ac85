//! Gemini: `generateContent`, `streamGenerateContent` as events or as one list written piece by piece, embeddings, Imagen.
//!
//! The prompt counter includes cached tokens; the prompts of tools are on top of it. Thoughts are on top of the candidates, except
//! where the total says that they are inside. Every chunk of a stream has counters, which are cumulative: the last one is right,
//! and final if a candidate is finished. A counter that is absent is zero.

use keystore_core::{Bucket, Usage};
use serde::Deserialize;

use super::count::{Count, distribute};
use super::json::{self, Answer, Elements, find};
use super::reading::{Reading, Vendor};

/// What the answer was grounded in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Searches {
    /// The most searches that a chunk named.
    queries: u64,
    /// Something comes from the web.
    web: bool,
    /// Something comes from the map.
    map: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counters {
    prompt_token_count: Count,
    cached_content_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    tool_use_prompt_token_count: Count,
    total_token_count: Count,
    prompt_tokens_details: Vec<Details>,
    cache_tokens_details: Vec<Details>,
    candidates_tokens_details: Vec<Details>,
    tool_use_prompt_tokens_details: Vec<Details>,
    service_tier: Option<String>,
    /// Vertex's word for the tier.
    traffic_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    modality: Option<String>,
    token_count: Count,
}

/// Reads a chunk of a stream.
pub(super) fn chunk(reading: &mut Reading, answer: Answer<'_>) {
    let read = take(reading, answer);
    match read.progress {
        Progress::Finished => reading.complete = reading.usage.is_some(),
        Progress::Going => reading.complete = false,
        Progress::NotSaid => {}
    }
}

/// Reads a buffered answer, or a list of chunks.
pub(super) fn body(reading: &mut Reading, answer: Answer<'_>) {
    match answer.elements() {
        Some(chunks) => chunks.for_each(|part| chunk(reading, Answer::whole(part))),
        None => reading.complete = take(reading, answer).stated,
    }
}

/// Whether the answer goes on.
enum Progress {
    Finished,
    Going,
    /// There is no candidate.
    NotSaid,
}

struct Read {
    stated: bool,
    progress: Progress,
}

fn take(reading: &mut Reading, answer: Answer<'_>) -> Read {
    let mut counters = None;
    let mut images = None;
    let mut progress = Progress::NotSaid;
    for (name, value) in answer.members("usageMetadata") {
        match name {
            b"usageMetadata" => counters = json::parse::<Counters>(value),
            b"modelVersion" => reading.name_served(json::text(value), None),
            b"error" => reading.failed |= json::is_set(value),
            b"candidates" => progress = candidates(reading, value),
            b"promptFeedback" if find(value, &["blockReason"]).is_some() => progress = Progress::Finished,
            // Imagen states nothing else.
            b"predictions" => images = Some(Elements::of(value).count() as u64),
            _ => {}
        }
    }
    let stated = match (counters, images) {
        (Some(mut counters), _) => {
            reading.name_served(None, counters.tier());
            Some(counters.usage())
        }
        (None, Some(images)) => Some(Usage::ZERO.with(Bucket::Images, images)),
        (None, None) => None,
    };
    if let Some(usage) = stated {
        let (web, map) = searches(reading);
        reading.usage = Some(
            usage
                .with(Bucket::WebSearches, web)
                .with(Bucket::MapSearches, map),
        );
    }
    Read {
        stated: stated.is_some(),
        progress,
    }
}

fn candidates(reading: &mut Reading, list: &[u8]) -> Progress {
    let mut progress = Progress::NotSaid;
    let mut found = Searches::default();
    for candidate in Elements::of(list) {
        let finished = find(candidate, &["finishReason"]).is_some_and(json::is_set);
        progress = match (finished, progress) {
            (true, _) | (_, Progress::Finished) => Progress::Finished,
            _ => Progress::Going,
        };
        let Some(grounding) = find(candidate, &["groundingMetadata"]) else {
            continue;
        };
        let named = find(grounding, &["webSearchQueries"]);
        found.queries += named.map_or(0, |queries| Elements::of(queries).count() as u64);
        for source in find(grounding, &["groundingChunks"])
            .into_iter()
            .flat_map(Elements::of)
        {
            found.web |= find(source, &["web"]).is_some();
            found.map |= find(source, &["maps"]).is_some();
        }
    }
    if let Vendor::Gemini(searches) = &mut reading.vendor {
        searches.queries = searches.queries.max(found.queries);
        searches.web |= found.web;
        searches.map |= found.map;
    }
    progress
}

/// How many searches of the web and of the map are charged: up to the second generation one for each grounded prompt, since then
/// one for each query. The queries are not told apart: they were of the map where nothing else was found.
fn searches(reading: &Reading) -> (u64, u64) {
    let Vendor::Gemini(Searches { queries, web, map }) = reading.vendor else {
        return (0, 0);
    };
    let (web, map) = match (map, web) {
        (false, _) => (queries, 0),
        (true, false) => (0, queries.max(1)),
        (true, true) => (queries, 1),
    };
    let model = reading.model.as_deref().unwrap_or_default();
    if charges_by_prompt(model) {
        (web.min(1), map.min(1))
    } else {
        (web, map)
    }
}

/// Whether a model's searches are charged by the prompt.
fn charges_by_prompt(model: &str) -> bool {
    ["gemini-1", "gemini-2"]
        .iter()
        .any(|early| model.starts_with(early))
}

impl Counters {
    /// The tier that was served. Traffic that is bought otherwise is of none.
    fn tier(&mut self) -> Option<String> {
        let of_traffic = match self.traffic_type.as_deref() {
            Some("ON_DEMAND") => Some("on_demand"),
            Some("ON_DEMAND_PRIORITY") => Some("priority"),
            Some("ON_DEMAND_FLEX") => Some("flex"),
            _ => None,
        };
        self.service_tier.take().or(of_traffic.map(str::to_owned))
    }

    fn usage(&self) -> Usage {
        let prompt = self.prompt_token_count.units();
        let tools = self.tool_use_prompt_token_count.units();
        let candidates = self.candidates_token_count.units();
        let thoughts = self.thoughts_token_count.units();
        let cached = self.cached_content_token_count.units();
        let input = prompt.saturating_add(tools);
        let both = input.saturating_add(candidates);
        let thoughts_inside = thoughts > 0 && self.total_token_count.0 == Some(both);
        let output = if thoughts_inside {
            candidates
        } else {
            candidates.saturating_add(thoughts)
        };

        let mut usage = Usage::ZERO;
        let given = |modality| {
            tokens(&self.prompt_tokens_details, modality)
                .saturating_add(tokens(&self.tool_use_prompt_tokens_details, modality))
        };
        let cached_audio = tokens(&self.cache_tokens_details, "AUDIO").min(cached);
        let cached_image = tokens(&self.cache_tokens_details, "IMAGE").min(cached - cached_audio);
        let parts = [
            (Bucket::AudioIn, given("AUDIO").saturating_sub(cached_audio)),
            (Bucket::AudioCacheRead, cached_audio),
            (Bucket::ImageIn, given("IMAGE").saturating_sub(cached_image)),
            (Bucket::ImageCacheRead, cached_image),
            (Bucket::CacheRead, cached - cached_audio - cached_image),
        ];
        distribute(&mut usage, input, &parts, Bucket::InputUncached);
        let made = |modality| tokens(&self.candidates_tokens_details, modality);
        let parts = [
            (Bucket::ImageOut, made("IMAGE")),
            (Bucket::AudioOut, made("AUDIO")),
            (Bucket::Reasoning, thoughts),
        ];
        distribute(&mut usage, output, &parts, Bucket::OutputText);
        usage
    }
}

fn tokens(details: &[Details], modality: &str) -> u64 {
    details
        .iter()
        .filter(|details| details.modality.as_deref() == Some(modality))
        .fold(0, |sum, details| sum.saturating_add(details.token_count.units()))
}
