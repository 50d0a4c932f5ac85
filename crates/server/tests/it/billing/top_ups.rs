//! Credit that is topped up by itself: from a saved card and by hand, when the answer is lost, when the card is refused.

use std::time::Duration;

use keystore_core::Clock as _;
use keystore_testkit::upstream::{Behaviour, Received};
use serde_json::{Value, json};

use super::{Market, STRIPE_SECRET, signed, tell};
use crate::support::Client;

const RULE: &str = "/v1/billing/auto-top-up";

impl Market {
    /// With a saved card, five dollars of credit, and a rule.
    async fn with_card(card: &str) -> Self {
        let market = Self::taking(true).await;
        market.save(card).await;
        let rule = json!({"below": "10", "amount": "50", "monthly": "120"});
        let set = market.customer.post(RULE, &rule).await.expect(200);
        assert_eq!(
            (&set["state"], &set["by"], &set["cardSaved"]),
            (&json!("on"), &json!("card"), &json!(true))
        );
        market
    }

    /// Pays five dollars on a page that saves the card.
    async fn save(&self, card: &str) {
        let body = json!({"amount": "5", "saveCard": true});
        let begun = self.customer.post("/v1/billing/top-ups", &body).await.expect(201);
        let asked = self.app.fake_upstream().last();
        let form = String::from_utf8(asked.body.to_vec()).unwrap();
        assert!(
            form.contains("setup_future_usage%5D=off_session") && form.contains("customer_creation=always"),
            "{form}"
        );
        let event = json!({"id": format!("evt_{}", asked.index), "object": "event", "type": "checkout.session.completed",
            "data": {"object": {"id": format!("cs_fake_{:08}", asked.index), "object": "checkout.session",
                "client_reference_id": begun["id"], "amount_total": 500, "currency": "usd", "payment_status": "paid",
                "customer": "cus_1", "payment_intent": format!("pi_saved_{card}")}}});
        assert_eq!(self.told(&event).await, 204);
    }

    async fn told(&self, event: &Value) -> u16 {
        let body = event.to_string();
        let signature = signed(STRIPE_SECRET, &body, self.clock.now().seconds());
        tell(&self.app, &body, &signature).await
    }

    async fn rule(&self) -> Value {
        self.customer.get(RULE).await.expect(200)
    }

    async fn available(&self) -> String {
        self.balance().await["available"].as_str().unwrap().to_owned()
    }

    /// What the events of a kind say, oldest first.
    async fn events(&self, client: &Client, kind: &str) -> Vec<Value> {
        self.app.do_jobs().await;
        let found = client.get(&format!("/v1/events?kind={kind}")).await.expect(200);
        let mut data: Vec<_> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["data"].clone())
            .collect();
        data.reverse();
        data
    }

    async fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.app.top_up().await;
    }

    /// The requests for a payment from a card.
    fn asked(&self) -> Vec<Received> {
        let mut log = self.app.fake_upstream().log();
        log.retain(|request| request.target == "/v1/payment_intents");
        log
    }
}

/// What Stripe tells of a payment from a card.
fn intent(id: &str, payment: &Value, kind: &str, cents: i64) -> Value {
    let status = match kind {
        "payment_intent.succeeded" => "succeeded",
        _ => "requires_payment_method",
    };
    json!({"id": format!("evt_{id}_{kind}_{cents}"), "object": "event", "type": kind, "data": {"object": {"id": id,
        "object": "payment_intent", "status": status, "amount_received": cents, "currency": "usd",
        "metadata": {"payment": payment}, "last_payment_error": {"type": "card_error", "code": "card_declined"}}}})
}

