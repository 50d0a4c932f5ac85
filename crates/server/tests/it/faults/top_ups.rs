//! Credit tops itself up from a card while the server is killed (SIGKILL) at any time: every charge of the card is credited once, and the
//! card is charged once for each payment.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use keystore_core::{Clock as _, NanoUsd};
use keystore_server::clock::SystemClock;
use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;
use keystore_testkit::upstream::Behaviour;
use serde_json::{Value, json};

use super::node::Site;
use crate::billing::signed;
use crate::support::STRIPE_SECRET;

/// What each payment is, in dollars.
const EACH: i64 = 5;

impl Site {
    /// Pays once on a page that saves the card.
    async fn save_card(&self) {
        let body = json!({"amount": EACH.to_string(), "saveCard": true});
        let begun = self.owner.post("/v1/billing/top-ups", &body).await.expect(201);
        let asked = self.upstream.last().index;
        let event = json!({"id": "evt_1", "object": "event", "type": "checkout.session.completed", "data": {"object": {
            "id": format!("cs_fake_{asked:08}"), "object": "checkout.session", "client_reference_id": begun["id"],
            "amount_total": EACH * 100, "currency": "usd", "payment_status": "paid", "customer": "cus_1",
            "payment_intent": "pi_saved_pm_card_visa"}}})
        .to_string();
        let signature = signed(STRIPE_SECRET, &event, SystemClock.now().seconds());
        let request = self.owner.request("POST", "/v1/payments/stripe");
        let request = request.header("stripe-signature", signature).body(event);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// Wants so much to be there.
    async fn want(&self, dollars: i64) {
        let rule = json!({"below": dollars.to_string(), "amount": EACH.to_string(), "monthly": "100000"});
        self.owner
            .post("/v1/billing/auto-top-up", &rule)
            .await
            .expect(200);
    }

    async fn available(&self) -> NanoUsd {
        let balance = self.owner.get("/v1/billing/balance").await.expect(200);
        balance["available"].as_str().unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_ups_survive_kills_at_any_time_and_charge_once() {
    let rounds = soak(100, 5);
    let (mut site, mut dice) = (Site::start().await, Dice::new(23));
    site.kill();
    site.takes_payments();
    site.restless();
    site.run(&[]).await.unwrap();
    site.save_card().await;
    for round in 1..=rounds {
        // A vendor that takes its time, so that kills come at any place.
        let slow = || Behaviour {
            head_delay: Duration::from_millis(15),
            ..Behaviour::default()
        };
        site.upstream.script([slow(), slow()]);
        let wanted = EACH * (i64::try_from(round).unwrap() + 1);
        site.want(wanted).await;
        tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        site.kill();
        site.upstream.unscript();
        site.run(&[]).await.unwrap();
        let begun = Instant::now();
        while site.available().await < NanoUsd(wanted * 1_000_000_000) {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it stops\n{}",
                site.log()
            );
            // What was asked just now is asked again after a while.
            site.advance(Duration::from_secs(11));
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
    let charged = site.upstream.charged();
    let payments: BTreeSet<_> = charged.iter().map(|one| one.payment.clone()).collect();
    assert_eq!((charged.len(), payments.len()), (rounds, rounds), "{charged:?}");
    let total = EACH * (i64::try_from(rounds).unwrap() + 1);
    assert_eq!(site.available().await, NanoUsd(total * 1_000_000_000));
    let credited = site
        .owner
        .get("/v1/billing/ledger?kind=top_up&limit=500")
        .await
        .expect(200);
    let subjects: BTreeSet<_> = credited["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row: &Value| row["subject"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(subjects.len(), rounds + 1, "each is there once, and the first");
    for one in charged {
        assert!(subjects.contains(&one.intent), "{one:?} is not credited");
    }
    site.stop().await;
}
