//! What happens is told once: as an event, and by a mail to each owner and admin.

use std::sync::Arc;
use std::time::Duration;

use keystore_testkit::clock::MockClock;
use serde_json::{Value, json};

use super::{MODELS, openai};
use crate::support::{CANARY, Caller, SmtpServer, TestApp};

const PEOPLE: [&str; 3] = ["owner@example.com", "admin@example.com", "member@example.com"];

struct Told {
    app: TestApp,
    clock: Arc<MockClock>,
    smtp: SmtpServer,
}

impl Told {
    /// A server that sends mails, with an owner, an admin and a member.
    async fn start() -> Self {
        let (app, clock, smtp) = TestApp::mailing().await;
        app.member(app.owner_client(), PEOPLE[1], "admin").await;
        app.member(app.owner_client(), PEOPLE[2], "member").await;
        Self { app, clock, smtp }
    }

    /// The kinds of all events but of agents that were made, oldest first.
    async fn kinds(&self) -> Vec<String> {
        let kind = |event: &Value| event["kind"].as_str().unwrap().to_owned();
        let mut kinds: Vec<_> = self.events().await.iter().map(kind).collect();
        kinds.reverse();
        kinds
    }

    async fn events(&self) -> Vec<Value> {
        self.app.do_jobs().await;
        let events = self.app.owner_client().get("/v1/events").await.expect(200);
        let mut events = events["data"].as_array().unwrap().clone();
        events.retain(|event| event["kind"] != "agent.created");
        events
    }

    /// How many mails with these words each of the people got.
    fn mails(&self, words: &str) -> [usize; 3] {
        PEOPLE.map(|to| self.app.mails_about(to, words))
    }
}

async fn get(caller: &Caller, fake: &str) {
    caller
        .send(caller.request("GET", MODELS).header("x-fake", fake))
        .await;
}

async fn fail(caller: &Caller) {
    for _ in 0..10 {
        get(caller, "status=500").await;
    }
}

#[tokio::test]
async fn a_host_that_fails_and_answers_by_turns_is_told_of_once() {
    let told = Told::start().await;
    let caller = openai(&told.app, json!({"rpmLimit": 1_000})).await;
    for _ in 0..5 {
        fail(&caller).await;
        assert_eq!(told.kinds().await, ["provider.circuit_opened"]);
        told.clock.advance(Duration::from_secs(5));
        caller.get(MODELS).await.expect(200);
        told.clock.advance(Duration::from_secs(200));
        assert_eq!(told.kinds().await, ["provider.circuit_opened"]);
    }
    told.clock.advance(Duration::from_secs(100));
    let both = ["provider.circuit_opened", "provider.circuit_closed"];
    assert_eq!(told.kinds().await, both);
    assert_eq!(told.kinds().await, both);
    let events = told.events().await;
    for event in &events {
        let data = &event["data"];
        assert_eq!(
            (&data["provider"], &data["name"], &data["host"]),
            (&json!("openai"), &json!("default"), &json!("127.0.0.1")),
            "{event:#}"
        );
        assert!(event["subject"].as_str().unwrap().starts_with("crd_"));
        assert!(event["projectId"].as_str().unwrap().starts_with("prj_"));
    }
    assert_eq!(told.mails("127.0.0.1 fails again and again."), [1, 1, 0]);
    assert_eq!(told.mails("127.0.0.1 answers again."), [1, 1, 0]);
    fail(&caller).await;
    assert_eq!(told.kinds().await.len(), 3, "a new outage");
    told.app.finish().await;
}

#[tokio::test]
async fn a_key_that_its_vendor_refuses_is_told_of_once_and_never_shown() {
    let told = Told::start().await;
    let caller = openai(&told.app, json!({"rpmLimit": 1_000})).await;
    let refused = async || {
        for _ in 0..20 {
            get(&caller, "status=401").await;
        }
    };
    refused().await;
    assert_eq!(told.kinds().await, ["credential.invalid"]);
    refused().await;
    let events = told.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0]["data"],
        json!({"provider": "openai", "name": "default", "version": 1})
    );
    let id = events[0]["subject"].as_str().unwrap();
    let words = "openai refuses the key openai in the project default of Acme Inc on Keystore";
    assert_eq!(told.mails(words), [1, 1, 0]);
    assert_eq!(
        told.mails("ks provider rotate openai --project default"),
        [1, 1, 0]
    );

    // It works again, and is refused again: that is news.
    let test = format!("/v1/credentials/{id}/test");
    told.app
        .owner_client()
        .post(&test, &Value::Null)
        .await
        .expect(200);
    told.smtp.refuse(true);
    refused().await;
    assert_eq!(told.kinds().await, ["credential.invalid", "credential.invalid"]);
    // What was put right before the mail could be sent is not written about.
    told.app
        .owner_client()
        .post(&test, &Value::Null)
        .await
        .expect(200);
    told.smtp.refuse(false);
    told.clock.advance(Duration::from_secs(3_600));
    told.app.do_jobs().await;
    assert_eq!(told.mails(words), [1, 1, 0]);
    assert!(told.smtp.said().iter().all(|line| !line.contains(CANARY)));
    told.app.finish().await;
}

#[tokio::test]
async fn budgets_are_mailed_of_once_unless_each_end_user_has_one_or_nobody_wants_mails() {
    let told = Told::start().await;
    let caller = openai(&told.app, json!({})).await;
    let owner = told.app.owner_client();
    let named = json!({"endUsers": true});
    owner.patch("/v1/agents/agent", &named).await.expect(200);
    let call = async |user: &str| {
        let request = caller.request("GET", MODELS);
        caller.send(request.header("x-keystore-end-user", user)).await;
    };
    let calls = |more: Value| {
        super::with(
            json!({"unit": "calls", "window": "total", "thresholds": [50]}),
            more,
        )
    };
    let each = calls(json!({"limit": "2", "agent": "agent", "endUser": "*"}));
    owner.post("/v1/budgets", &each).await.expect(201);
    call("ada").await;
    call("bob").await;
    assert_eq!(told.kinds().await, ["usage.threshold", "usage.threshold"]);
    assert_eq!(told.mails("has used 50 % of what it allows"), [0, 0, 0]);

    let all = calls(json!({"limit": "1"}));
    let all = owner.post("/v1/budgets", &all).await.expect(201);
    call("eve").await;
    call("ada").await;
    call("eve").await;
    assert_eq!(told.kinds().await.len(), 5, "{:#?}", told.events().await);
    told.app.do_jobs().await;
    let words = "has used 50 % of what it allows: 1 of 1 (calls)";
    assert_eq!(told.mails(words), [1, 1, 0]);
    assert_eq!(told.mails("does not afford a call any more"), [1, 1, 0]);

    let org = json!({"eventMails": false});
    let org = owner.patch("/v1/org", &org).await.expect(200);
    assert_eq!(org["eventMails"], false);
    let all = format!("/v1/budgets/{}", all["id"].as_str().unwrap());
    owner.delete(&all).await.expect(204);
    let zero = calls(json!({"limit": "0", "agent": "agent"}));
    owner.post("/v1/budgets", &zero).await.expect(201);
    call("ada").await;
    assert_eq!(told.kinds().await.len(), 6);
    assert_eq!(told.mails("does not afford a call any more"), [1, 1, 0]);
    told.app.finish().await;
}
