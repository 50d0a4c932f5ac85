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
    /// Whether the credential must be under a key that its organization holds itself.
    #[cbor(default)]
    #[n(4)]
    pub customer_key: bool,
    /// Kinds of agreements with the vendor that must be on record with the credential.
    #[cbor(default)]
    #[n(5)]
    pub agreements: Vec<String>,
}

/// What a label demands of a credential that it has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// To be under a key that its organization holds itself.
    CustomerKey,
    /// An agreement of this kind on record.
    Agreement(String),
}

/// An agreement that is demanded where the organization has not said otherwise, by label: without a business associate agreement
/// nobody may process protected health information for another (45 CFR 164.308(b)).
pub const AGREEMENT_NEEDED: (&str, &str) = ("phi", "baa");

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

/// The first of `labels` that demands what a credential has not, and what that is. `customer_key` and `agreements` are what it has.
pub fn demanded<'a>(
    rules: &[LabelRule],
    labels: impl IntoIterator<Item = &'a str>,
    (customer_key, agreements): (bool, &[String]),
) -> Option<(&'a str, Demand)> {
    let has = |kind: &str| agreements.iter().any(|agreement| agreement == kind);
    let lacks = |kind: &str| (!has(kind)).then(|| Demand::Agreement(kind.to_owned()));
    labels.into_iter().find_map(|label| {
        let demand = match rules.iter().find(|rule| rule.label == label) {
            Some(rule) if rule.customer_key && !customer_key => Some(Demand::CustomerKey),
            Some(rule) => rule.agreements.iter().find_map(|kind| lacks(kind)),
            None if label == AGREEMENT_NEEDED.0 => lacks(AGREEMENT_NEEDED.1),
            None => None,
        };
        demand.map(|demand| (label, demand))
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
            customer_key: false,
            agreements: Vec::new(),
        }
    }

    #[test]
    fn what_a_label_demands_of_a_credential() {
        let baa = ["baa".to_owned()];
        let bare = (false, &[][..]);
        assert_eq!(
            demanded(&[], ["phi"], bare),
            Some(("phi", Demand::Agreement("baa".into()))),
            "where nobody has said otherwise"
        );
        assert_eq!(demanded(&[], ["phi"], (false, &baa)), None);
        assert_eq!(demanded(&[], ["fedramp", "eu"], bare), None);
        let held = LabelRule {
            customer_key: true,
            agreements: vec!["dpa".into()],
            ..rule("fedramp".into(), Vec::new(), Vec::new(), Vec::new())
        };
        let rules = [held, rule("phi".into(), Vec::new(), Vec::new(), Vec::new())];
        assert_eq!(demanded(&rules, ["phi"], bare), None, "it has said otherwise");
        let asks = |credential| demanded(&rules, ["eu", "fedramp"], credential).map(|(_, demand)| demand);
        assert_eq!(asks(bare), Some(Demand::CustomerKey));
        assert_eq!(asks((true, &baa)), Some(Demand::Agreement("dpa".into())));
        assert_eq!(asks((true, &["dpa".to_owned()])), None);
    }

    #[test]
    fn a_rule_of_before_is_read() {
        #[derive(minicbor::Encode)]
        struct Before(
            #[n(0)] &'static str,
            #[n(1)] Vec<Source>,
            #[n(2)] Vec<String>,
            #[n(3)] Vec<String>,
        );
        let bytes = minicbor::to_vec(Before("eu", Vec::new(), Vec::new(), Vec::new())).unwrap();
        let read: LabelRule = minicbor::decode(&bytes).unwrap();
        assert_eq!(read, rule("eu".into(), Vec::new(), Vec::new(), Vec::new()));
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
