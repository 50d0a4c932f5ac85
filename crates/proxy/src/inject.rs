//! Step 9: builds the upstream's request afresh and writes the opened credential into it.
//!
//! Nothing of the client's head is taken as it stands: what may not travel is left out first, and the credential is written
//! last, into slots that are then known to be empty. A plaintext credential exists here and in `vault`, nowhere else; what
//! scrubbing needs to know of it leaves as [`Needles`], which cannot be read, printed or copied. Which host the request goes
//! to, and its `host` header, are the connection's business.

mod basic;
mod bearer;
mod header;
mod needles;
mod path;
mod query;
mod sigv4;
mod strip;
pub(crate) mod token;

use http::header::{CONTENT_LENGTH, InvalidHeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keystore_catalog::Provider;
use keystore_core::Micros;
use keystore_core::destination::{DestinationPolicy, Injection};
use keystore_vault::Opened;
use zeroize::Zeroizing;

pub(crate) use needles::Needles;
pub(crate) use strip::connection_named;
pub(crate) use token::Token;

/// What a request is built from.
pub(crate) struct BuildParts<'a> {
    /// The method, passed on as it is.
    pub(crate) method: &'a Method,
    /// The upstream path without token slots, percent-encoding as received; begins with `/`.
    pub(crate) path: &'a str,
    /// The query without token slots, as received.
    pub(crate) query: Option<&'a str>,
    /// The client's headers.
    pub(crate) headers: HeaderMap,
    /// The provider.
    pub(crate) provider: &'a Provider,
    /// The host's alias; empty for the base host.
    pub(crate) alias: &'a str,
    /// The sealed copy of the destination policy.
    pub(crate) policy: &'a DestinationPolicy,
    /// The length of the body that will be sent; `None` where it is not known (then it is sent in chunks).
    pub(crate) body_bytes: Option<u64>,
    /// The SHA-256 of the body in hexadecimal digits, where the policy signs it.
    pub(crate) body_sha256: Option<String>,
    /// The token that the credential was exchanged for, where the policy injects one.
    pub(crate) token: Option<&'a Token>,
    /// When it will be sent, for a signature.
    pub(crate) now: Micros,
}

/// A request that is ready to be sent, and what must not come back. Not printable.
pub(crate) struct Built {
    /// The request.
    pub(crate) request: Outgoing,
    /// The secrets in it.
    pub(crate) needles: Needles,
}

/// The head of an upstream request, credential and all. Not printable.
pub(crate) struct Outgoing {
    /// The method.
    pub(crate) method: Method,
    /// Path and query with what was injected into them. Never logged.
    pub(crate) path_and_query: PathAndQuery,
    /// Every header but `host`.
    pub(crate) headers: HeaderMap,
}

/// Why no request can be built. Nothing was sent. The messages hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InjectError {
    /// The sealed policy has no host with this alias.
    #[error("the destination policy has no such host")]
    Host,
    /// The credential has no field of this name, which the sealed policy injects.
    #[error("the credential has no field `{name}`")]
    MissingField {
        /// The field.
        name: String,
    },
    /// The secret holds a character that cannot stand where it is injected.
    #[error("the credential cannot stand in {slot}")]
    Unfit {
        /// Where it is injected.
        slot: &'static str,
    },
    /// Two injections write to one place, or the place is not valid.
    #[error("the destination policy injects twice into one place")]
    Occupied,
    /// A template of the sealed policy is not valid.
    #[error("the destination policy holds a template that is not valid")]
    Template,
    /// The path and query are no valid request target.
    #[error("the request's target is not valid")]
    Target,
    /// The policy injects a token, and there is none.
    #[error("there is no token to inject")]
    NoToken,
    /// The client signed the pieces of its body, which nobody else can.
    #[error("the body is signed in pieces by the client")]
    SignedChunks,
}

/// Builds the request: strips, adds defaults, injects.
///
/// # Errors
///
/// See [`InjectError`].
pub(crate) fn build(parts: BuildParts<'_>, opened: &Opened) -> Result<Built, InjectError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that writes a plaintext credential into a request"
    )]
    assemble(parts, &|name| opened.expose_field(name))
}

/// The value of a field that is not secret, by the provider's own file.
pub(crate) fn public_field(provider: &Provider, opened: &Opened, name: &str) -> Option<String> {
    provider
        .fields
        .iter()
        .find(|field| field.name == name && !field.secret)?;
    #[expect(clippy::disallowed_methods, reason = "the field is not secret")]
    opened.expose_field(name).map(str::to_owned)
}

/// How a field of the credential is read.
type Expose<'s> = dyn Fn(&str) -> Option<&'s str> + 's;

