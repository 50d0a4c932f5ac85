//! Calls of models, under the names that OpenTelemetry has for them (its semantic conventions for generative AI), so that dashboards and
//! alerts that are made for those work. A call counts where its operation is one of those that have a name there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use keystore_catalog::{PriceRef, ProviderRef, UsageShape};
use keystore_core::Micros;
use keystore_core::record::Ending;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::lock::lock;
use crate::reserve::Open;
use crate::settle::{Charge, End};

/// So many models have a name of their own among the metrics, because memory is finite. The others are `_OTHER`.
const MAX_MODELS: usize = 500;
const OTHER: &str = "_OTHER";

/// The bounds of the conventions for durations, in seconds.
const SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/// And for tokens.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: &'static str,
    gen_ai_request_model: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: &'static str,
    gen_ai_request_model: Arc<str>,
    error_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: &'static str,
    gen_ai_request_model: Arc<str>,
    gen_ai_token_type: &'static str,
}

type Histograms<Labels> = Family<Labels, Histogram, fn() -> Histogram>;

/// What calls of one model have in common that count in the same histograms: the operation, the provider's slug, and why they failed.
type Kind = (&'static str, &'static str, &'static str);

/// Where such calls count. Kept, because a family hashes every label to find a series; a series that was never counted does not show, so
/// those that not every call has come with their first.
#[derive(Debug)]
struct Series {
    labels: CallLabels,
    duration: Histogram,
    first_chunk: OnceLock<Histogram>,
    input: OnceLock<Histogram>,
    output: OnceLock<Histogram>,
}

/// By the name of the model.
type Models = BTreeMap<Arc<str>, BTreeMap<Kind, Arc<Series>>>;

/// The histograms.
#[derive(Debug)]
pub(super) struct GenAi {
    models: Mutex<Models>,
    duration: Histograms<EndLabels>,
    first_chunk: Histograms<CallLabels>,
    tokens: Histograms<TokenLabels>,
}

impl Default for GenAi {
    fn default() -> Self {
        Self {
            models: Mutex::default(),
            duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            first_chunk: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            tokens: Family::new_with_constructor(|| Histogram::new(TOKENS)),
        }
    }
}

impl GenAi {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "gen_ai_client_operation_duration",
            "From when a call of a model was admitted to its end",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register_with_unit(
            "gen_ai_client_operation_time_to_first_chunk",
            "From when a call of a model was admitted to the first byte of its answer",
            Unit::Seconds,
            self.first_chunk.clone(),
        );
        registry.register(
            "gen_ai_client_token_usage",
            "Tokens of a call of a model, as they are billed",
            self.tokens.clone(),
        );
    }

    /// A call was settled, so long after it was admitted.
    pub(super) fn settled(&self, open: &Open, end: &End, charge: &Charge, after: Duration) {
        let Some((operation, model)) = open.gen_ai.filter(|_| open.sent) else {
            return;
        };
        let kind = (operation, open.provider, error(end.ending, open.status));
        let series = self.series(model, kind);
        series.duration.observe(after.as_secs_f64());
        for (histogram, kind, tokens) in [
            (&series.input, "input", charge.usage.input_tokens()),
            (&series.output, "output", charge.usage.output_tokens()),
        ] {
            if tokens > 0 {
                let labels = || series.labels.clone().of_tokens(kind);
                let histogram = histogram.get_or_init(|| self.tokens.get_or_create_owned(&labels()));
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a histogram does not need the last token of 2^53"
                )]
                histogram.observe(tokens as f64);
            }
        }
        if let Some(first) = open.first_byte {
            let waited = first.saturating_sub(open.began);
            let histogram = || self.first_chunk.get_or_create_owned(&series.labels);
            series
                .first_chunk
                .get_or_init(histogram)
                .observe(waited.as_secs_f64());
        }
    }

    fn series(&self, model: &str, kind: Kind) -> Arc<Series> {
        let mut models = lock(&self.models);
        if let Some(series) = models.get(model).and_then(|kinds| kinds.get(&kind)) {
            return Arc::clone(series);
        }
        let is_named = models.len() < MAX_MODELS || models.contains_key(model);
        let model: Arc<str> = Arc::from(if is_named { model } else { OTHER });
        let kinds = models.entry(Arc::clone(&model)).or_default();
        let series = kinds.entry(kind).or_insert_with(|| self.begin(model, kind));
        Arc::clone(series)
    }

    fn begin(&self, model: Arc<str>, (operation, slug, error): Kind) -> Arc<Series> {
        let labels = CallLabels {
            gen_ai_operation_name: operation,
            gen_ai_provider_name: provider(slug),
            gen_ai_request_model: model,
        };
        Arc::new(Series {
            duration: self.duration.get_or_create_owned(&labels.clone().of_end(error)),
            labels,
            first_chunk: OnceLock::new(),
            input: OnceLock::new(),
            output: OnceLock::new(),
        })
    }
}

