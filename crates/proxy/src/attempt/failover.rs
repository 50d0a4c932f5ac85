//! Whether a pooled credential failed a call, so that another one is to be tried: before anything of the answer has gone to the client,
//! and only where the vendor has certainly not carried the call out.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use keystore_catalog::Provider;
use keystore_core::pool::Outcome;

use crate::answer::AnswerBody;
use crate::learned;

/// The most bytes of an answer that are looked at.
const MOST_BYTES: usize = 64 << 10;
/// The longest that they may take.
const LONGEST: Duration = Duration::from_secs(2);
/// How long a key whose account has no money left is out.
const UNPAID: Duration = Duration::from_secs(60);

/// The answer, unless it shows that the credential failed: by its head, and by its body where the catalog's rule needs that.
///
/// # Errors
///
/// What it shows of the credential.
pub(super) async fn served(
    mut response: Response<AnswerBody>,
    provider: &Provider,
) -> Result<Response<AnswerBody>, Outcome> {
    let status = response.status();
    let retry_after = learned::pause(response.headers());
    if !status.is_client_error() {
        return Ok(response);
    }
    // Read to its end, the connection can be used again.
    let read = tokio::time::timeout(LONGEST, read(response.body_mut())).await;
    match status {
        StatusCode::TOO_MANY_REQUESTS => return Err(Outcome::Limited { retry_after }),
        StatusCode::PAYMENT_REQUIRED => {
            return Err(Outcome::Limited {
                retry_after: Some(retry_after.unwrap_or(UNPAID)),
            });
        }
        _ => {}
    }
    let read = read.unwrap_or_default();
    if provider.is_bad_key(status.as_u16(), &read) {
        return Err(Outcome::KeyRefused);
    }
    response.body_mut().unread(read);
    Ok(response)
}

/// The first bytes of a body, at least as many as there are at once.
async fn read(body: &mut AnswerBody) -> Bytes {
    let mut read = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() >= MOST_BYTES {
            break;
        }
    }
    read.freeze()
}
