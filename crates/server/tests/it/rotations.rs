//! Keys of the operator's pools are rotated: at vendors with an API for keys, and by hand.

mod killed;

use std::sync::Arc;
use std::time::Duration;

use keystore_testkit::clock::MockClock;
use keystore_testkit::upstream::{Behaviour, MadeKey};
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const OLD_SECRET: &str = "sk-svcacct-canary-of-the-old-key-0001";
const ADMIN_SECRET: &str = "sk-admin-canary-of-the-admin-key-0001";

/// A vendor with an API for keys.
#[derive(Clone, Copy)]
struct Vendor {
    provider: &'static str,
    driver: &'static str,
    admin: &'static str,
    account: Option<&'static str>,
    old: &'static str,
}

const OPENAI: Vendor = Vendor {
    provider: "openai",
    driver: "openai",
    admin: "openai-admin",
    account: Some("proj_1"),
    old: OLD_SECRET,
};

const OPENROUTER: Vendor = Vendor {
    provider: "openrouter",
    driver: "openrouter",
    admin: "openrouter",
    account: None,
    old: "sk-or-v1-00000000000000000000000000000000000000000000000000000000000c0ffe",
};

/// A server with an operator, and a pool of one key.
struct Site {
    app: TestApp,
    clock: Arc<MockClock>,
    operator: Client,
    /// The pooled credential.
    old: String,
    admin: String,
    /// The vendor's id of its key.
    old_key: String,
}

impl Site {
    async fn start(vendor: Vendor) -> Self {
        let (app, clock) = TestApp::clocked().await;
        let upstream = app.fake_upstream();
        let admin_secret = match vendor.admin {
            "openrouter" => "sk-or-v1-00000000000000000000000000000000000000000000000000000000000ad314",
            _ => ADMIN_SECRET,
        };
        upstream.keep_keys(admin_secret);
        let old_key = upstream.add_key("made by hand", vendor.old);
        upstream.add_key("of somebody else", "sk-svcacct-of-somebody-else-000000001");
        for secret in [admin_secret, vendor.old] {
            app.secret(secret);
        }
        let key = json!({"name": "rotations", "role": "owner"});
        let key = app.operator().await.post("/v1/api-keys", &key).await.expect(201);
        let operator = app.anonymous().with_token(key["key"].as_str().unwrap());
        let stored = |provider: &str, name: &str, secret: &str| json!({"provider": provider, "name": name, "secret": secret, "baseUrl": upstream.url()});
        let body = stored(vendor.admin, "keys", admin_secret);
        let admin = operator
            .post("/v1/credentials?verify=false", &body)
            .await
            .expect(201);
        let body = stored(vendor.provider, "main", vendor.old);
        let old = operator.post("/v1/operator/pool", &body).await.expect(201);
        let id = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
        Self {
            old: id(&old),
            admin: id(&admin),
            old_key,
            app,
            clock,
            operator,
        }
    }

    /// A plan by which the vendor's API makes the keys.
    async fn plan(&self, vendor: Vendor, more: Value) {
        let mut body = json!({"driver": vendor.driver, "admin": self.admin, "account": vendor.account, "vendorKey": self.old_key});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let path = format!("/v1/operator/pool/{}/plan", self.old);
        self.operator.post(&path, &body).await.expect(200);
    }

    /// The same after a new start of the server.
    async fn restart(self) -> Self {
        let app = self.app.restart().await;
        let operator = self.operator.at(app.api_url());
        Self {
            app,
            operator,
            ..self
        }
    }

    async fn begin(&self) -> String {
        let body = json!({"credential": self.old});
        let rotation = self
            .operator
            .post("/v1/operator/rotations", &body)
            .await
            .expect(201);
        rotation["id"].as_str().unwrap().to_owned()
    }

    async fn rotation(&self, id: &str) -> Value {
        self.operator
            .get(&format!("/v1/operator/rotations/{id}"))
            .await
            .expect(200)
    }

    /// Lets time pass, and does what there is to do; gives the step then.
    async fn after(&self, seconds: u64, id: &str) -> String {
        self.clock.advance(Duration::from_secs(seconds));
        self.app.do_jobs().await;
        self.rotation(id).await["step"].as_str().unwrap().to_owned()
    }

    /// The states of the pool's members, oldest first.
    async fn states(&self) -> Vec<String> {
        let page = self.operator.get("/v1/operator/pool").await.expect(200);
        let members = page["data"].as_array().unwrap();
        members
            .iter()
            .map(|member| member["state"].as_str().unwrap().to_owned())
            .collect()
    }

    fn keys(&self) -> Vec<MadeKey> {
        self.app.fake_upstream().keys()
    }

    fn names(&self) -> Vec<String> {
        self.keys().into_iter().map(|key| key.name).collect()
    }

