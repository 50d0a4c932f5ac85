//! What a provider is: the types of the table.
//!
//! Text and lists are `Cow`, so that the built-in table is constant data read in place while a provider made at run time has
//! the same type. This file is also compiled into `build.rs`: it holds types only, what is done with them is beside it.

#[path = "provider/operation.rs"]
mod operation;
#[path = "provider/price.rs"]
mod price;

use std::borrow::Cow;

pub use keystore_core::destination::{ClientAuth, TokenGrant};

pub(crate) use operation::ANY_HOST;
pub use operation::{Billing, MOVES_NOTHING, Operation, OutputCap, UsageShape};
pub use price::{PriceRow, PriceTable, TimeWindow};

/// Text of the table.
pub type Str = Cow<'static, str>;

/// A list of the table.
pub type List<T> = Cow<'static, [T]>;

/// A vendor of an API: where it is, how it is authenticated, what its operations cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The name in paths, scopes and commands: lower-case letters, digits and single hyphens.
    pub slug: Str,
    /// The name for people.
    pub name: Str,
    /// `llm`, `search`, `email`, `payments`, … (see `catalog/README.md`).
    pub category: Str,
    /// The vendor's documentation.
    pub docs_url: Option<Str>,
    /// The base origin, such as `https://api.openai.com`, optionally with a path that stands before every upstream path; may
    /// hold `{param}`. `None` where it must be given with the credential (self-hosted software, `sandbox`).
    pub base_url: Option<Str>,
    /// Further hosts, by alias: `/v1/<slug>~<alias>/…`.
    pub hosts: List<Host>,
    /// Whether a credential may name a base URL of its own.
    pub self_hosted: bool,
    /// Whether the provider exists in `ks dev` only.
    pub dev_only: bool,
    /// What the templates of the hosts need to be given, with the credential.
    pub url_params: List<UrlParam>,
    /// The fields of a credential. The main one is called `key`.
    pub fields: List<Field>,
    /// What is written into each request, in order.
    pub injections: List<InjectionTemplate>,
    /// What is written in its place for certain credentials; the first whose parameter is given.
    pub alternatives: List<Alternative>,
    /// Where this vendor's own SDKs put the key, besides `Authorization: Bearer`, which always works.
    pub token_slots: List<Slot>,
    /// Headers that are added where the client did not send them; names in lower case.
    pub default_headers: List<HeaderPair>,
    /// Headers that select an account at the vendor; stripped from requests and answers. Names in lower case, sorted.
    pub account_headers: List<Str>,
    /// Whether `%2f` may stand in a path and passes unchanged.
    pub path_encoded_slash: bool,
    /// The billing of operations that are not listed.
    pub default_billing: Billing,
    /// What is known of the API; credential-minting operations first, else in the order of the file.
    pub operations: List<Operation>,
    /// Which answers say that the credential is not valid (any more).
    pub bad_key: List<Sign>,
    /// Which answers say that the vendor holds the request to break its rules for use: too many of them, and it closes the account.
    pub abuse: List<Sign>,
    /// The status of a budget refusal in place of 402, for vendors whose SDK turns 402 into something else.
    pub refusal_budget_status: Option<u16>,
    /// A cheap request that shows whether a credential works.
    pub verify: Option<Verify>,
    /// What a key looks like.
    pub key_pattern: Option<KeyPattern>,
    /// The variables that the vendor's SDKs read.
    pub env: Env,
    /// What is put after the base URL to have an OpenAI-style base (`/v1`, or empty).
    pub openai_base_path: Option<Str>,
    /// Keys of this provider's file that rest on general knowledge and were not confirmed.
    pub unverified: List<Str>,
    /// The list prices.
    pub prices: PriceTable,
}

/// A further host of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name after `~` in the proxy path.
    pub alias: Str,
    /// The origin, optionally with a path before every upstream path; may hold `{param}`.
    pub url: Str,
}

/// A part of a host name or of a template that is given with the credential and is not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlParam {
    /// The name between the braces.
    pub name: Str,
    /// A regular expression that the whole value must match.
    pub pattern: Str,
    /// What to give, for people.
    pub description: Str,
}

/// One field of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name between the braces of a template.
    pub name: Str,
    /// The name for people.
    pub label: Str,
    /// Whether a credential without it is refused.
    pub required: bool,
    /// Whether the value is secret. A value that is not (an account id that answers repeat) is not scrubbed from answers, and
    /// may stand in the path of `verify`. It is sealed all the same.
    pub secret: bool,
    /// A regular expression that the whole value must match.
    pub pattern: Option<Str>,
}

