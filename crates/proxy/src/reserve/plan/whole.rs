//! The bodies that are read whole before anything is decided.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method};
use hyper::body::Incoming;
use keystore_core::Deny;

use crate::authorize::Permit;
use crate::{Proxy, body};

pub(super) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the vendor reads the body as we do: JSON in UTF-8, by every `content-type` that there is. Without one it is taken
/// for JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().all(|value| {
        // As nearly every client writes it.
        if value == "application/json" {
            return true;
        }
        let value = value.as_bytes().to_ascii_lowercase();
        let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next().unwrap_or_default();
        let is_json =
            kind == b"application/json" || (kind.starts_with(b"application/") && kind.ends_with(b"+json"));
        is_json
            && parts
                .filter_map(|parameter| parameter.strip_prefix(b"charset="))
                .all(|charset| matches!(charset, b"utf-8" | b"\"utf-8\"" | b"utf8"))
    })
}

impl Proxy {
    /// The whole body, of at most as many bytes as the operation takes. That may take minutes: where the agent changed meanwhile, the call
    /// goes on under its budgets and models as they are now.
    ///
    /// # Errors
    ///
    /// What ended the permission meanwhile; [`Deny::AuthStale`] where what serves the call changed, too.
    pub(super) async fn read_whole(
        &self,
        permit: &mut Permit,
        method: &Method,
        body: Incoming,
    ) -> Result<Bytes, Deny> {
        let limit = permit.operation.max_body_bytes.unwrap_or(u64::MAX);
        let read = body::read_whole(body, limit).await?;
        while !permit.agent.is_current() {
            let current = self.agents.successor(&permit.agent).await?;
            permit.renew(current.ok_or(Deny::InvalidToken)?, self.clock.now())?;
        }
        self.watch_request(permit, method, &read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_only_where_the_vendor_reads_it_so() {
        let is_json_by = |values: &[&str]| {
            let headers: HeaderMap = values
                .iter()
                .map(|value| (CONTENT_TYPE, value.parse().unwrap()))
                .collect();
            is_json(&headers)
        };
        assert!(is_json_by(&[]));
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"; x=y",
            "application/vnd.api+json",
        ] {
            assert!(is_json_by(&[good]), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "application/json; charset=utf-7",
            "application/json;charset=utf-16le",
            "image/x+json",
        ] {
            assert!(!is_json_by(&[bad]), "{bad}");
        }
    }
}
