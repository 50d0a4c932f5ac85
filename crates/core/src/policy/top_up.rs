//! Whose money tops an organization's credit up, and by which rule.

use crate::ids::{OrgId, PaymentId};
use crate::money::NanoUsd;
use crate::top_up::Rule;

/// A card that was saved with a payment.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Card {
    /// The payer, as Stripe names it.
    #[n(0)]
    pub customer: String,
    /// The payment intent that saved it, as Stripe names it.
    #[n(1)]
    pub intent: String,
}

/// How an organization's credit is topped up by itself. Stored and authenticated as `AgentPolicy` is, so that who writes the database
/// alone can charge nobody's card.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct TopUpPolicy {
    /// The organization.
    #[n(0)]
    pub org: OrgId,
    /// When and by how much; `None`: not by itself.
    #[n(1)]
    pub rule: Option<Rule>,
    /// The card that is charged.
    #[n(2)]
    pub card: Option<Card>,
}

impl TopUpPolicy {
    /// Nothing.
    pub const fn none(org: OrgId) -> Self {
        Self {
            org,
            rule: None,
            card: None,
        }
    }

    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}

/// A payment that is made from a saved card: what is asked for again, to the letter, until an answer comes. Stored and authenticated as
/// the policy is.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct CardCharge {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// Whose credit it becomes.
    #[n(1)]
    pub org: OrgId,
    /// How much it is.
    #[n(2)]
    pub amount: NanoUsd,
    /// The card.
    #[n(3)]
    pub card: Card,
}

impl CardCharge {
    /// The one byte form that is stored and authenticated.
    pub fn canonical(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}