    async fn events(&self, kind: &str) -> usize {
        let page = self
            .operator
            .get(&format!("/v1/events?kind={kind}"))
            .await
            .expect(200);
        page["data"].as_array().unwrap().len()
    }
}

async fn at_a_vendor(vendor: Vendor) {
    let site = Site::start(vendor).await;
    site.plan(vendor, json!({"everyDays": 90})).await;
    let id = site.begin().await;
    let again = json!({"credential": site.old});
    site.operator
        .post("/v1/operator/rotations", &again)
        .await
        .expect_problem(409, "conflict");

    assert_eq!(site.after(0, &id).await, "overlap");
    let rotation = site.rotation(&id).await;
    let name = rotation["keyName"].as_str().unwrap().to_owned();
    assert_eq!(site.states().await, ["active", "active"], "both serve");
    assert_eq!(site.names(), ["made by hand", "of somebody else", &name]);
    for key in site.keys() {
        site.app.secret(&key.secret);
    }
    assert_eq!(site.after(599, &id).await, "overlap");
    assert_eq!(site.after(1, &id).await, "done");
    assert_eq!(site.states().await, ["revoked", "active"]);
    assert_eq!(site.names(), ["of somebody else", &name]);
    assert_eq!(rotation["newKey"], site.keys()[1].id);

    // The plan goes on with the new credential.
    let new = rotation["new"].as_str().unwrap();
    let plan = site
        .operator
        .get(&format!("/v1/operator/pool/{new}/plan"))
        .await
        .expect(200);
    assert_eq!(plan["vendorKey"], site.keys()[1].id);
    let old = format!("/v1/operator/pool/{}/plan", site.old);
    site.operator.get(&old).await.expect_problem(404, "not_found");
    site.app.do_jobs().await;
    let all = site.operator.get("/v1/operator/rotations").await.expect(200);
    assert_eq!(all["data"].as_array().unwrap().len(), 1);
    site.clock.advance(Duration::from_secs(90 * 86_400));
    site.app.do_jobs().await;
    let all = site.operator.get("/v1/operator/rotations").await.expect(200);
    assert_eq!(all["data"][0]["old"], new, "the next one has begun by itself");
    assert_eq!(site.states().await, ["revoked", "active", "active"]);
    assert_eq!(site.events("pool.key_rotated").await, 1);

    let audit = site
        .operator
        .get(&format!("/v1/audit?subject={id}&limit=50"))
        .await
        .expect(200);
    let steps: Vec<_> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| entry["after"]["step"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "mint", "verify", "promote", "overlap", "drain", "revoke", "sweep", "done",
    ];
    assert_eq!(steps, expected);
    site.app.finish().await;
}

#[tokio::test]
async fn a_key_of_openai_is_rotated() {
    at_a_vendor(OPENAI).await;
}

#[tokio::test]
async fn a_key_of_openrouter_is_rotated() {
    at_a_vendor(OPENROUTER).await;
}

#[tokio::test]
async fn a_key_without_an_api_is_asked_of_the_operator() {
    let site = Site::start(OPENAI).await;
    let id = site.begin().await;
    assert_eq!(site.after(0, &id).await, "mint");
    assert_eq!(site.rotation(&id).await["waitsFor"], "key");
    assert_eq!(site.after(5, &id).await, "mint");
    assert_eq!(site.events("pool.rotation_waits").await, 1, "it is said once");
    let path = |what: &str| format!("/v1/operator/rotations/{id}/{what}");
    site.operator
        .post(&path("key"), &json!({"secret": {"pin": "1234"}}))
        .await
        .expect_problem(422, "invalid_request");
    site.operator
        .post(&path("revoked"), &Value::Null)
        .await
        .expect_problem(409, "conflict");

    let new = "sk-svcacct-canary-of-the-new-key-0001";
    site.app.fake_upstream().add_key("made by hand again", new);
    let given = json!({"secret": new});
    let rotation = site.operator.post(&path("key"), &given).await.expect(200);
    assert_eq!(rotation["step"], "verify");
    site.operator
        .post(&path("key"), &given)
        .await
        .expect_problem(409, "conflict");
    assert_eq!(site.after(0, &id).await, "overlap");
    assert_eq!(site.after(600, &id).await, "revoke");
    assert_eq!(site.rotation(&id).await["waitsFor"], "revocation");
    assert_eq!(site.states().await, ["draining", "active"]);
    site.operator
        .post(&path("revoked"), &Value::Null)
        .await
        .expect(200);
    assert_eq!(site.after(0, &id).await, "done");
    assert_eq!(site.states().await, ["revoked", "active"]);
    site.app.finish().await;
}

