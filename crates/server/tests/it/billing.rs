//! The marketplace's money, from a top-up to an invoice.

mod crashes;
mod top_ups;

use std::time::Duration;

use keystore_core::{Clock, NanoUsd};
use keystore_server::payments::Stripe;
use keystore_testkit::clock::MockClock;
use serde_json::{Value, json};

use crate::support::{Client, STRIPE_SECRET, Setup, TestApp};

/// The same, with a management key.
async fn with_key(client: &Client) -> Client {
    let made = client
        .post("/v1/api-keys", &json!({"name": "test", "role": "owner"}))
        .await
        .expect(201);
    client.with_token(made["key"].as_str().unwrap())
}

/// A deployment whose operator sells OpenAI, and a customer that has enabled it.
struct Market {
    app: TestApp,
    clock: std::sync::Arc<MockClock>,
    operator: Client,
    customer: Client,
    org: String,
    token: String,
}

impl Market {
    async fn open() -> Self {
        Self::taking(false).await
    }

    /// As [`Market::open`], with Stripe if that is said.
    async fn taking(stripe: bool) -> Self {
        let clock = std::sync::Arc::new(MockClock::default());
        let setup = Setup {
            clock: Some(clock.clone()),
            stripe,
            ..Setup::default()
        };
        let app = TestApp::with(setup).await;
        // Sessions end before months do.
        let operator = with_key(&app.operator().await).await;
        let pooled =
            json!({"provider": "openai", "secret": "sk-pooled", "baseUrl": app.fake_upstream().url()});
        operator.post("/v1/operator/pool", &pooled).await.expect(201);
        let prices = json!({"units": {"input_uncached": "1000", "output_text": "4000"}});
        let prices = json!({"add": [{"provider": "openai", "model": "gpt-4o-mini", "sell": prices}]});
        operator.post("/v1/operator/prices", &prices).await.expect(200);
        let customer = with_key(&app.tenant("customer@example.com", "Customer & Sons").await).await;
        let me = customer.get("/v1/auth/me").await.expect(200);
        let org = me["org"]["id"].as_str().unwrap().to_owned();
        let enable = "/v1/marketplace/openai/enable";
        customer.post(enable, &Value::Null).await.expect(204);
        let token = json!({"name": "bot", "providers": [{"name": "openai", "source": "marketplace"}]});
        let token = customer.post("/v1/tokens", &token).await.expect(201);
        let token = token["token"].as_str().unwrap().to_owned();
        Self {
            app,
            clock,
            operator,
            customer,
            org,
            token,
        }
    }

    async fn post(&self, kind: &str, more: Value) -> Value {
        let mut body = json!({"kind": kind, "org": self.org});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.operator.post("/v1/operator/ledger", &body).await.expect(201)
    }

    /// A call; its status.
    async fn call(&self) -> u16 {
        let chat = json!({"model": "gpt-4o-mini", "max_completion_tokens": 300,
            "messages": [{"role": "user", "content": "hi"}]});
        let caller = self.app.caller(&self.token);
        let answer = caller.post("/v1/openai/v1/chat/completions", &chat).await;
        answer.status
    }

    async fn balance(&self) -> Value {
        self.customer.get("/v1/billing/balance").await.expect(200)
    }

    /// To the first of the next month and seven hours on, and what the server does by then.
    async fn next_month(&self) {
        let month = keystore_core::Month::of(self.clock.now());
        let left = month.end().since(self.clock.now()) + Duration::from_secs(7 * 3_600);
        self.clock.advance(left);
        self.app.do_jobs().await;
    }

    async fn invoices(&self) -> Vec<Value> {
        let list = self.customer.get("/v1/billing/invoices").await.expect(200);
        list["data"].as_array().unwrap().clone()
    }
}

