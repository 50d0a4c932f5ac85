//! Webhooks: what is sent, how it is signed, and what becomes of it when nobody takes it.

mod keys;
mod pauses;
mod refused;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystore_testkit::clock::MockClock;
use serde_json::{Value, json};

use crate::support::{Answering, Got, Receiver, Setup, SmtpServer, TestApp};

const HOOK: &str = "/hook";
const OWNER: &str = "owner@example.com";

/// A server, and what its webhooks are pointed at.
pub(super) struct Site {
    pub(super) app: TestApp,
    pub(super) receiver: Receiver,
    pub(super) clock: Arc<MockClock>,
    smtp: SmtpServer,
}

impl Site {
    pub(super) async fn start() -> Self {
        let (clock, smtp) = (Arc::new(MockClock::default()), SmtpServer::start().await);
        let receiver = Receiver::start().await;
        let setup = Setup {
            clock: Some(Arc::clone(&clock)),
            smtp: Some(smtp.clone()),
            receiver: Some(receiver.clone()),
            ..Setup::default()
        };
        let app = TestApp::with(setup).await;
        app.confirm(OWNER).await;
        Self {
            app,
            receiver,
            clock,
            smtp,
        }
    }

    /// Makes a webhook at this path that is told of these events. Gives it with its secret.
    pub(super) async fn webhook(&self, path: &str, events: Value) -> Value {
        let body = json!({"url": self.receiver.url(path), "events": events});
        let made = self.app.owner_client().post("/v1/webhooks", &body).await;
        made.expect(201)["endpoint"].take()
    }

    /// Something happens.
    pub(super) async fn agent(&self, name: &str) -> Value {
        let body = json!({"name": name, "providers": []});
        let made = self.app.owner_client().post("/v1/agents", &body).await;
        made.expect(201)
    }

    pub(super) async fn show(&self, webhook: &Value) -> Value {
        let path = format!("/v1/webhooks/{}", id(webhook));
        self.app.owner_client().get(&path).await.expect(200)
    }

    /// The deliveries to a webhook, newest first.
    pub(super) async fn deliveries(&self, webhook: &Value, query: &str) -> Vec<Value> {
        let path = format!("/v1/webhooks/{}/deliveries{query}", id(webhook));
        let found = self.app.owner_client().get(&path).await.expect(200);
        found["data"].as_array().unwrap().clone()
    }

    /// Time goes by in steps, with everything done that is due in each.
    async fn pass(&self, time: Duration, step: Duration) {
        let mut passed = Duration::ZERO;
        while passed < time {
            self.clock.advance(step);
            passed += step;
            self.app.do_jobs().await;
        }
    }
}

pub(super) fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

/// The names of those that a receiver was told of.
pub(super) fn names(got: &[Got]) -> Vec<String> {
    let name = |one: &Got| one.json()["data"]["name"].as_str().unwrap_or("-").to_owned();
    got.iter().map(name).collect()
}

/// Whether one of the signatures of a message is by this secret, as a receiver computes it.
pub(super) fn signed_by(got: &Got, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let (id, at) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", &got.body].concat();
    got.header("webhook-signature").split(' ').any(|signature| {
        let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&key, &signed, &tag).is_ok()
    })
}

