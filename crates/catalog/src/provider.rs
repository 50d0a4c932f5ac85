//! What a provider is: the types of the table.
//!
//! Text and lists are `Cow`, so that the built-in table is constant data read in place while a provider made at run time has
//! the same type. This file is also compiled into `build.rs`: it holds types only, what is done with them is beside it.

use std::borrow::Cow;

use keystore_core::policy::Access;
use keystore_core::price::ModelPrice;

/// Text of the table.
pub type Str = Cow<'static, str>;

/// A list of the table.
pub type List<T> = Cow<'static, [T]>;

/// A vendor of an API: where it is, how it is authenticated, what its operations cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The name in paths, scopes and commands: lower-case letters, digits and single hyphens.
    pub slug: Str,
    /// The name for people.
    pub name: Str,
    /// `llm`, `search`, `email`, `payments`, … (see `catalog/README.md`).
    pub category: Str,
    /// The vendor's documentation.
    pub docs_url: Option<Str>,
    /// The base origin, such as `https://api.openai.com`, optionally with a path that stands before every upstream path; may
    /// hold `{param}`. `None` where it must be given with the credential (self-hosted software, `sandbox`).
    pub base_url: Option<Str>,
    /// Further hosts, by alias: `/v1/<slug>~<alias>/…`.
    pub hosts: List<Host>,
    /// Whether a credential may name a base URL of its own.
    pub self_hosted: bool,
    /// Whether the provider exists in `ks dev` only.
    pub dev_only: bool,
    /// What the templates of the hosts need to be given, with the credential.
    pub url_params: List<UrlParam>,
    /// The fields of a credential. The main one is called `key`.
    pub fields: List<Field>,
    /// What is written into each request, in order.
    pub injections: List<InjectionTemplate>,
    /// Where this vendor's own SDKs put the key, besides `Authorization: Bearer`, which always works.
    pub token_slots: List<Slot>,
    /// Headers that are added where the client did not send them; names in lower case.
    pub default_headers: List<HeaderPair>,
    /// Headers that select an account at the vendor; stripped from requests and answers. Names in lower case, sorted.
    pub account_headers: List<Str>,
    /// Whether `%2f` may stand in a path and passes unchanged.
    pub path_encoded_slash: bool,
    /// The billing of operations that are not listed.
    pub default_billing: Billing,
    /// What is known of the API; credential-minting operations first, else in the order of the file.
    pub operations: List<Operation>,
    /// Which answers say that the credential is not valid (any more).
    pub bad_key: List<BadKey>,
    /// The status of a budget refusal in place of 402, for vendors whose SDK turns 402 into something else.
    pub refusal_budget_status: Option<u16>,
    /// A cheap request that shows whether a credential works.
    pub verify: Option<Verify>,
    /// What a key looks like.
    pub key_pattern: Option<KeyPattern>,
    /// The variables that the vendor's SDKs read.
    pub env: Env,
    /// What is put after the base URL to have an OpenAI-style base (`/v1`, or empty).
    pub openai_base_path: Option<Str>,
    /// Keys of this provider's file that rest on general knowledge and were not confirmed.
    pub unverified: List<Str>,
    /// The list prices.
    pub prices: PriceTable,
}

/// A further host of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name after `~` in the proxy path.
    pub alias: Str,
    /// The origin, optionally with a path before every upstream path; may hold `{param}`.
    pub url: Str,
}

/// A part of a host name or of a template that is given with the credential and is not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlParam {
    /// The name between the braces.
    pub name: Str,
    /// A regular expression that the whole value must match.
    pub pattern: Str,
    /// What to give, for people.
    pub description: Str,
}

/// One field of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name between the braces of a template.
    pub name: Str,
    /// The name for people.
    pub label: Str,
    /// Whether a credential without it is refused.
    pub required: bool,
    /// Whether the value is secret. A value that is not (an account id that answers repeat) is not scrubbed from answers, and
    /// may stand in the path of `verify`. It is sealed all the same.
    pub secret: bool,
    /// A regular expression that the whole value must match.
    pub pattern: Option<Str>,
}

impl Field {
    /// Whether `value` has the form that this field must have; surrounding ASCII white space, which intake takes away, does not
    /// count.
    pub fn fits(&self, value: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| {
            regex::Regex::new(&format!(r"\A(?:{pattern})\z")).is_ok_and(|form| {
                form.is_match(value.trim_matches(|letter: char| letter.is_ascii_whitespace()))
            })
        })
    }
}

/// One place in the request into which secret fields are written: `core::destination::Injection` as constant data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectionTemplate {
    /// `Authorization: Bearer <template>`.
    Bearer {
        /// What stands after `Bearer `.
        template: Str,
    },
    /// A header of its own.
    Header {
        /// The header's name in lower case.
        name: Str,
        /// Its value.
        template: Str,
    },
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user name.
        username: Str,
        /// The password; may be empty.
        password: Str,
    },
    /// A query parameter.
    Query {
        /// The parameter's name.
        name: Str,
        /// Its value before percent-encoding.
        template: Str,
    },
    /// A segment put before the upstream path, such as `/bot{key}`.
    Path {
        /// The segment; begins with `/`.
        template: Str,
    },
    /// An AWS signature, version 4. The fields are `key` (the secret access key), `access_key_id` and `session_token`.
    Sigv4 {
        /// The service's name in the signature; may hold `{param}`.
        service: Str,
        /// The region's name in the signature; may hold `{param}`.
        region: Str,
    },
    /// A bearer token that has to be fetched first.
    Token(TokenTemplate),
}