fn money(value: &Value) -> NanoUsd {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_is_paid_in_is_spent_and_invoiced() {
    let market = Market::open().await;
    assert_eq!(market.call().await, 402, "there is no credit");
    let paid = market
        .post("top_up", json!({"amount": "10", "subject": "transfer 1"}))
        .await;
    assert_eq!(paid["entries"]["cash"], "10.00");
    for _ in 0..3 {
        assert_eq!(market.call().await, 200);
    }
    let balance = market.balance().await;
    let charged = money(&balance["charged"]);
    assert!(charged > NanoUsd::ZERO);
    assert_eq!(money(&balance["available"]).0, 10_000_000_000 - charged.0);
    let ledger = market.customer.get("/v1/billing/ledger").await.expect(200);
    let kinds: Vec<_> = ledger["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["kind"].clone())
        .collect();
    assert_eq!(kinds, ["usage", "usage", "usage", "top_up"]);
    assert!(
        ledger["data"][0].get("entries").is_none(),
        "costs are the operator's business"
    );
    let before = market
        .operator
        .get(&format!("/v1/operator/ledger?customer={}", market.org))
        .await
        .expect(200);
    assert!(money(&before["data"][0]["entries"]["cogs"]) > NanoUsd::ZERO);

    let terms = json!({"org": market.org, "taxes": [{"name": "VAT", "perMille": 190}],
        "party": {"name": "Customer <b>GmbH</b>", "address": ["=1+1"], "taxId": "DE1"}});
    market
        .operator
        .post("/v1/operator/terms", &terms)
        .await
        .expect(200);
    assert!(market.invoices().await.is_empty());
    market.next_month().await;
    let invoices = market.invoices().await;
    assert_eq!(invoices.len(), 1);
    let path = format!("/v1/billing/invoices/{}", invoices[0]["number"].as_str().unwrap());
    let invoice = market.customer.get(&path).await.expect(200);
    let exact: i64 = invoice["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| money(&line["exact"]).0)
        .sum();
    assert_eq!(exact, charged.0, "the invoice sums to the ledger: {invoice:#}");
    assert_eq!(
        (invoice["due"].as_str(), invoice["buyer"]["name"].as_str()),
        (Some("0.00"), Some("Customer <b>GmbH</b>"))
    );
    assert_eq!(invoice["fromCredit"], invoice["total"]);
    let balance = market.balance().await;
    let billed = money(&invoice["total"]).0;
    assert_eq!(money(&balance["available"]).0, 10_000_000_000 - billed);

    // Nothing changes, however often it is looked at and the job runs.
    let mut forms = Vec::new();
    for _ in 0..2 {
        market.app.do_jobs().await;
        let mut shown = vec![
            market
                .customer
                .get(&path)
                .await
                .expect(200)
                .to_string()
                .into_bytes(),
        ];
        for (form, media) in [
            ("html", "text/html"),
            ("pdf", "application/pdf"),
            ("csv", "text/csv"),
        ] {
            let answer = market
                .customer
                .request("GET", &format!("{path}.{form}"))
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 200);
            assert!(
                answer.headers()["content-type"]
                    .to_str()
                    .unwrap()
                    .starts_with(media)
            );
            shown.push(answer.bytes().await.unwrap().to_vec());
        }
        forms.push(shown);
    }
    assert_eq!(forms[0], forms[1]);
    let html = String::from_utf8_lossy(&forms[0][1]);
    assert!(html.contains("&lt;b&gt;GmbH") && !html.contains("<b>GmbH"));
    assert!(forms[0][2].starts_with(b"%PDF-1.4"));
    assert_eq!(market.invoices().await.len(), 1);

    // It is nobody else's.
    let stranger = market.app.stranger().await;
    for path in [path.clone(), format!("{path}.pdf")] {
        stranger.get(&path).await.expect_problem(404, "not_found");
    }
    let all = market.operator.get("/v1/operator/invoices").await.expect(200);
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    market.app.finish().await;
}

#[tokio::test]
async fn a_limit_lets_a_customer_owe_until_it_pays() {
    let market = Market::open().await;
    let terms = json!({"org": market.org, "limit": "5"});
    market
        .operator
        .post("/v1/operator/terms", &terms)
        .await
        .expect(200);
    for _ in 0..20 {
        assert_eq!(market.call().await, 200);
    }
    market.next_month().await;
    let invoice = market.invoices().await.remove(0);
    let due = money(&invoice["due"]);
    assert!(due > NanoUsd::ZERO);
    assert_eq!(invoice["due"], invoice["total"]);
    let balance = market.balance().await;
    assert_eq!(money(&balance["receivable"]), due);
    assert_eq!(money(&balance["available"]).0, 5_000_000_000 - due.0);
    let exposed = async |days: u32| {
        let path = format!("/v1/operator/exposure?overdueAfterDays={days}");
        market.operator.get(&path).await.expect(200)
    };
    let shown = exposed(30).await;
    let mine = &shown["data"][0];
    assert_eq!(mine["orgId"], market.org.as_str(), "who owes most is first");
    for (name, amount) in [("used", due), ("atRisk", due), ("billed", due)] {
        assert_eq!(money(&mine[name]), amount, "{shown:#}");
        assert_eq!(money(&shown[name]), amount);
    }
    assert_eq!(
        (&mine["limit"], &mine["overdue"]),
        (&json!("5.00"), &json!("0.00"))
    );
    market.clock.advance(Duration::from_secs(15 * 86_400));
    assert_eq!(money(&exposed(14).await["data"][0]["overdue"]), due);
    assert_eq!(exposed(30).await["overdue"], "0.00");
    market
        .operator
        .get("/v1/operator/exposure?overdueAfterDays=366")
        .await
        .expect_problem(422, "invalid_request");
    let more = json!({"kind": "payment", "org": market.org, "amount": "5000"});
    market
        .operator
        .post("/v1/operator/ledger", &more)
        .await
        .expect_problem(422, "invalid_request");
    let paid = json!({"amount": due.to_string(), "subject": invoice["number"]});
    market.post("payment", paid).await;
    let balance = market.balance().await;
    assert_eq!(
        (balance["receivable"].as_str(), balance["available"].as_str()),
        (Some("0.00"), Some("5.00"))
    );
    market.app.finish().await;
}

#[tokio::test]
async fn credit_that_is_given_away_ends_with_what_is_left_of_it() {
    let market = Market::open().await;
    let end = market.clock.now().plus(Duration::from_secs(86_400));
    market
        .post(
            "promo_grant",
            json!({"amount": "1", "expiresAt": end.to_string()}),
        )
        .await;
    market.post("top_up", json!({"amount": "2"})).await;
    assert_eq!(market.call().await, 200);
    let before = market.balance().await;
    let charged = money(&before["charged"]).0;
    assert_eq!(money(&before["promos"][0]["left"]).0, 1_000_000_000 - charged);
    market.clock.advance(Duration::from_secs(86_401));
    for _ in 0..2 {
        market.app.do_jobs().await;
        let after = market.balance().await;
        assert_eq!(
            money(&after["available"]).0,
            2_000_000_000,
            "what was used came out of it"
        );
        assert_eq!(after["promos"], json!([]));
    }
    let expiries = market
        .customer
        .get("/v1/billing/ledger?kind=promo_expiry")
        .await
        .expect(200);
    assert_eq!(expiries["data"].as_array().unwrap().len(), 1);
    market.app.finish().await;
}

#[tokio::test]
async fn what_the_operator_posts_is_checked_and_undone_once() {
    let market = Market::open().await;
    let top_up = market.post("top_up", json!({"amount": "20"})).await;
    let wrong = [
        json!({"kind": "top_up", "org": market.org, "amount": "-1"}),
        json!({"kind": "top_up", "org": market.org, "amount": "0.001"}),
        json!({"kind": "top_up", "org": market.org}),
        json!({"kind": "refund", "org": market.org, "amount": "1", "expiresAt": "2099-01-01T00:00:00Z"}),
        json!({"kind": "pay_back", "org": market.org, "amount": "21", "regards": top_up["id"]}),
        json!({"kind": "reversal", "org": market.org, "amount": "1", "regards": top_up["id"]}),
        json!({"kind": "cost_adjustment", "org": market.org, "amount": "1"}),
        json!({"kind": "crash_ruling", "org": market.org, "amount": "1", "regards": top_up["id"]}),
    ];
    for body in wrong {
        market
            .operator
            .post("/v1/operator/ledger", &body)
            .await
            .expect_problem(422, "invalid_request");
    }
    let foreign = json!({"kind": "reversal", "org": market.org, "regards": "txn_00000000000000000000000000"});
    market
        .operator
        .post("/v1/operator/ledger", &foreign)
        .await
        .expect_problem(404, "not_found");
    market
        .post("pay_back", json!({"amount": "5", "regards": top_up["id"]}))
        .await;
    assert_eq!(market.balance().await["available"], "15.00");
    let undo = json!({"kind": "reversal", "org": market.org, "regards": top_up["id"]});
    market
        .operator
        .post("/v1/operator/ledger", &undo)
        .await
        .expect_problem(409, "conflict");
    let refund = market.post("refund", json!({"amount": "1"})).await;
    market.post("reversal", json!({"regards": refund["id"]})).await;
    let again = json!({"kind": "reversal", "org": market.org, "regards": refund["id"]});
    market
        .operator
        .post("/v1/operator/ledger", &again)
        .await
        .expect_problem(409, "already_exists");
    assert_eq!(market.balance().await["available"], "15.00");
    // Nobody but the operator posts, in whatever books.
    let own = json!({"kind": "top_up", "org": market.org, "amount": "1000"});
    market
        .customer
        .post("/v1/operator/ledger", &own)
        .await
        .expect_problem(403, "forbidden");
    market.app.finish().await;
}

/// A deployment that takes payments, with a customer who has begun one of 50 dollars; the payment, and the session.
async fn paying() -> (TestApp, std::sync::Arc<MockClock>, Client, Value, String) {
    let clock = std::sync::Arc::new(MockClock::default());
    let setup = Setup {
        clock: Some(clock.clone()),
        stripe: true,
        ..Setup::default()
    };
    let app = TestApp::with(setup).await;
    let customer = app.owner_client().clone();
    let begun = customer
        .post("/v1/billing/top-ups", &json!({"amount": "50"}))
        .await
        .expect(201);
    let log = app.fake_upstream().log();
    let asked = log.last().unwrap();
    assert_eq!(asked.target, "/v1/checkout/sessions");
    let form = String::from_utf8(asked.body.to_vec()).unwrap();
    assert!(
        form.contains("unit_amount%5D=5000") && form.contains(begun["id"].as_str().unwrap()),
        "{form}"
    );
    let session = format!("cs_fake_{:08}", asked.index);
    (app, clock, customer, begun, session)
}

/// An event of Stripe about a payment, and its signature at this time.
fn event(id: &str, payment: &Value, session: &str, cents: i64, at: i64) -> (String, String) {
    let body = json!({"id": id, "object": "event", "type": "checkout.session.completed", "data": {"object": {
        "id": session, "object": "checkout.session", "client_reference_id": payment["id"], "amount_total": cents,
        "currency": "usd", "payment_status": "paid"}}})
    .to_string();
    let signature = signed(STRIPE_SECRET, &body, at);
    (body, signature)
}

pub(crate) fn signed(secret: &str, body: &str, at: i64) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

async fn tell(app: &TestApp, body: &str, signature: &str) -> u16 {
    let request = app.anonymous().request("POST", "/v1/payments/stripe");
    let request = request
        .header("stripe-signature", signature)
        .header("content-type", "application/json");
    request
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn a_payment_is_credited_once_and_only_as_it_was_asked_for() {
    let (app, clock, customer, payment, session) = paying().await;
    let now = clock.now().seconds();
    let available = async || customer.get("/v1/billing/balance").await.expect(200)["available"].clone();
    let (body, signature) = event("evt_1", &payment, &session, 5_000, now);
    // Forged, stale, early, altered after it was signed, without a signature.
    let other = signed("whsec_other", &body, now);
    assert_eq!(tell(&app, &body, &other).await, 401);
    assert_eq!(
        tell(&app, &body, &signed(STRIPE_SECRET, &body, now - 301)).await,
        401
    );
    assert_eq!(
        tell(&app, &body, &signed(STRIPE_SECRET, &body, now + 301)).await,
        401
    );
    assert_eq!(tell(&app, &body.replace("5000", "9000"), &signature).await, 401);
    assert_eq!(tell(&app, &body, "").await, 401);
    // Signed, and of something else than was asked for.
    for (amount, of) in [(4_999, session.as_str()), (5_000, "cs_other")] {
        let (body, signature) = event("evt_2", &payment, of, amount, now);
        assert_eq!(tell(&app, &body, &signature).await, 409);
    }
    let (euros, _) = event("evt_3", &payment, &session, 5_000, now);
    let euros = euros.replace("\"usd\"", "\"eur\"");
    assert_eq!(tell(&app, &euros, &signed(STRIPE_SECRET, &euros, now)).await, 409);
    let (unpaid, _) = event("evt_4", &payment, &session, 5_000, now);
    let unpaid = unpaid.replace("\"paid\"", "\"unpaid\"");
    assert_eq!(
        tell(&app, &unpaid, &signed(STRIPE_SECRET, &unpaid, now)).await,
        204
    );
    let unknown = json!({"id": "pay_00000000000000000000000000"});
    let (foreign, signature_of_it) = event("evt_5", &unknown, &session, 5_000, now);
    assert_eq!(tell(&app, &foreign, &signature_of_it).await, 404);
    assert_eq!(available().await, "0.00");

    // It is credited, once, whatever is told again.
    assert_eq!(tell(&app, &body, &signature).await, 204);
    assert_eq!(available().await, "50.00");
    assert_eq!(tell(&app, &body, &signature).await, 204);
    let (again, signature) = event("evt_6", &payment, &session, 5_000, now);
    assert_eq!(tell(&app, &again, &signature).await, 204);
    assert_eq!(available().await, "50.00");
    clock.advance(Duration::from_secs(301));
    assert_eq!(tell(&app, &body, &signed(STRIPE_SECRET, &body, now)).await, 401);
    let ledger = customer.get("/v1/billing/ledger").await.expect(200);
    assert_eq!(ledger["data"].as_array().unwrap().len(), 1);
    assert_eq!(ledger["data"][0]["subject"], session);
    for action in ["create_top_up", "receive_payment"] {
        let entries = customer
            .get(&format!("/v1/audit?action={action}"))
            .await
            .expect(200);
        assert_eq!(entries["data"].as_array().unwrap().len(), 1, "{action}");
    }
    app.finish().await;
}

#[tokio::test]
async fn without_stripe_nothing_is_taken() {
    let app = TestApp::start().await;
    let begin = app
        .owner_client()
        .post("/v1/billing/top-ups", &json!({"amount": "50"}))
        .await;
    begin.expect_problem(409, "payments_unavailable");
    assert_eq!(tell(&app, "{}", "").await, 409);
    let secret = |text: &str| keystore_server::config::SecretText::new(text.to_owned());
    for (key, webhook) in [("sk_test", ""), ("sk_test", " "), ("", "whsec")] {
        assert!(Stripe::new("https://api.stripe.com", secret(key), &secret(webhook)).is_err());
    }
    app.finish().await;
}
