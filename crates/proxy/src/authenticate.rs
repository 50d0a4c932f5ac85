//! Step 4: finds the one token in the head and the agent behind it.
//!
//! The token is looked for in every header, in both parts of Basic credentials, as the key's id in a signature of AWS, and, for vendors that authenticate so, in the
//! query and the path. No value, two different values, or a value in a place that the provider does not use: the same refusal as
//! for an unknown token. Nothing here tells one kind of failure from another, and no token is kept or logged.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use keystore_catalog::{Provider, Slot};
use keystore_core::token::{self, TokenHash};
use keystore_core::{Deny, Micros};

use crate::Proxy;
use crate::cache::Agent;
use crate::parse::CleanRequest;
use crate::route::Target;

/// Where a token stood.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place<'a> {
    Bearer,
    Header(&'a str),
    BasicUsername,
    BasicPassword,
    AwsAccessKeyId,
    Query(&'a str),
    Path,
}

/// An agent, and what it asks for.
pub(crate) struct Caller {
    pub(crate) agent: Arc<Agent>,
    /// The target, without the token where it stood in the path or the query.
    pub(crate) target: Target,
}

impl Proxy {
    /// The agent that the request's token speaks for.
    pub(crate) async fn authenticate<B>(
        &self,
        request: &CleanRequest<B>,
        target: Target,
    ) -> Result<Caller, Deny> {
        let Some(provider) = keystore_catalog::provider(target.slug()) else {
            return Box::pin(self.authenticate_elsewhere(request.headers(), target)).await;
        };
        let (hash, target) = find(request.headers(), provider, target).ok_or(Deny::InvalidToken)?;
        Ok(Caller {
            agent: self.agent(hash).await?,
            target,
        })
    }

    /// The agent behind a token that holds.
    pub(crate) async fn agent(&self, hash: TokenHash) -> Result<Arc<Agent>, Deny> {
        let agent = self.agents.get(hash).await?.ok_or(Deny::InvalidToken)?;
        agent.token.check(self.clock.now())?;
        Ok(agent)
    }

    /// For a provider that the catalog does not know: which places it uses is the agent's organization to say, so the token is
    /// looked for everywhere first, and then where it belongs.
    async fn authenticate_elsewhere(&self, headers: &HeaderMap, target: Target) -> Result<Caller, Deny> {
        let hash = find_anywhere(headers, &target).ok_or(Deny::InvalidToken)?;
        let agent = self.agent(hash).await?;
        let Some(own) = agent.own_provider(target.slug()) else {
            return Ok(Caller { agent, target });
        };
        match find(headers, own, target) {
            Some((again, target)) if again == hash => Ok(Caller { agent, target }),
            _ => Err(Deny::InvalidToken),
        }
    }
}

impl Caller {
    /// Whether the agent is served at `now`, and from this address. A step of its own, so that a refusal can name the agent and
    /// is recorded as its.
    pub(crate) fn check(&self, now: Micros, from: IpAddr) -> Result<(), Deny> {
        self.agent.check_status(now)?;
        self.agent.check_address(from)
    }
}

/// The one token of a request, hashed, and the target without it.
fn find(headers: &HeaderMap, provider: &Provider, target: Target) -> Option<(TokenHash, Target)> {
    let mut found = Found::default();
    let mut note = |value: &[u8], place: &Place<'_>| {
        found.note(keystore_vault::hash_token(value), uses(provider, place));
    };
    in_headers(headers, &mut note);
    let target = without_token(target, provider, &mut note)?;
    found.only().map(|hash| (hash, target))
}

/// The one token of a request, hashed, wherever it stands: in the head, a query parameter, or at the end of the first segment.
fn find_anywhere(headers: &HeaderMap, target: &Target) -> Option<TokenHash> {
    let mut found = Found::default();
    let mut note = |value: &[u8], _: &Place<'_>| found.note(keystore_vault::hash_token(value), true);
    in_headers(headers, &mut note);
    let pairs = target.query().unwrap_or_default().split('&');
    let values = pairs.filter_map(|pair| pair.split_once('='));
    for (name, value) in values.filter(|(_, value)| token::is_token(value.as_bytes())) {
        note(value.as_bytes(), &Place::Query(name));
    }
    let segment = target.upstream_path().split('/').nth(1).unwrap_or_default();
    let start = segment.len().checked_sub(token::LENGTH);
    if let Some(value) = start
        .and_then(|start| segment.get(start..))
        .filter(|value| token::is_token(value.as_bytes()))
    {
        note(value.as_bytes(), &Place::Path);
    }
    found.only()
}

