//! Stripe: the page to pay on, payments from saved cards, and what it tells.

mod intents;

use std::time::Duration;

use keystore_core::ids::PaymentId;
use keystore_core::policy::Card;
use keystore_core::{Micros, NanoUsd};
use keystore_vault::WebhookKey;
use keystore_wire::problem::Code;
use serde::Deserialize;

use super::signature;
use crate::api::problem::{ApiError, ApiResult};
use crate::config::SecretText;
pub(super) use intents::Outcome;

/// How long Stripe may take to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The way to Stripe.
pub struct Stripe {
    http: reqwest::Client,
    url: String,
    key: SecretText,
    webhook: WebhookKey,
}

/// Stripe cannot be used with these settings.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// Anybody could tell us that they paid.
    #[error("the secret of Stripe's webhook is empty: anybody could say that they paid")]
    NoWebhookSecret,
    /// Stripe would refuse every call.
    #[error("Stripe's secret key is empty")]
    NoKey,
    /// The client cannot be made.
    #[error("the client for Stripe cannot be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// A page to pay on.
#[derive(Deserialize)]
pub(super) struct Session {
    /// Stripe's name for it.
    pub(super) id: String,
    /// Where it is.
    pub(super) url: String,
}

impl Stripe {
    /// Stripe at `url`, such as `https://api.stripe.com`, with the account's secret key and the secret of its webhook.
    ///
    /// # Errors
    /// See [`StripeError`].
    pub fn new(url: &str, key: SecretText, webhook: &SecretText) -> Result<Self, StripeError> {
        if key.expose().trim().is_empty() {
            return Err(StripeError::NoKey);
        }
        Ok(Self {
            http: reqwest::Client::builder()
                .timeout(TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            url: url.trim_end_matches('/').to_owned(),
            key,
            webhook: WebhookKey::new(webhook.expose()).ok_or(StripeError::NoWebhookSecret)?,
        })
    }

    /// Asks for a page on which `amount` can be paid, and which saves the card if that is asked for. The same payment has the same page,
    /// however often it is asked for.
    pub(super) async fn checkout(
        &self,
        id: PaymentId,
        amount: NanoUsd,
        saves_card: bool,
        back: &str,
    ) -> ApiResult<Session> {
        let (id, cents) = (id.to_string(), amount.cents_floor().to_string());
        let mut form = vec![
            ("mode", "payment"),
            ("client_reference_id", id.as_str()),
            ("success_url", back),
            ("cancel_url", back),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][unit_amount]", cents.as_str()),
            ("line_items[0][price_data][product_data][name]", "Credit"),
        ];
        if saves_card {
            form.extend([
                ("payment_method_types[0]", "card"),
                ("customer_creation", "always"),
                ("payment_intent_data[setup_future_usage]", "off_session"),
            ]);
        }
        let answer = self.post("/v1/checkout/sessions", &id, &form).await;
        let session = match answer.and_then(reqwest::Response::error_for_status) {
            Ok(answer) => answer.json().await,
            Err(error) => Err(error),
        };
        session.map_err(|error| {
            ApiError::new(
                Code::UpstreamError,
                "Stripe did not give a page to pay on; nothing was charged; try again",
            )
            .because(error.without_url())
        })
    }

    /// Sends a form. Under the same key Stripe does nothing twice.
    async fn post(&self, path: &str, key: &str, form: &[(&str, &str)]) -> reqwest::Result<reqwest::Response> {
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        let asked = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(self.key.expose())
            .header("idempotency-key", key)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.join("&"));
        asked.send().await
    }

    async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        let asked = self.http.get(format!("{}{path}", self.url));
        asked.bearer_auth(self.key.expose()).send().await
    }

    /// That Stripe signed these bytes just now.
    pub(super) fn verify(&self, header: &str, body: &[u8], now: Micros) -> ApiResult<()> {
        match signature::is_valid(&self.webhook, header, body, now) {
            true => Ok(()),
            false => Err(ApiError::new(
                Code::Unauthenticated,
                "the signature is missing, wrong or older than five minutes",
            )),
        }
    }
}

/// Everything but letters, digits and `-._~` as `%XX`.
fn escaped(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    bytes.collect()
}

/// What Stripe tells of a payment of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The event's id.
    pub(super) event: String,
    /// Our payment.
    pub(super) payment: PaymentId,
    /// Stripe's name for it.
    pub(super) session: String,
    /// What came of it.
    pub(super) news: News,
}

/// What came of a payment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It was made.
    Paid {
        /// What was paid, in cents.
        cents: i64,
        /// Whether they are of dollars.
        usd: bool,
        /// The card, where the payment saved one.
        card: Option<Card>,
    },
    /// It was refused, for this reason.
    Declined(String),
}

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: serde_json::Value,
}

#[derive(Deserialize)]
struct Checkout {
    id: String,
    client_reference_id: Option<String>,
    amount_total: Option<i64>,
    currency: Option<String>,
    payment_status: String,
    customer: Option<String>,
    payment_intent: Option<String>,
}

/// What an event tells of a payment of ours; `None` for one that tells of none, or of one of which nothing is known yet.
pub(super) fn told(body: &[u8]) -> ApiResult<Option<Told>> {
    let event: Event = serde_json::from_slice(body).map_err(unreadable)?;
    let of = |found: Option<(PaymentId, String, News)>| {
        found.map(|(payment, session, news)| Told {
            event: event.id,
            payment,
            session,
            news,
        })
    };
    match event.kind.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            Ok(of(of_page(event.data.object)?))
        }
        "payment_intent.succeeded" | "payment_intent.payment_failed" => {
            Ok(of(intents::told(event.data.object)?))
        }
        _ => Ok(None),
    }
}

fn unreadable(error: serde_json::Error) -> ApiError {
    ApiError::new(Code::BadRequest, "this is no event of Stripe").because(error)
}

fn of_page(object: serde_json::Value) -> ApiResult<Option<(PaymentId, String, News)>> {
    let checkout: Checkout = serde_json::from_value(object).map_err(unreadable)?;
    let ours = checkout.client_reference_id.and_then(|id| id.parse().ok());
    let Some(payment) = ours.filter(|_| checkout.payment_status == "paid") else {
        return Ok(None);
    };
    let card = checkout.customer.zip(checkout.payment_intent);
    let news = News::Paid {
        cents: checkout.amount_total.unwrap_or(0),
        usd: checkout.currency.as_deref() == Some("usd"),
        card: card.map(|(customer, intent)| Card { customer, intent }),
    };
    Ok(Some((payment, checkout.id, news)))
}
