//! The environment of a program that runs without real keys.
//!
//! For every provider that can be used, the SDK's variables are set: the base URL to the proxy and the key to the token. Where
//! an SDK reads no base URL from the environment, its key stays unset, because it would send the token to the vendor.
//! Every other key variable of the catalog is taken away, and so are the ways to the control plane, where no agent belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use keystore_core::token::is_token;
use keystore_wire::providers;

/// Variables of the client itself that a program must not have.
const OF_THE_CLIENT: [&str; 2] = ["KS_API_KEY", "KS_API_URL"];

/// What speaks to the sandbox: it answers as OpenAI and as Anthropic do, so SDKs of both can be pointed at it.
const STAND_INS: [(&str, &str, &str); 2] = [
    ("OPENAI_BASE_URL", "/v1", "OPENAI_API_KEY"),
    ("ANTHROPIC_BASE_URL", "", "ANTHROPIC_API_KEY"),
];

/// The variables that a provider's SDKs read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variables {
    /// The provider.
    slug: String,
    /// Variables of the key.
    keys: Vec<String>,
    /// Variables of the base URL, and what their values end with.
    base_urls: Vec<(String, String)>,
    /// Whether it stands in for others during development.
    stands_in: bool,
}

impl Variables {
    /// Of a provider of the built-in catalog.
    pub(super) fn of_known(provider: &keystore_catalog::Provider) -> Self {
        Self {
            slug: provider.slug.to_string(),
            keys: provider.env.key.iter().map(ToString::to_string).collect(),
            base_urls: provider
                .env
                .base_url
                .iter()
                .map(|one| (one.name.to_string(), one.path.to_string()))
                .collect(),
            stands_in: provider.dev_only,
        }
    }

    /// Of a provider as the server describes it.
    pub(super) fn of_described(provider: &providers::Provider) -> Self {
        Self {
            slug: provider.slug.clone(),
            keys: provider.env.key.clone(),
            base_urls: provider
                .env
                .base_url
                .iter()
                .map(|one| (one.name.clone(), one.path.clone()))
                .collect(),
            stands_in: false,
        }
    }
}

/// What to change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// Variables to set.
    pub(super) set: BTreeMap<String, String>,
    /// Variables that are there and must go.
    pub(super) remove: BTreeSet<String>,
    /// What people should know.
    pub(super) warnings: Vec<String>,
}

impl Environment {
    /// The changes to `parent` for these providers. Where two read the same variable, the first has it.
    pub(super) fn build(
        parent: impl IntoIterator<Item = (OsString, OsString)>,
        granted: &[Variables],
        proxy_url: &str,
        token: &str,
    ) -> Self {
        let mut environment = Self::default();
        let (usual, stand_ins): (Vec<_>, Vec<_>) = granted.iter().partition(|variables| !variables.stands_in);
        for variables in usual.iter().chain(&stand_ins) {
            environment.add(variables, proxy_url, token);
        }
        for variables in &stand_ins {
            environment.stand_in(variables, proxy_url, token);
        }
        environment.set.insert("KS_TOKEN".to_owned(), token.to_owned());
        environment
            .set
            .insert("KS_PROXY_URL".to_owned(), proxy_url.to_owned());
        environment.take_away(parent);
        environment
    }

    fn add(&mut self, variables: &Variables, proxy_url: &str, token: &str) {
        let slug = &variables.slug;
        if variables.base_urls.is_empty() {
            return;
        }
        if let Some((taken, _)) = variables
            .base_urls
            .iter()
            .find(|(name, _)| self.set.contains_key(name))
        {
            self.warnings.push(format!("`{taken}` belongs to an earlier provider; point {slug} at {proxy_url}/v1/{slug} in the program"));
            return;
        }
        for (name, path) in &variables.base_urls {
            self.set
                .insert(name.clone(), format!("{proxy_url}/v1/{slug}{path}"));
        }
        for name in &variables.keys {
            self.set.entry(name.clone()).or_insert_with(|| token.to_owned());
        }
    }

    fn stand_in(&mut self, variables: &Variables, proxy_url: &str, token: &str) {
        for (base_url, path, key) in STAND_INS {
            if !self.set.contains_key(base_url) && !self.set.contains_key(key) {
                self.set.insert(
                    base_url.to_owned(),
                    format!("{proxy_url}/v1/{}{path}", variables.slug),
                );
                self.set.insert(key.to_owned(), token.to_owned());
            }
        }
    }