impl InjectionTemplate {
    /// The name of this way of authenticating, where it is described but not carried out yet.
    pub const fn not_yet(&self) -> Option<&'static str> {
        match self {
            Self::Bearer { .. }
            | Self::Header { .. }
            | Self::Basic { .. }
            | Self::Query { .. }
            | Self::Path { .. } => None,
            Self::Sigv4 { .. } => Some("sigv4"),
            Self::Token(token) => Some(token.grant.as_str()),
        }
    }
}

/// A bearer token that a credential is exchanged for (OAuth 2.0, RFC 6749).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTemplate {
    /// By which grant.
    pub grant: TokenGrant,
    /// Where; may hold `{param}`.
    pub token_url: Str,
    /// What is asked for, where the vendor wants it said.
    pub scope: Option<Str>,
    /// How the client proves who it is.
    pub client_auth: ClientAuth,
    /// Further members of the form, and those that the vendor wants otherwise than the grant says; may hold `{field}` and
    /// `{param}`.
    pub form: List<HeaderPair>,
    /// The scheme under which the token is sent, usually `Bearer`.
    pub scheme: Str,
}

/// How a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenGrant {
    /// `client_credentials`: the fields are `client_id` and `key` (the client's secret).
    ClientCredentials,
    /// `refresh_token`: the fields are `key` (the refresh token), `client_id` and `client_secret`.
    RefreshToken,
    /// A signed assertion (RFC 7523): `key` is a Google service account's JSON.
    GcpServiceAccount,
}

impl TokenGrant {
    /// The name in a provider's file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "oauth2_client_credentials",
            Self::RefreshToken => "oauth2_refresh",
            Self::GcpServiceAccount => "gcp_service_account",
        }
    }

    /// The fields that it takes.
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::ClientCredentials => &["key", "client_id"],
            Self::RefreshToken => &["key", "client_id", "client_secret"],
            Self::GcpServiceAccount => &["key"],
        }
    }
}

/// How a client proves who it is when it asks for a token (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// `Authorization: Basic`.
    Basic,
    /// In the form.
    Body,
    /// Not apart from what the form holds.
    None,
}

/// A place in which an SDK puts the key, and an agent therefore its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The whole value of this header; name in lower case.
    Header(Str),
    /// The user name of `Authorization: Basic`.
    BasicUsername,
    /// The password of `Authorization: Basic`.
    BasicPassword,
    /// The value of this query parameter.
    Query(Str),
    /// The first segment of the upstream path, after this text (`bot` where the path is `/bot<token>/sendMessage`). The
    /// segment is taken out of the path.
    Path(Str),
}

/// A header and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPair {
    /// The name in lower case.
    pub name: Str,
    /// The value.
    pub value: Str,
}

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
    pub fn place(self) -> (Option<&'static str>, &'static str) {
        match self.as_str().split_once('.') {
            Some((object, name)) => (Some(object), name),
            None => (None, self.as_str()),
        }
    }
}

/// The host of an operation that every host of the provider has.
pub(crate) const ANY_HOST: &str = "*";

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
    /// Whether a stream reports its usage only where the request asks for it (`stream_options.include_usage`).
    pub ask_usage: bool,
    /// Whether it makes or shows credentials. Refused to everyone, whatever the scopes.
    pub minting: bool,
    /// The largest request body, in bytes, where it differs from the deployment's default.
    pub max_body_bytes: Option<u64>,
    /// The price row, where the request does not name a model.
    pub price_model: Option<Str>,
    /// Whether it is a WebSocket.
    pub websocket: bool,
}

/// An answer that says that the credential is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadKey {
    /// The HTTP status.
    pub status: u16,
    /// A JSON pointer (RFC 6901) into the body; a segment `*` is any element of an array. `None`: the status is enough.
    pub pointer: Option<Str>,
    /// The texts of which one must stand there.
    pub values: List<Str>,
}

/// A request that shows whether a credential works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// The method.
    pub method: Str,
    /// Path and query on the host; may hold `{param}` and `{field}` of a field that is not secret.
    pub path: Str,
    /// The host; empty for the base host.
    pub host: Str,
    /// The statuses that mean that the credential is not valid.
    pub invalid_status: List<u16>,
    /// What else to know about the answer, for people.
    pub note: Option<Str>,
}

/// What a key looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern {
    /// A regular expression for the whole key, unanchored.
    pub regex: Str,
    /// Whether it is recognisable by itself. If not, it tells only length and alphabet and must not be searched for.
    pub prefixed: bool,
    /// Providers, by slug, whose keys can look the same.
    pub shared_with: List<Str>,
}

/// Environment variables that the vendor's SDKs read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Env {
    /// Variables that hold the key, the usual one first.
    pub key: List<Str>,
    /// Variables that hold the base URL.
    pub base_url: List<BaseUrlVar>,
}

/// A variable that holds a base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrlVar {
    /// The variable.
    pub name: Str,
    /// The path with which its value must end: `/v1`, or empty.
    pub path: Str,
}

/// The list prices of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceTable {
    /// Changes whenever a row does: 16 hex digits. Empty for an empty table.
    pub version: Str,
    /// The rows.
    pub rows: List<PriceRow>,
    /// Row numbers by model id and alias, sorted by name, ids before aliases.
    pub index: List<(Str, u32)>,
    /// The numbers of the rows that have a rule, in the order in which they are tried.
    pub ruled: List<u32>,
}

/// A row of the price table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    /// The prices, and from when until when they hold.
    pub price: ModelPrice,
    /// The row holds in these windows of the week only; empty is always.
    pub windows: List<TimeWindow>,
}

/// A part of some days of the week, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWindow {
    /// The first minute of the day, 0 to 1,439.
    pub from_minute: u16,
    /// The minute of the day at which it ends (exclusive), up to 1,440, after `from_minute`.
    pub to_minute: u16,
    /// The days as bits, Monday the lowest.
    pub weekdays: u8,
}
