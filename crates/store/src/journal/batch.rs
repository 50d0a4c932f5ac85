//! The bytes of a batch: a format byte, then for each record its length (u32, little-endian) and its CBOR.
//!
//! The same bytes stand in a journal row and in a frame of the spool, and the same frames in what the projections keep of a
//! record. Records are encoded in place from references, in the form that `Record` decodes from; what is decoded borrows from the bytes.

use keystore_core::record::{Intent, Outcome, Record, Refusal, Topup};

use crate::error::StoreError;

/// The format of a batch.
pub(crate) const FORMAT: u8 = 1;

const LENGTH: usize = 4;

/// A record to be appended, by reference.
#[derive(Clone, Copy)]
pub(crate) enum RecordRef<'a> {
    Intent(&'a Intent<'a>),
    Outcome(&'a Outcome<'a>),
    Refusal(&'a Refusal<'a>),
    Topup(&'a Topup<'a>),
}

/// Appends a record. On failure the batch is as before.
pub(crate) fn push(body: &mut Vec<u8>, record: RecordRef<'_>) -> Result<(), StoreError> {
    let before = body.len();
    if body.is_empty() {
        body.push(FORMAT);
    }
    let start = body.len() + LENGTH;
    body.extend_from_slice(&[0; LENGTH]);
    let written = encode(body, record);
    let length = u32::try_from(body.len() - start);
    match (written, length) {
        (Ok(()), Ok(length)) => {
            body[start - LENGTH..start].copy_from_slice(&length.to_le_bytes());
            Ok(())
        }
        _ => {
            body.truncate(before);
            Err(StoreError::damaged("a record that cannot be encoded"))
        }
    }
}

fn encode(
    body: &mut Vec<u8>,
    record: RecordRef<'_>,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    let mut encoder = minicbor::Encoder::new(body);
    match record {
        RecordRef::Intent(intent) => encoder.array(2)?.u32(0)?.array(1)?.encode(intent)?,
        RecordRef::Outcome(outcome) => encoder.array(2)?.u32(1)?.array(1)?.encode(outcome)?,
        RecordRef::Refusal(refusal) => encoder.array(2)?.u32(2)?.array(1)?.encode(refusal)?,
        RecordRef::Topup(topup) => encoder.array(2)?.u32(3)?.array(1)?.encode(topup)?,
    };
    Ok(())
}

/// A record in a batch.
pub(crate) struct Framed<'a> {
    pub(crate) record: Record<'a>,
    /// Its bytes, with their length before them.
    pub(crate) frame: &'a [u8],
}

/// The records of a batch, in order. Who meets one that cannot be read goes no further.
pub(crate) fn records(body: &[u8]) -> impl Iterator<Item = Result<Framed<'_>, StoreError>> {
    frames(body).map(|frame| read(frame?))
}

/// The bytes of the records of a batch, each with their length before them, in order; nothing after the first that is cut. What they
/// say is not looked at.
pub(crate) fn frames(body: &[u8]) -> Frames<'_> {
    match body.split_first() {
        Some((&FORMAT, rest)) => Frames { rest, unknown: None },
        Some((&format, _)) => Frames {
            rest: &[],
            unknown: Some(format),
        },
        None => Frames {
            rest: &[],
            unknown: None,
        },
    }
}

/// The bytes of the record in a frame.
pub(crate) fn bytes(frame: &[u8]) -> &[u8] {
    frame.get(LENGTH..).unwrap_or_default()
}

/// An open intent as it is kept: a batch of itself and, where its hold grew, of its last top-up. Gives it as it stands, and its
/// own frame.
pub(crate) fn open_intent(body: &[u8]) -> Result<(Intent<'_>, &[u8]), StoreError> {
    let mut records = records(body);
    let (Some(Framed { record, frame }), topup) = (records.next().transpose()?, records.next().transpose()?)
    else {
        return Err(StoreError::damaged("an open intent that is empty"));
    };
    match (record, topup.map(|framed| framed.record)) {
        (Record::Intent(intent), None) => Ok((intent, frame)),
        (Record::Intent(mut intent), Some(Record::Topup(topup))) => {
            intent.grow(&topup);
            Ok((intent, frame))
        }
        _ => Err(StoreError::damaged("an open intent that is none")),
    }
}

/// A batch of records that stand in batches already.
pub(crate) fn of(frames: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::with_capacity(1 + frames.iter().map(|frame| frame.len()).sum::<usize>());
    body.push(FORMAT);
    frames.iter().for_each(|frame| body.extend_from_slice(frame));
    body
}

/// What [`frames`] gives.
pub(crate) struct Frames<'a> {
    rest: &'a [u8],
    /// The format, where it is none of ours.
    unknown: Option<u8>,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(format) = self.unknown.take() {
            let reason = format!("journal format {format} is not known to this version");
            return Some(Err(StoreError::damaged(reason)));
        }
        if self.rest.is_empty() {
            return None;
        }
        let split = split_frame(self.rest);
        self.rest = split.as_ref().map_or(&[], |(_, rest)| rest);
        Some(split.map(|(frame, _)| frame))
    }
}

/// The first record, and what follows it.
pub(crate) fn split(frames: &[u8]) -> Result<(Framed<'_>, &[u8]), StoreError> {
    let (frame, rest) = split_frame(frames)?;
    Ok((read(frame)?, rest))
}

/// The first frame, and what follows it.
fn split_frame(frames: &[u8]) -> Result<(&[u8], &[u8]), StoreError> {
    let cut = || StoreError::damaged("a cut batch");
    let length = frames.first_chunk::<LENGTH>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    frames
        .split_at_checked(length.saturating_add(LENGTH))
        .ok_or_else(cut)
}

fn read(frame: &[u8]) -> Result<Framed<'_>, StoreError> {
    let record = minicbor::decode(bytes(frame)).map_err(|error| StoreError::damaged(error.to_string()))?;
    Ok(Framed { record, frame })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_without_reading_them_and_a_cut_one_is_an_error() {
        // Two records that nobody can read, the second of them empty.
        let batch = [&[FORMAT, 2, 0, 0, 0, 0xff, 0xff][..], &[0; LENGTH]].concat();
        let told = |batch: &[u8]| -> Result<Vec<Vec<u8>>, StoreError> {
            frames(batch).map(|frame| Ok(bytes(frame?).to_vec())).collect()
        };
        assert_eq!(told(&batch).unwrap(), [vec![0xff, 0xff], vec![]]);
        assert!(records(&batch).next().unwrap().is_err());
        for length in [2, 6, 8] {
            assert!(told(&batch[..length]).is_err(), "cut after {length}");
            assert!(
                frames(&batch[..length])
                    .skip_while(Result::is_ok)
                    .nth(1)
                    .is_none()
            );
        }
        assert!(told(&[FORMAT + 1]).is_err());
        assert_eq!(told(&[FORMAT]).unwrap(), told(&[]).unwrap());
    }
}
