//! Where no webhook may point, and where no message goes.

use serde_json::json;

use super::{HOOK, Site};
use crate::support::Answering;

#[tokio::test]
async fn an_address_that_is_not_public_or_not_https_is_refused() {
    let site = Site::start().await;
    let owner = site.app.owner_client();
    for url in [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://10.1.2.3/hook",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f000001/hook",
        "https://2130706433/hook",
        "https://user:password@example.com/hook",
        "https://token@example.com/hook",
        "https://example.com/hook#fragment",
        "ftp://example.com/hook",
        "file:///etc/passwd",
        "https://",
        "example.com/hook",
        "",
    ] {
        let body = json!({"url": url, "events": ["*"]});
        let refused = owner.post("/v1/webhooks", &body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/url", "{url}: {refused}");
    }
    let long = format!("https://example.com/{}", "a".repeat(2_000));
    for body in [
        json!({"url": long, "events": ["*"]}),
        json!({"url": "https://example.com/", "events": []}),
        json!({"url": "https://example.com/", "events": ["agent.creatd"]}),
        json!({"url": "https://example.com/", "events": ["agents.*"]}),
        json!({"url": "https://example.com/", "events": ["*"], "description": "a\u{0}b"}),
        json!({"url": "https://example.com/", "events": ["*"], "secret": "whsec_mine"}),
    ] {
        owner.post("/v1/webhooks", &body).await.expect(422);
    }
    let webhook = site.webhook(HOOK, json!(["*"])).await;
    let path = format!("/v1/webhooks/{}", super::id(&webhook));
    let moved = json!({"url": "https://192.168.0.1/hook"});
    owner.patch(&path, &moved).await.expect(422);
    site.app.finish().await;
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let site = Site::start().await;
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    for status in [301, 302, 307, 308] {
        site.receiver.answer(
            HOOK,
            Answering::With(status, "location: /elsewhere\r\n", String::new()),
        );
        site.agent(&format!("agent {status}")).await;
        site.app.do_jobs().await;
        site.clock.advance(std::time::Duration::from_secs(60));
    }
    assert!(site.receiver.got_at("/elsewhere").is_empty());
    let waiting = site.deliveries(&webhook, "?status=pending").await;
    assert_eq!(waiting.len(), 4);
    site.app.finish().await;
}

#[tokio::test]
async fn little_is_kept_of_a_long_answer() {
    let site = Site::start().await;
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    site.receiver
        .answer(HOOK, Answering::With(200, "", "ä".repeat(200_000)));
    site.agent("ada").await;
    site.app.do_jobs().await;
    let delivery = &site.deliveries(&webhook, "").await[0];
    assert_eq!(delivery["status"], "delivered");
    assert_eq!(delivery["answer"].as_str().unwrap(), "ä".repeat(500));
    site.app.finish().await;
}
