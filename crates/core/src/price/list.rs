//! Lists of prices by bucket, and what a bucket without a price costs.

use std::borrow::Cow;

use crate::usage::Bucket;

/// Nano-dollars per million units, by bucket. Only the buckets that have a price take room.
#[derive(Clone, PartialEq, Eq)]
pub struct UnitPrices {
    /// A bit for each bucket that has a price, by its number.
    which: u64,
    /// Their prices, in the order of the bits.
    prices: Cow<'static, [i64]>,
}

const _: () = assert!(Bucket::COUNT <= 64, "a bit for each bucket");

impl UnitPrices {
    /// No price at all.
    pub const NONE: Self = Self {
        which: 0,
        prices: Cow::Borrowed(&[]),
    };

    /// A list from its parts, as [`Self::parts`] gives them.
    pub const fn from_parts(which: u64, prices: &'static [i64]) -> Self {
        Self {
            which,
            prices: Cow::Borrowed(prices),
        }
    }

    /// A bit for each bucket that has a price, by its number, and the prices in the order of the bits.
    pub fn parts(&self) -> (u64, &[i64]) {
        (self.which, &self.prices)
    }

    /// The same prices with `price` for `bucket`.
    #[must_use]
    pub fn with(mut self, bucket: Bucket, price: i64) -> Self {
        let at = self.place(bucket);
        let prices = self.prices.to_mut();
        if self.which & bit(bucket) == 0 {
            prices.insert(at, price);
        } else {
            prices[at] = price;
        }
        self.which |= bit(bucket);
        self
    }

    /// The price that is written for `bucket`.
    pub fn written(&self, bucket: Bucket) -> Option<i64> {
        if self.which & bit(bucket) == 0 {
            return None;
        }
        self.prices.get(self.place(bucket)).copied()
    }

    /// The price of `bucket`: the written one, or that of a bucket which vendors charge no less for.
    ///
    /// - Reasoning, audio, image and video output without a price cost what text output costs.
    /// - A cache write without a price costs as the dearest kind of cache write that has one, else as uncached input.
    /// - A cache read without a price gets no discount: it costs what the same input costs uncached.
    /// - Audio, image and video input without a price cost what text input costs, and so do cited pages. Audio that is written to
    ///   a cache costs as other audio.
    /// - Calls, searches, pages and the like have no substitute, and neither have uncached input and text output.
    pub fn get(&self, bucket: Bucket) -> Option<i64> {
        Layers::of([self]).get(bucket)
    }

    /// The buckets that have a price, and the prices, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Bucket, i64)> + '_ {
        Bucket::ALL
            .into_iter()
            .filter_map(|bucket| Some((bucket, self.written(bucket)?)))
    }

    /// The same buckets at other prices.
    #[must_use]
    pub fn map(&self, price: impl Fn(Bucket, i64) -> i64) -> Self {
        self.iter().fold(Self::NONE, |list, (bucket, old)| {
            list.with(bucket, price(bucket, old))
        })
    }

    /// `over` where it says something, these prices elsewhere.
    #[must_use]
    pub fn overlaid(&self, over: &Self) -> Self {
        over.iter()
            .fold(self.clone(), |prices, (bucket, price)| prices.with(bucket, price))
    }

    fn place(&self, bucket: Bucket) -> usize {
        self.place_of(bit(bucket))
    }

    /// Where the price of the bucket with this bit stands, or would.
    fn place_of(&self, bit: u64) -> usize {
        (self.which & (bit - 1)).count_ones() as usize
    }
}

const fn bit(bucket: Bucket) -> u64 {
    1 << bucket as u32
}

/// Some buckets.
#[derive(Clone, Copy)]
pub(super) struct Buckets(u64);

impl Buckets {
    pub(super) const fn of(buckets: &[Bucket]) -> Self {
        let (mut which, mut at) = (0, 0);
        while at < buckets.len() {
            which |= bit(buckets[at]);
            at += 1;
        }
        Self(which)
    }
}

impl std::fmt::Debug for UnitPrices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(bucket, price)| (bucket.name(), price)))
            .finish()
    }
}

/// As many lists as may lie over each other: a tier of a variant, the variant, what was chosen, the base.
const LAYERS: usize = 4;

/// Lists one over the other: of each bucket the first list that names it counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layers<'a>([&'a UnitPrices; LAYERS]);

impl<'a> Layers<'a> {
    pub(super) fn of<const COUNT: usize>(lists: [&'a UnitPrices; COUNT]) -> Self {
        static NONE: UnitPrices = UnitPrices::NONE;
        const { assert!(COUNT <= LAYERS, "as many lists as there are layers") };
        let mut layers = [&NONE; LAYERS];
        layers[..COUNT].copy_from_slice(&lists);
        Self(layers)
    }

    pub(super) fn written(&self, bucket: Bucket) -> Option<i64> {
        self.0.iter().find_map(|list| list.written(bucket))
    }

    pub(super) fn has(&self, bucket: Bucket) -> bool {
        self.0.iter().any(|list| list.which & bit(bucket) != 0)
    }

    /// The dearest written price of any of `buckets`.
    pub(super) fn dearest(&self, buckets: Buckets) -> Option<i64> {
        let (mut dearest, mut left) = (None, buckets.0);
        for list in self.0 {
            let mut here = list.which & left;
            left &= !here;
            while here != 0 {
                let lowest = here & here.wrapping_neg();
                dearest = dearest.max(list.prices.get(list.place_of(lowest)).copied());
                here ^= lowest;
            }
        }
        dearest
    }

    /// As [`UnitPrices::get`].
    pub(super) fn get(&self, bucket: Bucket) -> Option<i64> {
        use Bucket::{
            AudioCacheRead, AudioCacheWrite, AudioIn, AudioOut, CacheRead, CacheWrite, CacheWrite1h,
            CacheWrite5m, Citations, ImageCacheRead, ImageIn, ImageOut, InputUncached, OutputText, Reasoning,
            VideoIn, VideoOut,
        };
        let substitute = || match bucket {
            Reasoning | AudioOut | ImageOut | VideoOut => self.written(OutputText),
            CacheWrite | CacheWrite5m | CacheWrite1h => [CacheWrite, CacheWrite5m, CacheWrite1h]
                .into_iter()
                .filter_map(|write| self.written(write))
                .max()
                .or(self.written(InputUncached)),
            AudioCacheRead | AudioCacheWrite => self.written(AudioIn).or(self.written(InputUncached)),
            ImageCacheRead => self.written(ImageIn).or(self.written(InputUncached)),
            CacheRead | AudioIn | ImageIn | VideoIn | Citations => self.written(InputUncached),
            _ => None,
        };
        self.written(bucket).or_else(substitute)
    }
}
