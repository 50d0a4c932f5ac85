//! Step 3: what a clean request is for. `/v1/<slug>[~<alias>]/<rest>` becomes a [`Target`]; `/healthz` and `/readyz` are
//! the listener's own. It splits and checks the form of names; it looks nothing up, so an unknown provider passes here.

use std::ops::Range;

use http::Method;
use http::uri::PathAndQuery;
use keystore_core::Deny;
use keystore_core::deny::Malformed;

use crate::parse::CleanRequest;

/// The most characters in a provider's slug or a host alias.
pub const MAX_NAME: usize = 63;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `GET` or `HEAD` of `/healthz`: does the process live?
    Health,
    /// `GET` or `HEAD` of `/readyz`: does it serve?
    Ready,
    /// A call of a provider.
    Provider(Target),
}

/// A provider, one of its hosts, and the path there. Holds a reference to the request's bytes, so it outlives the request
/// without a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path_and_query: PathAndQuery,
    /// Where in the path the names stand.
    slug: Range<u16>,
    alias: Range<u16>,
}

impl Target {
    /// The provider's slug: `[a-z0-9][a-z0-9-]{0,62}`.
    pub fn slug(&self) -> &str {
        self.part(&self.slug)
    }

    /// The host alias after `~`, of the same form; empty for the base host.
    pub fn alias(&self) -> &str {
        self.part(&self.alias)
    }

    /// What the upstream is asked for; begins with `/`, percent-encoding as received.
    pub fn upstream_path(&self) -> &str {
        let path = self.path_and_query.path();
        path.get(usize::from(self.alias.end)..).unwrap_or("/")
    }

    /// What stands after `?`, as received; `None` without a `?`.
    pub fn query(&self) -> Option<&str> {
        self.path_and_query.query()
    }

    /// The same provider and host with another upstream path, which must begin with `/`, and another query. `None` when
    /// these do not make a path and a query.
    pub fn with(&self, upstream_path: &str, query: Option<&str>) -> Option<Self> {
        if !upstream_path.starts_with('/') || upstream_path.contains('?') {
            return None;
        }
        let names = self.path_and_query.path().get(..usize::from(self.alias.end))?;
        let mark = if query.is_some() { "?" } else { "" };
        let text = [names, upstream_path, mark, query.unwrap_or_default()].concat();
        Some(Self {
            path_and_query: text.try_into().ok()?,
            slug: self.slug.clone(),
            alias: self.alias.clone(),
        })
    }

    fn part(&self, range: &Range<u16>) -> &str {
        let range = usize::from(range.start)..usize::from(range.end);
        self.path_and_query.path().get(range).unwrap_or_default()
    }
}

/// Splits the path of `request`.
///
/// # Errors
///
/// [`Malformed::Route`] for every other path, [`Deny::MethodNotAllowed`] for a probe that is neither `GET` nor `HEAD`.
pub fn route<B>(request: &CleanRequest<B>) -> Result<Route, Deny> {
    split(request.method(), request.path_and_query())
}

fn split(method: &Method, target: &PathAndQuery) -> Result<Route, Deny> {
    let probe = match target.path() {
        "/healthz" => Some(Route::Health),
        "/readyz" => Some(Route::Ready),
        _ => None,
    };
    match probe {
        Some(route) if *method == Method::GET || *method == Method::HEAD => Ok(route),
        Some(_) => Err(Deny::MethodNotAllowed),
        None => provider(target)
            .map(Route::Provider)
            .ok_or(Deny::Malformed(Malformed::Route)),
    }
}

