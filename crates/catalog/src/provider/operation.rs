//! Operations: where they are, how they are charged, how their usage is read.

use keystore_core::policy::Access;

use super::{List, Str};

/// How a vendor charges for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Billing {
    /// By what the call used. Needs a price: without one it is refused under a budget and in the marketplace.
    Metered,
    /// A price per call, in the row that `price_model` names. Needs a price as well.
    PerCall,
    /// In another way, or not at all: an explicit cost of zero that passes under a budget.
    External,
}

/// How usage is read from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsageShape {
    /// Nothing to read: requests are counted.
    None,
    /// OpenAI chat completions (and legacy completions): input includes cached tokens, output includes reasoning.
    OpenaiChat,
    /// OpenAI responses.
    OpenaiResponses,
    /// OpenAI embeddings.
    OpenaiEmbeddings,
    /// OpenAI image generation.
    OpenaiImages,
    /// OpenAI transcription and speech.
    OpenaiAudio,
    /// OpenAI realtime (WebSocket).
    OpenaiRealtime,
    /// Anthropic messages: input excludes cache reads and writes.
    AnthropicMessages,
    /// Gemini `generateContent`: thoughts are on top of candidates.
    Gemini,
    /// Cohere billed units.
    Cohere,
    /// Bedrock Converse and `InvokeModel`.
    Bedrock,
    /// xAI chat: as OpenAI chat, reasoning on top of completion tokens.
    Xai,
    /// Perplexity.
    Perplexity,
    /// OpenRouter: as OpenAI chat, with the vendor's own cost.
    Openrouter,
    /// Ollama.
    Ollama,
    /// Voyage.
    Voyage,
    /// Jina.
    Jina,
    /// Replicate.
    Replicate,
    /// Deepgram.
    Deepgram,
    /// `AssemblyAI`.
    Assemblyai,
    /// `ElevenLabs`.
    Elevenlabs,
    /// fal.
    Fal,
    /// Tavily credits.
    Tavily,
    /// Exa: the vendor's own cost.
    Exa,
    /// Serper credits.
    Serper,
    /// Firecrawl credits.
    Firecrawl,
    /// Pinecone read units.
    Pinecone,
    /// `DeepL` characters.
    Deepl,
    /// Resend: e-mails by their recipients, counted in the request.
    Resend,
    /// Mistral OCR: pages.
    MistralOcr,
    /// Stripe: the amount and the currency of what was made.
    Stripe,
    /// Videos that are made after the answer: seconds, counted in the request.
    Video,
}

/// The member of a request that caps the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputCap {
    /// `max_tokens`: Anthropic, legacy completions, and most vendors that speak OpenAI's chat shape.
    MaxTokens,
    /// `max_completion_tokens`: OpenAI chat.
    MaxCompletionTokens,
    /// `max_output_tokens`: OpenAI responses.
    MaxOutputTokens,
    /// `maxOutputTokens` in `generationConfig`: Gemini.
    GenerationConfig,
    /// `maxTokens` in `inferenceConfig`: Bedrock Converse.
    InferenceConfig,
    /// `num_predict` in `options`: Ollama.
    Options,
}

impl OutputCap {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::MaxTokens,
        Self::MaxCompletionTokens,
        Self::MaxOutputTokens,
        Self::GenerationConfig,
        Self::InferenceConfig,
        Self::Options,
    ];

    /// Where it stands, as the catalog writes it: `max_tokens`, `generationConfig.maxOutputTokens`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::GenerationConfig => "generationConfig.maxOutputTokens",
            Self::InferenceConfig => "inferenceConfig.maxTokens",
            Self::Options => "options.num_predict",
        }
    }

    /// The object that it stands in, where that is not the request itself, and its name there.
    pub const fn place(self) -> (Option<&'static str>, &'static str) {
        match self {
            Self::MaxTokens | Self::MaxCompletionTokens | Self::MaxOutputTokens => (None, self.as_str()),
            Self::GenerationConfig => (Some("generationConfig"), "maxOutputTokens"),
            Self::InferenceConfig => (Some("inferenceConfig"), "maxTokens"),
            Self::Options => (Some("options"), "num_predict"),
        }
    }
}

/// The host of an operation that every host of the provider has.
pub(crate) const ANY_HOST: &str = "*";

/// In [`Operation::moves`]: the call moves no money.
pub const MOVES_NOTHING: &str = "nothing";

/// One operation of a vendor's API, or a family of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its name in records and errors, unique in the provider: `chat.completions`.
    pub name: Str,
    /// The methods; empty is every method. GET stands for HEAD too.
    pub methods: List<Str>,
    /// The upstream path: literal segments, `{x}` for one segment or a part of it (`{model}:generateContent`), and `**` at the
    /// end for any number of further segments, none included.
    pub path: Str,
    /// The host it is on: an alias, empty for the base host, [`ANY_HOST`] for every one.
    pub host: Str,
    /// Whether it reads or writes; `None` goes by the method (GET and HEAD read).
    pub access: Option<Access>,
    /// How it is charged.
    pub billing: Billing,
    /// How its usage is read.
    pub usage_shape: UsageShape,
    /// The member of the request that caps the output, where it has one.
    pub output_cap: Option<OutputCap>,
    /// The member of the request in which the vendor wants to be told for whom a call is, by the names that lead there with a dot between
    /// them.
    pub end_user: Option<Str>,
    /// Whether a stream reports its usage only where the request asks for it (`stream_options.include_usage`).
    pub ask_usage: bool,
    /// Whether it makes or shows credentials. Refused to everyone, whatever the scopes.
    pub minting: bool,
    /// The largest request body, in bytes, where it differs from the deployment's default.
    pub max_body_bytes: Option<u64>,
    /// The member of the request that says the seconds of a video, by the names that lead there with dots between them; with
    /// [`UsageShape::Video`] only.
    pub seconds: Option<Str>,
    /// The field of the request's form that says how much money the call moves, in the smallest unit of its currency, or
    /// [`MOVES_NOTHING`]; `None` where nobody knows.
    pub moves: Option<Str>,
    /// The price row, where the request does not name a model.
    pub price_model: Option<Str>,
    /// Whether it is a WebSocket.
    pub websocket: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_stands_where_its_name_says() {
        for cap in OutputCap::ALL {
            let (object, name) = cap.place();
            let written: Vec<&str> = object.into_iter().chain([name]).collect();
            assert_eq!(written.join("."), cap.as_str());
        }
    }
}