#[tokio::test]
async fn a_new_key_that_the_vendor_refuses_is_revoked_and_the_old_one_serves_on() {
    let site = Site::start(OPENAI).await;
    site.plan(OPENAI, json!({})).await;
    let id = site.begin().await;
    // Listing and making go well, and whatever tries the new key is refused.
    let plain = Behaviour::default;
    let refused = || Behaviour {
        status: Some(401),
        ..Behaviour::default()
    };
    site.app.fake_upstream().script([plain(), plain(), refused()]);
    assert_eq!(site.after(0, &id).await, "verify");
    assert_eq!(site.names().len(), 3);
    site.app.fake_upstream().script([refused()]);
    assert_eq!(
        site.after(119, &id).await,
        "verify",
        "it may take a while to be known"
    );
    site.app.fake_upstream().script([refused()]);
    assert_eq!(site.after(20, &id).await, "undone");
    assert_eq!(site.names(), ["made by hand", "of somebody else"]);
    assert_eq!(site.states().await, ["active"]);
    assert_eq!(site.events("pool.rotation_undone").await, 1);
    // The next one has a name of its own.
    let id = site.begin().await;
    assert_eq!(site.after(0, &id).await, "overlap");
    site.app.finish().await;
}

#[tokio::test]
async fn the_operator_undoes_it_while_the_old_key_serves() {
    let site = Site::start(OPENAI).await;
    site.plan(OPENAI, json!({"overlapSeconds": 60})).await;
    let undo = |id: &str| format!("/v1/operator/rotations/{id}/undo");
    let id = site.begin().await;
    assert_eq!(site.after(0, &id).await, "overlap");
    let rotation = site.operator.post(&undo(&id), &Value::Null).await.expect(200);
    assert_eq!(rotation["step"], "undo");
    assert_eq!(site.after(0, &id).await, "undone");
    assert_eq!(site.names(), ["made by hand", "of somebody else"]);
    assert_eq!(site.states().await, ["active"]);

    let id = site.begin().await;
    assert_eq!(site.after(0, &id).await, "overlap");
    // A new key that is taken out of service brings the rotation back, too.
    let new = site.rotation(&id).await["new"].as_str().unwrap().to_owned();
    let drain = json!({"draining": true});
    site.operator
        .patch(&format!("/v1/operator/pool/{new}"), &drain)
        .await
        .expect(200);
    assert_eq!(site.after(0, &id).await, "undone");

    let id = site.begin().await;
    site.after(0, &id).await;
    assert_eq!(site.after(60, &id).await, "done");
    site.operator
        .post(&undo(&id), &Value::Null)
        .await
        .expect_problem(409, "conflict");
    site.app.finish().await;
}

#[tokio::test]
async fn a_vendor_that_fails_is_asked_again_later() {
    let site = Site::start(OPENAI).await;
    site.plan(OPENAI, json!({})).await;
    let id = site.begin().await;
    let broken = || Behaviour {
        status: Some(500),
        ..Behaviour::default()
    };
    site.app.fake_upstream().script([broken()]);
    assert_eq!(site.after(0, &id).await, "mint");
    let rotation = site.rotation(&id).await;
    assert_eq!(
        (&rotation["failures"], &rotation["problem"]),
        (&json!(1), &json!("openai-admin answered 500"))
    );
    let count = site.app.fake_upstream().count();
    assert_eq!(site.after(4, &id).await, "mint");
    assert_eq!(site.app.fake_upstream().count(), count, "not yet");
    assert_eq!(site.after(1, &id).await, "overlap");
    assert_eq!(site.rotation(&id).await["failures"], 0);
    site.app.finish().await;
}

#[tokio::test]
async fn a_plan_that_cannot_work_is_refused() {
    let site = Site::start(OPENAI).await;
    let path = format!("/v1/operator/pool/{}/plan", site.old);
    for (body, pointer) in [
        (json!({"driver": "openrouter", "admin": site.admin}), "/driver"),
        (json!({"driver": "openai", "account": "proj_1"}), "/admin"),
        (
            json!({"driver": "openai", "account": "proj_1", "admin": site.old}),
            "/admin",
        ),
        (json!({"driver": "openai", "admin": site.admin}), "/account"),
        (
            json!({"driver": "openai", "admin": site.admin, "account": "../x"}),
            "/account",
        ),
        (json!({"driver": "manual", "admin": site.admin}), "/admin"),
        (json!({"driver": "manual", "account": "proj_1"}), "/account"),
        (
            json!({"driver": "manual", "overlapSeconds": 59}),
            "/overlapSeconds",
        ),
        (json!({"driver": "manual", "everyDays": 0}), "/everyDays"),
        (json!({"driver": "manual", "vendorKey": "a/b"}), "/vendorKey"),
    ] {
        let answer = site.operator.post(&path, &body).await;
        let problem = answer.expect_problem(422, "invalid_request");
        assert!(
            problem["errors"].to_string().contains(pointer),
            "{body} {problem:#}"
        );
    }
    let customer = site.app.owner_client();
    customer
        .get("/v1/operator/rotations")
        .await
        .expect_problem(403, "forbidden");
    site.app.finish().await;
}
