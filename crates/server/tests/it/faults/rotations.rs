//! A pooled key is rotated while calls run on it, and the server is killed (SIGKILL) at any time: there is always an active key that the
//! vendor takes, no call is answered otherwise than well, and at the end the vendor has no key that nobody knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;
use keystore_testkit::upstream::Slot;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::node::Site;
use crate::support::Client;

const OLD: &str = "sk-svcacct-of-the-first-key-0001";
const ADMIN: &str = "sk-admin-of-the-admin-key-0001";
const CALLERS: usize = 4;
/// Kills of one rotation; then it is left alone.
const KILLS_A_ROTATION: usize = 4;

/// The operator of a site, who has a key in the pool and a plan to renew it, and an agent that uses it.
struct Pool {
    operator: Client,
    token: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Pool {
    async fn open(site: &Site) -> Self {
        let made = site.owner.post("/v1/operator", &Value::Null).await.expect(200);
        let operator = site.owner.with_token(made["apiKey"].as_str().unwrap());
        let url = site.upstream.url();
        site.upstream.keep_keys(ADMIN);
        let old_key = site.upstream.add_key("made by hand", OLD);
        // The other tests' key of the site is known to the vendor, too.
        site.upstream.expect(Slot::Bearer, "sk-canary");
        let admin = json!({"provider": "openai-admin", "name": "keys", "secret": ADMIN, "baseUrl": url});
        let admin = operator
            .post("/v1/credentials?verify=false", &admin)
            .await
            .expect(201);
        let key = json!({"provider": "openai", "name": "main", "secret": OLD, "baseUrl": url});
        let key = operator.post("/v1/operator/pool", &key).await.expect(201);
        let plan = json!({"driver": "openai", "admin": admin["id"], "account": "proj_1", "vendorKey": old_key, "overlapSeconds": 60});
        let path = format!("/v1/operator/pool/{}/plan", text(&key["id"]));
        operator.post(&path, &plan).await.expect(200);
        let org = site.owner.get("/v1/auth/me").await.expect(200)["org"]["id"].take();
        let terms = json!({"org": org, "limit": "100000"});
        operator.post("/v1/operator/terms", &terms).await.expect(200);
        let enable = "/v1/marketplace/openai/enable";
        site.owner.post(enable, &Value::Null).await.expect(204);
        let grants = json!([{"name": "openai", "source": "marketplace"}]);
        let agent =
            json!({"name": "pooled", "providers": grants, "rpmLimit": 1_000_000, "rpdLimit": 1_000_000});
        let token = site.owner.post("/v1/tokens", &agent).await.expect(201);
        Self {
            operator,
            token: text(&token["token"]),
        }
    }

    /// The same after a new start of the server.
    fn at(&mut self, site: &Site) {
        self.operator = self.operator.at(&site.urls().api);
    }

    async fn active(&self) -> Vec<String> {
        let members = self.operator.get("/v1/operator/pool").await.expect(200);
        let members = members["data"].as_array().unwrap().iter();
        let active = members.filter(|member| member["state"] == "active");
        active.map(|member| text(&member["id"])).collect()
    }

    async fn begin(&self) -> String {
        let active = self.active().await;
        assert_eq!(active.len(), 1, "{active:?}");
        let body = json!({"credential": active[0]});
        let begun = self
            .operator
            .post("/v1/operator/rotations", &body)
            .await
            .expect(201);
        text(&begun["id"])
    }

    async fn step(&self, id: &str) -> String {
        let path = format!("/v1/operator/rotations/{id}");
        text(&self.operator.get(&path).await.expect(200)["step"])
    }
}

/// Calls that run all the time, whether there is a server or not.
struct Traffic {
    callers: JoinSet<()>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Traffic {
    fn start(site: &Site, pool: &Pool) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let (urls, token) = (site.where_it_is(), pool.token.clone());
            callers.spawn(async move {
                let http = reqwest::Client::builder().no_proxy().build().unwrap();
                let body = json!({"model": "gpt-4o-mini", "max_completion_tokens": 16,
                    "messages": [{"role": "user", "content": "hi"}]});
                while !stop.load(Ordering::SeqCst) {
                    let url = format!("{}/v1/openai/v1/chat/completions", urls.read().unwrap().proxy);
                    let call = http
                        .post(&url)
                        .bearer_auth(&token)
                        .header("x-fake", "head-delay-ms=5");
                    // Without an answer the server has died under the call, or is not there yet.
                    let Ok(answer) = call.json(&body).send().await else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    let status = answer.status().as_u16();
                    match answer.text().await {
                        Ok(said) if status != 200 => panic!("a call failed: {status} {said}"),
                        Ok(_) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                        Err(_) => {}
                    }
                }
            });
        }
        Self {
            callers,
            stop,
            answered,
        }
    }

    /// Waits until some more calls are answered.
    async fn goes_on(&mut self) {
        let before = self.answered.load(Ordering::SeqCst);
        for _ in 0..2_000 {
            if self.answered.load(Ordering::SeqCst) > before + CALLERS {
                return;
            }
            if let Some(ended) = self.callers.try_join_next() {
                ended.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no call is answered any more");
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.callers.join_all().await;
        self.answered.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_traffic_survives_kills_at_any_time() {
    let most = soak(100, 6);
    let (mut site, mut dice) = (Site::start().await, Dice::new(17));
    let mut pool = Pool::open(&site).await;
    // From here on it rotates.
    site.kill();
    site.restless();
    site.run(&[]).await.unwrap();
    pool.at(&site);
    let mut traffic = Traffic::start(&site, &pool);
    let (mut kills, mut rotations) = (0, 0);
    while kills < most {
        let id = pool.begin().await;
        let left = (most - kills).min(KILLS_A_ROTATION);
        for _ in 0..left {
            tokio::time::sleep(Duration::from_millis(dice.below(120))).await;
            site.kill();
            site.run(&[]).await.unwrap();
            pool.at(&site);
            kills += 1;
            assert!(!pool.active().await.is_empty(), "no key is active");
            traffic.goes_on().await;
            if pool.step(&id).await == "overlap" {
                site.advance(Duration::from_secs(61));
            }
        }
        finish(&mut site, &pool, &id).await;
        rotations += 1;
        let known = pool.active().await;
        let at_vendor = site.upstream.keys();
        assert_eq!(
            (known.len(), at_vendor.len()),
            (1, 1),
            "{at_vendor:?}\n{}",
            site.log()
        );
        assert_ne!(at_vendor[0].secret, OLD, "it is a new one");
        traffic.goes_on().await;
    }
    let answered = traffic.end().await;
    println!("{kills} kills in {rotations} rotations, {answered} calls answered, none otherwise than well");
    site.stop().await;
}

/// Lets a rotation come to its end.
async fn finish(site: &mut Site, pool: &Pool, id: &str) {
    let begun = std::time::Instant::now();
    loop {
        match pool.step(id).await.as_str() {
            "done" => return,
            "undone" => panic!("the rotation was undone\n{}", site.log()),
            "overlap" => site.advance(Duration::from_secs(61)),
            _ => {}
        }
        assert!(!pool.active().await.is_empty(), "no key is active");
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it does not end\n{}",
            site.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