#[tokio::test]
async fn what_happens_is_told_once_to_whoever_wants_to_hear_of_it_and_signed() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let agents = site.webhook("/agents?from=keystore", json!(["agent.*"])).await;
    let all = site.webhook("/all", json!(["*"])).await;
    site.webhook("/money", json!(["usage.threshold", "invoice.created"]))
        .await;
    let secret = agents["secret"].as_str().unwrap();
    assert_ne!(agents["secret"], all["secret"]);
    assert_eq!(agents["status"], "active");

    let agent = site.agent("ada").await;
    owner
        .delete(&format!("/v1/agents/{}", id(&agent)))
        .await
        .expect(204);
    site.app.do_jobs().await;
    site.app.do_jobs().await;

    let got = site.receiver.got_at("/agents?from=keystore");
    let kinds: Vec<_> = got.iter().map(|one| one.header("x-webhook-event")).collect();
    assert_eq!(kinds, ["agent.created", "agent.deleted"], "in order, once each");
    assert_eq!(site.receiver.got_at("/all").len(), 2);
    assert!(site.receiver.got_at("/money").is_empty());

    let first = &got[0];
    let events = owner.get("/v1/events?kind=agent.created").await.expect(200);
    let event = &events["data"][0];
    assert_eq!(first.header("webhook-id"), id(event));
    assert_eq!(first.header("content-type"), "application/json");
    assert!(first.header("user-agent").starts_with("keystore-webhooks/"));
    let me = owner.get("/v1/auth/me").await.expect(200);
    assert_eq!(
        first.json(),
        json!({
            "id": event["id"],
            "event": "agent.created",
            "type": "agent.created",
            "timestamp": event["at"],
            "orgId": me["org"]["id"],
            "projectId": agent["projectId"],
            "subject": agent["id"],
            "data": {"name": "ada"},
        })
    );
    assert!(signed_by(first, secret));
    assert!(!signed_by(first, all["secret"].as_str().unwrap()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = keystore_core::hex(hmac::sign(&key, &first.body).as_ref());
    assert_eq!(first.header("x-webhook-signature"), tag);

    let listed = site.deliveries(&agents, "").await;
    assert_eq!(listed.len(), 2);
    for (delivery, event) in listed.iter().zip(["agent.deleted", "agent.created"]) {
        assert_eq!(
            (
                &delivery["status"],
                &delivery["event"],
                &delivery["attempts"],
                &delivery["answerStatus"]
            ),
            (&json!("delivered"), &json!(event), &json!(1), &json!(204))
        );
    }
    for path in [
        "/v1/webhooks",
        &format!("/v1/webhooks/{}", id(&agents)),
        "/v1/audit",
    ] {
        let shown = owner.get(path).await.expect(200).to_string();
        assert!(!shown.contains("whsec_"), "{path} shows a secret");
    }
    site.app.finish().await;
}

#[tokio::test]
async fn a_repeated_request_makes_one_webhook_and_shows_its_secret_once() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let body = json!({"url": site.receiver.url(HOOK), "events": ["*"], "name": "one"});
    let create = async || {
        let request = owner.request("POST", "/v1/webhooks");
        let request = request.header("idempotency-key", "once").json(&body);
        owner.send(request).await.expect(201)
    };
    let (first, again) = (create().await, create().await);
    assert_eq!(first["endpoint"]["id"], again["endpoint"]["id"]);
    assert!(first["endpoint"]["secret"].is_string() && again["endpoint"]["secret"].is_null());
    assert_eq!(again["secretShown"], true);
    let listed = owner.get("/v1/webhooks").await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    owner.post("/v1/webhooks", &body).await.expect(409);
    let found = owner.get("/v1/webhooks/one").await.expect(200);
    assert_eq!(found["id"], first["endpoint"]["id"], "by its name, too");
    owner.delete("/v1/webhooks/one").await.expect(204);
    site.agent("ada").await;
    site.app.do_jobs().await;
    assert!(site.receiver.got().is_empty());
    site.app.finish().await;
}

