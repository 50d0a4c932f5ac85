//! What must hold at the end of every test of the request path, whatever it did: the fake provider's log and the journal tell the
//! same story, nothing is held, memory and database agree on what was spent, and no secret lies about.

use std::sync::Arc;
use std::time::Duration;

use keystore_core::policy::Unit;
use keystore_core::record::Ending;
use keystore_core::{Micros, NanoUsd};
use keystore_server::audit::Verifier;
use keystore_server::audit::offline::check_database;
use keystore_store::requests::{self, RequestRow};
use keystore_store::{Store, orgs, usage};
use keystore_testkit::upstream::Received;
use serde_json::{Value, json};

use super::canary::{Canaries, logged_since};
use super::{Client, PASSWORD, Receiver, STRIPE_KEY, TestApp, store_options};

/// How long running calls may take to be settled.
const SETTLING: Duration = Duration::from_secs(10);

impl TestApp {
    /// Stops the server and checks everything that this module promises.
    pub(crate) async fn finish(mut self) {
        self.ending.0 = true;
        let told = self.nothing_is_held().await;
        let canaries = self.canaries();
        assert_eq!(canaries.in_files(self.folder.path()), [""; 0], "while it runs");
        for message in self.base.receiver.iter().flat_map(Receiver::got) {
            assert_eq!(
                canaries.in_bytes(&message.whole),
                [""; 0],
                "in a message to a webhook"
            );
        }
        let key = self.app.audit_key().await.unwrap();
        self.app.shut_down();
        self.serving.await.unwrap();
        the_log_is_whole(&self.base.store_url, &key).await;
        let (store, recovery) = Store::open(
            &self.base.store_url,
            store_options(self.folder.path()),
            Arc::clone(&self.base.clock),
            Arc::clone(&self.base.ids),
        )
        .await
        .unwrap();
        assert_eq!(recovery.crashed, 0, "every intent has its outcome");
        for (budget, unit, spent) in told {
            let stored = recovery.spent.iter().find(|row| row.budget.to_string() == budget);
            let stored = unit.show(stored.map_or(0, |row| row.settled));
            if spent != unit.show(0) {
                assert_eq!(stored, spent, "what memory and what the journal say is spent");
            }
        }
        let rows = all_rows(&store).await;
        store.close().await;
        // What the server asks Stripe for itself is no call of an agent.
        let own = format!("Bearer {STRIPE_KEY}");
        let is_own = |call: &Received| call.headers.get("authorization").is_some_and(|key| *key == own);
        let log = self.upstream.log().into_iter().filter(|call| !is_own(call));
        each_request_has_its_intent(log.collect(), rows, &self.recorder.secrets());
        assert_eq!(canaries.in_files(self.folder.path()), [""; 0]);
        let logged = logged_since(self.base.log_begins);
        assert_eq!(canaries.in_bytes(&logged), [""; 0], "in the log");
    }

    /// Waits until no budget of anybody holds anything; gives what each has spent.
    async fn nothing_is_held(&self) -> Vec<(String, Unit, String)> {
        let mut spent = Vec::new();
        for account in self.recorder.accounts() {
            let mut client = Client::new(&self.api_url).with_token(&account.session);
            if client.get("/v1/auth/me").await.status == 401 {
                // The test let so much time pass that the session ended.
                let login = json!({"email": account.email, "password": PASSWORD});
                let session = client.post("/v1/auth/login", &login).await.expect(200);
                client = client.with_token(session["token"].as_str().unwrap());
            }
            let begun = std::time::Instant::now();
            let budgets = loop {
                let budgets = client.get("/v1/budgets?limit=500").await.expect(200)["data"].take();
                let held = |budget: &Value| budget["held"] != "0.00" && budget["held"] != "0";
                if !budgets.as_array().unwrap().iter().any(held) {
                    break budgets;
                }
                assert!(begun.elapsed() < SETTLING, "still held: {budgets:#}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            spent.extend(budgets.as_array().unwrap().iter().map(|budget| {
                let text = |field: &str| budget[field].as_str().unwrap().to_owned();
                let unit = serde_json::from_value(budget["unit"].clone()).unwrap();
                (text("id"), unit, text("spent"))
            }));
        }
        spent
    }

    /// Every secret of the test; answers are searched here, where it is known which of them may tell a token.
    fn canaries(&self) -> Canaries {
        let secrets = self.recorder.secrets();
        let (tokens, credentials): (Vec<&str>, Vec<&str>) =
            secrets.iter().map(String::as_str).partition(|secret| {
                ["ks_", "ksm_", "kss_", "whsec_"]
                    .iter()
                    .any(|prefix| secret.starts_with(prefix))
            });
        let of_credentials = Canaries::new(credentials.iter().copied());
        let all = || {
            let known = tokens.iter().chain(&credentials).copied();
            Canaries::new(known.chain([PASSWORD]))
        };
        let of_all = all();
        for answer in self.recorder.answers() {
            let canaries = if answer.tells_tokens {
                &of_credentials
            } else {
                &of_all
            };
            assert_eq!(canaries.in_bytes(&answer.bytes), [""; 0], "{}", answer.what);
        }
        of_all
    }
}