fn provider(target: &PathAndQuery) -> Option<Target> {
    const PREFIX: &str = "/v1/";
    let rest = target.path().strip_prefix(PREFIX)?;
    let named = &rest[..rest.find('/')?];
    let (slug, alias) = match named.split_once('~') {
        Some((slug, alias)) if is_name(alias) => (slug, alias),
        Some(_) => return None,
        None => (named, ""),
    };
    if !is_name(slug) {
        return None;
    }
    // Names are at most 63 bytes each, so no offset comes near the end of the range.
    let at = |offset: usize| u16::try_from(PREFIX.len() + offset).ok();
    Some(Target {
        slug: at(0)?..at(slug.len())?,
        alias: at(named.len() - alias.len())?..at(named.len())?,
        path_and_query: target.clone(),
    })
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= MAX_NAME
        && bytes.first().is_some_and(|byte| letter(*byte))
        && bytes.iter().all(|byte| letter(*byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(target: &str) -> Result<Route, Deny> {
        split(&Method::POST, &target.parse().unwrap())
    }

    fn target(text: &str) -> Target {
        match of(text) {
            Ok(Route::Provider(target)) => target,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_path_is_split_into_slug_alias_and_upstream_path() {
        let plain = target("/v1/openai/v1/chat/completions?a=1&b=%2F");
        assert_eq!(plain.slug(), "openai");
        assert_eq!(plain.alias(), "");
        assert_eq!(plain.upstream_path(), "/v1/chat/completions");
        assert_eq!(plain.query(), Some("a=1&b=%2F"));

        let other_host = target("/v1/openai~eu-1/v1/models");
        assert_eq!((other_host.slug(), other_host.alias()), ("openai", "eu-1"));
        assert_eq!(other_host.upstream_path(), "/v1/models");
        assert_eq!(other_host.query(), None);

        assert_eq!(target("/v1/9/").upstream_path(), "/");
        assert_eq!(
            target("/v1/stripe/v1/x~y/%C3%A4").upstream_path(),
            "/v1/x~y/%C3%A4"
        );
        assert_eq!(target("/v1/a/b?").query(), Some(""));
    }

    #[test]
    fn every_other_path_is_refused() {
        let long = format!("/v1/{}/x", "a".repeat(MAX_NAME + 1));
        for text in [
            "/",
            "/v1",
            "/v1/",
            "/v1/openai",
            "/v1//x",
            "/v2/openai/x",
            "/V1/openai/x",
            "/v1/OpenAI/x",
            "/v1/-a/x",
            "/v1/a_b/x",
            "/v1/a.b/x",
            "/v1/~eu/x",
            "/v1/openai~/x",
            "/v1/openai~EU/x",
            "/v1/openai~a~b/x",
            "/v1/open%61i/x",
            "/v1/openai?x/",
            "/healthz/",
            "/healthzz",
            "/v1/openai~-/x",
            "/openai/v1/x",
            &long,
        ] {
            assert_eq!(of(text), Err(Deny::Malformed(Malformed::Route)), "{text}");
        }
        assert_eq!(
            target(&format!("/v1/{}/x", "a".repeat(MAX_NAME))).slug().len(),
            MAX_NAME
        );
    }

    #[test]
    fn a_target_takes_another_path_and_query() {
        let target = target("/v1/bot~eu/botks_1/getMe?key=2");
        let other = target.with("/getMe", Some("a=1")).unwrap();
        assert_eq!((other.slug(), other.alias()), ("bot", "eu"));
        assert_eq!((other.upstream_path(), other.query()), ("/getMe", Some("a=1")));
        assert_eq!(target.with("/", None).unwrap().query(), None);
        assert_eq!(target.with("getMe", None), None);
        assert_eq!(target.with("/a b", None), None);
        assert_eq!(
            target
                .with("/a?b", None)
                .map(|target| target.upstream_path().to_owned()),
            None
        );
    }

    #[test]
    fn probes_are_recognised_for_get_and_head_alone() {
        for (path, route) in [("/healthz", Route::Health), ("/readyz?verbose", Route::Ready)] {
            let target = path.parse().unwrap();
            assert_eq!(split(&Method::GET, &target), Ok(route.clone()));
            assert_eq!(split(&Method::HEAD, &target), Ok(route));
            assert_eq!(split(&Method::POST, &target), Err(Deny::MethodNotAllowed));
        }
    }

    proptest! {
        #[test]
        fn the_parts_put_together_are_the_path(
            slug in "[a-z0-9][a-z0-9-]{0,62}", alias in "(~[a-z0-9][a-z0-9-]{0,62})?", rest in "/[a-zA-Z0-9/._~%20-]{0,40}",
        ) {
            let found = target(&format!("/v1/{slug}{alias}{rest}"));
            prop_assert_eq!(found.slug(), slug);
            prop_assert_eq!(found.alias(), alias.trim_start_matches('~'));
            prop_assert_eq!(found.upstream_path(), rest);
        }
    }
}