    fn take_away(&mut self, parent: impl IntoIterator<Item = (OsString, OsString)>) {
        let keys: BTreeSet<&str> = keystore_catalog::providers()
            .iter()
            .flat_map(|provider| provider.env.key.iter())
            .map(AsRef::as_ref)
            .collect();
        for (name, value) in parent {
            let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else {
                continue;
            };
            let of_client = OF_THE_CLIENT.contains(&name);
            let held_a_key = !value.is_empty() && !is_token(value.as_bytes());
            if keys.contains(name) || self.set.contains_key(name) || of_client {
                if !self.set.contains_key(name) {
                    self.remove.insert(name.to_owned());
                }
                if keys.contains(name) && held_a_key {
                    let instead = if self.set.contains_key(name) {
                        "gets the token instead"
                    } else {
                        "does not get it"
                    };
                    self.warnings
                        .push(format!("`{name}` holds a key; the program {instead}"));
                }
            } else if let Some(provider) = keystore_catalog::recognise_key(&value).first() {
                self.warnings.push(format!(
                    "`{name}` seems to hold a key of {}; it is not a variable of its SDK, so the program still gets it",
                    provider.name
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "http://127.0.0.1:8400";

    fn token() -> String {
        format!("ks_{}", "0".repeat(64))
    }

    fn known(slugs: &[&str]) -> Vec<Variables> {
        slugs
            .iter()
            .map(|slug| Variables::of_known(keystore_catalog::provider(slug).unwrap()))
            .collect()
    }

    fn build(parent: &[(&str, &str)], slugs: &[&str]) -> Environment {
        let parent = parent
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Environment::build(parent, &known(slugs), PROXY, &token())
    }

    #[test]
    fn the_sdks_find_the_proxy_and_the_token() {
        let environment = build(&[], &["openai", "anthropic"]);
        let expected = [
            ("ANTHROPIC_API_KEY", token()),
            ("ANTHROPIC_BASE_URL", format!("{PROXY}/v1/anthropic")),
            ("KS_PROXY_URL", PROXY.to_owned()),
            ("KS_TOKEN", token()),
            ("OPENAI_API_KEY", token()),
            ("OPENAI_BASE_URL", format!("{PROXY}/v1/openai/v1")),
        ];
        for (name, value) in expected {
            assert_eq!(environment.set.get(name), Some(&value), "{name}");
        }
        assert_eq!((environment.remove.len(), environment.warnings.len()), (0, 0));
    }

    #[test]
    fn no_real_key_reaches_the_program() {
        let environment = build(
            &[
                ("OPENAI_API_KEY", "sk-real"),
                ("ANTHROPIC_API_KEY", "sk-ant-real"),
                ("STRIPE_API_KEY", ""),
                ("KS_API_KEY", "ksm_real"),
                ("PATH", "/bin"),
            ],
            &["openai"],
        );
        assert_eq!(environment.set["OPENAI_API_KEY"], token());
        assert!(
            environment.remove.contains("ANTHROPIC_API_KEY") && environment.remove.contains("KS_API_KEY")
        );
        assert!(!environment.remove.contains("PATH"));
        assert_eq!(environment.warnings.len(), 2, "{:?}", environment.warnings);
        let words = environment.warnings.join("\n");
        assert!(
            words.contains("OPENAI_API_KEY") && !words.contains("real"),
            "{words}"
        );
    }

    #[test]
    fn every_key_variable_of_the_catalog_goes() {
        let names: Vec<_> = keystore_catalog::providers()
            .iter()
            .flat_map(|provider| provider.env.key.iter())
            .collect();
        assert!(names.len() > 5);
        let parent: Vec<_> = names.iter().map(|name| (name.as_ref(), "real")).collect();
        let environment = build(&parent, &[]);
        for name in names {
            assert!(environment.remove.contains(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn a_key_without_a_base_url_variable_stays_unset() {
        let own = Variables {
            slug: "acme".into(),
            keys: vec!["ACME_KEY".into()],
            base_urls: vec![],
            stands_in: false,
        };
        let environment = Environment::build([], &[own], PROXY, &token());
        assert!(!environment.set.contains_key("ACME_KEY"));
    }

    #[test]
    fn the_sandbox_stands_in_for_those_that_are_not_granted() {
        let alone = build(&[], &["sandbox"]);
        assert_eq!(alone.set["OPENAI_BASE_URL"], format!("{PROXY}/v1/sandbox/v1"));
        assert_eq!(alone.set["ANTHROPIC_BASE_URL"], format!("{PROXY}/v1/sandbox"));
        let beside = build(&[], &["sandbox", "openai"]);
        assert_eq!(beside.set["OPENAI_BASE_URL"], format!("{PROXY}/v1/openai/v1"));
        assert_eq!(beside.set["ANTHROPIC_BASE_URL"], format!("{PROXY}/v1/sandbox"));
    }

    #[test]
    fn of_two_with_one_variable_the_first_has_it() {
        let other = Variables {
            slug: "other".into(),
            keys: vec!["OPENAI_API_KEY".into()],
            base_urls: vec![("OPENAI_BASE_URL".into(), String::new())],
            stands_in: false,
        };
        let environment = Environment::build([], &[known(&["openai"]).remove(0), other], PROXY, &token());
        assert_eq!(
            environment.set["OPENAI_BASE_URL"],
            format!("{PROXY}/v1/openai/v1")
        );
        assert!(environment.warnings[0].contains("other"));
    }

    #[test]
    fn a_stray_key_is_pointed_out() {
        let key = format!("sk-proj-{}", "a".repeat(40));
        let environment = build(&[("MY_LLM", &key)], &[]);
        assert!(environment.warnings[0].contains("MY_LLM") && !environment.warnings[0].contains("sk-proj"));
    }
}
