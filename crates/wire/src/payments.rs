//! Money that customers pay in advance: `/v1/billing/{top-ups,auto-top-up}`, and what the operator has to see to, `/v1/operator/payments`.

use keystore_core::NanoUsd;
use keystore_core::ids::{OrgId, PaymentId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// `POST /v1/billing/top-ups`: pays in advance, by card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"amount": "50"}))]
pub struct CreateTopUp {
    /// Dollars in whole cents, 1 to 100,000.
    pub amount: String,
    /// Save the card, in place of the one that was saved before, so that credit can be topped up by itself.
    #[serde(default)]
    pub save_card: bool,
}

/// A top-up that is begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopUp {
    /// The payment.
    #[schema(value_type = String, example = "pay_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: PaymentId,
    /// How much it is.
    #[schema(value_type = String, example = "50.00")]
    pub amount: NanoUsd,
    /// The page on which it can be paid.
    #[schema(example = "https://checkout.stripe.com/c/pay/…")]
    pub url: String,
}

/// `POST /v1/billing/auto-top-up`: when credit is topped up by itself. Dollars in whole cents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"below": "10", "amount": "50", "monthly": "500"}))]
pub struct SetAutoTopUp {
    /// When less than this is left, what running calls hold not taken off.
    pub below: String,
    /// By so much, 1 to 100,000.
    pub amount: String,
    /// At most so much in a UTC month.
    pub monthly: String,
}

/// Where things stand with credit that is topped up by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AutoTopUpState {
    /// Nobody has asked for it.
    Off,
    /// It is topped up when it runs low.
    On,
    /// No card is saved, so nothing is done.
    NoCard,
    /// The last payment was refused; the next is tried at `notBefore`.
    Paused,
    /// Too many payments in a row were refused; nothing is done until it is set again, or another card is saved.
    Stopped,
    /// The organization pays by invoice, so nothing is done.
    ByInvoice,
}

/// Who pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payer {
    /// The saved card.
    Card,
    /// The operator sees to it that the money comes.
    Operator,
}

/// How credit is topped up by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoTopUp {
    /// Where things stand.
    pub state: AutoTopUpState,
    /// Who pays.
    pub by: Payer,
    /// Whether a card is saved.
    pub card_saved: bool,
    /// When less than this is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "10.00")]
    pub below: Option<NanoUsd>,
    /// By so much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "50.00")]
    pub amount: Option<NanoUsd>,
    /// At most so much in a UTC month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "500.00")]
    pub monthly: Option<NanoUsd>,
    /// What was topped up by itself this month, or is about to be.
    #[schema(value_type = String, example = "100.00")]
    pub this_month: NanoUsd,
    /// How many payments in a row were refused.
    pub failures: u32,
    /// When the next is tried after one that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// The payment that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub open: Option<PaymentId>,
}

/// A payment that began by itself and is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The payment.
    #[schema(value_type = String, example = "pay_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: PaymentId,
    /// Who pays.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// How much it is.
    #[schema(value_type = String, example = "50.00")]
    pub amount: NanoUsd,
    /// Where it comes from.
    pub by: Payer,
    /// How often the card was asked for it.
    pub asks: u32,
    /// Stripe's name for it, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// When it began.
    pub created_at: Time,
}

/// `POST /v1/operator/payments/{payment}`: what came of an open payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"paid": true, "subject": "transfer 4711"}))]
pub struct SettlePayment {
    /// Whether the money is there; else the payment comes to nothing.
    pub paid: bool,
    /// What the top-up belongs to, such as the number of a bank transfer; at most 200 characters. The customer sees it.
    #[serde(default)]
    pub subject: String,
}
