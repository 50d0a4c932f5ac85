//! What a request loses on its way: everything that concerns the client's connection, its place in the network, its cookies,
//! and every header that at any vendor authenticates a caller or chooses an account. All else passes.

use std::sync::LazyLock;

use http::header::{ACCEPT_ENCODING, CONNECTION};
use http::{HeaderMap, HeaderName, HeaderValue};
use keystore_catalog::Provider;
use keystore_core::destination::{DestinationPolicy, Injection};
use keystore_core::token;
use memchr::memmem;

/// Headers that never pass, sorted: hop-by-hop (RFC 9110, 7.6.1; RFC 9113, 8.2.2), framing, which is ours, credentials and
/// cookies, the client's address and route, ways to say another method, path or host than the request line does, and what is
/// charged by prices that no row has.
const DROPPED: [&str; 46] = [
    "accept-encoding",
    "authorization",
    "cf-connecting-ip",
    "client-ip",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "wl-proxy-client-ip",
    "x-amzn-bedrock-performanceconfig-latency",
    "x-azure-clientip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-host",
    "x-http-destinationurl",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-rewrite-url",
];
/// [`DROPPED`], and the headers that hold a credential at any vendor, as a header map finds them: in one step.
static NEVER: LazyLock<HeaderMap<()>> = LazyLock::new(|| {
    let names = DROPPED.iter().chain(keystore_catalog::credential_slots());
    names
        .filter_map(|name| Some((HeaderName::try_from(*name).ok()?, ())))
        .collect()
});
const DROPPED_PREFIXES: [&str; 4] = ["x-keystore-", "x-forwarded-", "x-envoy-", "proxy-"];

/// Takes out of the client's headers what may not pass, and sets `accept-encoding: identity`, because only a plain answer can be
/// metered and scrubbed. A header with a token of ours in any of its values goes with all of them.
pub(super) fn strip(headers: &mut HeaderMap, provider: &Provider, policy: &DestinationPolicy) {
    let mut dropped = connection_named(headers);
    let drops = |name: &HeaderName, value: &HeaderValue| {
        is_dropped(name, provider, policy) || holds_token(value.as_bytes())
    };
    dropped.extend(
        headers
            .iter()
            .filter(|(name, value)| drops(name, value))
            .map(|(name, _)| name.clone()),
    );
    for name in &dropped {
        headers.remove(name);
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Whether a token of ours stands where no vendor takes a key from: it is not the vendor's to see.
pub(super) fn holds_token(value: &[u8]) -> bool {
    if value.len() < token::LENGTH {
        return false;
    }
    memmem::find_iter(value, token::PREFIX.as_bytes())
        .filter_map(|at| value.get(at..at + token::LENGTH))
        .any(token::is_token)
}

fn is_dropped(name: &HeaderName, provider: &Provider, policy: &DestinationPolicy) -> bool {
    let text = name.as_str();
    // Some servers read `-` and `_` as the same, so such a name could stand for any other (RFC 3875, 4.1.18).
    text.contains('_')
        || NEVER.contains_key(name)
        || DROPPED_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        || provider.account_headers.iter().any(|own| own == text)
        || policy
            .injections
            .iter()
            .any(|injection| matches!(injection, Injection::Header { name: slot, .. } if slot == text))
}

/// The headers that `Connection` names: they belong to the connection that they came on.
pub(crate) fn connection_named(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_asks_for_what_no_row_prices() {
        assert!(NEVER.contains_key("x-amzn-bedrock-performanceconfig-latency"));
        // The answer says which one served, and rows price them.
        assert!(!NEVER.contains_key("x-amzn-bedrock-service-tier"));
    }

    #[test]
    fn the_list_is_sorted_and_in_lower_case() {
        assert!(DROPPED.is_sorted());
        assert!(
            DROPPED
                .iter()
                .all(|name| HeaderName::from_static(name).as_str() == *name)
        );
    }
}