#[tokio::test]
async fn both_secrets_sign_until_the_overlap_ends() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    let old = webhook["secret"].as_str().unwrap();
    let rotate = format!("/v1/webhooks/{}/rotate-secret", id(&webhook));
    let rotated = owner
        .post(&rotate, &json!({"overlapSeconds": 3600}))
        .await
        .expect(200);
    let new = rotated["endpoint"]["secret"].as_str().unwrap();
    assert_ne!(old, new);
    site.agent("during").await;
    site.app.do_jobs().await;
    site.clock.advance(Duration::from_secs(3600));
    site.agent("after").await;
    site.app.do_jobs().await;
    let got = site.receiver.got();
    assert_eq!(names(&got), ["during", "after"]);
    assert!(signed_by(&got[0], old) && signed_by(&got[0], new));
    assert!(!signed_by(&got[1], old) && signed_by(&got[1], new));

    let at_once = owner
        .post(&rotate, &json!({"overlapSeconds": 0}))
        .await
        .expect(200);
    site.agent("later").await;
    site.app.do_jobs().await;
    let got = site.receiver.got();
    assert!(!signed_by(&got[2], new));
    assert!(signed_by(
        &got[2],
        at_once["endpoint"]["secret"].as_str().unwrap()
    ));
    owner
        .post(&rotate, &json!({"overlapSeconds": 604_801}))
        .await
        .expect(422);
    site.app.finish().await;
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_until_it_is() {
    let site = Site::start().await;
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    site.receiver
        .answer(HOOK, Answering::With(503, "", "not now\u{7}".to_owned()));
    site.agent("ada").await;
    site.app.do_jobs().await;
    site.app.do_jobs().await;
    let delivery = &site.deliveries(&webhook, "?status=pending").await[0];
    assert_eq!(delivery["attempts"], 1, "not again at once");
    assert_eq!(delivery["answerStatus"], 503);
    assert_eq!(delivery["answer"], "not now\u{fffd}");
    assert_eq!(delivery["error"], "it answered 503");
    assert!(site.show(&webhook).await["failingSince"].is_string());

    site.pass(Duration::from_secs(60), Duration::from_secs(5)).await;
    let tried = site.receiver.got().len();
    assert!((3..=5).contains(&tried), "{tried} times in a minute");
    let ids: Vec<_> = site
        .receiver
        .got()
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert!(ids.windows(2).all(|two| two[0] == two[1]), "one id: {ids:?}");

    site.receiver.status(HOOK, 200);
    let app = site.app.restart().await;
    let site = Site { app, ..site };
    site.pass(Duration::from_secs(600), Duration::from_secs(20)).await;
    let delivery = &site.deliveries(&webhook, "").await[0];
    assert_eq!(delivery["status"], "delivered");
    assert!(delivery["error"].is_null() && delivery["nextAt"].is_null());
    assert!(site.show(&webhook).await["failingSince"].is_null());
    let sent = site.receiver.got().len();
    site.pass(Duration::from_secs(600), Duration::from_secs(60)).await;
    assert_eq!(site.receiver.got().len(), sent, "never again");
    site.app.finish().await;
}

#[tokio::test]
async fn a_webhook_that_takes_nothing_for_three_days_is_disabled_and_told_of() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    let watching = site.webhook("/watching", json!(["webhook.disabled"])).await;
    site.receiver.status(HOOK, 500);
    site.agent("first").await;
    let hour = Duration::from_secs(3600);
    // Something happens now and then.
    for day in ["one", "two", "three"] {
        site.pass(23 * hour, hour).await;
        site.agent(day).await;
        assert_eq!(site.show(&webhook).await["status"], "active", "{day}");
    }
    site.pass(6 * hour, hour).await;
    let shown = site.show(&webhook).await;
    assert_eq!(
        (&shown["status"], &shown["disabledBecause"]),
        (&json!("disabled"), &json!("failing"))
    );
    let told = site.receiver.got_at("/watching");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].json()["subject"], webhook["id"]);
    assert!(signed_by(&told[0], watching["secret"].as_str().unwrap()));
    assert_eq!(site.app.mails_about(OWNER, "it took nothing for 72 hours"), 1);
    assert_eq!(site.app.mails_about(OWNER, "ks webhook update whk_"), 1);

    let sent = site.receiver.got_at(HOOK).len();
    site.agent("unheard").await;
    site.pass(hour, hour).await;
    assert_eq!(site.receiver.got_at(HOOK).len(), sent, "nothing is sent to it");
    let dead = site.deliveries(&webhook, "?status=dead").await;
    assert!(!dead.is_empty(), "what waited for 72 hours is given up");

    // It is well again.
    site.receiver.status(HOOK, 200);
    let dead = &dead[dead.len() - 1];
    let again = format!("/v1/webhook-deliveries/{}/redeliver", id(dead));
    owner.post(&again, &Value::Null).await.expect(409);
    let path = format!("/v1/webhooks/{}", id(&webhook));
    owner.patch(&path, &json!({"enabled": true})).await.expect(200);
    owner.post(&again, &Value::Null).await.expect(200);
    site.app.do_jobs().await;
    let got = site.receiver.got_at(HOOK).split_off(sent);
    let names = names(&got);
    assert!(names.contains(&"first".to_owned()), "redelivered: {names:?}");
    assert!(
        names.contains(&"three".to_owned()),
        "what still waited is sent: {names:?}"
    );
    assert!(!names.contains(&"unheard".to_owned()));
    assert!(
        site.smtp
            .said()
            .iter()
            .all(|line| !line.contains(webhook["secret"].as_str().unwrap()))
    );
    site.app.finish().await;
}

