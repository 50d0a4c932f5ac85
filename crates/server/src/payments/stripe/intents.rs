//! Payment intents: a saved card is charged while nobody is there. Which card it is, is asked of the intent that saved it.

use keystore_core::ids::PaymentId;
use keystore_core::policy::CardCharge;
use serde::Deserialize;

use super::{News, Stripe, escaped, unreadable};
use crate::api::problem::ApiResult;

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::payments) enum Outcome {
    /// The money is there.
    Paid {
        /// Stripe's name for the payment.
        intent: String,
        /// What was paid, in cents.
        cents: i64,
        /// Whether they are of dollars.
        usd: bool,
    },
    /// The card was refused, for this reason; nothing was charged.
    Declined(String),
    /// Stripe goes on with it, under this name.
    Pending(String),
    /// It is not known whether it was made.
    Unclear(String),
}

/// A payment intent, as far as it is read.
#[derive(Deserialize)]
struct Intent {
    id: String,
    status: String,
    #[serde(default)]
    amount_received: i64,
    #[serde(default)]
    currency: String,
    payment_method: Option<String>,
    #[serde(default)]
    metadata: Metadata,
    last_payment_error: Option<Refusal>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    payment: Option<String>,
}

#[derive(Deserialize)]
struct Refused {
    error: Refusal,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "type", default)]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
}

impl Refusal {
    /// Why, in Stripe's word, such as `insufficient_funds`.
    fn reason(self) -> String {
        self.decline_code.or(self.code).unwrap_or(self.kind)
    }
}

impl Stripe {
    /// Charges a saved card. The same charge is made once, however often it is asked for.
    pub(in crate::payments) async fn charge(&self, charge: &CardCharge) -> Outcome {
        let saved = match self.intent(&charge.card.intent).await {
            Ok(saved) => saved,
            Err(outcome) => return outcome,
        };
        let Some(method) = saved.payment_method else {
            return Outcome::Declined("card_not_saved".to_owned());
        };
        let (id, cents) = (
            charge.payment.to_string(),
            charge.amount.cents_floor().to_string(),
        );
        let form = [
            ("amount", cents.as_str()),
            ("currency", "usd"),
            ("customer", charge.card.customer.as_str()),
            ("payment_method", method.as_str()),
            ("payment_method_types[0]", "card"),
            ("off_session", "true"),
            ("confirm", "true"),
            ("error_on_requires_action", "true"),
            ("description", "Credit"),
            ("metadata[payment]", id.as_str()),
        ];
        let answer = self.post("/v1/payment_intents", &id, &form).await;
        read(answer).await.map_or_else(|outcome| outcome, outcome)
    }

    /// What has become of a payment that Stripe goes on with.
    pub(in crate::payments) async fn look_at(&self, intent: &str) -> Outcome {
        self.intent(intent).await.map_or_else(|outcome| outcome, outcome)
    }

    async fn intent(&self, id: &str) -> Result<Intent, Outcome> {
        let path = format!("/v1/payment_intents/{}", escaped(id));
        read(self.get(&path).await).await
    }
}

/// An intent that was answered. Only what Stripe says of the card, or of the request, is a refusal: all else may be otherwise the next time.
async fn read(answer: reqwest::Result<reqwest::Response>) -> Result<Intent, Outcome> {
    let unclear = |error: reqwest::Error| Outcome::Unclear(error.without_url().to_string());
    let answer = answer.map_err(unclear)?;
    let status = answer.status();
    if status.is_success() {
        return answer.json().await.map_err(unclear);
    }
    let refused: Result<Refused, _> = answer.json().await;
    Err(match (status.as_u16(), refused) {
        (402, Ok(refused)) => Outcome::Declined(refused.error.reason()),
        (400 | 404, Ok(refused)) if refused.error.kind == "invalid_request_error" => {
            Outcome::Declined(refused.error.reason())
        }
        (status, Ok(refused)) => Outcome::Unclear(format!("{status} {}", refused.error.reason())),
        (status, Err(_)) => Outcome::Unclear(format!("{status}")),
    })
}

fn outcome(intent: Intent) -> Outcome {
    match intent.status.as_str() {
        "succeeded" => Outcome::Paid {
            intent: intent.id,
            cents: intent.amount_received,
            usd: intent.currency == "usd",
        },
        "processing" => Outcome::Pending(intent.id),
        _ => {
            let refusal = intent.last_payment_error.map(Refusal::reason);
            Outcome::Declined(refusal.unwrap_or(intent.status))
        }
    }
}

/// What an event tells of a payment from a saved card; `None` where it is of another one.
pub(super) fn told(object: serde_json::Value) -> ApiResult<Option<(PaymentId, String, News)>> {
    let mut intent: Intent = serde_json::from_value(object).map_err(unreadable)?;
    let ours = intent.metadata.payment.take().and_then(|id| id.parse().ok());
    let Some(payment) = ours else { return Ok(None) };
    let session = intent.id.clone();
    let news = match outcome(intent) {
        Outcome::Paid { cents, usd, .. } => News::Paid {
            cents,
            usd,
            card: None,
        },
        Outcome::Declined(reason) => News::Declined(reason),
        Outcome::Pending(_) | Outcome::Unclear(_) => return Ok(None),
    };
    Ok(Some((payment, session, news)))
}
