//! The header `Stripe-Signature`: `t=1492774577,v1=5257a8…,v1=…`. The signature is the HMAC-SHA256 of the time, a dot and the body.

use keystore_core::Micros;
use keystore_vault::WebhookKey;

/// How far the time of a signature may be from ours, in seconds.
const TOLERANCE: u64 = 300;

/// Whether one of the signatures in `header` is of `body`, and made within [`TOLERANCE`] of `now`.
pub(crate) fn is_valid(key: &WebhookKey, header: &str, body: &[u8], now: Micros) -> bool {
    let (mut time, mut signatures) = (None, Vec::new());
    for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" => time = Some(value),
            "v1" => signatures.extend(hex(value)),
            _ => {}
        }
    }
    let Some(time) = time else { return false };
    let is_fresh = time
        .parse::<i64>()
        .is_ok_and(|time| now.seconds().abs_diff(time) <= TOLERANCE);
    is_fresh
        && signatures
            .iter()
            .any(|signature| key.verifies(&[time.as_bytes(), b".", body], signature))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = text.len() == 64 && text.bytes().all(|letter| letter.is_ascii_hexdigit());
    is_hex.then(|| pairs.map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the official client: `stripe.WebhookSignature` with this secret, time and body.
    const HEADER: &str = "t=1795000000,v1=3511d18a343d1afb3e94774a798032a44b9e3ef6ae7b5210fedfdc6efe1773d0";
    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

    fn key() -> WebhookKey {
        WebhookKey::new("whsec_test_secret").unwrap()
    }

    fn at(seconds: i64) -> Micros {
        Micros::from_seconds(seconds)
    }

    #[test]
    fn what_the_official_client_signs_is_taken_for_five_minutes() {
        let now = 1_795_000_000;
        for (seconds, valid) in [
            (now, true),
            (now + 300, true),
            (now - 300, true),
            (now + 301, false),
            (now - 301, false),
        ] {
            assert_eq!(is_valid(&key(), HEADER, BODY, at(seconds)), valid, "{seconds}");
        }
    }

    #[test]
    fn what_is_forged_is_refused() {
        let now = at(1_795_000_000);
        let other = WebhookKey::new("whsec_other").unwrap();
        assert!(!is_valid(&other, HEADER, BODY, now));
        assert!(!is_valid(&key(), HEADER, b"{\"id\":\"evt_2\"}", now));
        let zeros = format!("t=1795000000,v1={}", "0".repeat(64));
        for header in [
            "",
            "t=1795000000",
            &HEADER.replace("v1=", "v0="),
            &HEADER.replace("t=1795000000", "t=1795000001"),
            &HEADER.replace("t=1795000000,", ""),
            &HEADER[..HEADER.len() - 1],
            &zeros,
        ] {
            assert!(!is_valid(&key(), header, BODY, now), "{header}");
        }
        // While a secret is changed, there are two.
        let both = HEADER.replace("v1=", &format!("v1={},v1=", "0".repeat(64)));
        assert!(is_valid(&key(), &both, BODY, now));
    }
}