impl CallLabels {
    fn of_end(self, error: &'static str) -> EndLabels {
        EndLabels {
            gen_ai_operation_name: self.gen_ai_operation_name,
            gen_ai_provider_name: self.gen_ai_provider_name,
            gen_ai_request_model: self.gen_ai_request_model,
            error_type: error,
        }
    }

    fn of_tokens(self, kind: &'static str) -> TokenLabels {
        TokenLabels {
            gen_ai_operation_name: self.gen_ai_operation_name,
            gen_ai_provider_name: self.gen_ai_provider_name,
            gen_ai_request_model: self.gen_ai_request_model,
            gen_ai_token_type: kind,
        }
    }
}

/// What a model is called among the metrics: as the catalog lists it. Any other name is an agent's to choose, or a customer's own.
pub(crate) fn listed(
    provider: &ProviderRef,
    price: Option<&PriceRef>,
    model: Option<&str>,
    at: Micros,
) -> &'static str {
    let row = match (price, provider, model) {
        (Some(PriceRef::Catalog(row)), ..) => Some(*row),
        (_, ProviderRef::Catalog(provider), Some(model)) => provider.price(model, at),
        _ => None,
    };
    row.map_or(OTHER, |row| &row.model)
}

/// What the conventions call an operation; `None` for those that they have no name for.
pub(crate) fn operation(shape: UsageShape, name: &str) -> Option<&'static str> {
    match shape {
        UsageShape::OpenaiEmbeddings | UsageShape::Voyage | UsageShape::Jina => Some("embeddings"),
        UsageShape::Gemini if !name.contains("embed") => Some("generate_content"),
        UsageShape::OpenaiChat
        | UsageShape::OpenaiResponses
        | UsageShape::AnthropicMessages
        | UsageShape::Gemini
        | UsageShape::Cohere
        | UsageShape::Bedrock
        | UsageShape::Xai
        | UsageShape::Perplexity
        | UsageShape::Openrouter
        | UsageShape::Ollama => Some(match name {
            name if name.contains("embed") => "embeddings",
            name if name.contains("rerank") => return None,
            "completions" => "text_completion",
            _ => "chat",
        }),
        _ => None,
    }
}

/// What the conventions call a provider; others go by their slug.
fn provider(slug: &'static str) -> &'static str {
    match slug {
        "aws-bedrock" => "aws.bedrock",
        "azure-ai-foundry" => "azure.ai.inference",
        "azure-openai" => "azure.ai.openai",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "vertex-ai" => "gcp.vertex_ai",
        "xai" => "x_ai",
        other => other,
    }
}

/// Why a call failed: how it ended, or the status of the vendor's error; nothing where it did not.
fn error(ending: Ending, status: u16) -> &'static str {
    match (ending, status) {
        (Ending::Complete, 0..=399) => "",
        (Ending::Complete, 400) => "400",
        (Ending::Complete, 401) => "401",
        (Ending::Complete, 403) => "403",
        (Ending::Complete, 404) => "404",
        (Ending::Complete, 429) => "429",
        (Ending::Complete, 500) => "500",
        (Ending::Complete, 503) => "503",
        (Ending::Complete, 529) => "529",
        (Ending::Complete, _) => OTHER,
        (ending, _) => ending.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(gen_ai: &GenAi, model: &str, error: &'static str) -> Arc<Series> {
        gen_ai.series(model, ("chat", "gemini", error))
    }

    #[test]
    fn models_beyond_the_most_count_as_one_and_the_others_keep_their_names() {
        let gen_ai = GenAi::default();
        for number in 0..MAX_MODELS + 50 {
            let model = format!("model-{number}");
            let found = series(&gen_ai, &model, "");
            let name = if number < MAX_MODELS { &model } else { OTHER };
            assert_eq!(&*found.labels.gen_ai_request_model, name);
            assert!(Arc::ptr_eq(&found, &series(&gen_ai, &model, "")), "it is kept");
        }
        let failed = series(&gen_ai, "model-0", "429");
        assert_eq!(&*failed.labels.gen_ai_request_model, "model-0");
        assert_eq!(failed.labels.gen_ai_provider_name, "gcp.gemini");
        assert_eq!(lock(&gen_ai.models).len(), MAX_MODELS + 1);
    }

    #[test]
    fn only_what_was_counted_shows() {
        let gen_ai = GenAi::default();
        let mut registry = Registry::default();
        gen_ai.register(&mut registry);
        let _ = (series(&gen_ai, "m", ""), series(&gen_ai, "m", "429"));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert_eq!(
            text.matches("operation_duration_seconds_count{").count(),
            2,
            "{text}"
        );
        assert!(!text.contains("token_usage_count") && !text.contains("first_chunk_seconds_count"));
    }
}
