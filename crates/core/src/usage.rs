//! What a call used, in disjoint buckets.
//!
//! A bucket never contains another: cached input is not in `InputUncached`, reasoning is not in `OutputText`. Vendors count
//! in several overlapping ways; the meters of the proxy know them, and prices never have to.

/// One kind of billable unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Bucket {
    /// Input tokens that were neither read from nor written to a cache.
    InputUncached = 0,
    /// Input tokens read from the vendor's prompt cache.
    CacheRead = 1,
    /// Input tokens written to a cache of a vendor that has no time classes.
    CacheWrite = 2,
    /// Input tokens written to the cache for five minutes.
    CacheWrite5m = 3,
    /// Input tokens written to the cache for one hour.
    CacheWrite1h = 4,
    /// Output tokens other than reasoning, audio and image tokens.
    OutputText = 5,
    /// Output tokens spent on reasoning.
    Reasoning = 6,
    /// Audio input tokens, uncached.
    AudioIn = 7,
    /// Audio input tokens read from a cache.
    AudioCacheRead = 8,
    /// Audio output tokens.
    AudioOut = 9,
    /// Image input tokens, uncached.
    ImageIn = 10,
    /// Image input tokens read from a cache.
    ImageCacheRead = 11,
    /// Image output tokens.
    ImageOut = 12,
    /// Calls, for operations with a price per call.
    Requests = 13,
    /// Searches by a model's web search tool.
    WebSearches = 14,
    /// Searches by a model's file search tool.
    FileSearches = 15,
    /// Searches of a search vendor.
    Searches = 16,
    /// The vendor's credits.
    Credits = 17,
    /// E-mails accepted.
    Emails = 18,
    /// Pages processed.
    Pages = 19,
    /// Images made.
    Images = 20,
    /// Seconds of audio or video.
    Seconds = 21,
    /// Characters of text.
    Characters = 22,
    /// The vendor's own statement of the cost, in nano-dollars.
    VendorCostNanos = 23,
    /// Video input tokens.
    VideoIn = 24,
    /// Video output tokens.
    VideoOut = 25,
    /// Audio input tokens written to a cache.
    AudioCacheWrite = 26,
    /// Tokens of cited pages that a search model read.
    Citations = 27,
    /// Images given.
    ImagesIn = 28,
    /// Searches of a map by a model's tool.
    MapSearches = 29,
    /// Seconds of audio given, where video has another price.
    AudioSecondsIn = 30,
    /// Seconds of video given, where audio has another price.
    VideoSecondsIn = 31,
    /// Pixels of the images made.
    Pixels = 32,
    /// Songs made.
    Songs = 33,
    /// Characters of the answer.
    CharactersOut = 34,
    /// Sessions of a container.
    Sessions = 35,
    /// Text messages, or the segments of which they consist.
    Messages = 36,
    /// Pages processed and annotated.
    AnnotatedPages = 37,
    /// Money that the call moves, in nano-dollars; not what it costs.
    UsdMovedNanos = 38,
}

impl Bucket {
    /// How many buckets there are.
    pub const COUNT: usize = 39;

    /// Every bucket, in order of its number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::InputUncached,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWrite5m,
        Self::CacheWrite1h,
        Self::OutputText,
        Self::Reasoning,
        Self::AudioIn,
        Self::AudioCacheRead,
        Self::AudioOut,
        Self::ImageIn,
        Self::ImageCacheRead,
        Self::ImageOut,
        Self::Requests,
        Self::WebSearches,
        Self::FileSearches,
        Self::Searches,
        Self::Credits,
        Self::Emails,
        Self::Pages,
        Self::Images,
        Self::Seconds,
        Self::Characters,
        Self::VendorCostNanos,
        Self::VideoIn,
        Self::VideoOut,
        Self::AudioCacheWrite,
        Self::Citations,
        Self::ImagesIn,
        Self::MapSearches,
        Self::AudioSecondsIn,
        Self::VideoSecondsIn,
        Self::Pixels,
        Self::Songs,
        Self::CharactersOut,
        Self::Sessions,
        Self::Messages,
        Self::AnnotatedPages,
        Self::UsdMovedNanos,
    ];

    /// Whether it is counted in tokens.
    pub const fn is_tokens(self) -> bool {
        (self as u8) < Self::Requests as u8
            || matches!(
                self,
                Self::VideoIn | Self::VideoOut | Self::AudioCacheWrite | Self::Citations
            )
    }

    /// The name in the API, in storage and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InputUncached => "input_uncached",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::OutputText => "output_text",
            Self::Reasoning => "reasoning",
            Self::AudioIn => "audio_in",
            Self::AudioCacheRead => "audio_cache_read",
            Self::AudioOut => "audio_out",
            Self::ImageIn => "image_in",
            Self::ImageCacheRead => "image_cache_read",
            Self::ImageOut => "image_out",
            Self::Requests => "requests",
            Self::WebSearches => "web_searches",
            Self::FileSearches => "file_searches",
            Self::Searches => "searches",
            Self::Credits => "credits",
            Self::Emails => "emails",
            Self::Pages => "pages",
            Self::Images => "images",
            Self::Seconds => "seconds",
            Self::Characters => "characters",
            Self::VendorCostNanos => "vendor_cost_nanos",
            Self::VideoIn => "video_in",
            Self::VideoOut => "video_out",
            Self::AudioCacheWrite => "audio_cache_write",
            Self::Citations => "citations",
            Self::ImagesIn => "images_in",
            Self::MapSearches => "map_searches",
            Self::AudioSecondsIn => "audio_seconds_in",
            Self::VideoSecondsIn => "video_seconds_in",
            Self::Pixels => "pixels",
            Self::Songs => "songs",
            Self::CharactersOut => "characters_out",
            Self::Sessions => "sessions",
            Self::Messages => "messages",
            Self::AnnotatedPages => "annotated_pages",
            Self::UsdMovedNanos => "usd_moved_nanos",
        }
    }
}

