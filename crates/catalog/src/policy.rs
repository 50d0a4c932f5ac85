//! From a provider, parameters and perhaps a base URL to a destination policy.
//!
//! Parameters are written into the policy, so that they are sealed with it; secret fields stay placeholders. A base URL replaces
//! the base host and drops the others: a key for a server of one's own is not sent to the vendor's further hosts. Plain HTTP,
//! and an address that egress would refuse, need the operator's word (`self_hosted` in the policy).

use std::collections::BTreeMap;

use keystore_core::destination::{Destination, DestinationPolicy, Injection, Scheme, TokenSource};
use regex::Regex;

use crate::origin;
use crate::provider::{HeaderPair, InjectionTemplate, Provider, UrlParam};
use crate::schema::section;
use crate::schema::template::{self, is_header_value};

/// Why no destination policy can be drawn up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A parameter of the provider was not given.
    #[error("provider {provider} needs the parameter `{name}`: {description}")]
    MissingParam {
        /// The provider.
        provider: String,
        /// The parameter.
        name: String,
        /// What to give.
        description: String,
    },
    /// A parameter that the provider does not have.
    #[error("provider {provider} has no parameter `{name}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownParam {
        /// The provider.
        provider: String,
        /// What was given.
        name: String,
        /// The parameter most like it.
        nearest: Option<String>,
    },
    /// A parameter's value does not have the form it must have.
    #[error("the parameter `{name}` must match {pattern}: {description}")]
    InvalidParam {
        /// The parameter.
        name: String,
        /// The regular expression.
        pattern: String,
        /// What to give.
        description: String,
    },
    /// The provider has no base URL of its own.
    #[error("provider {provider} runs where you run it: give its base URL")]
    MissingBaseUrl {
        /// The provider.
        provider: String,
    },
    /// The text is not an origin with at most a path.
    #[error("`{url}` is not a base URL: {reason}")]
    InvalidBaseUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The provider has a fixed base URL, and the operator did not list this one.
    #[error(
        "{authority} is not a host of provider {provider}; start the server with `--allow-upstream {authority}` to allow it"
    )]
    BaseUrlNotAllowed {
        /// The provider.
        provider: String,
        /// `host:port`.
        authority: String,
    },
}

/// Draws up the policy; see `Provider::destination_policy`.
pub(crate) fn draw_up(
    provider: &Provider,
    params: &BTreeMap<String, String>,
    base_url: Option<&str>,
    allow_upstream: &dyn Fn(&str) -> bool,
) -> Result<DestinationPolicy, PolicyError> {
    check_known(provider, params)?;
    check_values(provider, params)?;
    let given = match base_url {
        Some(url) => Some(parse(url)?).filter(|given| !is_own(provider, given, params)),
        None => None,
    };
    let (hosts, self_hosted) = match given {
        Some(given) => {
            let listed = check_allowed(provider, &given, allow_upstream)?;
            (vec![given], listed)
        }
        None => (own_hosts(provider, params)?, false),
    };
    let injections = chosen(provider, params)
        .iter()
        .map(|injection| fill_injection(provider, injection, params, &hosts[0]))
        .collect::<Result<_, _>>()?;
    Ok(DestinationPolicy {
        version: 1,
        hosts,
        injections,
        self_hosted,
    })
}

fn check_known(provider: &Provider, params: &BTreeMap<String, String>) -> Result<(), PolicyError> {
    let names = || provider.url_params.iter().map(|param| param.name.as_ref());
    match params
        .keys()
        .find(|name| !names().any(|known| known == name.as_str()))
    {
        None => Ok(()),
        Some(name) => Err(PolicyError::UnknownParam {
            provider: provider.slug.to_string(),
            name: name.clone(),
            nearest: section::nearest(name, names()).map(str::to_owned),
        }),
    }
}

fn check_values(provider: &Provider, params: &BTreeMap<String, String>) -> Result<(), PolicyError> {
    for param in provider.url_params.iter() {
        let Some(value) = params.get(param.name.as_ref()) else {
            continue;
        };
        let fits =
            Regex::new(&format!(r"\A(?:{})\z", param.pattern)).is_ok_and(|pattern| pattern.is_match(value));
        // Whatever the pattern says: a brace would be taken for a placeholder of a secret later.
        if !fits || value.contains(['{', '}']) || !is_header_value(value) {
            return Err(PolicyError::InvalidParam {
                name: param.name.to_string(),
                pattern: param.pattern.to_string(),
                description: param.description.to_string(),
            });
        }
    }
    Ok(())
}

fn parse(url: &str) -> Result<Destination, PolicyError> {
    origin::parse("", url).map_err(|reason| PolicyError::InvalidBaseUrl {
        url: url.to_owned(),
        reason: reason.to_owned(),
    })
}

/// Whether `given` is the catalog's own base host, which needs no permission.
fn is_own(provider: &Provider, given: &Destination, params: &BTreeMap<String, String>) -> bool {
    own_hosts(provider, params).is_ok_and(|hosts| hosts.first() == Some(given))
}

