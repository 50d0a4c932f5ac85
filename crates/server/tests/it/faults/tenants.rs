//! Many tenants at once, over both protocols on both sides: every call goes out with its own tenant's credential, whatever else is cut
//! off beside it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;
use keystore_testkit::upstream::FakeUpstream;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::node::Site;

/// Calls that a tenant has running at the same time.
const CALLERS: usize = 2;

/// A tenant's way to the server.
struct Tenant {
    number: usize,
    token: String,
    proxy: String,
    http: reqwest::Client,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_ever_mixed_up() {
    let (calls, tenants) = (soak(100_000, 600), soak(50, 5));
    let mut site = Site::start().await;
    let mut running = JoinSet::new();
    for number in 0..tenants {
        // A half of them is served over plain HTTP/1.1, a half over TLS and HTTP/2.
        let upstream = if number % 2 == 0 {
            &site.upstream
        } else {
            &site.over_tls
        };
        let tenant = std::sync::Arc::new(tenant(&site, number, upstream).await);
        for caller in 0..CALLERS {
            let (tenant, count) = (std::sync::Arc::clone(&tenant), calls / tenants / CALLERS);
            running.spawn(async move { call(&tenant, caller, count).await });
        }
    }
    let left: usize = running.join_all().await.into_iter().sum();
    let mut versions = Vec::new();
    let mut seen_in_all = 0;
    for upstream in [&site.upstream, &site.over_tls] {
        let log = upstream.log();
        seen_in_all += log.len();
        versions.push(log[0].version);
        for seen in log {
            let number: usize = seen.header("x-tenant").unwrap().parse().unwrap();
            let values: Vec<&str> = seen.credentials.iter().map(|one| one.value.as_str()).collect();
            assert_eq!(values, [secret(number)], "the credential of tenant {number}");
        }
    }
    assert_eq!(versions, [http::Version::HTTP_11, http::Version::HTTP_2]);
    println!("{calls} calls of {tenants} tenants, {left} left, {seen_in_all} forwarded");
    assert!(
        seen_in_all > calls * 6 / 10 && left > calls / 10,
        "{seen_in_all} {left}"
    );
    site.stop().await;
}

fn secret(number: usize) -> String {
    format!("sk-tenant-canary-{number:04}")
}

/// A tenant with its own credential and agent. One person owns them all: so many sign-ups from one address are slowed down.
async fn tenant(site: &Site, number: usize, upstream: &FakeUpstream) -> Tenant {
    let owner = &site.owner;
    let org = json!({"name": format!("Tenant {number}")});
    let org = owner.post("/v1/orgs", &org).await.expect(201);
    let switch = json!({"orgId": org["id"]});
    owner.post("/v1/auth/switch-org", &switch).await.expect(200);
    let credential = json!({"provider": "openai", "secret": secret(number), "baseUrl": upstream.url()});
    owner.post("/v1/credentials", &credential).await.expect(201);
    let grants = json!([{"name": "openai", "source": "byok"}]);
    let token = json!({"name": "a", "providers": grants, "rpmLimit": 1_000_000, "rpdLimit": 1_000_000,
        "budgetCentsMonthly": 100_000_000});
    let made = owner.post("/v1/tokens", &token).await.expect(201);
    Tenant {
        number,
        token: made["token"].as_str().unwrap().to_owned(),
        proxy: site.urls().proxy,
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
    }
}

/// Makes calls of every kind, over one protocol or the other. How many were left half-way.
async fn call(tenant: &Tenant, caller: usize, count: usize) -> usize {
    let mut dice = Dice::new((tenant.number * CALLERS + caller) as u64);
    let h2 = (caller % 2 == 1).then_some(connect(&tenant.proxy).await);
    let mut left = 0;
    for number in 0..count {
        let body = json!({"model": "gpt-4o-mini", "stream": dice.hits(50), "max_tokens": 20,
            "messages": [{"role": "user", "content": "How many, and why?"}]});
        let fake = [
            "",
            "",
            "chunk-delay-ms=1",
            "head-delay-ms=3",
            "abort-after=2",
            "status=500",
        ][number % 6];
        let patience = match dice.hits(30) {
            true => Duration::from_micros(dice.below(12_000)),
            false => Duration::from_secs(30),
        };
        let exchange = async {
            match &h2 {
                Some(sender) => over_h2(tenant, sender.clone(), fake, body.to_string()).await,
                None => over_h1(tenant, fake, body.to_string()).await,
            }
        };
        if tokio::time::timeout(patience, exchange).await.is_err() {
            left += 1;
        }
    }
    left
}

const CHAT: &str = "/v1/openai/v1/chat/completions";

async fn over_h1(tenant: &Tenant, fake: &str, body: String) {
    let request = tenant
        .http
        .post(format!("{}{CHAT}", tenant.proxy))
        .bearer_auth(&tenant.token)
        .header("x-tenant", tenant.number.to_string())
        .header("x-fake", fake)
        .body(body);
    if let Ok(answer) = request.send().await {
        // Some are told to break off.
        let _ = answer.bytes().await;
    }
}

async fn over_h2(tenant: &Tenant, mut sender: http2::SendRequest<Full<Bytes>>, fake: &str, body: String) {
    let request = http::Request::post(format!("{}{CHAT}", tenant.proxy))
        .header("authorization", format!("Bearer {}", tenant.token))
        .header("x-tenant", tenant.number.to_string())
        .header("x-fake", fake)
        .body(Full::from(body))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let _ = answer.into_body().collect().await;
}

/// One HTTP/2 connection to the proxy.
async fn connect(proxy: &str) -> http2::SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(proxy.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}
