//! Stripe as a server uses it that takes payments: Checkout sessions and payment intents, strict about what Stripe is strict about. A
//! request is a form, has the account's key, and an `Idempotency-Key` under which nothing is done twice: the same form gets the first
//! answer again, another form is an error.
//!
//! The card is told by the intent that saved it: `pi_saved_pm_card_visa` saved `pm_card_visa`. Cards go by Stripe's names for tests;
//! `pm_card_processing` takes its time until [`Payments::end`].

use std::collections::{BTreeMap, HashMap};

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::vendors::{Call, Reply};

type Form = BTreeMap<String, String>;

/// A payment that was made from a saved card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// Stripe's id of it.
    pub intent: String,
    /// What the asker calls it: `metadata[payment]`.
    pub payment: String,
    /// How much it was.
    pub cents: u64,
    /// Whose card.
    pub customer: String,
}

/// The payments of an account.
#[derive(Debug, Default)]
pub(super) struct Payments {
    /// The account's key; without one there are none.
    key: Option<String>,
    /// What was asked under each key, and the answer.
    answered: HashMap<String, (Form, StatusCode, Value)>,
    intents: BTreeMap<String, Value>,
    charged: Vec<Charged>,
}

impl Payments {
    /// From now on payments are taken with `key`.
    pub(super) fn open(&mut self, key: &str) {
        self.key = Some(key.to_owned());
    }

    pub(super) fn charged(&self) -> Vec<Charged> {
        self.charged.clone()
    }

    /// Ends a payment that takes its time.
    pub(super) fn end(&mut self, payment: &str, is_paid: bool) {
        let Some(intent) = self
            .intents
            .values_mut()
            .find(|intent| intent["metadata"]["payment"] == payment)
        else {
            panic!("nobody has asked for the payment {payment}");
        };
        if is_paid {
            succeed(intent, &mut self.charged);
        } else {
            intent["status"] = "requires_payment_method".into();
            intent["last_payment_error"] = refusal("bank_account_declined", None);
        }
    }

