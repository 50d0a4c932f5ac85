//! Answers that state a few counters at fixed places: search, scraping, embeddings, speech, jobs.
//!
//! Each place that is there is read, and several that lead to one bucket are alternatives: the first one counts. A job that is
//! not done yet has used nothing so far; whoever reads it to its end and then again is charged again.

use keystore_catalog::UsageShape;
use keystore_core::{Bucket, Usage};

use super::Reading;
use super::count::{Count, nano_dollars};
use super::json::{self, Answer, Elements};
use crate::body::moved;

/// Where a counter stands, and what it counts.
#[derive(Debug)]
pub(super) struct Place {
    path: &'static [&'static str],
    counts: Counts,
}

#[derive(Debug, Clone, Copy)]
enum Counts {
    Units(Bucket),
    /// The sum of a member of the elements of a list.
    Sum(&'static str, Bucket),
    /// Units for each of as many as the second place says; one where it says nothing.
    Times(&'static [&'static str], Bucket),
    /// What the call costs, in dollars.
    Dollars,
    /// Money that the call moves, in the smallest unit of the currency that stands there.
    Money(&'static [&'static str]),
}

const fn units(path: &'static [&'static str], bucket: Bucket) -> Place {
    Place {
        path,
        counts: Counts::Units(bucket),
    }
}

/// Where the answers of `shape` state their usage.
pub(super) fn places(shape: UsageShape) -> &'static [Place] {
    const TOKENS: Place = units(&["usage", "total_tokens"], Bucket::InputUncached);
    match shape {
        UsageShape::Voyage => const { &[TOKENS] },
        UsageShape::Jina => const { &[TOKENS, units(&["data", "usage", "tokens"], Bucket::InputUncached)] },
        UsageShape::Replicate => {
            const {
                &[
                    units(&["metrics", "predict_time"], Bucket::Seconds),
                    units(&["metrics", "input_token_count"], Bucket::InputUncached),
                    units(&["metrics", "output_token_count"], Bucket::OutputText),
                ]
            }
        }
        UsageShape::Deepgram => {
            const {
                &[Place {
                    path: &["metadata", "duration"],
                    counts: Counts::Times(&["metadata", "channels"], Bucket::Seconds),
                }]
            }
        }
        UsageShape::Assemblyai => const { &[units(&["audio_duration"], Bucket::Seconds)] },
        UsageShape::Tavily => const { &[units(&["usage", "credits"], Bucket::Credits)] },
        UsageShape::Exa => {
            const {
                &[Place {
                    path: &["costDollars", "total"],
                    counts: Counts::Dollars,
                }]
            }
        }
        UsageShape::Serper => const { &[units(&["credits"], Bucket::Searches)] },
        UsageShape::Firecrawl => {
            const {
                &[
                    units(&["creditsUsed"], Bucket::Credits),
                    units(&["data", "metadata", "creditsUsed"], Bucket::Credits),
                    units(&["metadata", "creditsUsed"], Bucket::Credits),
                ]
            }
        }
        UsageShape::Pinecone => {
            const {
                &[
                    units(&["usage", "readUnits"], Bucket::Credits),
                    units(&["usage", "read_units"], Bucket::Credits),
                    TOKENS,
                ]
            }
        }
        UsageShape::Deepl => {
            const {
                &[Place {
                    path: &["translations"],
                    counts: Counts::Sum("billed_characters", Bucket::Characters),
                }]
            }
        }
        UsageShape::Stripe => {
            const {
                &[Place {
                    path: &["amount"],
                    counts: Counts::Money(&["currency"]),
                }]
            }
        }
        UsageShape::MistralOcr => const { &[units(&["usage_info", "pages_processed"], Bucket::Pages)] },
        _ => &[],
    }
}

/// Reads an answer. The last one that states something counts.
pub(super) fn read(reading: &mut Reading, places: &[Place], answer: Answer<'_>) {
    let model = answer.get(&["model"]).and_then(json::text);
    reading.name_served(model, None);
    reading.failed |= answer.get(&["error"]).is_some_and(json::is_set);
    let mut usage = Usage::ZERO;
    let mut stated = false;
    for place in places {
        let Some(value) = answer.get(place.path) else {
            continue;
        };
        stated |= match place.counts {
            Counts::Dollars => {
                reading.cost = nano_dollars(value).or(reading.cost);
                reading.cost.is_some()
            }
            Counts::Money(path) => {
                let currency = answer.get(path).and_then(json::text).unwrap_or_default();
                let nanos = Count::of(value)
                    .0
                    .and_then(|units| moved::stated(units, &currency));
                add(&mut usage, Bucket::UsdMovedNanos, nanos)
            }
            Counts::Units(bucket) => add(&mut usage, bucket, Count::of(value).0),
            Counts::Times(path, bucket) => {
                let times = answer.get(path).and_then(|value| Count::of(value).0);
                let one = Count::of(value).0;
                add(
                    &mut usage,
                    bucket,
                    one.map(|one| one.saturating_mul(times.unwrap_or(1).max(1))),
                )
            }
            Counts::Sum(name, bucket) => add(&mut usage, bucket, sum(value, name)),
        };
    }
    let moves = |place: &Place| matches!(place.counts, Counts::Money(_));
    if stated || (is_pending(answer) && !places.iter().any(moves)) {
        reading.state(Some(usage));
    }
}

/// Whether anything was stated. Of alternatives, the first one stays.
fn add(usage: &mut Usage, bucket: Bucket, stated: Option<u64>) -> bool {
    if let Some(stated) = stated.filter(|_| usage.get(bucket) == 0) {
        usage.set(bucket, stated);
    }
    stated.is_some()
}

/// The sum over a list; `None` if an element does not state its part.
fn sum(list: &[u8], name: &str) -> Option<u64> {
    let mut elements = Elements::of(list).peekable();
    elements.peek()?;
    elements.try_fold(0_u64, |sum, element| {
        let part = Count::of(json::find(element, &[name])?).0?;
        Some(sum.saturating_add(part))
    })
}

/// Whether it is a job that has not been done yet.
fn is_pending(answer: Answer<'_>) -> bool {
    let status = answer.get(&["status"]).and_then(json::text);
    matches!(
        status.as_deref(),
        Some("queued" | "processing" | "starting" | "scraping")
    )
}
