//! Reminders of credentials that end or should be rotated.

use std::time::Duration;

use keystore_core::{Clock, Micros};
use keystore_testkit::clock::MockClock;
use serde_json::json;

use crate::support::{CANARY, TestApp};

const DAY: Duration = Duration::from_secs(86_400);

const OWNER: &str = "owner@example.com";

fn in_days(clock: &MockClock, days: u32) -> Micros {
    clock.now().plus(days * DAY)
}

async fn with_dates(app: &TestApp, dates: serde_json::Value) {
    let made = app.create_credential("openai").await;
    let path = format!("/v1/credentials/{}", made["id"].as_str().unwrap());
    app.owner_client().patch(&path, &dates).await.expect(200);
}

fn reminders_to(app: &TestApp, to: &str) -> usize {
    app.mails_about(to, "ks provider rotate")
}

#[tokio::test]
async fn owners_and_admins_get_each_reminder_once_whatever_happens_to_the_servers() {
    let (app, clock, smtp) = TestApp::mailing().await;
    app.member(app.owner_client(), "admin@example.com", "admin").await;
    app.member(app.owner_client(), "member@example.com", "member")
        .await;
    let expires_at = in_days(&clock, 6);
    with_dates(&app, json!({"expiresAt": expires_at.to_string()})).await;
    let counts = |app: &TestApp| {
        ["owner", "admin", "member"].map(|name| reminders_to(app, &format!("{name}@example.com")))
    };

    app.do_jobs().await;
    assert_eq!(counts(&app), [1, 1, 0]);
    let words = format!(
        "The key openai in the project default of Acme Inc on Keystore ({}) ends at {expires_at}.",
        app.api_url()
    );
    assert_eq!(app.mails_about(OWNER, &words), 1, "{:#?}", smtp.said());
    app.do_jobs().await;
    let app = app.restart().await;
    app.do_jobs().await;
    assert_eq!(counts(&app), [1, 1, 0], "none is given twice");

    clock.advance(5 * DAY);
    smtp.refuse(true);
    app.do_jobs().await;
    app.do_jobs().await;
    assert_eq!(counts(&app), [1, 1, 0]);
    let app = app.restart().await;
    smtp.refuse(false);
    app.do_jobs().await;
    assert_eq!(counts(&app), [1, 1, 0], "it is not tried again at once");
    clock.advance(Duration::from_secs(60));
    app.do_jobs().await;
    assert_eq!(counts(&app), [2, 2, 0], "nor forgotten");
    clock.advance(Duration::from_secs(3600));
    app.do_jobs().await;
    assert_eq!(counts(&app), [2, 2, 0]);
    assert!(smtp.said().iter().all(|line| !line.contains(CANARY)));
    app.finish().await;
}

#[tokio::test]
async fn a_key_that_was_rotated_meanwhile_is_not_written_about() {
    let (app, clock, smtp) = TestApp::mailing().await;
    with_dates(&app, json!({"rotateAfter": in_days(&clock, 1).to_string()})).await;
    smtp.refuse(true);
    app.do_jobs().await;
    smtp.refuse(false);
    let listed = app.owner_client().get("/v1/credentials").await.expect(200);
    let path = format!(
        "/v1/credentials/{}/rotate",
        listed["data"][0]["id"].as_str().unwrap()
    );
    let rotated = json!({"secret": CANARY, "rotateAfter": in_days(&clock, 90).to_string()});
    app.owner_client().post(&path, &rotated).await.expect(200);
    clock.advance(Duration::from_secs(60));
    app.do_jobs().await;
    assert_eq!(reminders_to(&app, OWNER), 0);
    assert_eq!(app.number("SELECT COUNT(*) FROM event_mails").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn without_a_mail_server_no_mail_waits_for_one() {
    let (app, clock) = TestApp::clocked().await;
    with_dates(&app, json!({"expiresAt": in_days(&clock, 6).to_string()})).await;
    app.do_jobs().await;
    app.deliver_mails();
    app.do_jobs().await;
    assert_eq!(reminders_to(&app, OWNER), 0);
    app.finish().await;
}
