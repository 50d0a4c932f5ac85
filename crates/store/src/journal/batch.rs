//! The bytes of a batch: a format byte, then for each record its length (u32, little-endian) and its CBOR.
//!
//! The same bytes stand in a journal row and in a frame of the spool. Records are encoded in place from references, in the
//! form that `Record` decodes from.

use keystore_core::record::{Intent, Outcome, Record, Refusal};

use crate::error::StoreError;

/// The format of a batch.
pub(crate) const FORMAT: u8 = 1;

const LENGTH: usize = 4;

/// A record to be appended, by reference.
#[derive(Clone, Copy)]
pub(crate) enum RecordRef<'a> {
    Intent(&'a Intent),
    Outcome(&'a Outcome),
    Refusal(&'a Refusal),
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
    };
    Ok(())
}

/// The records of a batch, in order.
pub(crate) fn records(body: &[u8]) -> Result<Vec<Record>, StoreError> {
    let (format, mut rest) = match body.split_first() {
        None => return Ok(Vec::new()),
        Some((format, rest)) => (*format, rest),
    };
    if format != FORMAT {
        return Err(StoreError::damaged(format!(
            "journal format {format} is not known to this version"
        )));
    }
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest
            .split_first_chunk::<LENGTH>()
            .ok_or_else(|| StoreError::damaged("a cut batch"))?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (record, after) = after
            .split_at_checked(length)
            .ok_or_else(|| StoreError::damaged("a cut batch"))?;
        records.push(minicbor::decode(record).map_err(|error| StoreError::damaged(error.to_string()))?);
        rest = after;
    }
    Ok(records)
}