impl Field {
    /// Whether `value` has the form that this field must have; surrounding ASCII white space, which intake takes away, does not
    /// count.
    pub fn fits(&self, value: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| {
            regex::Regex::new(&format!(r"\A(?:{pattern})\z")).is_ok_and(|form| {
                form.is_match(value.trim_matches(|letter: char| letter.is_ascii_whitespace()))
            })
        })
    }
}

/// One place in the request into which secret fields are written: `core::destination::Injection` as constant data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectionTemplate {
    /// `Authorization: Bearer <template>`.
    Bearer {
        /// What stands after `Bearer `.
        template: Str,
    },
    /// A header of its own.
    Header {
        /// The header's name in lower case.
        name: Str,
        /// Its value.
        template: Str,
    },
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user name.
        username: Str,
        /// The password; may be empty.
        password: Str,
    },
    /// A query parameter.
    Query {
        /// The parameter's name.
        name: Str,
        /// Its value before percent-encoding.
        template: Str,
    },
    /// A segment put before the upstream path, such as `/bot{key}`.
    Path {
        /// The segment; begins with `/`.
        template: Str,
    },
    /// An AWS signature, version 4. The secret access key is the field `key`; a field `session_token` goes along where there is one.
    Sigv4 {
        /// The access key's id: usually a field, `{access_key_id}`.
        access_key_id: Str,
        /// The service's name in the signature; may hold `{param}`.
        service: Str,
        /// The region's name in the signature; may hold `{param}`.
        region: Str,
        /// The services of hosts that are another's: the name is the alias.
        services: List<HeaderPair>,
    },
    /// A token that has to be fetched first.
    Token(TokenTemplate),
}

/// Injections in the place of the usual ones, for credentials with a certain parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The parameter.
    pub when: Str,
    /// What is written into each request, in order.
    pub injections: List<InjectionTemplate>,
}

/// A bearer token that a credential is exchanged for (OAuth 2.0, RFC 6749).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTemplate {
    /// By which grant.
    pub grant: TokenGrant,
    /// Where; may hold `{param}`. A path alone is one of the base host.
    pub token_url: Str,
    /// What is asked for, where the vendor wants it said.
    pub scope: Option<Str>,
    /// How the client proves who it is.
    pub client_auth: ClientAuth,
    /// Who an assertion is of, where the credential does not say it itself; may hold `{param}`.
    pub issuer: Option<Str>,
    /// Further members of the form, and those that the vendor wants otherwise than the grant says; may hold `{field}` and
    /// `{param}`.
    pub form: List<HeaderPair>,
    /// The scheme under which the token is sent, usually `Bearer`.
    pub scheme: Str,
}

/// A place in which an SDK puts the key, and an agent therefore its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The whole value of this header; name in lower case.
    Header(Str),
    /// The user name of `Authorization: Basic`.
    BasicUsername,
    /// The password of `Authorization: Basic`.
    BasicPassword,
    /// The value of this query parameter.
    Query(Str),
    /// The access key's id in a signature of AWS.
    AwsAccessKeyId,
    /// The first segment of the upstream path, after this text (`bot` where the path is `/bot<token>/sendMessage`). The
    /// segment is taken out of the path.
    Path(Str),
}

/// A header and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPair {
    /// The name in lower case.
    pub name: Str,
    /// The value.
    pub value: Str,
}

/// How an answer reads that says something of the credential, or of who used it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The HTTP status.
    pub status: u16,
    /// A JSON pointer (RFC 6901) into the body; a segment `*` is any element of an array. `None`: the status is enough.
    pub pointer: Option<Str>,
    /// The texts of which one must stand there.
    pub values: List<Str>,
}

/// A request that shows whether a credential works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// The method.
    pub method: Str,
    /// Path and query on the host; may hold `{param}` and `{field}` of a field that is not secret.
    pub path: Str,
    /// The host; empty for the base host.
    pub host: Str,
    /// The statuses that mean that the credential is not valid.
    pub invalid_status: List<u16>,
    /// What else to know about the answer, for people.
    pub note: Option<Str>,
}

/// What a key looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern {
    /// A regular expression for the whole key, unanchored.
    pub regex: Str,
    /// Whether it is recognisable by itself. If not, it tells only length and alphabet and must not be searched for.
    pub prefixed: bool,
    /// Providers, by slug, whose keys can look the same.
    pub shared_with: List<Str>,
}

/// Environment variables that the vendor's SDKs read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Env {
    /// Variables that hold the key, the usual one first.
    pub key: List<Str>,
    /// Variables that hold the base URL.
    pub base_url: List<BaseUrlVar>,
}

/// A variable that holds a base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrlVar {
    /// The variable.
    pub name: Str,
    /// The path with which its value must end: `/v1`, or empty.
    pub path: Str,
}