/// The units of every bucket. A bucket that is not named in a vendor's answer is zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Usage([u64; Bucket::COUNT]);

impl Usage {
    /// Nothing used.
    pub const ZERO: Self = Self([0; Bucket::COUNT]);

    /// The units in `bucket`.
    pub const fn get(&self, bucket: Bucket) -> u64 {
        self.0[bucket as usize]
    }

    /// Puts `units` into `bucket`, in place of what was there.
    pub const fn set(&mut self, bucket: Bucket, units: u64) {
        self.0[bucket as usize] = units;
    }

    /// The same usage with `units` in `bucket`.
    #[must_use]
    pub const fn with(mut self, bucket: Bucket, units: u64) -> Self {
        self.set(bucket, units);
        self
    }

    /// The buckets that are not zero, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Bucket, u64)> + '_ {
        Bucket::ALL
            .into_iter()
            .zip(self.0.iter().copied())
            .filter(|(_, units)| *units > 0)
    }

    /// All input tokens, cached ones included: what long-context price tiers are measured by. Saturates.
    pub fn input_tokens(&self) -> u64 {
        use Bucket::{
            AudioCacheRead, AudioCacheWrite, AudioIn, CacheRead, CacheWrite, CacheWrite1h, CacheWrite5m,
            Citations, ImageCacheRead, ImageIn, InputUncached, VideoIn,
        };
        [
            InputUncached,
            CacheRead,
            CacheWrite,
            CacheWrite5m,
            CacheWrite1h,
            AudioIn,
            AudioCacheRead,
            ImageIn,
            ImageCacheRead,
            VideoIn,
            AudioCacheWrite,
            Citations,
        ]
        .into_iter()
        .fold(0, |sum: u64, bucket| sum.saturating_add(self.get(bucket)))
    }

    /// All output tokens, reasoning included. Saturates.
    pub fn output_tokens(&self) -> u64 {
        [
            Bucket::OutputText,
            Bucket::Reasoning,
            Bucket::AudioOut,
            Bucket::ImageOut,
            Bucket::VideoOut,
        ]
        .into_iter()
        .fold(0, |sum: u64, bucket| sum.saturating_add(self.get(bucket)))
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::ZERO
    }
}

impl std::fmt::Debug for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(bucket, units)| (bucket.name(), units)))
            .finish()
    }
}

impl serde::Serialize for Usage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(bucket, units)| (bucket.name(), units)))
    }
}

impl<C> minicbor::Encode<C> for Usage {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.map(self.iter().count() as u64)?;
        for (bucket, units) in self.iter() {
            e.u8(bucket as u8)?.u64(units)?;
        }
        Ok(())
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Usage {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let unknown = || minicbor::decode::Error::message("unknown usage bucket");
        let mut usage = Self::ZERO;
        for entry in d.map_iter::<u8, u64>()? {
            let (number, units) = entry?;
            let bucket = Bucket::ALL
                .get(usize::from(number))
                .copied()
                .ok_or_else(unknown)?;
            usage.set(bucket, units);
        }
        Ok(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_order_agree() {
        for (index, bucket) in Bucket::ALL.into_iter().enumerate() {
            assert_eq!(bucket as usize, index);
        }
    }

    #[test]
    fn only_what_is_used_is_written() {
        let usage = Usage::ZERO.with(Bucket::OutputText, 7).with(Bucket::CacheRead, 3);
        assert_eq!(
            serde_json::to_string(&usage).unwrap(),
            r#"{"cache_read":3,"output_text":7}"#
        );
        let bytes = minicbor::to_vec(usage).unwrap();
        assert_eq!(bytes.len(), 5);
        assert_eq!(minicbor::decode::<Usage>(&bytes).unwrap(), usage);
        assert_eq!((usage.input_tokens(), usage.output_tokens()), (3, 7));
    }
}