/// Every row of every organization, with what the sums say of them checked.
pub(crate) async fn all_rows(store: &Store) -> Vec<RequestRow> {
    let mut conn = store.read().await.unwrap();
    let mut all = Vec::new();
    for org in orgs::list(&mut conn, None, 500).await.unwrap() {
        let (mut rows, mut after, any) = (Vec::new(), Some(0), requests::Filter::default());
        while let Some(from) = after {
            let found = requests::since_seq(&mut conn, org.id, &any, from, 10_000);
            let found = found.await.unwrap();
            rows.extend(found.rows);
            after = found.next;
        }
        let sums = usage::grouped(&mut conn, org.id, &[], &usage::Filter::default(), 1)
            .await
            .unwrap();
        let cost: i64 = rows.iter().map(|row| row.cost.0).sum();
        let calls = rows.iter().filter(|row| row.attempt.is_some()).count() as u64;
        assert_eq!(
            sums.first()
                .map_or((NanoUsd::ZERO, 0), |sum| (sum.cost, sum.calls)),
            (NanoUsd(cost), calls),
            "the sums of usage are those of the requests"
        );
        assert!(rows.iter().all(|row| !row.over_hold), "usage above a hold");
        // The machine's clock may be set back while a call runs.
        assert!(rows.iter().all(|row| row.at.min(row.ended_at) > Micros(0)));
        all.extend(rows);
    }
    all
}

/// One intent for each request that arrived, and none for one that did not, unless it says so.
fn each_request_has_its_intent(log: Vec<Received>, rows: Vec<RequestRow>, secrets: &[String]) {
    let mut attempts: Vec<RequestRow> = rows.into_iter().filter(|row| row.attempt.is_some()).collect();
    for received in log {
        let path = without_secret(received.target.split('?').next().unwrap(), secrets);
        let same = |row: &RequestRow, status: u16| {
            row.status == status
                && row.ending != Some(Ending::NotSent)
                && row.method.as_deref() == Some(received.method.as_str())
                && row.path.as_deref() == Some(&path[..path.len().min(512)])
        };
        // An answer whose head did not arrive whole has no status for us.
        let found = [received.sent.status, 0]
            .iter()
            .find_map(|status| attempts.iter().position(|row| same(row, *status)));
        let found = found.unwrap_or_else(|| {
            panic!(
                "{} {path} ({}) arrived without an intent",
                received.method, received.sent.status
            )
        });
        attempts.swap_remove(found);
    }
    // What was cut before its answer began may have been cut before it was sent.
    attempts.retain(|row| row.ending != Some(Ending::Revoked) || row.status != 0);
    for row in attempts {
        // A key of a pool is passed over also where its host could not be reached.
        let unreached = row.ending == Some(Ending::FailedOver) && row.status == 0;
        assert!(
            unreached || matches!(row.ending, Some(Ending::NotSent | Ending::Crash)),
            "an intent without a request: {row:#?}"
        );
        assert_eq!(row.cost, NanoUsd::ZERO, "nothing was sent: {row:#?}");
    }
}

/// The path as it was before the credential was put in front of it.
fn without_secret(path: &str, secrets: &[String]) -> String {
    let behind = secrets
        .iter()
        .filter_map(|secret| Some(path.find(secret.as_str())? + secret.len()))
        .max();
    path[behind.unwrap_or(0)..].to_owned()
}

/// Everything that was recorded is in the audit log, and all of it is signed.
async fn the_log_is_whole(store_url: &str, key: &Verifier) {
    let report = check_database(store_url, key, &[], &mut |_, _| {}).await.unwrap();
    assert_eq!(report.problem, None);
    assert_eq!(report.records, report.signed, "all of it is signed");
}
