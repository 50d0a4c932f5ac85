//! The bytes of a page: a format byte, then for each call the distance of its `seq` from the page's first one (u32,
//! little-endian) and the frames of the records that made it, as they stand in the journal.

use keystore_core::ids::RequestId;
use keystore_core::record::{Intent, Outcome, Record, Refusal};

use crate::error::StoreError;
use crate::journal::batch;

/// The format of a page.
const FORMAT: u8 = 1;

const DISTANCE: usize = 4;

/// An attempt that ended, or a refusal, as its records tell it.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all calls are of the large one, and a page holds few"
)]
pub(crate) enum Call<'a> {
    Ended(Intent<'a>, Outcome<'a>),
    Refused(Refusal<'a>),
}

impl Call<'_> {
    pub(crate) fn request(&self) -> RequestId {
        match self {
            Self::Ended(intent, _) => intent.request,
            Self::Refused(refusal) => refusal.request,
        }
    }
}

/// A page without calls, with room for those with these frames.
pub(crate) fn empty<'a>(calls: impl Iterator<Item = &'a [&'a [u8]]>) -> Vec<u8> {
    let length = |frames: &[&[u8]]| DISTANCE + frames.iter().map(|frame| frame.len()).sum::<usize>();
    let mut body = Vec::with_capacity(1 + calls.map(length).sum::<usize>());
    body.push(FORMAT);
    body
}

/// Appends a call to a page.
pub(crate) fn push(body: &mut Vec<u8>, distance: u32, frames: &[&[u8]]) {
    body.extend_from_slice(&distance.to_le_bytes());
    frames.iter().for_each(|frame| body.extend_from_slice(frame));
}

/// The calls of a page whose first `seq` is `first`, each with its own, in their order.
pub(crate) fn calls(first: i64, body: &[u8]) -> Result<Vec<(i64, Call<'_>)>, StoreError> {
    let Some((&FORMAT, mut rest)) = body.split_first() else {
        return Err(StoreError::damaged("a page of requests of an unknown format"));
    };
    let mut calls = Vec::new();
    while !rest.is_empty() {
        let (distance, frames) = rest
            .split_first_chunk::<DISTANCE>()
            .ok_or_else(|| StoreError::damaged("a cut page of requests"))?;
        let (call, behind) = call(frames)?;
        calls.push((first + i64::from(u32::from_le_bytes(*distance)), call));
        rest = behind;
    }
    Ok(calls)
}

/// The first call, and what follows it.
fn call(frames: &[u8]) -> Result<(Call<'_>, &[u8]), StoreError> {
    let (framed, rest) = batch::split(frames)?;
    match framed.record {
        Record::Refusal(refusal) => Ok((Call::Refused(refusal), rest)),
        Record::Intent(intent) => match batch::split(rest)? {
            (
                batch::Framed {
                    record: Record::Outcome(outcome),
                    ..
                },
                rest,
            ) => Ok((Call::Ended(intent, outcome), rest)),
            _ => Err(StoreError::damaged("an intent without its outcome")),
        },
        Record::Outcome(_) | Record::Topup(_) => {
            Err(StoreError::damaged("what follows an intent, without it"))
        }
    }
}