/// Whether a base URL is listed by the operator; an error if it must be and is not.
fn check_allowed(
    provider: &Provider,
    given: &Destination,
    allow_upstream: &dyn Fn(&str) -> bool,
) -> Result<bool, PolicyError> {
    let authority = origin::host_port(given);
    let listed = allow_upstream(&authority);
    let free = provider.self_hosted && given.scheme == Scheme::Https;
    if listed || free {
        return Ok(listed);
    }
    Err(PolicyError::BaseUrlNotAllowed {
        provider: provider.slug.to_string(),
        authority,
    })
}

fn own_hosts(
    provider: &Provider,
    params: &BTreeMap<String, String>,
) -> Result<Vec<Destination>, PolicyError> {
    let Some(base) = &provider.base_url else {
        return Err(PolicyError::MissingBaseUrl {
            provider: provider.slug.to_string(),
        });
    };
    // A further host of which a part was not given is not needed: the policy does not have it.
    let further = provider
        .hosts
        .iter()
        .filter(|host| missing(provider, &host.url, params).is_none())
        .map(|host| (host.alias.as_ref(), host.url.as_ref()));
    std::iter::once(("", base.as_ref()))
        .chain(further)
        .map(|(alias, url)| {
            let url = fill(provider, url, params)?;
            origin::parse(alias, &url).map_err(|reason| PolicyError::InvalidBaseUrl {
                url,
                reason: reason.to_owned(),
            })
        })
        .collect()
}

/// `text` with every parameter replaced; secret fields stay placeholders.
fn fill(provider: &Provider, text: &str, params: &BTreeMap<String, String>) -> Result<String, PolicyError> {
    match missing(provider, text, params) {
        Some(param) => Err(PolicyError::MissingParam {
            provider: provider.slug.to_string(),
            name: param.name.to_string(),
            description: param.description.to_string(),
        }),
        None => Ok(template::fill(text, |name| params.get(name).map(String::as_str))),
    }
}

/// The first parameter of `text` that was not given.
fn missing<'p>(
    provider: &'p Provider,
    text: &str,
    params: &BTreeMap<String, String>,
) -> Option<&'p UrlParam> {
    let names = template::placeholders(text).unwrap_or_default();
    provider
        .url_params
        .iter()
        .find(|param| names.contains(&param.name.as_ref()) && !params.contains_key(param.name.as_ref()))
}

/// What is injected for a credential with these parameters.
fn chosen<'p>(provider: &'p Provider, params: &BTreeMap<String, String>) -> &'p [InjectionTemplate] {
    provider
        .alternatives
        .iter()
        .find(|other| params.contains_key(other.when.as_ref()))
        .map_or(&provider.injections, |other| &other.injections)
}

fn fill_injection(
    provider: &Provider,
    injection: &InjectionTemplate,
    params: &BTreeMap<String, String>,
    base: &Destination,
) -> Result<Injection, PolicyError> {
    let text = |text: &str| fill(provider, text, params);
    Ok(match injection {
        InjectionTemplate::Bearer { template } => Injection::Bearer {
            template: text(template)?,
        },
        InjectionTemplate::Header { name, template } => Injection::Header {
            name: name.to_string(),
            template: text(template)?,
        },
        InjectionTemplate::Basic { username, password } => Injection::Basic {
            username: text(username)?,
            password: text(password)?,
        },
        InjectionTemplate::Query { name, template } => Injection::Query {
            name: name.to_string(),
            template: text(template)?,
        },
        InjectionTemplate::Path { template } => Injection::Path {
            template: text(template)?,
        },
        InjectionTemplate::Sigv4 {
            access_key_id,
            service,
            region,
            services,
        } => Injection::Sigv4 {
            access_key_id: text(access_key_id)?,
            service: text(service)?,
            region: text(region)?,
            services: pairs(services),
        },
        InjectionTemplate::Token(token) => Injection::Token(TokenSource {
            grant: token.grant,
            endpoint: endpoint(&text(&token.token_url)?, base)?,
            scope: token.scope.as_ref().map(ToString::to_string),
            client_auth: token.client_auth,
            issuer: token.issuer.as_ref().map(|issuer| text(issuer)).transpose()?,
            form: token
                .form
                .iter()
                .map(|member| Ok((member.name.to_string(), text(&member.value)?)))
                .collect::<Result<_, PolicyError>>()?,
            scheme: token.scheme.to_string(),
        }),
    })
}

fn pairs(list: &[HeaderPair]) -> BTreeMap<String, String> {
    list.iter()
        .map(|pair| (pair.name.to_string(), pair.value.to_string()))
        .collect()
}

/// Where a token is fetched: a path alone is one of the base host, which may be a user's own.
fn endpoint(url: &str, base: &Destination) -> Result<Destination, PolicyError> {
    if url.starts_with('/') {
        return Ok(Destination {
            alias: String::new(),
            base_path: format!("{}{url}", base.base_path),
            ..base.clone()
        });
    }
    parse(url)
}
