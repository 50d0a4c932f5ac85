//! A body that has to be there before anything is decided, or sent.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use keystore_core::Deny;
use keystore_core::deny::Malformed;

/// The most bytes that are kept.
const MAX_BYTES: u64 = 32 << 20;
/// The longest that a body may take: nobody keeps memory and a connection by sending slowly.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The whole body, of at most `limit` bytes and never more than 32 MiB, if it comes within five minutes.
///
/// # Errors
///
/// It breaks off, is too long, or takes too long.
pub(crate) async fn read_whole(body: Incoming, limit: u64) -> Result<Bytes, Deny> {
    let limit = limit.min(MAX_BYTES);
    if body.size_hint().lower() > limit {
        return Err(Deny::BodyTooLarge { limit_bytes: limit });
    }
    let read = tokio::time::timeout(TIMEOUT, read_to_end(body, limit)).await;
    read.unwrap_or(Err(Deny::Malformed(Malformed::Body)))
}

/// Reads a body of at most `limit` bytes; one in one piece is not copied. Its trailers are dropped.
async fn read_to_end(mut body: Incoming, limit: u64) -> Result<Bytes, Deny> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Deny::Malformed(Malformed::Body))?;
        let Ok(data) = frame.into_data() else { continue };
        if (read.len() + data.len()) as u64 > limit {
            return Err(Deny::BodyTooLarge { limit_bytes: limit });
        }
        if read.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}
