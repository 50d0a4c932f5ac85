//! No request that arrives after a revocation was acknowledged is forwarded, with 500 requests a second on the way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use keystore_testkit::counts::soak;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::node::Site;

/// Requests a second together: each caller sends one every [`EVERY`].
const CALLERS: usize = 10;
const EVERY: Duration = Duration::from_millis(20);

/// In the soak an acknowledgement takes no longer in 99 of 100 cases.
const ACKNOWLEDGED: Duration = Duration::from_millis(50);

/// The token in use, and the one that was revoked last.
#[derive(Clone, Default)]
struct Tokens {
    current: String,
    revoked: Option<String>,
}

/// What the callers did.
#[derive(Default)]
struct Counts {
    sent: AtomicUsize,
    late: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_after_a_revocation_is_forwarded() {
    let rounds = soak(1_000, 50);
    let site = Site::start().await;
    let (tokens, counts) = (
        Arc::new(RwLock::new(Tokens::default())),
        Arc::new(Counts::default()),
    );
    let mut id = next_token(&site, &tokens, 0).await;
    let mut callers = JoinSet::new();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for caller in 0..CALLERS {
        let url = format!("{}/v1/openai/v1/models", site.urls().proxy);
        let first = Instant::now() + EVERY * caller as u32 / CALLERS as u32;
        let sending = call_for_ever(http.clone(), url, Arc::clone(&tokens), Arc::clone(&counts), first);
        callers.spawn(sending);
    }
    let (begun, mut took) = (Instant::now(), Vec::new());
    for round in 1..=rounds {
        tokio::time::sleep(Duration::from_millis(20 + round as u64 % 17)).await;
        let asked = Instant::now();
        let revoked = site
            .owner
            .post(&format!("/v1/tokens/{id}/revoke"), &Value::Null)
            .await;
        took.push(asked.elapsed());
        revoked.expect(200);
        {
            let mut tokens = tokens.write().unwrap();
            tokens.revoked = Some(tokens.current.clone());
        }
        // Every caller comes with it once more at least.
        tokio::time::sleep(EVERY * 2).await;
        id = next_token(&site, &tokens, round).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    callers.abort_all();
    while callers
        .join_next()
        .await
        .is_some_and(|ended| ended.unwrap_err().is_cancelled())
    {}
    assert!(callers.is_empty(), "a caller failed");
    took.sort_unstable();
    let percentile = |of: usize| took[(took.len() - 1) * of / 100];
    let (sent, late) = (
        counts.sent.load(Ordering::SeqCst),
        counts.late.load(Ordering::SeqCst),
    );
    println!(
        "{rounds} revocations, {sent} requests ({:.0} a second), {late} of them after an acknowledgement; acknowledged after {:?} (p50), {:?} (p99)",
        sent as f64 / seconds,
        percentile(50),
        percentile(99),
    );
    let forwarded = site.upstream.log();
    let forwarded_late = forwarded
        .iter()
        .filter(|seen| seen.header("x-marked") == Some("late"));
    assert_eq!(forwarded_late.count(), 0);
    assert!(forwarded.len() > rounds && late > rounds, "both kinds were sent");
    if soak(10, 1) == 10 {
        assert!(percentile(99) < ACKNOWLEDGED, "{:?}", percentile(99));
    }
}

/// Makes a token and puts it in use. Gives its id.
async fn next_token(site: &Site, tokens: &RwLock<Tokens>, round: usize) -> String {
    let new = json!({"agentId": "agent", "name": format!("t{round}")});
    let mut made = site.owner.post("/v1/tokens", &new).await.expect(201);
    let mut tokens = tokens.write().unwrap();
    tokens.current = made["token"].take().as_str().unwrap().to_owned();
    tokens.revoked = None;
    made["id"].as_str().unwrap().to_owned()
}

/// Sends at its own pace, whatever the answers take.
async fn call_for_ever(
    http: reqwest::Client,
    url: String,
    tokens: Arc<RwLock<Tokens>>,
    counts: Arc<Counts>,
    first: Instant,
) {
    let mut beats = tokio::time::interval_at(first.into(), EVERY);
    loop {
        beats.tick().await;
        // Read before the request is made: from here on the acknowledgement lies behind it.
        let Tokens { current, revoked } = tokens.read().unwrap().clone();
        let is_late = revoked.is_some();
        let mark = if is_late { "late" } else { "early" };
        let request = http
            .get(&url)
            .bearer_auth(revoked.unwrap_or(current))
            .header("x-marked", mark);
        let answer = request.send().await.unwrap();
        counts.sent.fetch_add(1, Ordering::SeqCst);
        let status = answer.status().as_u16();
        if is_late {
            assert_eq!(status, 401);
            counts.late.fetch_add(1, Ordering::SeqCst);
        } else {
            assert!([200, 401, 503].contains(&status), "{status}");
        }
        // An answer that is under way when its token is revoked is cut.
        let whole = answer.bytes().await;
        assert!(whole.is_ok() || !is_late, "{whole:?}");
    }
}
