//! AWS's signature, version 4, over a request that is otherwise complete.
//!
//! A client that has an SDK of AWS signs its requests itself, with a key that is none; what it says of the signature is taken out, and
//! the request is signed anew. The body is not read here: its hash is handed in, except for S3, whose clients may say what stands for it.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keystore_core::Micros;
use keystore_core::destination::{S3, Signature};
use keystore_vault::sigv4::{self, AccessKey, Scope, UNSIGNED_PAYLOAD, Unsigned};

use super::{Fields, InjectError, write_header};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const PAYLOAD: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// The field of a temporary key.
const SESSION_TOKEN: &str = "session_token";

/// What is signed.
pub(super) struct Target<'a> {
    pub(super) method: &'a Method,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// The hash of the body where it is there as a whole.
    pub(super) body_sha256: Option<&'a str>,
    pub(super) now: Micros,
}

pub(super) fn inject(
    headers: &mut HeaderMap,
    target: &Target<'_>,
    names: Signature<'_>,
    fields: &mut Fields<'_, '_>,
) -> Result<(), InjectError> {
    headers.remove(&DATE);
    headers.remove(&TOKEN);
    let payload = payload(headers.get(&PAYLOAD).map(HeaderValue::as_bytes), names, target)?;
    headers.remove(&PAYLOAD);
    if names.service == S3 {
        write_header(headers, PAYLOAD, &payload)?;
    }
    let id = fields.fill_plain(names.access_key_id)?;
    let session_token = match (fields.expose)(SESSION_TOKEN) {
        Some(_) => Some(fields.fill_plain("{session_token}")?),
        None => None,
    };
    let signed = {
        let secret = (fields.expose)("key").ok_or_else(|| InjectError::MissingField {
            name: "key".to_owned(),
        })?;
        let key = AccessKey {
            id: &id,
            secret,
            session_token: session_token.as_deref().map(String::as_str),
        };
        let values = signed_headers(headers)?;
        let headers: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let request = Unsigned {
            method: target.method.as_str(),
            host: target.host,
            path: target.path,
            query: target.query,
            headers: &headers,
            payload_sha256: &payload,
        };
        let scope = Scope {
            service: names.service,
            region: names.region,
        };
        sigv4::sign(&request, key, scope, target.now)
    };
    write_header(headers, DATE, &signed.date)?;
    if let Some(token) = session_token {
        write_header(headers, TOKEN, &token)?;
    }
    write_header(headers, AUTHORIZATION, &signed.authorization)
}

/// What stands for the body in the signature.
fn payload(said: Option<&[u8]>, names: Signature<'_>, target: &Target<'_>) -> Result<String, InjectError> {
    if names.service != S3 {
        return target
            .body_sha256
            .map(str::to_owned)
            .ok_or(InjectError::Unfit { slot: "a signature" });
    }
    match said.map(std::str::from_utf8) {
        // Of what the client says of its body, S3 checks a hash, and a trailer that is not signed.
        Some(Ok(hash)) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(hash.to_owned())
        }
        Some(Ok(word @ (UNSIGNED_PAYLOAD | "STREAMING-UNSIGNED-PAYLOAD-TRAILER"))) => Ok(word.to_owned()),
        Some(_) => Err(InjectError::SignedChunks),
        None => Ok(target.body_sha256.unwrap_or(UNSIGNED_PAYLOAD).to_owned()),
    }
}

/// The type of the body and every header of AWS's own, as they are signed: one value for each name.
fn signed_headers(headers: &HeaderMap) -> Result<Vec<(&str, String)>, InjectError> {
    let is_signed = |name: &&HeaderName| name.as_str().starts_with("x-amz-") || **name == CONTENT_TYPE;
    headers
        .keys()
        .filter(is_signed)
        .map(|name| {
            let values: Result<Vec<&str>, _> =
                headers.get_all(name).iter().map(|value| value.to_str()).collect();
            match values {
                Ok(values) => Ok((name.as_str(), values.join(","))),
                Err(_) => Err(InjectError::Unfit { slot: "a signature" }),
            }
        })
        .collect()
}