#[tokio::test]
async fn credit_that_runs_low_is_topped_up_from_the_saved_card_up_to_the_months_limit() {
    let market = Market::with_card("pm_card_visa").await;
    assert_eq!(market.available().await, "5.00");
    market.app.top_up().await;
    assert_eq!(market.available().await, "55.00");
    // There is enough.
    market.after(60).await;
    assert_eq!(market.asked().len(), 1);
    let asked = &market.asked()[0];
    let charged = market.app.fake_upstream().charged();
    assert_eq!(charged.len(), 1);
    assert_eq!((charged[0].cents, charged[0].customer.as_str()), (5_000, "cus_1"));
    assert_eq!(
        asked.header("idempotency-key"),
        Some(charged[0].payment.as_str()),
        "the key is the payment's id"
    );
    // The webhook comes as well, before or after: it is credited once, and only for what was asked.
    let payment = json!(charged[0].payment);
    let kind = "payment_intent.succeeded";
    let other = intent(&charged[0].intent, &payment, kind, 9_000);
    assert_eq!(market.told(&other).await, 409);
    for _ in 0..2 {
        let event = intent(&charged[0].intent, &payment, kind, 5_000);
        assert_eq!(market.told(&event).await, 204);
    }
    assert_eq!(market.available().await, "55.00");
    // It is spent; the next is within the month's limit, and the one after it is not.
    for spent in ["47", "50"] {
        let back = market
            .customer
            .get("/v1/billing/ledger?kind=top_up")
            .await
            .expect(200);
        let of = |amount: &str| {
            let rows = back["data"].as_array().unwrap();
            rows.iter().find(|row| row["amount"] == amount).unwrap()["id"].clone()
        };
        market
            .post("pay_back", json!({"amount": spent, "regards": of("50.00")}))
            .await;
        market.after(60).await;
    }
    assert_eq!(market.app.fake_upstream().charged().len(), 2);
    assert_eq!(market.available().await, "8.00");
    for _ in 0..3 {
        market.after(60).await;
    }
    assert_eq!(market.events(&market.customer, "top_up.capped").await.len(), 1);
    assert_eq!(market.rule().await["thisMonth"], "100.00");
    let month = keystore_core::Month::of(market.clock.now());
    market
        .clock
        .advance(month.end().since(market.clock.now()) + Duration::from_secs(1));
    market.app.top_up().await;
    assert_eq!(market.available().await, "58.00", "a new month");
    for action in [
        "save_card",
        "set_auto_top_up",
        "begin_auto_top_up",
        "receive_payment",
    ] {
        let entries = market
            .customer
            .get(&format!("/v1/audit?action={action}"))
            .await
            .expect(200);
        assert!(!entries["data"].as_array().unwrap().is_empty(), "{action}");
    }
    market.app.finish().await;
}

#[tokio::test]
async fn what_calls_cost_brings_a_top_up_and_what_they_hold_does_not() {
    let market = Market::with_card("pm_card_visa").await;
    let rule = json!({"below": "5", "amount": "20", "monthly": "100"});
    market.customer.post(RULE, &rule).await.expect(200);
    market.app.top_up().await;
    assert_eq!(
        market.asked().len(),
        0,
        "what is left is not less than five dollars"
    );
    assert_eq!(market.call().await, 200);
    market.app.top_up().await;
    assert_eq!(market.app.fake_upstream().charged().len(), 1);
    market.app.finish().await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_by_the_next_process_and_charged_once() {
    let mut market = Market::with_card("pm_card_visa").await;
    let lost = Behaviour {
        no_head: true,
        ..Behaviour::default()
    };
    // The card is asked for first; the answer to the charge is lost, and with it the process.
    market.app.fake_upstream().script([Behaviour::default(), lost]);
    market.app.top_up().await;
    assert_eq!(market.available().await, "5.00");
    assert_eq!(
        market.app.fake_upstream().charged().len(),
        1,
        "Stripe has charged the card"
    );
    let open = market.rule().await["open"].clone();
    assert!(open.is_string());
    market.app = market.app.restart().await;
    market.customer = market.customer.at(market.app.api_url());
    market.operator = market.operator.at(market.app.api_url());
    // Not at once: it was asked just now.
    market.app.top_up().await;
    assert_eq!(market.asked().len(), 1);
    market.after(11).await;
    let asked = market.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        (&asked[0].body, asked[0].header("idempotency-key")),
        (&asked[1].body, asked[1].header("idempotency-key")),
        "the same, to the letter"
    );
    assert_eq!(asked[0].header("idempotency-key"), open.as_str());
    assert_eq!(market.available().await, "55.00");
    assert_eq!(
        market.app.fake_upstream().charged().len(),
        1,
        "and not a second time"
    );
    market.after(3_600).await;
    assert_eq!(market.asked().len(), 2);
    market.app.finish().await;
}