fn in_headers(headers: &HeaderMap, note: &mut impl FnMut(&[u8], &Place<'_>)) {
    for (name, value) in headers {
        if name == AUTHORIZATION {
            authorization(value.as_bytes(), note);
        } else if token::is_token(value.as_bytes()) {
            note(value.as_bytes(), &Place::Header(name.as_str()));
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    first: Option<TokenHash>,
    in_a_used_place: bool,
    several: bool,
}

impl Found {
    fn note(&mut self, hash: TokenHash, used: bool) {
        self.several |= self.first.is_some_and(|first| first != hash);
        self.in_a_used_place |= used;
        self.first = Some(hash);
    }

    fn only(self) -> Option<TokenHash> {
        self.first.filter(|_| self.in_a_used_place && !self.several)
    }
}

/// Tokens in an `Authorization` value. Schemes are compared without regard to case (RFC 9110, 11.1). Some vendors take the bare
/// key, or have a scheme of their own (`Token`, `Key`): for them the header is a place like any other.
fn authorization(value: &[u8], note: &mut impl FnMut(&[u8], &Place<'_>)) {
    let whole = Place::Header(AUTHORIZATION.as_str());
    let Some(space) = memchr::memchr(b' ', value) else {
        if token::is_token(value) {
            note(value, &whole);
        }
        return;
    };
    let (scheme, rest) = (&value[..space], &value[space + 1..]);
    if scheme.eq_ignore_ascii_case(b"bearer") {
        if token::is_token(rest) {
            note(rest, &Place::Bearer);
        }
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        let Ok(pair) = STANDARD.decode(rest) else { return };
        let colon = memchr::memchr(b':', &pair).unwrap_or(pair.len());
        if token::is_token(&pair[..colon]) {
            note(&pair[..colon], &Place::BasicUsername);
        }
        if pair.get(colon + 1..).is_some_and(token::is_token) {
            note(&pair[colon + 1..], &Place::BasicPassword);
        }
    } else if scheme == b"AWS4-HMAC-SHA256" {
        if let Some(id) = access_key_id(rest).filter(|id| token::is_token(id)) {
            note(id, &Place::AwsAccessKeyId);
        }
    } else if token::is_token(rest) {
        note(rest, &whole);
    }
}

/// The access key's id in what an SDK of AWS writes: `Credential=<id>/<day>/<region>/<service>/aws4_request, …`.
fn access_key_id(parameters: &[u8]) -> Option<&[u8]> {
    let named = parameters
        .split(|byte| *byte == b',')
        .find_map(|parameter| parameter.trim_ascii().strip_prefix(b"Credential="))?;
    named.split(|byte| *byte == b'/').next()
}

/// Whether this provider's clients put their key into `place`. A bearer token is taken for every provider.
fn uses(provider: &Provider, place: &Place<'_>) -> bool {
    *place == Place::Bearer
        || provider.token_slots.iter().any(|slot| match (slot, place) {
            (Slot::Header(name), Place::Header(other)) => name == other,
            (Slot::Query(name), Place::Query(other)) => name == other,
            (Slot::BasicUsername, Place::BasicUsername)
            | (Slot::BasicPassword, Place::BasicPassword)
            | (Slot::AwsAccessKeyId, Place::AwsAccessKeyId)
            | (Slot::Path(_), Place::Path) => true,
            _ => false,
        })
}

/// The target without a token in its path or query, for a vendor whose key stands there. `None` if nothing sendable is left.
fn without_token(
    target: Target,
    provider: &Provider,
    note: &mut impl FnMut(&[u8], &Place<'_>),
) -> Option<Target> {
    let mut path = None;
    let mut query = None;
    for slot in provider.token_slots.iter() {
        match slot {
            Slot::Path(before) => path = path.or_else(|| path_token(target.upstream_path(), before, note)),
            Slot::Query(name) => {
                let current = query.as_deref().or(target.query());
                query = current
                    .and_then(|current| query_token(current, name, note))
                    .or(query);
            }
            Slot::Header(_) | Slot::BasicUsername | Slot::BasicPassword | Slot::AwsAccessKeyId => {}
        }
    }
    if path.is_none() && query.is_none() {
        return Some(target);
    }
    let query = query
        .as_deref()
        .or(target.query())
        .filter(|query| !query.is_empty());
    target.with(path.as_deref().unwrap_or(target.upstream_path()), query)
}

/// The query without the parameters `slot` that hold a token; `None` when there is nothing to strip.
fn query_token(query: &str, slot: &str, note: &mut impl FnMut(&[u8], &Place<'_>)) -> Option<String> {
    let holds_token = |pair: &&str| {
        pair.split_once('=')
            .is_some_and(|(name, value)| name == slot && token::is_token(value.as_bytes()))
    };
    let (tokens, kept): (Vec<&str>, Vec<&str>) = query.split('&').partition(holds_token);
    for pair in &tokens {
        note(&pair.as_bytes()[slot.len() + 1..], &Place::Query(slot));
    }
    (!tokens.is_empty()).then(|| kept.join("&"))
}

/// The path behind a first segment that is `before` and a token (`/bot<token>/getMe`); `None` when there is none.
fn path_token(path: &str, before: &str, note: &mut impl FnMut(&[u8], &Place<'_>)) -> Option<String> {
    let segment_and_rest = path.strip_prefix('/')?.strip_prefix(before)?;
    let (value, rest) = segment_and_rest.split_at_checked(token::LENGTH)?;
    if !token::is_token(value.as_bytes()) || !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    note(value.as_bytes(), &Place::Path);
    Some(if rest.is_empty() {
        "/".to_owned()
    } else {
        rest.to_owned()
    })
}