#[tokio::test]
async fn a_receiver_that_says_gone_is_left_alone() {
    let site = Site::start().await;
    let webhook = site.webhook(HOOK, json!(["*"])).await;
    site.receiver.status(HOOK, 410);
    site.agent("ada").await;
    site.app.do_jobs().await;
    assert_eq!(site.show(&webhook).await["disabledBecause"], "gone");
    site.agent("bob").await;
    site.app.do_jobs().await;
    assert_eq!(site.receiver.got().len(), 1);
    site.app.finish().await;
}

#[tokio::test]
async fn a_dead_receiver_holds_up_neither_others_nor_a_message_that_it_would_take() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    for number in 0..12 {
        let path = format!("/never/{number}");
        site.receiver.answer(&path, Answering::Never);
        site.webhook(&path, json!(["agent.*"])).await;
    }
    site.webhook("/last", json!(["agent.*"])).await;
    let stranger = site.app.stranger().await;
    site.app.confirm("stranger@example.com").await;
    let body = json!({"url": site.receiver.url("/stranger"), "events": ["agent.*"]});
    stranger.post("/v1/webhooks", &body).await.expect(201);
    let body = json!({"name": "ada", "providers": []});
    owner.post("/v1/agents", &body).await.expect(201);
    stranger.post("/v1/agents", &body).await.expect(201);
    // By itself: the server's own loop sends them.
    let begun = std::time::Instant::now();
    while site.receiver.got_at("/stranger").is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "held up by another organization's"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let app = site.app;
    app.stop().await;
}

#[tokio::test]
async fn a_message_that_its_receiver_cannot_digest_holds_none_of_the_others_up() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let webhook = site
        .webhook(HOOK, json!(["agent.created", "agent.deleted"]))
        .await;
    site.receiver.status(HOOK, 400);
    let poison = site.agent("poison").await;
    site.app.do_jobs().await;
    site.receiver.status(HOOK, 200);
    site.agent("good").await;
    site.clock.advance(Duration::from_secs(3));
    site.app.do_jobs().await;
    let got = site.receiver.got();
    assert_eq!(names(&got), ["poison", "good"], "before the first is tried again");
    assert_eq!(site.show(&webhook).await["failingSince"], Value::Null);
    owner
        .delete(&format!("/v1/agents/{}", id(&poison)))
        .await
        .expect(204);
    site.pass(Duration::from_secs(10), Duration::from_secs(5)).await;
    assert_eq!(site.receiver.got().len(), 4);
    site.app.finish().await;
}

#[tokio::test]
async fn a_test_is_sent_whatever_the_webhook_is_told_of_and_anything_is_sent_again() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    let webhook = site.webhook(HOOK, json!(["invoice.created"])).await;
    let other = site.webhook("/other", json!(["*"])).await;
    let test = format!("/v1/webhooks/{}/test", id(&webhook));
    let delivery = owner.post(&test, &Value::Null).await.expect(200);
    assert_eq!(delivery["event"], "webhook.test");
    site.app.do_jobs().await;
    assert!(site.receiver.got_at("/other").is_empty(), "{other}");
    let path = format!("/v1/webhook-deliveries/{}", id(&delivery));
    let shown = owner.get(&path).await.expect(200);
    assert_eq!(shown["status"], "delivered");
    owner
        .post(&format!("{path}/redeliver"), &Value::Null)
        .await
        .expect(200);
    site.app.do_jobs().await;
    let got = site.receiver.got_at(HOOK);
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    assert_eq!(got[0].body, got[1].body, "the same bytes");
    let path = format!("/v1/webhooks/{}", id(&webhook));
    owner.patch(&path, &json!({"enabled": false})).await.expect(200);
    owner.post(&test, &Value::Null).await.expect(409);
    // What ended is forgotten after 30 days.
    site.clock.advance(Duration::from_secs(31 * 86_400));
    site.app.do_jobs().await;
    let login = json!({"email": OWNER, "password": crate::support::PASSWORD});
    let session = site
        .app
        .anonymous()
        .post("/v1/auth/login", &login)
        .await
        .expect(200);
    let owner = owner.with_token(session["token"].as_str().unwrap());
    let left = owner.get(&format!("{path}/deliveries")).await.expect(200);
    assert_eq!(left["data"], json!([]));
    site.app.finish().await;
}
