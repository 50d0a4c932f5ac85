//! What a request asks for that decides by which prices it is charged, kept until it is settled.

use std::borrow::Cow;

use keystore_catalog::UsageShape;
use keystore_core::price::{Chosen, Terms};

use crate::body::RequestFacts;
use crate::meter::Served;

/// What a request asks for. The vendor may serve, and report, something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AskedTerms {
    /// The service tier, unless the request leaves it to the vendor.
    service_tier: Option<String>,
    /// Where inference shall run, unless the request leaves it to the account.
    inference_geo: Option<String>,
    /// The alias of the host; empty for the base host.
    host: String,
    /// What the request chose of what the price row offers.
    chosen: Vec<Chosen>,
}

impl AskedTerms {
    /// Nothing that decides.
    pub(crate) const NONE: Self = Self {
        service_tier: None,
        inference_geo: None,
        host: String::new(),
        chosen: Vec::new(),
    };

    pub(crate) fn new(host: &str, chosen: Vec<Chosen>) -> Self {
        Self {
            host: host.to_owned(),
            chosen,
            ..Self::default()
        }
    }

    /// With what a body asks for. A member that the vendor does not know asks for nothing.
    pub(crate) fn with(self, shape: UsageShape, facts: &RequestFacts<'_>) -> Self {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Self {
            service_tier: owned(&facts.service_tier).filter(|tier| tier != "auto"),
            inference_geo: owned(&facts.inference_geo).filter(|_| shape == UsageShape::AnthropicMessages),
            ..self
        }
    }

    /// The terms as they were asked for.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            service_tier: self.service_tier.as_deref(),
            inference_geo: self.inference_geo.as_deref(),
            host: &self.host,
            chosen: &self.chosen,
        }
    }

    /// The terms as they were served: a vendor that served another tier, or at another place, says so.
    pub(crate) fn served<'a>(&'a self, served: Served<'a>) -> Terms<'a> {
        let asked = self.terms();
        Terms {
            service_tier: served.service_tier.or(asked.service_tier),
            inference_geo: served.inference_geo.or(asked.inference_geo),
            ..asked
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_vendor_does_not_know_asks_for_nothing() {
        let body = br#"{"service_tier":"auto","inference_geo":"us"}"#;
        let facts = crate::body::read(body, None).unwrap();
        let asked = |shape| AskedTerms::new("eu", Vec::new()).with(shape, &facts);
        let anthropic = asked(UsageShape::AnthropicMessages);
        let terms = Terms {
            inference_geo: Some("us"),
            host: "eu",
            ..Terms::default()
        };
        assert_eq!(anthropic.terms(), terms);
        let openai = asked(UsageShape::OpenaiChat);
        assert_eq!(
            openai.terms(),
            Terms {
                inference_geo: None,
                ..terms
            }
        );
    }
}
