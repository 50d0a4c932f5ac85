//! Step 11, on the way: takes secrets out of answers.
//!
//! The second line of defence. The first is that a credential reaches only the hosts it is sealed for, whose vendor knows it
//! anyway; a vendor that encrypts or splits what it echoes defeats any scrubber. Bodies that pass through lose the exact
//! secret in every form that [`Needles`] knows, byte for byte, so that lengths stay as they are. Error bodies, which are read
//! whole, also lose whatever looks like a key or a masked one. What a secret is, this file never sees.

mod stray;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use keystore_catalog::Provider;
use quick_cache::sync::Cache;
use regex::bytes::{Captures, Regex};

use crate::inject::Needles;
pub(crate) use stray::Stray;

/// What stands in place of a secret in an error body.
const REDACTED: &[u8] = b"[redacted]";
/// Compiled key patterns: one per provider in use.
const MAX_PATTERNS: usize = 1_024;

/// Scrubs a body as it passes. A byte is held back only while it may belong to a secret that has begun and not ended.
pub(crate) struct Scrubber {
    needles: Needles,
    held: BytesMut,
}

impl Scrubber {
    /// For one answer.
    pub(crate) fn new(needles: Needles) -> Self {
        Self {
            needles,
            held: BytesMut::new(),
        }
    }

    /// What can be passed on now that `chunk` came; may be empty. Every secret is replaced by as many asterisks.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.needles.is_empty() {
            return chunk;
        }
        let data = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.split().freeze()
        };
        let pending = self.needles.pending(&data, 0);
        if pending.is_none() && !self.needles.occur_in(&data) {
            return data;
        }
        self.replace(&data, true)
    }

    /// What is left when the body has ended.
    pub(crate) fn finish(&mut self) -> Bytes {
        if self.held.is_empty() {
            return Bytes::new();
        }
        let data = self.held.split().freeze();
        self.replace(&data, false)
    }

    /// Replaces what is certain. With `more` to come, the rest is held from where a longer or an earlier secret may begin.
    fn replace(&mut self, data: &Bytes, more: bool) -> Bytes {
        let mut found = Vec::new();
        let mut at = 0;
        let mut matches = self.needles.matches(data);
        let end = loop {
            let pending = if more {
                self.needles.pending(data, at)
            } else {
                None
            };
            let limit = pending.unwrap_or(data.len());
            match matches.next_from(at).filter(|secret| secret.start < limit) {
                Some(secret) => {
                    at = secret.end;
                    found.push(secret);
                }
                None => break limit,
            }
        };
        drop(matches);
        self.held.extend_from_slice(&data[end..]);
        let ready = data.slice(..end);
        if found.is_empty() {
            return ready;
        }
        let mut clean = BytesMut::from(&ready[..]);
        for secret in found {
            clean[secret].fill(b'*');
        }
        clean.freeze()
    }
}

/// An error body that was read whole, without secrets and what looks like one: the exact secret in every form, anything of
/// the form of this provider's keys, and keys that the vendor has masked in part (`sk-ab****yz`). The length may change.
pub(crate) fn scrub_error_body<'a>(body: &'a [u8], provider: &Provider, needles: &Needles) -> Cow<'a, [u8]> {
    let mut clean = match replace_exact(body, needles) {
        Some(replaced) => Cow::Owned(replaced),
        None => Cow::Borrowed(body),
    };
    if let Some(pattern) = key_pattern(provider)
        && pattern.is_match(&clean)
    {
        clean = Cow::Owned(pattern.replace_all(&clean, REDACTED).into_owned());
    }
    if MASKED.is_match(&clean) {
        let replaced = MASKED.replace_all(&clean, |masked: &Captures<'_>| {
            if is_masked_key(masked, needles) {
                REDACTED.to_vec()
            } else {
                masked[0].to_vec()
            }
        });
        clean = Cow::Owned(replaced.into_owned());
    }
    clean
}

fn replace_exact(body: &[u8], needles: &Needles) -> Option<Vec<u8>> {
    if !needles.occur_in(body) {
        return None;
    }
    let mut matches = needles.matches(body);
    let mut replaced = Vec::new();
    let mut at = 0;
    while let Some(secret) = matches.next_from(at) {
        replaced.extend_from_slice(&body[at..secret.start]);
        replaced.extend_from_slice(REDACTED);
        at = secret.end;
    }
    replaced.extend_from_slice(&body[at..]);
    Some(replaced)
}

/// The pattern of this provider's keys, where a key is recognisable by itself.
fn key_pattern(provider: &Provider) -> Option<Arc<Regex>> {
    static PATTERNS: LazyLock<Cache<String, Option<Arc<Regex>>>> = LazyLock::new(|| Cache::new(MAX_PATTERNS));
    let pattern = provider.key_pattern.as_ref().filter(|pattern| pattern.prefixed)?;
    let compiled = PATTERNS.get_or_insert_with(&*pattern.regex, || {
        Ok::<_, std::convert::Infallible>(Regex::new(&pattern.regex).ok().map(Arc::new))
    });
    compiled.ok().flatten()
}

/// Text with a mask in it, and what shows on either side. Vendors mask with asterisks, bullets and dots.
static MASKED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?<before>[A-Za-z0-9_-]{0,64})(?<mask>[*•·.…●]{2,}|[•●…])(?<after>[A-Za-z0-9_-]{0,64})")
        .unwrap_or_else(|_| unreachable!("the pattern is constant and tested"))
});

/// What the keys of vendors that mask them begin with.
const KEY_PREFIXES: [&[u8]; 5] = [b"sk", b"rk", b"pk", b"xai", b"xa"];

fn is_masked_key(masked: &Captures<'_>, needles: &Needles) -> bool {
    let (before, mask, after) = (&masked["before"], &masked["mask"], &masked["after"]);
    if needles.show_through(before, after) {
        return true;
    }
    let stars = mask.contains(&b'*');
    let begins_as_key = KEY_PREFIXES.iter().any(|prefix| {
        before
            .strip_prefix(*prefix)
            .is_some_and(|rest| stars || rest.first().is_some_and(|byte| b"-_".contains(byte)))
    });
    // Ellipses are common in prose, so that they count only behind the begin of a key.
    begins_as_key || (mask.ends_with(b"**") && (2..=6).contains(&after.len()))
}

#[cfg(test)]
mod tests;
