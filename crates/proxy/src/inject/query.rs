//! A query parameter, such as `?key=…`, and the parameters of clients that could be mistaken for one.

use std::borrow::Cow;

use keystore_catalog::Provider;
use keystore_core::destination::{DestinationPolicy, Injection};

use super::strip::holds_token;
use super::{Fields, InjectError, percent_encode};

/// The query without any parameter that can hold a credential at this provider; the others keep their order and bytes. Another
/// vendor's `key` or `token` may be this one's ordinary parameter, so only its own are taken out.
pub(super) fn without_credentials(
    query: Option<&str>,
    provider: &Provider,
    policy: &DestinationPolicy,
) -> Option<String> {
    let query = query?;
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !is_slot(pair, provider, policy))
        .collect();
    let kept = kept.join("&");
    (!kept.is_empty() || query.is_empty()).then_some(kept)
}

fn is_slot(pair: &str, provider: &Provider, policy: &DestinationPolicy) -> bool {
    let name = decoded_name(pair.split('=').next().unwrap_or_default());
    let is_injected = policy.injections.iter().any(
        |injection| matches!(injection, Injection::Query { name: slot, .. } if slot.as_bytes().eq_ignore_ascii_case(&name)),
    );
    is_injected
        || holds_token(pair.as_bytes())
        || provider
            .credential_queries()
            .any(|slot| slot.as_bytes().eq_ignore_ascii_case(&name))
}

/// A parameter's name as a vendor reads it. The front door lets no bad percent sequence through.
fn decoded_name(name: &str) -> Cow<'_, [u8]> {
    if !name.contains(['%', '+']) {
        return Cow::Borrowed(name.as_bytes());
    }
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, hex_pair(tail)) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(*first),
        }
    }
    Cow::Owned(decoded)
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(*bytes.first()?)? << 4 | digit(*bytes.get(1)?)?)
}

pub(super) fn inject(
    query: &mut Option<String>,
    name: &str,
    template: &str,
    fields: &mut Fields<'_, '_>,
) -> Result<(), InjectError> {
    let value = fields.fill(template, |value, filled| percent_encode(value, b"", filled))?;
    let query = query.get_or_insert_default();
    let parameter = {
        let mut encoded = String::new();
        percent_encode(name, b"", &mut encoded);
        encoded.push('=');
        encoded
    };
    if query.split('&').any(|pair| pair.starts_with(&parameter)) {
        return Err(InjectError::Occupied);
    }
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(&parameter);
    query.push_str(&value);
    Ok(())
}
