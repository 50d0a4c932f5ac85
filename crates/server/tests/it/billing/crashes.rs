//! Calls of which nobody knows what they cost: what the operator rules, once, for the right customer, also after the month.

use keystore_core::ids::{OrgId, TransactionId};
use keystore_core::ledger::{About, Transaction};
use keystore_core::{Clock as _, NanoUsd};
use keystore_store::ledger;
use serde_json::{Value, json};

use super::{Market, money};

const LEDGER: &str = "/v1/operator/ledger";

impl Market {
    /// Ten dollars of credit, and a call that held a dollar when its process died.
    async fn crashed() -> (Self, String) {
        let mut market = Self::open().await;
        market.post("top_up", json!({"amount": "10"})).await;
        let org: OrgId = market.org.parse().unwrap();
        let id = TransactionId::new(uuid::Uuid::from_u128(0xc4a5));
        let about = About {
            id,
            org,
            at: market.clock.now(),
            subject: "req_00000000000000000000000001".to_owned(),
            memo: String::new(),
        };
        let crash = Transaction::crash(about, NanoUsd(1_000_000_000)).unwrap();
        let app = market
            .app
            .restart_after(async |store| {
                let mut tx = store.begin().await.unwrap();
                ledger::post(&mut tx, &crash).await.unwrap();
                tx.commit().await.unwrap();
            })
            .await;
        market.customer = market.customer.at(app.api_url());
        market.operator = market.operator.at(app.api_url());
        market.app = app;
        (market, id.to_string())
    }

    fn ruling(&self, crash: &str, amount: &str) -> Value {
        json!({"kind": "crash_ruling", "org": self.org, "regards": crash, "amount": amount, "vendorCost": "0.2"})
    }

    async fn crashes(&self) -> usize {
        let list = self.operator.get(LEDGER).await.expect(200);
        list["data"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn a_crash_is_ruled_on_once_and_for_its_own_customer() {
    let (market, crash) = Market::crashed().await;
    assert_eq!(market.crashes().await, 1);
    assert_eq!(market.balance().await["available"], "9.00");
    let post = async |body: &Value| market.operator.post(LEDGER, body).await;
    // Another organization's books do not have it; nor the operator's own.
    let stranger = market.app.stranger().await;
    let me = stranger.get("/v1/auth/me").await.expect(200);
    let operator = market.operator.get("/v1/auth/me").await.expect(200);
    for other in [&me, &operator] {
        let mut wrong = market.ruling(&crash, "0.3");
        wrong["org"] = other["org"]["id"].clone();
        post(&wrong).await.expect_problem(404, "not_found");
    }
    for amount in ["1.01", "-0.1", "much"] {
        let wrong = market.ruling(&crash, amount);
        post(&wrong).await.expect_problem(422, "invalid_request");
    }
    for missing in ["regards", "amount"] {
        let mut wrong = market.ruling(&crash, "0.3");
        wrong.as_object_mut().unwrap().remove(missing);
        post(&wrong).await.expect_problem(422, "invalid_request");
    }
    let mine = market.ruling(&crash, "0.3");
    market
        .customer
        .post(LEDGER, &mine)
        .await
        .expect_problem(403, "forbidden");
    assert_eq!(market.crashes().await, 1, "nothing of that was posted");
    assert_eq!(market.balance().await["available"], "9.00");

    // Of two at once, one is posted.
    let rulings = ["0.3", "0.4"].map(|amount| market.ruling(&crash, amount));
    let (one, two) = tokio::join!(post(&rulings[0]), post(&rulings[1]));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    let posted = if one.status == 201 { one } else { two }.expect(201);
    let charge = money(&posted["entries"]["revenue"]).0;
    assert!(charge == -300_000_000 || charge == -400_000_000, "{posted:#}");
    assert_eq!(money(&posted["entries"]["cogs"]).0, 200_000_000);
    let available = || async { money(&market.balance().await["available"]).0 };
    assert_eq!(available().await, 10_000_000_000 + charge);
    assert_eq!(market.crashes().await, 0);
    // Neither again, nor undone as a crash; a ruling can be undone, and only once.
    let again = post(&market.ruling(&crash, "0")).await;
    again.expect_problem(409, "already_exists");
    let undo = json!({"kind": "reversal", "org": market.org, "regards": crash});
    post(&undo).await.expect_problem(409, "already_exists");
    assert_eq!(available().await, 10_000_000_000 + charge);
    market.app.finish().await;
}

#[tokio::test]
async fn a_ruling_after_the_month_was_invoiced_is_billed_in_the_next() {
    let (market, crash) = Market::crashed().await;
    assert_eq!(market.call().await, 200);
    market.next_month().await;
    let invoices = market.invoices().await;
    assert_eq!(invoices.len(), 1);
    let path = |invoice: &Value| format!("/v1/billing/invoices/{}", invoice["number"].as_str().unwrap());
    let first = market.customer.get(&path(&invoices[0])).await.expect(200);
    let items = |invoice: &Value| -> Vec<String> {
        let lines = invoice["lines"].as_array().unwrap();
        lines
            .iter()
            .map(|line| line["item"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(
        !items(&first).contains(&"crash_ruling".to_owned()),
        "what waits is not billed"
    );
    let before = money(&market.balance().await["available"]);
    let posted = market
        .operator
        .post(LEDGER, &market.ruling(&crash, "0.3"))
        .await
        .expect(201);
    assert_eq!(posted["kind"], "crash_ruling");
    let after = money(&market.balance().await["available"]);
    assert_eq!(
        after.0 - before.0,
        700_000_000,
        "the rest of what was held is back"
    );
    market.next_month().await;
    let invoices = market.invoices().await;
    assert_eq!(invoices.len(), 2);
    assert_eq!(market.customer.get(&path(&invoices[1])).await.expect(200), first);
    let second = market.customer.get(&path(&invoices[0])).await.expect(200);
    assert_eq!(items(&second), ["crash_ruling"]);
    assert_eq!(second["total"], "0.30");
    let again = market.operator.post(LEDGER, &market.ruling(&crash, "0.3")).await;
    again.expect_problem(409, "already_exists");
    market.app.finish().await;
}