#[tokio::test]
async fn what_is_not_answered_for_a_day_is_the_operators_to_say() {
    let market = Market::with_card("pm_card_visa").await;
    let down = || Behaviour {
        status: Some(500),
        ..Behaviour::default()
    };
    for _ in 0..30 {
        market.app.fake_upstream().script([Behaviour::default(), down()]);
        market.after(3_601).await;
    }
    market.app.fake_upstream().unscript();
    let asked = market.asked().len();
    assert!(asked > 10 && asked < 25, "{asked}");
    let unclear = market.events(&market.operator, "top_up.unclear").await;
    assert_eq!(unclear.len(), 1);
    assert_eq!(unclear[0]["amount"], "50.00");
    assert_eq!(market.asked().len(), asked, "nothing more is asked");
    let open = market.operator.get("/v1/operator/payments").await.expect(200);
    let path = format!(
        "/v1/operator/payments/{}",
        open["data"][0]["id"].as_str().unwrap()
    );
    market
        .operator
        .post(&path, &json!({"paid": true, "subject": "pi_77"}))
        .await
        .expect(204);
    assert_eq!(market.available().await, "55.00");
    market
        .operator
        .post(&path, &json!({"paid": true}))
        .await
        .expect_problem(409, "conflict");
    market.app.finish().await;
}

#[tokio::test]
async fn a_refused_card_is_told_and_tried_ever_more_seldom_and_then_not_at_all() {
    let market = Market::with_card("pm_card_chargeDeclined").await;
    market.app.deliver_mails();
    market.app.top_up().await;
    assert_eq!(market.asked().len(), 1);
    assert_eq!(market.rule().await["state"], "paused");
    // The webhook tells the same.
    let payment = json!(market.asked()[0].header("idempotency-key").unwrap());
    let index = market.asked()[0].index;
    let event = intent(
        &format!("pi_fake_{index:08}"),
        &payment,
        "payment_intent.payment_failed",
        0,
    );
    assert_eq!(market.told(&event).await, 204);
    for _ in 0..10 {
        market.after(60).await;
    }
    assert_eq!(market.asked().len(), 1, "an hour has not passed");
    market.after(3_600).await;
    assert_eq!(market.asked().len(), 2);
    market.after(80_000).await;
    assert_eq!(market.asked().len(), 2, "a day has not passed");
    market.after(7_000).await;
    assert_eq!(market.asked().len(), 3);
    // Mails that wait for days are given up.
    market.app.do_jobs().await;
    for _ in 0..5 {
        market.after(864_000).await;
    }
    assert_eq!(market.asked().len(), 3);
    assert_eq!(market.rule().await["state"], "stopped");
    let told = market.events(&market.customer, "top_up.failed").await;
    let said: Vec<_> = told
        .iter()
        .map(|data| {
            (
                data["failures"].as_i64(),
                data["reason"].as_str(),
                data["stopped"].as_bool(),
            )
        })
        .collect();
    let reason = Some("insufficient_funds");
    assert_eq!(
        said,
        [
            (Some(1), reason, Some(false)),
            (Some(2), reason, Some(false)),
            (Some(3), reason, Some(true))
        ]
    );
    assert_eq!(market.available().await, "5.00");
    let mails = market
        .app
        .mails_about("customer@example.com", "was refused: insufficient_funds");
    assert_eq!(mails, 3);
    assert!(market.app.fake_upstream().charged().is_empty());
    // Another card, and it goes on.
    market.save("pm_card_visa").await;
    market
        .customer
        .post(RULE, &json!({"below": "20", "amount": "50", "monthly": "120"}))
        .await
        .expect(200);
    market.app.top_up().await;
    assert_eq!(market.available().await, "60.00");
    // A card that asks for its owner is refused, too.
    market.save("pm_card_authenticationRequired").await;
    market.post("promo_grant", json!({"amount": "1"})).await;
    let more = json!({"below": "100", "amount": "10", "monthly": "120"});
    market.customer.post(RULE, &more).await.expect(200);
    market.app.top_up().await;
    let told = market.events(&market.customer, "top_up.failed").await;
    assert_eq!(told.last().unwrap()["reason"], "authentication_required");
    market.app.finish().await;
}

