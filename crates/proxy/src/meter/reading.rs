//! What was read of an answer so far, and which vendor's way of stating usage reads it.

use http::HeaderMap;
use keystore_catalog::UsageShape;
use keystore_core::{Bucket, Usage};

use super::event_stream::Frame;
use super::json::Answer;
use super::stated::{self, Place};
use super::{
    MeterSetup, anthropic_messages, bedrock, cohere, gemini, headers, ollama, openai_audio, openai_chat,
    openai_images, openai_responses, relayed,
};
use crate::sse::Event;

/// What was read so far.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) vendor: Vendor,
    /// What the vendor stated last.
    pub(super) usage: Option<Usage>,
    /// What the vendor says that it costs, in nano-dollars.
    pub(super) cost: Option<u64>,
    /// The statement is the final one.
    pub(super) complete: bool,
    pub(super) model: Option<String>,
    pub(super) service_tier: Option<String>,
    /// Where inference ran.
    pub(super) inference_geo: Option<String>,
    pub(super) failed: bool,
    /// Bytes of the texts that the answer consists of.
    pub(super) text_bytes: u64,
}

/// How usage is stated, with what a way has to remember.
#[derive(Debug)]
pub(super) enum Vendor {
    /// Not stated in a way that is read.
    Unread,
    Chat(openai_chat::Dialect),
    Responses(openai_responses::Calls),
    Anthropic(anthropic_messages::Counters),
    Gemini(gemini::Searches),
    Bedrock(anthropic_messages::Counters),
    Cohere,
    Ollama,
    Images,
    Audio,
    /// A few counters at fixed places.
    Stated(&'static [Place]),
    /// In a header of the answer.
    Header(&'static str),
}

impl Vendor {
    pub(super) fn of(shape: UsageShape) -> Self {
        use openai_chat::Dialect;
        match shape {
            UsageShape::OpenaiChat | UsageShape::OpenaiEmbeddings => Self::Chat(Dialect::Openai),
            UsageShape::Xai => Self::Chat(Dialect::Xai),
            UsageShape::Perplexity => Self::Chat(Dialect::Perplexity),
            UsageShape::Openrouter => Self::Chat(Dialect::Openrouter),
            UsageShape::OpenaiResponses => Self::Responses(openai_responses::Calls::default()),
            UsageShape::OpenaiImages => Self::Images,
            UsageShape::OpenaiAudio => Self::Audio,
            UsageShape::AnthropicMessages => Self::Anthropic(anthropic_messages::Counters::default()),
            UsageShape::Gemini => Self::Gemini(gemini::Searches::default()),
            UsageShape::Bedrock => Self::Bedrock(anthropic_messages::Counters::default()),
            UsageShape::Cohere => Self::Cohere,
            UsageShape::Ollama => Self::Ollama,
            UsageShape::Elevenlabs => Self::Header("character-cost"),
            UsageShape::Fal => Self::Header("x-fal-billable-units"),
            // The request says it all.
            UsageShape::Resend | UsageShape::Video => Self::Stated(&[]),
            UsageShape::None | UsageShape::OpenaiRealtime => Self::Unread,
            UsageShape::Voyage
            | UsageShape::Jina
            | UsageShape::Replicate
            | UsageShape::Deepgram
            | UsageShape::Assemblyai
            | UsageShape::Tavily
            | UsageShape::Exa
            | UsageShape::Serper
            | UsageShape::Firecrawl
            | UsageShape::Pinecone
            | UsageShape::Deepl
            | UsageShape::Stripe
            | UsageShape::MistralOcr => Self::Stated(stated::places(shape)),
        }
    }

    /// Whether nothing but the head of an answer is read, if that.
    pub(super) fn ignores_bodies(&self) -> bool {
        matches!(self, Self::Unread | Self::Header(_) | Self::Stated([]))
    }
}

impl Reading {
    /// Reads the head of an answer.
    pub(super) fn new(setup: &MeterSetup, head: &HeaderMap) -> Self {
        let mut reading = Self {
            vendor: Vendor::of(setup.shape),
            usage: None,
            cost: None,
            complete: false,
            model: None,
            service_tier: None,
            inference_geo: None,
            failed: false,
            text_bytes: 0,
        };
        match reading.vendor {
            Vendor::Header(name) => {
                let bucket = setup.asked.map_or(Bucket::Credits, |asked| asked.bucket);
                reading.state(headers::units(head, name).map(|units| Usage::ZERO.with(bucket, units)));
            }
            Vendor::Bedrock(_) => {
                reading.state(headers::bedrock(head));
                reading.name_served(None, headers::text(head, "x-amzn-bedrock-service-tier"));
            }
            _ => {}
        }
        reading
    }

    /// Reads a server-sent event, and says whether it is the usage chunk that nobody but us asked for.
    pub(super) fn event(&mut self, event: Event<'_>) -> bool {
        match self.vendor {
            Vendor::Chat(_) => return openai_chat::event(self, event.data),
            Vendor::Responses(_) => openai_responses::event(self, event),
            Vendor::Anthropic(_) => anthropic_messages::event(self, event),
            _ => self.document(event.data),
        }
        false
    }

    /// Reads one JSON document of a stream: a line, the data of an event.
    pub(super) fn document(&mut self, json: &[u8]) {
        let json = json.trim_ascii();
        if json.is_empty() {
            return;
        }
        let answer = Answer::whole(json);
        match self.vendor {
            Vendor::Gemini(_) => gemini::chunk(self, answer),
            Vendor::Cohere => cohere::event(self, answer),
            Vendor::Ollama => ollama::read(self, answer),
            Vendor::Images => openai_images::event(self, json),
            Vendor::Audio => openai_audio::event(self, json),
            Vendor::Stated(places) => stated::read(self, places, answer),
            _ => {}
        }
        if !self.complete {
            self.relayed(json);
        }
    }

    /// Reads a frame of AWS's.
    pub(super) fn frame(&mut self, frame: Frame<'_>) {
        if let Vendor::Bedrock(_) = self.vendor {
            bedrock::frame(self, frame);
        }
    }

    /// Reads a buffered answer, or the end of one that had `all_bytes`.
    pub(super) fn body(&mut self, body: &[u8], all_bytes: u64) {
        let from_start = body.len() as u64 == all_bytes;
        let answer = if from_start {
            Answer::whole(body)
        } else {
            Answer::tail(body)
        };
        match self.vendor {
            Vendor::Chat(_) => openai_chat::body(self, answer),
            Vendor::Responses(_) => openai_responses::body(self, answer),
            Vendor::Anthropic(_) => anthropic_messages::body(self, answer),
            Vendor::Gemini(_) => gemini::body(self, answer),
            Vendor::Bedrock(_) => bedrock::body(self, answer),
            Vendor::Cohere => cohere::body(self, answer),
            Vendor::Ollama => ollama::read(self, answer),
            Vendor::Images => openai_images::body(self, answer),
            Vendor::Audio => openai_audio::body(self, answer),
            Vendor::Stated(places) => stated::read(self, places, answer),
            Vendor::Unread | Vendor::Header(_) => {}
        }
        if !self.complete {
            let texts = relayed::text_bytes(body).filter(|_| from_start);
            self.text_bytes = texts.unwrap_or(all_bytes);
        }
    }

    /// Counts what an event relays, in case that nothing is stated.
    pub(super) fn relayed(&mut self, json: &[u8]) {
        let texts = relayed::text_bytes(json).unwrap_or(0);
        self.text_bytes = self.text_bytes.saturating_add(texts);
    }

    pub(super) fn name_served(&mut self, model: Option<String>, service_tier: Option<String>) {
        self.model = model.or(self.model.take());
        self.service_tier = service_tier.or(self.service_tier.take());
    }

    /// A final statement, if there is one.
    pub(super) fn state(&mut self, usage: Option<Usage>) {
        if usage.is_some() {
            self.usage = usage;
            self.complete = true;
        }
    }
}
