//! What an agent that means harm does: calls something dear under a cheap name, and leaves at every possible moment.

use std::sync::Arc;
use std::time::Duration;

use keystore_testkit::clock::MockClock;
use keystore_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Setup, TestApp};

const AZURE: &str = "/v1/azure-openai/openai/deployments/o1/chat/completions?api-version=2024-10-21";

/// Where the path names what is served, the vendor does not look at the body's `model`.
#[tokio::test]
async fn the_path_says_what_is_served_and_not_the_body() {
    let app = TestApp::start().await;
    app.create_credential("azure-openai").await;
    let token = app
        .create_token_with("a", &["azure-openai"], json!({"budgetCentsMonthly": 10_000}))
        .await;
    let caller = app.caller(&token);
    let body = |model: Option<&str>| {
        let mut body = json!({"max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
        if let Some(model) = model {
            body["model"] = json!(model);
        }
        body
    };
    let honest = caller.post(AZURE, &body(None)).await.expect(200);
    let cheap = caller.post(AZURE, &body(Some("gpt-4o-mini"))).await.expect(200);
    let cost = |reply: &crate::support::Reply| reply.header("x-keystore-cost-usd").unwrap().to_owned();
    assert_eq!(cost(&cheap), cost(&honest));

    let agent = app.owner_client();
    let narrowed = json!({"allowedModels": ["gpt-4o-mini"]});
    agent.patch("/v1/agents/a", &narrowed).await.expect(200);
    caller.post(AZURE, &body(Some("gpt-4o-mini"))).await.expect(403);
    app.finish().await;
}

/// How a vendor may behave, in the words of the fake one. A stall ends at the idle time, which is short here.
const MOODS: [&str; 16] = [
    "",
    "",
    "head-delay-ms=15",
    "head-delay-ms=40",
    "chunk-delay-ms=2",
    "chunk-delay-ms=6",
    "abort-after=2",
    "stall-after=2",
    "truncate",
    "no-head",
    "garbage",
    "status=500",
    "status=429",
    "no-usage",
    "gzip",
    "body-bytes=200000; chunk-delay-ms=1",
];

/// SplitMix64 (Steele, Lea and Flood, 2014): a seed makes the same visit again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// One client that leaves when it likes: in the middle of its request, while it waits, in the middle of the answer, or not at all.
async fn visit(addr: String, token: String, seed: u64) {
    let mut random = Random(seed);
    let (path, mut body): (&str, Value) = if random.coin() {
        let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
        ("/v1/openai/v1/chat/completions", body)
    } else {
        let body = json!({"model": "claude-sonnet-4-5", "max_tokens": 300, "messages": [{"role": "user", "content": "hi"}]});
        ("/v1/anthropic/v1/messages", body)
    };
    if random.coin() {
        body["stream"] = json!(true);
    }
    let body = body.to_string();
    let mood = MOODS[random.below(MOODS.len() as u64) as usize];
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {token}\r\nx-fake: {mood}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(&addr).await.unwrap();
    if random.below(6) == 0 {
        let part = 1 + random.below(request.len() as u64 - 1) as usize;
        socket.write_all(&request.as_bytes()[..part]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(random.below(5))).await;
        return;
    }
    socket.write_all(request.as_bytes()).await.unwrap();
    let stay = Duration::from_micros(match random.below(4) {
        0 => 1_000_000,
        1 => random.below(2_000),
        _ => random.below(60_000),
    });
    let mut answer = vec![0; 16 << 10];
    let reading = async { while matches!(socket.read(&mut answer).await, Ok(read) if read > 0) {} };
    let _ = tokio::time::timeout(stay, reading).await;
}

/// However calls end, and whoever leaves when: nothing stays held, and the journal says what the vendor saw.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_that_leave_at_any_moment_leave_nothing_held() {
    let seed: u64 = std::env::var("KEYSTORE_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let app = TestApp::with(Setup {
        upstream: Some(FakeUpstream::start().await),
        proxy: |proxy| {
            proxy.idle_timeout = Duration::from_millis(150);
            proxy.metering_timeout = Duration::from_millis(200);
            proxy.max_metered = 6;
        },
        ..Setup::default()
    })
    .await;
    app.create_credential("openai").await;
    app.create_credential("anthropic").await;
    let limits = json!({"budgetCentsMonthly": 1_000_000, "rpmLimit": 1_000_000, "rpdLimit": 1_000_000});
    let token = app
        .create_token_with("chaos", &["openai", "anthropic"], limits)
        .await;
    let addr = app.proxy_url().trim_start_matches("http://").to_owned();
    for round in 0..6_u64 {
        let visits: Vec<_> = (0..32_u64)
            .map(|number| {
                let seed = seed.wrapping_mul(1_000_003) + round * 32 + number;
                tokio::spawn(visit(addr.clone(), token.clone(), seed))
            })
            .collect();
        for visit in visits {
            visit.await.unwrap();
        }
    }
    let arrived = app.fake_upstream().count();
    // Those alone that stay, at whatever speed.
    assert!(arrived > 40, "{arrived}");
    let before = settled(&app).await;
    let app = app.restart().await;
    assert_eq!(
        settled(&app).await,
        before,
        "what memory and what the journal say is spent"
    );
    let rows = app.owner_client().get("/v1/requests?limit=500").await.expect(200);
    let rows = rows["data"].as_array().unwrap();
    let ended = |ending: &str| rows.iter().filter(|row| row["ending"] == ending).count();
    assert_eq!(ended("crash"), 0, "every intent has its outcome");
    // A connection that breaks under a request does not tell whether it took it, so that there may be more intents.
    let sent = rows.iter().filter(|row| row["attemptId"].is_string()).count() - ended("not_sent");
    assert!(sent >= arrived, "{sent} intents, {arrived} requests");
    app.stop().await;
}

/// What the one budget has spent, once nothing is held.
async fn settled(app: &TestApp) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let budgets = app.owner_client().get("/v1/budgets").await.expect(200);
        if budgets["data"][0]["held"] == "0.00" {
            return budgets["data"][0]["spent"].clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{budgets:#}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Anybody can fail to sign in, with any address: what that leaves in the database is short and goes away.
#[tokio::test]
async fn failed_sign_ins_do_not_pile_up() {
    let clock = Arc::new(MockClock::default());
    let app = TestApp::with(Setup {
        clock: Some(Arc::clone(&clock)),
        ..Setup::default()
    })
    .await;
    let fail = async |email: String| {
        let guess = json!({"email": email, "password": "not the password"});
        let answer = app.anonymous().post("/v1/auth/login", &guess).await;
        answer.expect_problem(401, "invalid_credentials");
    };
    fail(format!("{}@example.com", "a".repeat(200_000))).await;
    // Touches rows, and passes, only if the condition holds.
    app.tamper("UPDATE login_attempts SET failures = failures WHERE (SELECT MAX(LENGTH(subject)) FROM login_attempts) < 300")
        .await;
    clock.advance(Duration::from_secs(2 * 3600));
    fail("somebody@example.com".to_owned()).await;
    // The account just named, and the network.
    app.tamper(
        "UPDATE login_attempts SET failures = failures WHERE (SELECT COUNT(*) FROM login_attempts) = 2",
    )
    .await;
    app.stop().await;
}