fn assemble(parts: BuildParts<'_>, expose: &Expose<'_>) -> Result<Built, InjectError> {
    let host = parts.policy.host(parts.alias).ok_or(InjectError::Host)?;
    let mut fields = Fields {
        expose,
        provider: parts.provider,
        needles: Needles::default(),
    };
    let mut headers = parts.headers;
    strip::strip(&mut headers, parts.provider, parts.policy);
    if let Some(length) = parts
        .body_bytes
        .filter(|length| *length > 0 || takes_a_body(parts.method))
    {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    for default in parts.provider.default_headers.iter() {
        add_default(&mut headers, &default.name, &default.value);
    }
    let mut path = host.base_path.clone();
    let mut query = query::without_credentials(parts.query, parts.provider, parts.policy);
    for injection in &parts.policy.injections {
        match injection {
            Injection::Bearer { template } => bearer::inject(&mut headers, template, &mut fields)?,
            Injection::Header { name, template } => {
                header::inject(&mut headers, name, template, &mut fields)?;
            }
            Injection::Basic { username, password } => {
                basic::inject(&mut headers, username, password, &mut fields)?;
            }
            Injection::Query { name, template } => query::inject(&mut query, name, template, &mut fields)?,
            Injection::Path { template } => path::inject(&mut path, template, &mut fields)?,
            Injection::Token(source) => {
                token::inject(&mut headers, source, parts.token, &mut fields.needles)?;
            }
            // It signs what the others have written.
            Injection::Sigv4 { .. } => {}
        }
    }
    // Where the key itself is the end of the path, such as a webhook's, nothing follows it.
    let ends_with_key =
        matches!(parts.policy.injections.last(), Some(Injection::Path { .. })) && parts.path == "/";
    if !ends_with_key {
        path.push_str(parts.path);
    }
    if let Some(names) = parts.policy.signature(parts.alias) {
        let target = sigv4::Target {
            method: parts.method,
            host: &host.authority(),
            path: &path,
            query: query.as_deref(),
            body_sha256: parts.body_sha256.as_deref(),
            now: parts.now,
        };
        sigv4::inject(&mut headers, &target, names, &mut fields)?;
    }
    if let Some(query) = query {
        path.push('?');
        path.push_str(&query);
    }
    let path_and_query = PathAndQuery::try_from(path).map_err(|_| InjectError::Target)?;
    let request = Outgoing {
        method: parts.method.clone(),
        path_and_query,
        headers,
    };
    Ok(Built {
        request,
        needles: fields.needles,
    })
}

/// Methods whose requests say `content-length: 0` when they have no body (RFC 9110, 8.6); some vendors insist on it.
fn takes_a_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

fn add_default(headers: &mut HeaderMap, name: &str, value: &str) {
    let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
        return;
    };
    headers.entry(name).or_insert(value);
}

/// The credential's fields, and what has been used of them.
struct Fields<'a, 's> {
    expose: &'a Expose<'s>,
    provider: &'a Provider,
    needles: Needles,
}

impl Fields<'_, '_> {
    /// `template` with each `{name}` replaced by the field of that name as `encode` writes it.
    fn fill(
        &mut self,
        template: &str,
        encode: impl Fn(&str, &mut String),
    ) -> Result<Zeroizing<String>, InjectError> {
        // Enough for every field percent-encoded and a scheme before it, so that no half-grown copy is left behind in freed memory.
        let room = template.len() + 3 * self.bytes_in(template) + "Bearer ".len();
        let mut filled = Zeroizing::new(String::with_capacity(room));
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(InjectError::Template)?;
            let value = (self.expose)(name).ok_or_else(|| InjectError::MissingField {
                name: name.to_owned(),
            })?;
            filled.push_str(before);
            encode(value, &mut filled);
            if self.provider.field(name).is_none_or(|field| field.secret) {
                self.needles.add_secret(value);
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// How long the fields are that `template` names, in bytes.
    fn bytes_in(&self, template: &str) -> usize {
        template
            .split('{')
            .skip(1)
            .filter_map(|rest| (self.expose)(rest.split_once('}')?.0))
            .map(str::len)
            .sum()
    }

    /// `template` with the fields as they are.
    fn fill_plain(&mut self, template: &str) -> Result<Zeroizing<String>, InjectError> {
        self.fill(template, |value, filled| filled.push_str(value))
    }
}

/// Writes `value` into the header `name`, which must be empty until now.
fn write_header(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), InjectError> {
    let fits = |byte: u8| matches!(byte, b' '..=b'~');
    if value.is_empty() || value.trim() != value || !value.bytes().all(fits) {
        return Err(InjectError::Unfit { slot: "a header" });
    }
    let mut value = HeaderValue::from_str(value)
        .map_err(|_: InvalidHeaderValue| InjectError::Unfit { slot: "a header" })?;
    // Keeps it out of HTTP/2's compression tables and of anything that prints headers.
    value.set_sensitive(true);
    match headers.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(InjectError::Occupied),
    }
}

/// What stands for itself everywhere in a URL (RFC 3986, 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Appends `value` percent-encoded (RFC 3986, 2.1): every byte but the unreserved ones and those in `also`.
fn percent_encode(value: &str, also: &[u8], encoded: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if is_unreserved(byte) || also.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 0x0f)]));
        }
    }
}

#[cfg(test)]
mod tests;
