//! Labels: what a project, an agent or a credential is marked with, and what that forbids.

use super::Source;

/// What a label allows. A list that is empty forbids nothing.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct LabelRule {
    /// The label.
    #[n(0)]
    pub label: String,
    /// Whose credentials may serve.
    #[n(1)]
    pub sources: Vec<Source>,
    /// The providers that may be called.
    #[n(2)]
    pub providers: Vec<String>,
    /// The hosts that may be called, without ports; `*.` at the beginning stands for the rest of a name.
    #[n(3)]
    pub hosts: Vec<String>,
}

/// Labels that forbid pooled credentials where the organization has not said otherwise: data that only a contract of one's own may
/// cover.
pub const OWN_KEYS_ONLY: [&str; 3] = ["phi", "gdpr-dpa", "fedramp"];

/// What a label is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked<'a> {
    /// Whose credential.
    source: Source,
    /// The provider's slug.
    provider: &'a str,
    /// The host, where it is known.
    host: Option<&'a str>,
}

impl LabelRule {
    fn allows(&self, asked: &Asked<'_>) -> bool {
        let covers = |pattern: &str, host: &str| match pattern.strip_prefix("*.") {
            Some(parent) => host
                .strip_suffix(parent)
                .is_some_and(|front| front.ends_with('.') && front.len() > 1),
            None => pattern == host,
        };
        (self.sources.is_empty() || self.sources.contains(&asked.source))
            && (self.providers.is_empty() || self.providers.iter().any(|one| one == asked.provider))
            && (self.hosts.is_empty()
                || asked
                    .host
                    .is_none_or(|host| self.hosts.iter().any(|pattern| covers(pattern, host))))
    }
}

/// The first of `labels` that forbids what is asked, by the organization's rules and by those that always hold.
pub fn forbidden<'a>(
    rules: &[LabelRule],
    labels: impl IntoIterator<Item = &'a str>,
    (source, provider, host): (Source, &str, Option<&str>),
) -> Option<&'a str> {
    let asked = Asked {
        source,
        provider,
        host,
    };
    labels
        .into_iter()
        .find(|label| match rules.iter().find(|rule| rule.label == *label) {
            Some(rule) => !rule.allows(&asked),
            None => source == Source::Marketplace && OWN_KEYS_ONLY.contains(label),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rule(
        label: String,
        sources: Vec<Source>,
        providers: Vec<String>,
        hosts: Vec<String>,
    ) -> LabelRule {
        LabelRule {
            label,
            sources,
            providers,
            hosts,
        }
    }

    #[test]
    fn what_always_holds() {
        let pool = (Source::Marketplace, "openai", None);
        for label in OWN_KEYS_ONLY {
            assert_eq!(forbidden(&[], [label], pool), Some(label));
            assert_eq!(forbidden(&[], [label], (Source::Byok, "openai", None)), None);
        }
        assert_eq!(forbidden(&[], ["internal"], pool), None);
    }

    #[test]
    fn an_organization_says_more_and_otherwise() {
        let all = rule("phi".into(), Vec::new(), Vec::new(), Vec::new());
        let pool = (Source::Marketplace, "openai", None);
        assert_eq!(
            forbidden(&[all], ["phi"], pool),
            None,
            "it has said that the pool may serve"
        );
        let eu = rule(
            "eu".into(),
            Vec::new(),
            vec!["openai".into(), "mistral".into()],
            vec!["eu.api.openai.com".into(), "*.mistral.ai".into()],
        );
        let rules = [eu];
        let asks = |provider, host| forbidden(&rules, ["eu"], (Source::Byok, provider, host));
        assert_eq!(asks("openai", None), None);
        assert_eq!(asks("openai", Some("eu.api.openai.com")), None);
        assert_eq!(asks("openai", Some("api.openai.com")), Some("eu"));
        assert_eq!(asks("mistral", Some("api.mistral.ai")), None);
        assert_eq!(asks("mistral", Some("mistral.ai")), Some("eu"));
        assert_eq!(asks("mistral", Some("evilmistral.ai")), Some("eu"));
        assert_eq!(asks("anthropic", None), Some("eu"));
    }
}