    /// The answer, where the path is one of these.
    pub(super) fn answer(&mut self, headers: &HeaderMap, call: &Call<'_>) -> Option<Reply> {
        let key = self.key.as_deref()?;
        let path = call.path;
        let page = path == "/v1/checkout/sessions";
        let intent = path.strip_prefix("/v1/payment_intents");
        if !page && intent.is_none() {
            return None;
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if header("authorization") != Some(&format!("Bearer {key}")) {
            return Some(error(
                StatusCode::UNAUTHORIZED,
                "invalid_request_error",
                "Invalid API Key provided",
            ));
        }
        if *call.method == Method::GET {
            let id = intent.unwrap_or_default().trim_start_matches('/');
            return Some(self.find(id));
        }
        if header("content-type") != Some("application/x-www-form-urlencoded") {
            return Some(wrong("the body is not a form"));
        }
        let Some(idempotency) = header("idempotency-key").map(str::to_owned) else {
            return Some(wrong("there is no Idempotency-Key"));
        };
        let form: Form = form_urlencoded::parse(call.body).into_owned().collect();
        Some(self.once(idempotency, form, page, call.index))
    }

    fn find(&self, id: &str) -> Reply {
        if let Some(intent) = self.intents.get(id) {
            return Reply::ok(intent);
        }
        match id.strip_prefix("pi_saved_") {
            Some(method) => Reply::ok(&json!({
                "id": id, "object": "payment_intent", "status": "succeeded", "payment_method": method,
                "amount_received": 500, "currency": "usd", "metadata": {}, "setup_future_usage": "off_session",
                "last_payment_error": null,
            })),
            None => error(
                StatusCode::NOT_FOUND,
                "invalid_request_error",
                "No such payment_intent",
            ),
        }
    }

    /// Does what is asked under a key, once.
    fn once(&mut self, key: String, form: Form, page: bool, index: usize) -> Reply {
        if let Some((asked, status, answer)) = self.answered.get(&key) {
            if *asked != form {
                return error(
                    StatusCode::BAD_REQUEST,
                    "idempotency_error",
                    "Keys for idempotent requests can only be used with the same parameters",
                );
            }
            let mut reply = Reply::json(*status, answer);
            reply.header("idempotent-replayed", "true");
            return reply;
        }
        let done = match page {
            true => session(&form, index),
            false => self.charge(&form, index),
        };
        let (status, answer) = match done {
            Ok(done) => done,
            // What is malformed is not kept.
            Err(missing) => return wrong(&missing),
        };
        let reply = Reply::json(status, &answer);
        self.answered.insert(key, (form, status, answer));
        reply
    }

    fn charge(&mut self, form: &Form, index: usize) -> Result<(StatusCode, Value), String> {
        for (name, value) in [
            ("currency", "usd"),
            ("off_session", "true"),
            ("confirm", "true"),
            ("payment_method_types[0]", "card"),
        ] {
            if field(form, name)? != value {
                return Err(format!("{name} is not {value}"));
            }
        }
        let cents = cents(form, "amount")?;
        let (method, customer) = (field(form, "payment_method")?, field(form, "customer")?);
        let id = format!("pi_fake_{index:08}");
        let mut intent = json!({
            "id": id, "object": "payment_intent", "amount": cents, "amount_received": 0, "currency": "usd",
            "customer": customer, "payment_method": method, "status": "processing", "last_payment_error": null,
            "metadata": {"payment": field(form, "metadata[payment]")?},
        });
        let refused = match method {
            "pm_card_visa" | "pm_card_processing" => None,
            "pm_card_authenticationRequired" => Some(refusal("authentication_required", None)),
            _ => Some(refusal("card_declined", Some("insufficient_funds"))),
        };
        if let Some(refused) = refused {
            intent["status"] = "requires_payment_method".into();
            intent["last_payment_error"] = refused.clone();
            let mut answer = json!({"error": refused});
            answer["error"]["payment_intent"] = intent.clone();
            self.intents.insert(id, intent);
            return Ok((StatusCode::PAYMENT_REQUIRED, answer));
        }
        if method == "pm_card_visa" {
            succeed(&mut intent, &mut self.charged);
        }
        self.intents.insert(id, intent.clone());
        Ok((StatusCode::OK, intent))
    }
}

fn session(form: &Form, index: usize) -> Result<(StatusCode, Value), String> {
    if field(form, "mode")? != "payment" {
        return Err("mode is not payment".to_owned());
    }
    let cents = cents(form, "line_items[0][price_data][unit_amount]")?;
    for name in ["client_reference_id", "success_url", "line_items[0][quantity]"] {
        field(form, name)?;
    }
    if let Some(usage) = form.get("payment_intent_data[setup_future_usage]")
        && (usage != "off_session" || field(form, "customer_creation")? != "always")
    {
        return Err("a card that is saved needs a customer".to_owned());
    }
    let id = format!("cs_fake_{index:08}");
    let answer = json!({
        "id": id, "object": "checkout.session", "amount_total": cents, "currency": "usd", "payment_status": "unpaid",
        "client_reference_id": form["client_reference_id"], "url": format!("https://checkout.example/{id}"),
    });
    Ok((StatusCode::OK, answer))
}

fn succeed(intent: &mut Value, charged: &mut Vec<Charged>) {
    intent["status"] = "succeeded".into();
    intent["amount_received"] = intent["amount"].clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    charged.push(Charged {
        intent: text(&intent["id"]),
        payment: text(&intent["metadata"]["payment"]),
        cents: intent["amount"].as_u64().unwrap_or_default(),
        customer: text(&intent["customer"]),
    });
}

fn field<'a>(form: &'a Form, name: &str) -> Result<&'a str, String> {
    let value = form.get(name).map(String::as_str);
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("{name} is missing"))
}

fn cents(form: &Form, name: &str) -> Result<u64, String> {
    let cents = field(form, name)?
        .parse()
        .map_err(|_| format!("{name} is no whole number"))?;
    match cents {
        50.. => Ok(cents),
        _ => Err(format!("{name} is less than 50")),
    }
}

fn refusal(code: &str, decline_code: Option<&str>) -> Value {
    json!({"type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined."})
}

fn wrong(message: &str) -> Reply {
    error(StatusCode::BAD_REQUEST, "invalid_request_error", message)
}

fn error(status: StatusCode, kind: &str, message: &str) -> Reply {
    Reply::json(status, &json!({"error": {"type": kind, "message": message}}))
}
