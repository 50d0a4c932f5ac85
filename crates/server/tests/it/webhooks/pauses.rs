//! Receivers that say when they want to be asked again, and what is counted.

use std::time::Duration;

use serde_json::json;

use super::{HOOK, Site, names};
use crate::support::Answering;

/// The value of a metric; `None` where it is not shown.
async fn metric(site: &Site, name: &str) -> Option<u64> {
    let text = site.app.anonymous().get("/metrics").await.expect(200);
    let text = text.as_str().unwrap().to_owned();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_is_left_alone_as_a_whole() {
    let site = Site::start().await;
    let webhook = site.webhook(HOOK, json!(["agent.*"])).await;
    let busy = Answering::With(503, "retry-after: 1800\r\n", String::new());
    site.receiver.answer(HOOK, busy);
    site.agent("ada").await;
    site.app.do_jobs().await;
    site.agent("grace").await;
    site.receiver.status(HOOK, 204);
    site.pass(Duration::from_secs(1790), Duration::from_secs(179))
        .await;
    assert_eq!(site.receiver.got_at(HOOK).len(), 1, "not asked before");
    assert_eq!(site.deliveries(&webhook, "?status=pending").await.len(), 2);
    site.pass(Duration::from_secs(20), Duration::from_secs(20)).await;
    let told = names(&site.receiver.got_at(HOOK));
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.contains(&"grace".to_owned()), "{told:?}");

    // A day is more than anybody may ask for.
    let greedy = Answering::With(429, "retry-after: 86400\r\n", String::new());
    site.receiver.answer(HOOK, greedy);
    site.agent("edsger").await;
    site.app.do_jobs().await;
    site.receiver.status(HOOK, 204);
    site.pass(Duration::from_secs(3620), Duration::from_secs(1810))
        .await;
    assert_eq!(site.receiver.got_at(HOOK).len(), 5);
    site.app.finish().await;
}

#[tokio::test]
async fn what_is_sent_what_waits_and_what_is_given_up_is_counted() {
    let site = Site::start().await;
    site.webhook(HOOK, json!(["agent.*"])).await;
    assert_eq!(metric(&site, "keystore_webhook_pending").await, Some(0));
    // The server also sends by itself: until the receiver answers, that changes nothing.
    site.receiver.answer(HOOK, Answering::Never);
    site.agent("ada").await;
    site.clock.advance(Duration::from_secs(60));
    for name in [
        "keystore_webhook_oldest_pending_seconds",
        "keystore_webhook_overdue_seconds",
    ] {
        assert_eq!(metric(&site, name).await, Some(60), "{name}");
    }
    let refused = "keystore_webhook_attempts_total{outcome=\"refused\"}";
    let taken = "keystore_webhook_attempts_total{outcome=\"taken\"}";
    let busy = Answering::With(503, "retry-after: 3600\r\n", String::new());
    site.receiver.answer(HOOK, busy);
    site.app.do_jobs().await;
    assert_eq!(metric(&site, refused).await, Some(1));
    assert_eq!(metric(&site, "keystore_webhook_pending").await, Some(1));
    // It waits, and cannot be sent yet.
    assert_eq!(metric(&site, "keystore_webhook_overdue_seconds").await, Some(0));
    // Asked once more shortly before the end, the receiver is left alone beyond it.
    site.clock.advance(Duration::from_secs(71 * 3600 + 1800));
    site.app.do_jobs().await;
    assert_eq!(metric(&site, refused).await, Some(2));
    site.clock.advance(Duration::from_secs(1800));
    site.app.do_jobs().await;
    assert_eq!(metric(&site, "keystore_webhook_dead_total").await, Some(1));
    assert_eq!(metric(&site, "keystore_webhook_pending").await, Some(0));
    site.receiver.status(HOOK, 204);
    site.clock.advance(Duration::from_secs(3600));
    site.agent("grace").await;
    site.app.do_jobs().await;
    assert_eq!(metric(&site, taken).await, Some(1));
    site.app.finish().await;
}

#[tokio::test]
async fn what_is_given_up_while_it_is_under_way_is_counted_once() {
    let site = Site::start().await;
    site.webhook(HOOK, json!(["agent.*"])).await;
    site.receiver.answer(HOOK, Answering::Never);
    site.agent("ada").await;
    let arrived = async {
        while site.receiver.got_at(HOOK).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), arrived)
        .await
        .unwrap();
    site.clock.advance(Duration::from_secs(73 * 3600));
    site.app.do_jobs().await;
    assert_eq!(metric(&site, "keystore_webhook_dead_total").await, Some(1));
    site.receiver.status(HOOK, 500);
    let refused = "keystore_webhook_attempts_total{outcome=\"refused\"}";
    let ended = async {
        while metric(&site, refused).await != Some(1) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended)
        .await
        .unwrap();
    // What came of the attempt is written behind what is counted of it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(metric(&site, "keystore_webhook_dead_total").await, Some(1));
    site.app.finish().await;
}
