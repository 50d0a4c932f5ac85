//! A small answer that is read whole before its head goes out.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::CONTENT_LENGTH;
use keystore_core::Deny;
use keystore_core::record::Ending;
use keystore_wire::problem::Code;

use super::{Cleaned, Flow, MAX_WHOLE};
use crate::authorize::Permit;
use crate::cache::ReadyCredential;
use crate::inject::Token;
use crate::leash::Leash;
use crate::meter::Meter;
use crate::refuse::{ProxyError, Refusal};
use crate::{Body, Proxy, outlive, response, scrub};

/// What came of reading an answer to its end.
pub(super) enum Read {
    /// All of it, or as much as there was.
    Whole(Bytes, Ending),
    /// It is longer than it seemed.
    TooLong(Bytes),
    /// What permitted the call was taken back.
    Cut(Bytes, Deny),
}

impl Cleaned {
    /// Settles the call, and gives the client the answer that was read, or what stands in its place. `bodiless` is one that never had a body.
    pub(super) fn whole(
        self,
        read: Read,
        (permit, credential, token): (&Permit, &Arc<ReadyCredential>, Option<&Arc<Token>>),
        bodiless: bool,
    ) -> Result<Response<Body>, Refusal> {
        let (read, ending, denied) = match read {
            Read::Whole(read, ending) => (read, ending, None),
            Read::Cut(read, deny) => (read, Ending::Revoked, Some(deny.into())),
            Read::TooLong(read) => return Ok(self.streamed(Some(read))),
        };
        let Self {
            mut head,
            mut marks,
            meter,
            needles,
            mut stray,
            mut flow,
            proxy,
            ..
        } = self;
        let refusal = denied.or_else(|| {
            let status = head.status.as_u16();
            in_its_place(&proxy, (permit, credential, token), status, &read, ending)
        });
        let ending = match ending {
            Ending::Complete if outlive::is_abandoned() => Ending::ClientGone,
            ending => ending,
        };
        let body = if head.status.is_success() {
            needles.mask(&read)
        } else {
            match scrub::scrub_error_body(&read, permit.provider(), &needles) {
                Cow::Owned(scrubbed) => Some(scrubbed),
                Cow::Borrowed(_) => None,
            }
        };
        let body = stray.whole(body.map_or_else(|| read.clone(), Bytes::from));
        if ending == Ending::Complete {
            proxy.watch_answer(permit, head.status.as_u16(), &read);
        }
        let bytes = read.len() as u64;
        let metered = meter.map(|meter| metered(meter, read));
        let is_metered = metered.is_some();
        let code = refusal.as_ref().map(Refusal::code);
        if code == Some(Code::CredentialInvalid) {
            proxy.note_bad_key(permit, credential);
        }
        let code = code.map(Code::as_str);
        let charge = flow.settle((metered, bytes), ending, code);
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        marks.cost = charge.filter(|_| is_metered).map(|charge| charge.cost);
        if !bodiless {
            head.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        response::mark(&mut head.headers, &marks);
        Ok(Response::from_parts(head, Body::whole(body)))
    }
}

/// Reads to the end; an answer in one piece is not copied.
pub(super) async fn read(flow: &mut Flow, leash: &mut Leash) -> Read {
    let mut read = Bytes::new();
    loop {
        let next = tokio::select! {
            biased;
            next = flow.next() => next,
            deny = leash.ended() => {
                leash.count_cut();
                return Read::Cut(read, deny);
            }
        };
        match next {
            Some(Ok(chunk)) if read.is_empty() => read = chunk,
            Some(Ok(chunk)) => {
                let mut joined = BytesMut::from(read);
                joined.extend_from_slice(&chunk);
                read = joined.freeze();
            }
            Some(Err(ending)) => return Read::Whole(read, ending),
            None => return Read::Whole(read, Ending::Complete),
        }
        if read.len() > MAX_WHOLE {
            return Read::TooLong(read);
        }
    }
}

fn metered(mut meter: Meter, read: Bytes) -> crate::meter::Metered {
    meter.on_chunk(read).for_each(drop);
    meter.on_end();
    meter.finish()
}

/// The refusal that the client is given in place of the answer, where it may not see it or there is none.
fn in_its_place(
    proxy: &Proxy,
    (permit, credential, token): (&Permit, &ReadyCredential, Option<&Arc<Token>>),
    status: u16,
    read: &[u8],
    ending: Ending,
) -> Option<Refusal> {
    let provider = || permit.provider().slug.to_string();
    match ending {
        Ending::Complete if !permit.provider().is_bad_key(status, read) => None,
        Ending::Complete if proxy.drop_token(credential, token) => Some(
            ProxyError::Upstream {
                provider: provider(),
                reason: "the vendor does not take its token any more; the next request fetches another one"
                    .to_owned(),
            }
            .into(),
        ),
        Ending::Complete => Some(
            ProxyError::CredentialInvalid {
                provider: provider(),
                credential: credential.name.clone(),
            }
            .into(),
        ),
        Ending::Deadline => Some(ProxyError::UpstreamTimeout { provider: provider() }.into()),
        _ => Some(
            ProxyError::Upstream {
                provider: provider(),
                reason: "the answer broke off".to_owned(),
            }
            .into(),
        ),
    }
}