#[tokio::test]
async fn a_payment_that_takes_its_time_is_looked_at_and_credited_once() {
    for is_paid in [true, false] {
        let market = Market::with_card("pm_card_processing").await;
        market.app.top_up().await;
        let payment = market.rule().await["open"].as_str().unwrap().to_owned();
        market.after(60).await;
        assert_eq!(market.asked().len(), 1, "it is looked at, not asked for again");
        assert_eq!(market.available().await, "5.00");
        market.app.fake_upstream().end_payment(&payment, is_paid);
        market.after(3_600).await;
        let (available, failed) = match is_paid {
            true => ("55.00", 0),
            false => ("5.00", 1),
        };
        assert_eq!(market.available().await, available);
        assert_eq!(
            market.events(&market.customer, "top_up.failed").await.len(),
            failed
        );
        market.app.finish().await;
    }
}

#[tokio::test]
async fn without_stripe_the_operator_is_asked_and_says_what_came() {
    let market = Market::open().await;
    let rule = json!({"below": "10", "amount": "50", "monthly": "500"});
    let set = market.customer.post(RULE, &rule).await.expect(200);
    assert_eq!((&set["state"], &set["by"]), (&json!("on"), &json!("operator")));
    for _ in 0..3 {
        market.after(60).await;
    }
    let waits = market.events(&market.operator, "top_up.waits").await;
    assert_eq!(waits, [json!({"orgId": market.org, "amount": "50.00"})]);
    let open = market.operator.get("/v1/operator/payments").await.expect(200);
    assert_eq!(open["data"].as_array().unwrap().len(), 1);
    assert_eq!(open["data"][0]["by"], "operator");
    let path = format!(
        "/v1/operator/payments/{}",
        open["data"][0]["id"].as_str().unwrap()
    );
    market
        .customer
        .post(&path, &json!({"paid": true}))
        .await
        .expect_problem(403, "forbidden");
    let paid = json!({"paid": true, "subject": "transfer 9"});
    market.operator.post(&path, &paid).await.expect(204);
    market
        .operator
        .post(&path, &paid)
        .await
        .expect_problem(409, "conflict");
    assert_eq!(market.available().await, "50.00");
    let ledger = market.customer.get("/v1/billing/ledger").await.expect(200);
    assert_eq!(ledger["data"][0]["subject"], "transfer 9");
    // It ends, and nothing more is asked for.
    market
        .customer
        .request("DELETE", RULE)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    assert_eq!(market.rule().await["state"], "off");
    market
        .post(
            "pay_back",
            json!({"amount": "50", "regards": ledger["data"][0]["id"]}),
        )
        .await;
    market.after(60).await;
    assert_eq!(market.events(&market.operator, "top_up.waits").await.len(), 1);
    market.app.finish().await;
}

#[tokio::test]
async fn a_rule_needs_a_card_where_cards_are_charged_and_nobody_else_can_write_it() {
    let market = Market::taking(true).await;
    let rule = json!({"below": "10", "amount": "50", "monthly": "500"});
    market
        .customer
        .post(RULE, &rule)
        .await
        .expect_problem(409, "conflict");
    for (wrong, at) in [
        (json!({"below": "0", "amount": "50", "monthly": "500"}), "/below"),
        (
            json!({"below": "10", "amount": "0.5", "monthly": "500"}),
            "/amount",
        ),
        (
            json!({"below": "10", "amount": "50.001", "monthly": "500"}),
            "/amount",
        ),
        (
            json!({"below": "10", "amount": "50", "monthly": "49"}),
            "/monthly",
        ),
    ] {
        let refused = market
            .customer
            .post(RULE, &wrong)
            .await
            .expect_problem(422, "invalid_request");
        assert_eq!(refused["errors"][0]["pointer"], at);
    }
    market.save("pm_card_visa").await;
    market.customer.post(RULE, &rule).await.expect(200);
    let terms = json!({"org": market.org, "limit": "100"});
    market
        .operator
        .post("/v1/operator/terms", &terms)
        .await
        .expect(200);
    assert_eq!(market.rule().await["state"], "by_invoice");
    market.app.top_up().await;
    assert!(market.asked().is_empty());
    market
        .customer
        .post(RULE, &rule)
        .await
        .expect_problem(409, "conflict");
    let terms = json!({"org": market.org, "limit": "0"});
    market
        .operator
        .post("/v1/operator/terms", &terms)
        .await
        .expect(200);
    // Who writes the database and has no key charges nobody.
    market.app.tamper("UPDATE top_ups SET mac = SUBSTR(mac, 2)").await;
    market.app.top_up().await;
    assert!(market.asked().is_empty());
    assert_eq!(market.customer.get(RULE).await.status, 500);
    market.app.finish().await;
}
